"""``port2port-node export``: what goes out for machines, what stays, and the line that says so."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from suricataparser import parse_rules

from node import indicators, rule_export, tables
from node.__main__ import main
from node.cli import desk as desk_module
from node.indicators import REAL
from node.rule_export import LeftOut, Wanted
from node.store import AuditLine
from node.warning_lists.gate import Gate
from port2port import bundle
from port2port.tlp import Tlp
from tests.fakes.desks import A, B, C, Desk, Harbour
from tests.fakes.federation import refs_body, stix_id_of

DOMAIN = "[domain-name:value = 'evil.example']"
AUDIT = tables.Audit.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


def said(harbour: Harbour, pattern: str = DOMAIN, *, issuer: str = B, state: str = "watched", **more: Any) -> str:
    """The STIX id of an indicator that A has received and watches."""
    tlp = more.pop("tlp", Tlp.GREEN)
    raw = harbour.fed.indicator(issuer, tlp=tlp, pattern=pattern, **more.pop("stix", {}))
    harbour.feed.log(harbour.fed.publish(issuer, objects=[raw], tlp=tlp, **{"handling": "act", **more}))
    desk = harbour.desks[A]
    desk.pull()
    one = desk.indicator(stix_id_of(raw), issuer)
    if one is not None:
        key = (REAL, issuer, one.stix_id)
        desk.node.store.write_now(lambda c: indicators.note_state(c, key, state, index=one.index))
    return stix_id_of(raw)


def chosen(desk: Desk, **more: Any) -> rule_export.Chosen:
    wanted = Wanted(**{"member": A, "ceiling": Tlp.AMBER, "purposes": (), **more})
    gate = Gate(desk.node.home / "lists", ("domain:port.example",))
    return desk.node.store.read_now(
        lambda c: rule_export.choose(c, desk.roster, wanted, desk.fed.clock.now(), gate=gate)
    )


def test_what_is_in_force_and_may_be_acted_on_is_chosen(harbour: Harbour, desk: Desk) -> None:
    said(harbour, "[domain-name:value IN ('a.example', 'b.example')]")
    said(harbour, "[url:value = 'http://c.example/x']", issuer=A, state="")
    found = chosen(desk)
    assert [(one.issuer, one.value) for one in found.values] == [
        (A, "http://c.example/x"),
        (B, "a.example"),
        (B, "b.example"),
    ]
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("why", "more", "counted"),
    [
        ("observed only", {"handling": "observe_only"}, LeftOut.QUIET),
        ("held", {}, LeftOut.QUIET),
        ("disputed", {}, LeftOut.QUIET),
        ("quarantined", {"state": "quarantined"}, LeftOut.NOT_WATCHED),
        ("not watched yet", {"state": ""}, LeftOut.NOT_WATCHED),
        ("over the ceiling", {"tlp": Tlp.AMBER_STRICT, "groups": ("seaports",)}, LeftOut.SHARING),
        ("without purpose", {"personal_data": True, "two_officers": True, "purpose": "customs"}, LeftOut.SHARING),
        ("two things at once", {"pattern": "[domain-name:value = 'a.example' AND domain-name:x = 'b']"}, LeftOut.OTHER),
        ("a ship", {"pattern": "[vessel:mmsi = '205123456']"}, LeftOut.OTHER),
        ("protected", {"pattern": "[domain-name:value = 'mail.port.example']"}, LeftOut.HARMLESS),
        ("revoked", {}, None),
        ("suspended", {}, None),
        ("expired", {"stix": {"valid_until": "soon"}}, None),
        ("of an exercise", {"realm": "exercise:storm-1"}, None),
    ],
)
def test_what_no_machine_may_act_on_stays_and_is_counted(
    harbour: Harbour, desk: Desk, why: str, more: dict[str, Any], counted: LeftOut | None
) -> None:
    given = dict(more)
    if why == "expired":
        given["stix"] = {"valid_until": harbour.fed.clock.now() + timedelta(minutes=1)}
    ident = said(harbour, given.pop("pattern", DOMAIN), **given)
    fed = harbour.fed
    later = {
        "held": lambda: fed.content(B, "hold", tlp=Tlp.GREEN, body=refs_body([(B, ident)])),
        "revoked": lambda: fed.retract(B, [ident]),
        "suspended": lambda: fed.suspend((B, ident)),
    }.get(why)
    if later is not None:
        harbour.feed.log(later())
        desk.pull()
    if why == "disputed":
        table = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
        desk.node.store.write_now(lambda c: c.execute(sa.update(table).values(disputed=True)))
    if why == "expired":
        fed.clock.advance(120)
    found = chosen(desk)
    assert found.values == ()
    assert found.left_out == ({} if counted is None else {counted: 1})


def test_personal_data_leaves_for_the_purpose_it_was_shared_for(harbour: Harbour, desk: Desk) -> None:
    said(
        harbour,
        "[ipv4-addr:value = '198.51.100.7']",
        personal_data=True,
        two_officers=True,
        purpose="cyber-security",
    )
    assert chosen(desk).values == ()
    assert [one.value for one in chosen(desk, purposes=("cyber-security",)).values] == ["198.51.100.7"]


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def config(harbour: Harbour, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = desk.node.home / "node.toml"
    path.write_text(
        f'federation = "{harbour.fed.name}"\ngenesis = "{harbour.fed.genesis_hash}"\nmember = "{A}"\n'
        'hub = "127.0.0.1:1"\nenrolment = "127.0.0.1:2"\n'
        '[passages]\n[[passages.gates]]\nname = "gate-1"\nsecret = "gate-1.secret"\n'
    )
    monkeypatch.setattr(desk_module, "SystemClock", lambda: harbour.fed.clock)
    return path


def export(config: Path, *args: str) -> None:
    assert main(["export", *args, "--config", str(config)]) == 0


def lines(desk: Desk) -> list[AuditLine]:
    rows = desk.node.store.read_now(lambda c: c.execute(sa.select(AUDIT).order_by(AUDIT.c.id)).all())
    return [row for row in rows if row.action.startswith("export-")]


def test_rules_are_written_with_their_lists_and_a_line(harbour: Harbour, desk: Desk, config: Path) -> None:
    said(harbour)
    said(harbour, f"[file:hashes.'SHA-256' = '{'ab' * 32}']")
    said(harbour, "[email-addr:value = 'a@b.example']", personal_data=False, purpose=None, handling="observe_only")
    out = desk.node.home / "port.rules"
    export(config, "suricata", "--out", str(out))
    rules = parse_rules(out.read_text())
    assert [rule.action for rule in rules] == ["alert"] * 3
    (listed,) = desk.node.home.glob("port2port-*.sha256")
    assert listed.read_text() == "ab" * 32 + "\n"
    (line,) = lines(desk)
    facts = json.loads(line.facts)
    assert (line.action, facts["rules"], facts["lists"]) == ("export-rules", 3, 1)
    assert facts["left_out"] == {LeftOut.QUIET.value: 1}


def test_a_file_is_never_written_over(harbour: Harbour, desk: Desk, config: Path) -> None:
    said(harbour)
    out = desk.node.home / "port.rules"
    out.write_text("mine")
    assert main(["export", "suricata", "--out", str(out), "--config", str(config)]) == 2
    assert out.read_text() == "mine"
    assert lines(desk) == []


def test_a_table_holds_no_formula(harbour: Harbour, desk: Desk, config: Path) -> None:
    said(harbour, stix={"name": "=HYPERLINK(1)"})
    out = desk.node.home / "values.csv"
    export(config, "csv", "--out", str(out))
    head, row = csv.reader(io.StringIO(out.read_text(encoding="utf-8-sig")))
    assert row[head.index("value")] == "evil.example"
    assert row[head.index("name")] == "'=HYPERLINK(1)"
    assert row[head.index("marking")] == "TLP:GREEN"


def test_a_bundle_of_a_period_has_proofs_that_hold_offline(harbour: Harbour, desk: Desk, config: Path) -> None:
    said(harbour)
    said(harbour, tlp=Tlp.AMBER, recipients=(C,))
    out = desk.node.home / "period.zip"
    day = str(harbour.fed.clock.now().date())
    export(config, "bundle", "--first", day, "--last", day, "--out", str(out))
    with zipfile.ZipFile(out) as archive:
        (name,) = [name for name in archive.namelist() if name.startswith("proofs/")]
        proof = archive.read(name)
        assert len(json.loads(archive.read("bundle.json"))["objects"]) == 1
    assert bundle.decode(proof).entry is not None
    (line,) = lines(desk)
    assert (line.action, json.loads(line.facts)["statements"]) == ("export-statements", 1)


def test_days_that_are_none_and_periods_without_anything_are_one_sentence(
    desk: Desk, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(desk.node.home / "x.zip")
    for first, says in (("yesterday", "write a day"), ("2001-01-01", "nothing of this period")):
        args = ["export", "bundle", "--first", first, "--last", "2001-01-01", "--out", out, "--config", str(config)]
        assert main(args) == 2
        assert says in capsys.readouterr().err


def test_gates_are_listed_with_what_they_asked_and_no_hits(
    desk: Desk, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = int(desk.fed.clock.now().timestamp()) // 86_400
    row = {"gate": "gate-1", "day": day, "asked": 9, "questions": 8, "listed": 3, "checks": 5, "random": 2, "shown": 3}
    table = tables.PassageDayRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    desk.node.store.write_now(lambda c: c.execute(sa.insert(table).values(recent=0, **row)))
    assert main(["passages", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert shown == "gate-1               9 questions in 28 days, 5 routine checks; last never\n"
