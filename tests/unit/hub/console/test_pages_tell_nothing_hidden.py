"""Non-interference: what a reader may not read changes no byte of any page of the hub, but hashes of leaves.

Two worlds have the same log but for one entry that the reader may not read. Every route that is read is walked, those
of rooms to come too; a route with a parameter that this test does not know fails it.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from starlette.routing import Route

from hub.tables import RECEIPT
from port2port.clock import to_ms
from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture import PictureDesk
from tests.fakes.picture_console import PictureConsole, picture_console

READER = "north-sea-port"
HIDDEN = 3
OTHER = 2
# files that are public, streams, and the two pages that offer a fresh secret for an authenticator: nothing of the log is there
EVERYBODYS = {"/live", "/static/{digest}/{name:path}", "/profile/{version}/{name:path}", "/enrol", "/me"}
VALUES = {
    "member": ["beanr", "belgg"],
    "index": [str(OTHER), str(HIDDEN)],
    "ident": ["1"],
    "consumer": ["ndc-siem", "nsp-siem"],
}
_HASHES = re.compile(
    r"urn:uuid:[0-9a-f-]{36}|(?:[0-9a-f]{4} ){15}[0-9a-f]{4}|[0-9a-f]{16,64}…?|(?<![\w+/])[A-Za-z0-9+/]{40,}={0,2}(?![\w+/=])|nonce=\"[^\"]*\""
)
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")


def world(console: PictureConsole, *, loud: bool) -> None:
    """Something everybody reads, then something for one other member: much or little, whichever world it is."""
    desk, fed = console.desk, console.desk.fed
    console.consumer("ndc-siem")
    console.consumer("nsp-siem", READER)
    desk.admit([fed.publish("beanr", handling="call_first")])
    publish = partial(fed.publish, "beanr", tlp=Tlp.AMBER, recipients=("belgg",))
    desk.admit([publish(handling="act", objects=[fed.indicator("beanr", tlp=Tlp.AMBER)]) if loud else publish()])
    if loud:
        answered(desk, HIDDEN, "belgg")
    fed.clock.advance(11 * 60)


def answered(desk: PictureDesk, index: int, member: str) -> None:
    """A member's officer has opened an entry of beanr."""
    row = {"issuer": "beanr", "number": index, "index": index, "member": member, "state": "seen", "receipt": b""}
    row |= {"key_id": "", "sig": b"", "received_ms": to_ms(desk.fed.clock.now())}
    desk.store.database.write_now(lambda c: c.execute(RECEIPT.insert(), [row]))


def paths_of(console: PictureConsole) -> list[str]:
    """Every address that is read; one with a parameter for each entry, and for the members."""
    found = []
    for route in console.app.routes:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()) or route.path in EVERYBODYS:
            continue
        found += filled(route.path)
    return sorted(set(found))


def filled(path: str) -> list[str]:
    """A path with every value that its parameter has in these worlds."""
    choices = [VALUES[name] for name in re.findall(r"{(\w+)(?::\w+)?}", path)]
    return [re.sub(r"{.*?}", "%s", path) % given for given in product(*choices)]


def told(console: PictureConsole, role: Role) -> dict[str, tuple[int, str]]:
    """Status and text of every page, without the hashes."""
    visitor = console.visitor(READER, role)
    queries = [
        "/?class=decision",
        "/?severity=critical+high",
        f"/?item={HIDDEN}",
        "/?text=identity",
        "/log?member=beanr",
    ]
    pages = {}
    for path in [*paths_of(console), *queries, f"/log?leaf={HIDDEN}"]:
        answer = visitor.get(path)
        pages[path] = (answer.status_code, _TIMES.sub("", _HASHES.sub("", answer.text)))
    return pages


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.AUDITOR])
def test_what_is_hidden_changes_no_page(tmp_path: Path, role: Role) -> None:
    pages = []
    for loud in (False, True):
        home = tmp_path / str(loud)
        home.mkdir()
        with picture_console(home, fed=Federation()) as console:
            world(console, loud=loud)
            pages.append(told(console, role))
    first, second = pages
    assert first.keys() == second.keys()
    assert len(first) > 15
    for path, answer in first.items():
        assert answer == second[path], path
    assert all(status < 500 for status, _ in first.values())


def test_the_walk_would_notice(tmp_path: Path) -> None:
    pages = []
    for loud in (False, True):
        home = tmp_path / str(loud)
        home.mkdir()
        with picture_console(home, fed=Federation()) as console:
            world(console, loud=loud)
            text = console.visitor("belgg").get("/picture/feed").text
            pages.append(_TIMES.sub("", _HASHES.sub("", text)))
    assert pages[0] != pages[1]


def test_what_another_member_answered_is_told_to_coordinators_and_to_nobody_else(tmp_path: Path) -> None:
    with picture_console(tmp_path, fed=Federation()) as console:
        world(console, loud=False)

        def pages() -> dict[Role, list[str]]:
            paths = ("/", "/picture/feed", "/picture/strip", f"/?item={OTHER}", "/levels", "/briefing", f"/log/{OTHER}")
            visitors = {role: console.visitor(READER, role) for role in (Role.APPROVER, Role.COORDINATOR)}
            return {
                role: [_TIMES.sub("", _HASHES.sub("", visitor.get(path).text)) for path in paths]
                for role, visitor in visitors.items()
            }

        before = pages()
        answered(console.desk, OTHER, "belgg")
        console.context.shared.forget()  # as telling of it does: until then persons of one member share what was said
        after = pages()
    assert before[Role.APPROVER] == after[Role.APPROVER]
    changed = [one != other for one, other in zip(before[Role.COORDINATOR], after[Role.COORDINATOR], strict=True)]
    assert changed[:4] == [True] * 4
