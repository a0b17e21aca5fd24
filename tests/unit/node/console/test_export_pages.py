"""Files that leave the desk: what is in them, who may take them, and that each is confirmed and written down."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node import store
from node.console import export_pages, export_view
from node.store import AuditLine
from port2port import bundle
from port2port.clock import to_ms
from port2port.console import spreadsheet
from port2port.console.roles import Role
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.desks import B, C

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/exports/statements"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskConsole]:
    with desk_console(tmp_path_factory.mktemp("exports")) as made:
        made.desk.publish(made.draft())
        made.desk.send()
        fed = made.fed
        made.harbour.feed.log(
            fed.publish(B, tlp=Tlp.GREEN),
            fed.publish(B, tlp=Tlp.AMBER, recipients=(C,)),
            fed.publish(B, tlp=Tlp.GREEN, personal_data=True, two_officers=True, purpose="maritime-security"),
        )
        made.harbour.pull()
        yield made


def days(console: DeskConsole) -> dict[str, str]:
    today = str(console.context.now.date())
    return {"first": today, "last": today}


def exported(console: DeskConsole, **form: str) -> Any:
    return console.visitor("o1").send(PATH, "/exports", **{**days(console), "at": PATH, **form})


def archive(answer: Any) -> zipfile.ZipFile:
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_each_proof_verifies_with_the_genesis_alone_and_the_bundle_holds_the_signed_bytes(console: DeskConsole) -> None:
    answer = exported(console)
    assert "attachment" in answer.headers["content-disposition"]
    file = archive(answer)
    manifest = json.loads(file.read("manifest.json"))
    validate = StixValidator(TemplateCache()).validate
    assert len(manifest["statements"]) == 2
    bodies = []
    for said in manifest["statements"]:
        report = bundle.check(file.read(said["file"]), console.context.settings.genesis, validate)
        assert report.entry.statement.id == said["statement"]
        bodies += [json.loads(one.body) for one in report.entry.envelope.objects if one.body]
    assert json.loads(file.read("bundle.json"))["objects"] == bodies
    assert "port2port verify" in file.read("HOW-TO-CHECK.txt").decode()


def test_whose_statements_and_for_which_purpose_is_chosen(console: DeskConsole) -> None:
    authors = {}
    for whose in ("ours", "theirs"):
        manifest = json.loads(archive(exported(console, whose=whose)).read("manifest.json"))
        authors[whose] = [one["author"] for one in manifest["statements"]]
    assert authors == {"ours": ["beanr"], "theirs": [B]}
    with_purpose = archive(exported(console, whose="theirs", purpose="maritime-security"))
    assert len(json.loads(with_purpose.read("manifest.json"))["statements"]) == 2


def test_a_file_is_written_down_before_it_leaves(console: DeskConsole) -> None:
    exported(console)
    line = console.do(lambda c: store.audit_lines(c, limit=1)[0])
    assert (line.officer, line.action) == ("o1", "export-statements")
    assert json.loads(line.facts)["statements"] == 2


def test_an_old_sign_in_without_a_passkey_takes_nothing_away(console: DeskConsole) -> None:
    visitor = console.visitor("o1")
    console.fed.clock.advance(15 * 60)
    try:
        answer = visitor.send(PATH, "/exports", **days(console), at=PATH)
        assert answer.status_code == 403
        assert "Sign in again first" in answer.text
    finally:
        console.fed.clock.advance(-15 * 60)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"first": "soon"}, export_pages.WRONG_DAY),
        ({"first": "2026-11-23", "last": "2026-11-22"}, export_pages.WRONG_ORDER),
        ({"first": "2026-01-01", "last": "2026-11-22"}, export_pages.TOO_LONG),
        ({"first": "9999-12-30", "last": "9999-12-31"}, export_pages.WRONG_DAY),
    ],
)
def test_a_period_that_is_none_is_told(console: DeskConsole, form: dict[str, str], said: str) -> None:
    answer = exported(console, **form)
    assert answer.status_code == 422
    assert said in answer.text


def test_a_period_without_anything_gives_no_file(console: DeskConsole) -> None:
    assert exported(console, first="2020-01-01", last="2020-01-02").status_code == 404


def test_too_much_for_one_file_is_told(console: DeskConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_view, "STATEMENTS_MOST", 1)
    assert exported(console).status_code == 413


def test_statements_are_for_officers_and_the_trail_for_auditors(console: DeskConsole) -> None:
    auditor, officer = console.visitor("a1", Role.AUDITOR), console.visitor("o1")
    assert auditor.send(PATH, "/exports", **days(console), at=PATH).status_code in {403, 404}
    today = str(console.context.now.date())
    asked = {"since": today, "until": today, "at": "/exports/audit"}
    assert officer.send("/exports/audit", "/exports", **asked).status_code in {403, 404}
    assert console.visitor("v1", Role.VIEWER).get("/exports").status_code in {403, 404}


def test_the_trail_is_a_table_without_formulas(console: DeskConsole) -> None:
    now = console.context.now
    line = AuditLine(at_ms=to_ms(now), officer="o9", action="report", subject='=HYPERLINK("http://evil")', facts=b"{}")
    console.do(lambda c: store.audit(c, line))
    day, visitor = str(now.date()), console.visitor("a1", Role.AUDITOR)
    answer = visitor.send("/exports/audit", "/exports", since=day, until=day, at="/exports/audit")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"{day}-{day}.csv" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == export_view.TITLES
    assert ["o9", "report", '\'=HYPERLINK("http://evil")'] in [row[1:4] for row in rows]
    assert rows[-1][2] == "export-audit"
    earlier = str((now - timedelta(days=9)).date())
    assert len(visitor.send("/exports/audit", "/exports", since=earlier, until=earlier, at="/x").text.splitlines()) == 1


def test_a_trail_that_does_not_fit_says_so_in_its_last_line(
    console: DeskConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_view, "LINES_MOST", 1)
    monkeypatch.setattr(export_view, "LINES_AT_ONCE", 1)
    day, visitor = str(console.context.now.date()), console.visitor("a1", Role.AUDITOR)
    answer = visitor.send("/exports/audit", "/exports", since=day, until=day, at="/exports/audit")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert (len(rows), rows[-1]) == (3, [spreadsheet.CUT])


def test_what_may_not_be_taken_away_pushes_nothing_out_of_a_file(
    console: DeskConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads(archive(exported(console)).read("manifest.json"))["statements"]
    most, fed = len(whole) + 1, console.fed
    private = {"personal_data": True, "two_officers": True, "purpose": "maritime-security"}
    console.harbour.feed.log(
        *(fed.publish(B, tlp=Tlp.GREEN, **private) for _ in range(20 * most)), fed.publish(B, tlp=Tlp.GREEN)
    )
    console.harbour.pull()
    monkeypatch.setattr(export_view, "STATEMENTS_MOST", most)
    monkeypatch.setattr(export_view, "ENTRIES_AT_ONCE", 2, raising=False)
    assert len(json.loads(archive(exported(console)).read("manifest.json"))["statements"]) == most
