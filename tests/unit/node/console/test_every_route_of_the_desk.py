"""Every route of the desk: who may, what leaves an audit row, what protects each answer, what never breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.console.looked_up import LOOKUPS
from port2port.console.roles import Role
from tests.fakes import walks
from tests.fakes.desk_console import DeskConsole, DeskVisitor, desk_console

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = "viewer officer approver"
WRITES = "officer approver"
DECIDES = "approver"
ROLES = {
    "GET /": READS,
    "GET /queue": READS,
    "POST /queue/seen": WRITES,
    "POST /queue/reject": DECIDES,
    "GET /drafts/{draft}": READS,
    "POST /drafts/{draft}/take-over": DECIDES,
    "POST /drafts/{draft}/readers": DECIDES,
    "POST /drafts/{draft}/publish": DECIDES,
    "POST /drafts/{draft}/reject": DECIDES,
    "GET /acts": READS,
    "GET /acts/{act}": READS,
    "GET /acts/{act}/state": READS,
    "GET /acts/{act}/now": READS,
    "GET /acts/{act}/seen-by/{member}": READS,
    "POST /acts/{act}/options": DECIDES,
    "POST /acts/{act}/sign": DECIDES,
    "POST /acts/{act}/withdraw": DECIDES,
    "POST /acts/{act}/check": DECIDES,
    "GET /sent": READS,
    "GET /sent-rows": READS,
    "GET /sent/{ident:path}": READS,
    "GET /sent-progress/{ident:path}": READS,
    "POST /recall": DECIDES,
    "GET /map": READS,
    "GET /watch": READS,
    "GET /watch/now": READS,
    "GET /watch/hits/{hit}": READS,
    "GET /watch/indicators/{issuer}/{stix_id}": READS,
    "POST /watch/indicators/{issuer}/{stix_id}/read": WRITES,
    "POST /watch/hits/{hit}/preview": DECIDES,
    "POST /watch/hits/{hit}/confirm": DECIDES,
    "POST /watch/hits/{hit}/not-the-same": DECIDES,
    "POST /watch/hits/{hit}/mute": DECIDES,
    "GET /shift": READS,
    "POST /shift/hand-over": WRITES,
    "POST /shift/accept": WRITES,
    "GET /works": READS,
    "POST /works": DECIDES,
    "POST /works/call-off": WRITES,
    "GET /lookup": WRITES,
    "POST /lookup": WRITES,
    "GET /report": WRITES,
    "POST /report/paste": WRITES,
    "GET /report/{kind}": WRITES,
    "POST /report/{kind}": WRITES,
    "POST /report/{kind}/start": WRITES,
    "GET /photos/{draft}/{digest}": READS,
    "GET /alarm": READS,
    "POST /alarm/seen": WRITES,
    "GET /levels": READS,
    "GET /levels/now": READS,
    "GET /levels/banner": READS,
    "POST /levels/read": WRITES,
    "GET /levels/set": DECIDES,
    "POST /levels/set": DECIDES,
    "GET /duty": "viewer officer approver admin",
    "GET /duty/now": "viewer officer approver admin",
    "GET /duty/notices": "approver admin",
    "POST /duty/swaps": WRITES,
    "POST /duty/swaps/{swap}/agree": WRITES,
    "POST /duty/swaps/{swap}/decline": WRITES,
    "POST /confirm": "officer approver auditor",
    "GET /rules": "officer approver auditor admin",
    "GET /exports": "officer approver auditor",
    "POST /exports/statements": WRITES,
    "POST /exports/rules": WRITES,
    "POST /exports/audit": "auditor",
    "GET /photos/{draft}/{digest}/small": READS,
    "GET /status": "everybody",
    "GET /audit": "auditor",
    "GET /suppressions": "viewer officer approver auditor",
    "POST /suppressions/end": DECIDES,
    "POST /suppressions/except": DECIDES,
    "POST /me/keys/options": WRITES,
    "POST /me/keys/offer": WRITES,
    "POST /me/keys/lost": WRITES,
    "GET /accounts/keys": "admin",
    "POST /accounts/keys/lost": "admin",
}
# a look-up of a container, badge, vehicle or person, which needs a case: see test_lookups.py
POSTED = {"/lookup"}
# pages that list, or say how things stand, and forms that are empty
LISTS = {
    "/",
    "/queue",
    "/acts",
    "/sent",
    "/sent-rows",
    "/map",
    "/watch",
    "/watch/now",
    "/shift",
    "/works",
    "/duty",
    "/duty/now",
    "/duty/notices",
    "/report",
    "/report/{kind}",
    "/alarm",
    "/levels",
    "/levels/now",
    "/levels/banner",
    "/levels/set",
    "/status",
    "/suppressions",
    "/rules",
    "/exports",
    "/me",
    "/accounts",
    "/accounts/keys",
    "/sign-in",
    "/sign-in/oidc/back",
    "/enrol",
    "/static/{digest}/{name:path}",
}
VALUES = {
    "draft": "D1",
    "act": "A1",
    "member": "belgg",
    "ident": "D1",
    "hit": "1",
    "kind": "vessel",
    "digest": "0" * 64,
}
EVERYTHING = tuple(Role)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("desk")) as made:
        made.draft()
        yield made


def everything(console: DeskConsole) -> DeskVisitor:
    """A browser of somebody with every role."""
    return console.visitor("e9", *EVERYTHING)


def test_each_route_asks_for_the_roles_of_the_table_and_no_route_is_outside_it(console: DeskConsole) -> None:
    assert walks.role_table(console.app) == walks.expected(ROLES)


@pytest.mark.parametrize("role", EVERYTHING)
def test_without_the_role_every_route_is_one_that_is_not_there(console: DeskConsole, role: Role) -> None:
    visitor = console.visitor(f"r-{role.value}", role)
    token = walks.token_of(visitor, "/status")
    for name, allowed in walks.expected(ROLES).items():
        method, _, path = name.partition(" ")
        if allowed in {"public", "everybody"} or role.value in allowed.split() or name == walks.START:
            continue
        assert visitor.client.request(method, walks.filled(path, VALUES), headers=token).status_code == 404, name


@pytest.mark.parametrize("role", EVERYTHING)
def test_who_comes_in_is_led_to_a_page_that_he_may_read(console: DeskConsole, role: Role) -> None:
    visitor = console.visitor(f"s-{role.value}", role)
    answer = visitor.get("/")
    if role.value not in READS.split():
        assert answer.status_code == 303
        answer = visitor.get(answer.headers["location"])
    assert answer.status_code == 200


def test_every_reading_route_is_a_look_up_or_a_list(console: DeskConsole) -> None:
    assert set(walks.paths(console.app, "GET")) == set(LOOKUPS) | POSTED | LISTS
    assert not set(LOOKUPS) & LISTS


@pytest.mark.parametrize("path", LOOKUPS)
def test_every_look_up_leaves_a_row_and_the_same_again_leaves_none(console: DeskConsole, path: str) -> None:
    visitor, address = everything(console), walks.filled(path, VALUES)
    before = len(console.audit())
    assert visitor.get(address).status_code in {200, 404}
    assert len(console.audit()) == before + 1
    visitor.get(address)
    assert len(console.audit()) == before + 1
    console.fed.clock.advance(300)
    visitor.get(address)
    assert len(console.audit()) == before + 2


def test_what_the_auditor_looks_for_in_the_trail_stands_in_it(console: DeskConsole) -> None:
    visitor = everything(console)
    visitor.get("/audit?subject=D1")
    visitor.get("/drafts/d1")
    visitor.get("/drafts/D404")
    shown = visitor.get("/audit").text
    for words in ("audit-read", "draft-opened", "D404", "e9"):
        assert words in shown


def test_every_kind_of_answer_carries_what_protects_it(console: DeskConsole) -> None:
    answers = walks.every_kind_of_answer(everything(console), console.stranger(), VALUES)
    assert {name for name, one in answers if not walks.has_all_headers(one)} == set()


def test_who_is_signed_out_is_told_nothing_by_any_route(console: DeskConsole) -> None:
    stranger = console.stranger()
    token = walks.token_of(stranger, "/sign-in")
    for name, allowed in walks.expected(ROLES).items():
        method, _, path = name.partition(" ")
        if allowed != "public":
            answer = stranger.client.request(method, walks.filled(path, VALUES), headers=token)
            assert (answer.status_code, answer.text) == (303, ""), name
            assert answer.headers["location"].startswith("/sign-in?"), name


def test_every_form_is_refused_without_its_token(console: DeskConsole) -> None:
    visitor = everything(console)
    for path in walks.paths(console.app, "POST"):
        assert visitor.client.post(walks.filled(path, VALUES)).status_code == 403, path


@pytest.mark.slow
def test_no_odd_request_breaks_a_route(console: DeskConsole) -> None:
    assert walks.broken(everything(console), VALUES, "/status") == []
