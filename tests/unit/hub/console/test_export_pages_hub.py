"""Tables that leave the hub: what its reader may read, confirmed and written down."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from hub.console import export_pages
from hub.tables import AUDIT
from port2port import bundle
from port2port.console import spreadsheet
from port2port.console.roles import Role
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, picture_console

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureConsole]:
    with picture_console(tmp_path_factory.mktemp("hub-exports")) as made:
        fed = made.desk.fed
        made.desk.admit([fed.publish("beanr"), fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
        yield made


def asked(console: PictureConsole, path: str, member: str = "beanr", *roles: Role, **form: str) -> Any:
    today = str(console.context.now.date())
    fields = {"first": today, "last": today, "at": path, **form}
    return console.visitor(member, *roles).send(path, "/exports", **fields)


def rows(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def events(console: PictureConsole) -> list[str]:
    query = sa.select(AUDIT.c.event).order_by(AUDIT.c.id)
    return list(console.desk.store.database.read_now(lambda c: c.execute(query).scalars().all()))


@pytest.mark.parametrize(("member", "entries"), [("beanr", 2), ("belgg", 2), ("north-sea-port", 1)])
def test_the_picture_is_a_table_of_what_its_reader_may_read(console: PictureConsole, member: str, entries: int) -> None:
    found = rows(asked(console, "/exports/picture", member))
    assert tuple(found[0]) == export_pages.ITEM_TITLES
    assert len(found) - 1 == entries
    assert events(console)[-1] == "export.picture"


def test_it_goes_on_where_a_piece_ended(console: PictureConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(asked(console, "/exports/picture"))
    monkeypatch.setattr(export_pages, "ROWS_AT_ONCE", 1)
    assert rows(asked(console, "/exports/picture")) == whole


@pytest.mark.parametrize("path", ["/exports/picture", "/exports/audit"])
def test_a_table_that_does_not_fit_says_so_in_its_last_line(
    console: PictureConsole, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(export_pages, "ROWS_MOST", 1)
    monkeypatch.setattr(export_pages, "ROWS_AT_ONCE", 1)
    found = rows(asked(console, path, "beanr", Role.OFFICER, Role.AUDITOR))
    assert (len(found), found[-1]) == (3, [spreadsheet.CUT])


def test_an_auditor_of_another_member_is_offered_no_trail(console: PictureConsole) -> None:
    assert 'action="/exports/audit"' in console.visitor("beanr", Role.AUDITOR).get("/exports").text
    assert 'action="/exports/audit"' not in console.visitor("belgg", Role.AUDITOR).get("/exports").text


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_a_briefing_of_no_time_is_told(console: PictureConsole, day: str) -> None:
    assert console.visitor("beanr").get(f"/briefing?first={day}&last={day}&size=1").status_code == 400


def test_a_briefing_is_a_table_with_its_checkpoint(console: PictureConsole) -> None:
    found = rows(asked(console, "/exports/briefing", "north-sea-port"))
    assert found[0][0] == "briefing"
    assert found[0][5] == "1"
    assert found[1][0] == "log"
    assert [row[0] for row in found].count("statement") == 2


def test_the_trail_is_for_auditors(console: PictureConsole) -> None:
    assert asked(console, "/exports/audit").status_code in {403, 404}
    found = rows(asked(console, "/exports/audit", "beanr", Role.AUDITOR))
    assert tuple(found[0]) == export_pages.AUDIT_TITLES
    assert found[-1][1] == "export.audit"


def test_an_old_sign_in_without_a_passkey_takes_nothing_away(console: PictureConsole) -> None:
    visitor = console.visitor()
    today = str(console.context.now.date())
    console.desk.fed.clock.advance(15 * 60)
    try:
        for path in ("/exports/picture", "/exports/briefing"):
            assert visitor.send(path, "/exports", first=today, last=today, at=path).status_code == 403
        assert visitor.send("/log/2/download", "/log/2", at="/log/2/download").status_code == 403
    finally:
        console.desk.fed.clock.advance(-15 * 60)


@pytest.mark.parametrize(
    "form",
    [
        {"first": "soon"},
        {"first": "2030-01-01"},
        {"first": "2000-01-01"},
        {"first": "9999-12-30", "last": "9999-12-31"},
        {"first": "0001-01-01", "last": "0001-01-01"},
    ],
)
def test_a_period_that_is_none_is_told(console: PictureConsole, form: dict[str, str]) -> None:
    for path in ("/exports/picture", "/exports/briefing"):
        assert asked(console, path, **form).status_code == 422


def test_a_proof_to_take_away_is_confirmed_written_down_and_verifies(console: PictureConsole) -> None:
    visitor = console.visitor("beanr")
    answer = visitor.send("/log/2/download", "/log/2", at="/log/2/download")
    assert 'filename="entry-2.p2p-bundle"' in answer.headers["content-disposition"]
    bundle.check(answer.content, console.context.genesis_hash, StixValidator(TemplateCache()).validate)
    assert events(console)[-1] == "log.download"
    assert "content-disposition" not in visitor.get("/log/2/bundle").headers
    hidden = console.visitor("north-sea-port").send("/log/3/download", "/log/2", at="/log/3/download")
    assert hidden.status_code == 404
