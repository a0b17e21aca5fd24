"""Non-interference at the desk: what a person or this member may not read changes no byte of any page.

Each test compares two worlds that differ in nothing else, over every address of the table of routes, as pages and as
pieces, with what is not there, cursors and filters, and over what is heard on the live stream.
"""

from __future__ import annotations

import contextlib
import dataclasses
from functools import partial
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from node import store
from node.console import desk_pages
from node.store import AuditLine
from node.tables import DraftRow
from port2port.clock import to_ms
from port2port.console.app import Section, build
from port2port.console.people import needs
from port2port.console.roles import Role
from port2port.stix import objects as stix
from port2port.tlp import Tlp
from tests.fakes.busy_consoles import busy_desk
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import B, a_finding
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.routes import DESK, Kind, Known
from tests.fakes.two_worlds import differing, heard, plain, told
from tests.fakes.watching import a_hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

BOX, ABSENT_BOX = "CSQU3054383", "TGHU1234562"
# who answers for the rules reads how often each of them fired, and an auditor what was done
MAY_READ = {Role.AUDITOR: {"/audit", "/rules"}, Role.ADMIN: {"/rules"}}
ENTRIES = 16
# all of them in the slow walk, and one in the quick one
ROLES = [role if role is Role.APPROVER else pytest.param(role, marks=pytest.mark.slow) for role in Role]
LEAK = Known(path="/leak", kind=Kind.PIECE)
World = tuple[DeskConsole, dict[str, str]]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Callable[..., tuple[World, World]]]:
    """Makes two consoles; ``change`` is done in both, and told whether it is the loud one."""
    with contextlib.ExitStack() as stack:

        def make(change: Callable[..., dict[str, str]]) -> tuple[World, World]:
            worlds = []
            for loud in (True, False):
                home = tmp_path / str(loud)
                home.mkdir()
                fed = Federation(members=("beanr", B, "belgg"), desk_keys=3)
                console = stack.enter_context(desk_console(home, fed=fed))
                worlds.append((console, change(console, loud=loud)))
            return worlds[0], worlds[1]

        yield make


def compared(worlds: tuple[World, World], role: Role, table: tuple[Known, ...] = DESK) -> list[str]:
    """What a person of this role is told differently; what is drawn at random is called by its own name in each."""
    hidden = {name: value for name, value in worlds[0][1].items() if name == "hidden"}
    pages = [told(console.visitor(f"p-{role.value}", role), table, values | hidden) for console, values in worlds]
    ears = [heard(console, role) for console, _ in worlds]
    return differing(*pages) + ([] if ears[0] == ears[1] else ["/live"])


def box(console: DeskConsole, number: str) -> bytes:
    return console.fed.indicator(
        B, name="broken seal", tlp=Tlp.AMBER, pattern=stix.pattern_equals("freight-container:number", [number])
    )


def addressed_elsewhere(console: DeskConsole, *, loud: bool) -> dict[str, str]:
    """A busy desk; then an entry of one member for another, about much or about little."""
    values = busy_desk(console)
    publish = partial(console.fed.publish, B, tlp=Tlp.AMBER, recipients=("belgg",))
    made = box(console, BOX)
    raw = publish(objects=[made], handling="act") if loud else publish()
    console.harbour.feed.log(raw)
    console.pull()
    return {**values, "hidden": stix_id_of(made)}


HIDDEN_ADDRESSES = (
    Known(path="/watch/indicators/{issuer}/{hidden}"),
    Known(path="/sent/{hidden}"),
    Known(path="/sent-progress/{hidden}"),
)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_addressed_to_another_member_changes_no_page(
    two: Callable[..., tuple[World, World]], role: Role
) -> None:
    worlds = two(addressed_elsewhere)
    assert compared(worlds, role, (*DESK, *HIDDEN_ADDRESSES)) == []
    answers = [asked(console, BOX, case="2026/114", reason="seal found broken") for console, _ in worlds]
    assert answers[0] == answers[1]
    assert "Not listed" in answers[0]


def asked(console: DeskConsole, value: str, **fields: str) -> str:
    """The answer to a look-up, without what was typed."""
    visitor = console.visitor("asker", Role.OFFICER)
    answer = visitor.send("/lookup", "/lookup", kind="container", value=value, **fields)
    return f"{answer.status_code} {plain(answer.text).replace(value, '')}"


def at_the_desk(console: DeskConsole, *, loud: bool) -> dict[str, str]:
    """A busy desk; in one world with more of everything: drafts, evidence, what was sent, hits, and what is handed over."""
    values = busy_desk(console)
    if loud:
        console.draft(a_finding(mmsi="205000008"))
        visitor = console.visitor("o1")
        visitor.send("/shift/hand-over", "/shift", lines="Crane 4 is dark.")
        visitor.send(f"/acts/{values['act']}/withdraw", f"/acts/{values['act']}")
        console.desk.publish(console.draft(a_finding(mmsi="205000009")))
        a_hit(console.harbour, console.desk)
        console.desk.send()
        desk_pages.tell(console.context)
    while len(console.harbour.feed.leaves) < ENTRIES:  # how long the log is, everybody may know
        console.harbour.feed.log(console.fed.publish(B, tlp=Tlp.AMBER, recipients=("belgg",)))
    console.pull()
    return values


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR, pytest.param(Role.COORDINATOR, marks=pytest.mark.slow)])
def test_what_stands_at_the_desk_is_told_to_nobody_without_a_role_there(
    two: Callable[..., tuple[World, World]], role: Role
) -> None:
    found = {one.removeprefix("piece ").partition("?")[0] for one in compared(two(at_the_desk), role)}
    assert found == MAY_READ.get(role, set())


def written_down(console: DeskConsole, *, loud: bool) -> dict[str, str]:
    """A busy desk; in one world another officer has looked somebody up for a case of his."""
    values = busy_desk(console)
    rows = [AuditLine(at_ms=to_ms(console.context.now), officer="o2", action="look-up", subject="person", facts=b"{}")]
    for line in rows * (3 if loud else 0):
        console.do(lambda c, line=line: store.audit(c, line))
    return values


@pytest.mark.slow
@pytest.mark.parametrize("role", [Role.AUDITOR, Role.OFFICER])
def test_what_stands_in_the_trail_is_told_to_auditors_alone(
    two: Callable[..., tuple[World, World]], role: Role
) -> None:
    assert ("/audit" in compared(two(written_down), role)) == (role is Role.AUDITOR)


@pytest.mark.slow
@pytest.mark.parametrize("role", [one for one in Role if one is not Role.AUDITOR])
def test_what_stands_in_the_trail_changes_no_page_of_others(
    two: Callable[..., tuple[World, World]], role: Role
) -> None:
    assert compared(two(written_down), role) == []


def test_a_look_up_without_a_case_answers_the_same_for_what_is_listed_and_what_is_not(tmp_path: Path) -> None:
    with desk_console(tmp_path) as console:
        raw = console.fed.publish(B, objects=[box(console, BOX)], tlp=Tlp.AMBER, groups=("seaports",))
        console.harbour.feed.log(raw)
        console.pull()
        for fields in ({}, {"case": "2026/114"}, {"reason": "seal"}, {"case": "*", "reason": "seal"}):
            assert asked(console, BOX, **fields) == asked(console, ABSENT_BOX, **fields), fields
        known = {"case": "2026/114", "reason": "seal found broken"}
        assert asked(console, BOX, **known) != asked(console, ABSENT_BOX, **known)


def leaking(console: DeskConsole) -> None:
    """A view for everybody that counts the drafts, and tells everybody that there is one."""

    async def leak(_request: Request) -> Response:
        return PlainTextResponse(str(console.desk.count(DraftRow)))

    section = Section(name="node", package="node.console", routes=(Route("/leak", needs()(leak)),))
    parts = dataclasses.replace(console.parts, sections=(*console.parts.sections, section))
    console.__dict__["app"] = build(parts)
    for _ in range(console.desk.count(DraftRow)):
        console.context.live.publish("leak", "changed", {})


def test_the_walk_would_notice_a_view_that_leaks(two: Callable[..., tuple[World, World]]) -> None:
    worlds = two(at_the_desk)
    for console, _ in worlds:
        leaking(console)
    found = compared(worlds, Role.ADMIN, (LEAK,))
    assert {"/leak", "/live"} <= set(found)


@pytest.mark.slow
def test_a_role_that_may_read_sees_the_difference(two: Callable[..., tuple[World, World]]) -> None:
    found = compared(two(at_the_desk), Role.VIEWER)
    assert {"/", "/queue", "/shift"} <= set(found)
