"""Every route of the hub's console: who may, what leaves an audit row, what protects each answer, what never breaks."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from hub.console.looked_up import LOOKUPS
from port2port.console.roles import Role
from port2port.stix import publishing
from tests.fakes import walks
from tests.fakes.picture_console import PictureConsole, PictureVisitor, picture_console

if TYPE_CHECKING:
    from collections.abc import Iterator

READS = "viewer officer approver coordinator"
ACTS = "officer approver coordinator"
LEADS = "coordinator admin"
LOG = "viewer officer approver coordinator auditor"
ROLES = {
    "GET /": READS,
    "GET /picture/strip": READS,
    "GET /picture/feed": READS,
    "GET /picture/spill-over": READS,
    "GET /picture/drawn": READS,
    "POST /picture/not-related": ACTS,
    "POST /picture/acknowledge": ACTS,
    "POST /picture/views": READS,
    "POST /picture/views/forget": READS,
    "GET /incidents": READS,
    "POST /incidents": ACTS,
    "GET /incidents/{ident}": READS,
    "POST /incidents/{ident}/{deed}": ACTS,
    "GET /levels": READS,
    "GET /levels/now": READS,
    "GET /briefing": READS,
    "GET /members": "everybody",
    "POST /members/confirm": LEADS,
    "POST /members/invite": LEADS,
    "POST /members/approve": LEADS,
    "POST /members/admit": LEADS,
    "POST /members/group": LEADS,
    "GET /members/{member}": "everybody",
    "GET /members/{member}/revoke": LEADS,
    "POST /members/{member}/revoke": LEADS,
    "GET /members/{member}/status": LEADS,
    "POST /members/{member}/status": LEADS,
    "GET /consumers": "everybody",
    "GET /consumers/{consumer}": "everybody",
    "GET /log": LOG,
    "GET /log/genesis": LOG,
    "GET /log/consistency": LOG,
    "GET /log/compare": LOG,
    "POST /log/compare": LOG,
    "GET /log/{index:int}": LOG,
    "GET /log/{index:int}/proof": LOG,
    "GET /log/{index:int}/bundle": LOG,
    "POST /log/{index:int}/download": LOG,
    "GET /audit": "auditor admin",
    "GET /exports": "everybody",
    "POST /exports/confirm": "everybody",
    "POST /exports/picture": READS,
    "POST /exports/briefing": READS,
    "POST /exports/audit": "auditor admin",
    "GET /profile/{version}/{name:path}": "public",
}
# what the rest of the reading routes are asked, and the row that says so; they write it themselves
BY_THEMSELVES = {
    "/log": ("?member=beanr", "log.search"),
    "/log/{index:int}/bundle": ("", "log.bundle"),
    "/incidents/{ident}": ("", "incident.read"),
    "/briefing": ("?first=2026-11-20&last=2026-11-22&size=1", "briefing.read"),
    "/audit": ("?event=x", "audit.read"),
}
# pages that list what their reader may read, or say how things stand, and answer no question about anything
LISTS = {
    "/picture/strip",
    "/incidents",
    "/levels",
    "/levels/now",
    "/members",
    "/consumers",
    "/exports",
    "/log/genesis",
    "/log/consistency",
    "/log/compare",
    "/me",
    "/accounts",
    "/sign-in",
    "/sign-in/oidc/back",
    "/enrol",
    "/static/{digest}/{name:path}",
    "/profile/{version}/{name:path}",
}
QUERIES = {
    "/": "?text=identity&item=2",
    "/consumers/{consumer}": "",
    "/members/{member}": "",
    "/members/{member}/status": "?operation=suspend-member",
    "/members/{member}/revoke": "?key=none",
}
EVERYTHING = tuple(Role)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureConsole]:
    with picture_console(tmp_path_factory.mktemp("hub")) as made:
        made.desk.admit([made.desk.fed.publish("beanr", handling="call_first")])
        yield made


@pytest.fixture(scope="module")
def values(console: PictureConsole) -> dict[str, str]:
    opened = console.visitor("beanr", *EVERYTHING).send("/incidents", row="2").headers["location"]
    return {
        "consumer": console.consumer("ndc-siem"),
        "member": "belgg",
        "index": "2",
        "ident": opened.rpartition("/")[2],
        "deed": "note",
    }


def events(console: PictureConsole) -> list[str]:
    with console.desk.store.database.engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT event FROM audit ORDER BY rowid")]


def test_each_route_asks_for_the_roles_of_the_table_and_no_route_is_outside_it(console: PictureConsole) -> None:
    assert walks.role_table(console.app) == walks.expected(ROLES)


@pytest.mark.parametrize("role", EVERYTHING)
def test_without_the_role_every_route_is_one_that_is_not_there(
    console: PictureConsole, values: dict[str, str], role: Role
) -> None:
    visitor = console.visitor("beanr", role)
    token = walks.token_of(visitor)
    for name, allowed in walks.expected(ROLES).items():
        method, _, path = name.partition(" ")
        if allowed in {"public", "everybody"} or role.value in allowed.split() or name == walks.START:
            continue
        answer = visitor.client.request(method, walks.filled(path, values), headers=token)
        assert answer.status_code == 404, name


@pytest.mark.parametrize("role", EVERYTHING)
def test_who_comes_in_is_led_to_a_page_that_he_may_read(console: PictureConsole, role: Role) -> None:
    visitor = console.visitor("beanr", role)
    answer = visitor.get("/")
    if role.value not in READS.split():
        assert answer.status_code == 303
        answer = visitor.get(answer.headers["location"])
    assert answer.status_code == 200


def test_every_reading_route_is_a_look_up_or_a_list(console: PictureConsole) -> None:
    reading = set(walks.paths(console.app, "GET"))
    assert reading == set(LOOKUPS) | set(BY_THEMSELVES) | LISTS
    assert not set(LOOKUPS) & LISTS


def asked(path: str, values: dict[str, str]) -> tuple[str, str]:
    """The address of a look-up, and its row."""
    query, event = BY_THEMSELVES.get(path, (QUERIES.get(path, "?text=identity"), ""))
    return walks.filled(path, values) + query, event


@pytest.mark.parametrize("path", [*LOOKUPS, *BY_THEMSELVES])
def test_every_look_up_leaves_a_row(console: PictureConsole, values: dict[str, str], path: str) -> None:
    address, event = asked(path, values)
    visitor = console.visitor("beanr", *EVERYTHING)
    before = len(events(console))
    assert visitor.get(address).status_code == (404 if address.endswith("?key=none") else 200)
    written = events(console)[before:]
    assert written
    assert not event or event in written


def test_the_row_says_who_when_what_from_where_and_whether_it_was_found(console: PictureConsole) -> None:
    visitor = console.visitor("beanr", *EVERYTHING)
    visitor.get("/picture/feed?text=mersey")
    visitor.get("/?item=99999")
    visitor.get("/members/nobody")
    shown = visitor.get("/audit").text
    for words in ("picture.search", "mersey", "picture.open", "99999", "member.open", "nobody", "testclient", "beanr-"):
        assert words in shown
    assert "found False" in shown
    assert "found True" in shown


def test_a_page_that_reads_itself_anew_asks_nothing_new_for_five_minutes(console: PictureConsole) -> None:
    visitor = console.visitor("beanr", *EVERYTHING)

    def rows(*queries: str) -> int:
        before = len(events(console))
        for query in queries:
            assert visitor.get(query).status_code == 200
        return len(events(console)) - before

    search = ("/?text=again", "/picture/feed?text=again", "/picture/drawn?text=again", "/picture/spill-over?text=again")
    assert rows(*search, *search) == 1
    assert rows("/picture/feed?text=other", "/picture/feed", "/picture/feed?class=decision") == 1
    console.desk.fed.clock.advance(300)
    assert rows(*search) == 1
    visitor = console.visitor("beanr", *EVERYTHING)
    assert rows(*search) == 1


def test_every_kind_of_answer_carries_what_protects_it(console: PictureConsole, values: dict[str, str]) -> None:
    visitor, stranger = console.visitor("beanr", *EVERYTHING), console.stranger()
    bare = {
        name for name, one in walks.every_kind_of_answer(visitor, stranger, values) if not walks.has_all_headers(one)
    }
    assert bare == set()


def test_the_profile_is_everybodys_and_may_be_kept_for_ever(console: PictureConsole) -> None:
    stranger, root = console.stranger(), f"/profile/{publishing.VERSION}"
    listed = stranger.get(f"{root}/index.json").json()["files"]
    assert {one["path"] for one in listed} | {"index.json"} == set(publishing.files())
    for one in listed:
        answer = stranger.get(f"{root}/{one['path']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == one["media_type"]
        assert sha256(answer.content).hexdigest() == one["sha256"]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert walks.has_all_headers(answer)
    for wrong in ("/profile/1.0/index.json", f"{root}/", f"{root}/../validate.py", f"{root}/schemas/indicator.json"):
        refused = stranger.get(wrong)
        assert (refused.status_code, refused.headers["cache-control"]) == (404, "no-store")


def test_who_is_signed_out_is_told_nothing_by_any_route(console: PictureConsole, values: dict[str, str]) -> None:
    stranger = console.stranger()
    token = walks.token_of(stranger, "/sign-in")
    for name, allowed in walks.expected(ROLES).items():
        method, _, path = name.partition(" ")
        if allowed != "public":
            answer = stranger.client.request(method, walks.filled(path, values), headers=token)
            assert (answer.status_code, answer.text) == (303, ""), name
            assert answer.headers["location"].startswith("/sign-in?"), name


def test_every_form_is_refused_without_its_token(console: PictureConsole, values: dict[str, str]) -> None:
    visitor = console.visitor("beanr", *EVERYTHING)
    for path in walks.paths(console.app, "POST"):
        assert visitor.client.post(walks.filled(path, values)).status_code == 403, path


@pytest.mark.slow
def test_no_odd_request_breaks_a_route(console: PictureConsole, values: dict[str, str]) -> None:
    visitor = console.visitor("beanr", *EVERYTHING)
    assert walks.broken(visitor, values) == []


def test_another_members_admin_or_auditor_looks_after_his_own_only(console: PictureConsole) -> None:
    visitor: PictureVisitor = console.visitor("belgg", *EVERYTHING)
    for path in ("/accounts", "/audit"):
        assert visitor.get(path).status_code == 404
    for path in ("/accounts/confirm", "/accounts/change"):
        form = {"act": "link", "pseudonym": "X-1", "member": "beanr", "roles": "admin"}
        assert visitor.send(path, "/", **form).status_code == 404
    assert 'href="/audit"' not in visitor.get("/").text
    assert "member.open" not in visitor.get("/members/beanr").text
    assert console.visitor("beanr", Role.ADMIN).get("/accounts").status_code == 200
