"""What network detectors found becomes a draft that tells nothing of the port's own network."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import tables
from node.detectors.account_fraud import AccountFraud
from node.detectors.cyber_alerts import CyberAlerts
from node.detectors.folding import Folding, FoldingSettings
from node.detectors.industrial import Industrial
from node.detectors.lookalike import LookalikeDomains
from node.detectors.mail_fraud import MailFraud
from node.detectors.recorded import Territory
from node.detectors.withheld import WITHHELD
from node.findings import Finding, FindingKind
from node.lookalikes import LookalikeEngine, Ours
from node.proposals import Defaults, Proposal, propose, without_inside
from node.records import Record
from port2port.ids import identity_of
from port2port.patterns import TemplateCache, compile_pattern
from tests.fakes.desks import B, Desk, Harbour
from tests.fakes.netlogs import BEGIN, INSIDE, OWN_PUBLIC, PEER, account, alert, mail, modbus, named, record

OWN = "193.191.1.0/24"
TERRITORY = Territory(own=(OWN,))
ENGINE = LookalikeEngine(Ours(domains=("northseaport.com",)))
DEFAULTS = Defaults(issuer=identity_of("ports.example", "beanr"))
IDENT = uuid.UUID(int=7, version=4)


def proposed(finding: Finding) -> tuple[Proposal, dict[str, Any]]:
    now = finding.found_at + timedelta(minutes=1)
    made = propose(finding, DEFAULTS, now=now, ident=IDENT, created=now)
    assert made is not None
    return made, orjson.loads(made.objects[0])


def one(detector: Any, *records: Record) -> Finding:
    return detector.detect(records)[-1]


@pytest.mark.parametrize(
    ("finding", "pattern", "labels", "personal"),
    [
        (one(CyberAlerts(), alert()), f"[ipv4-addr:value = '{PEER}']", ["address", "network-alert"], True),
        (
            one(CyberAlerts(), alert(source="2a00:1450:4001::1")),
            "[ipv6-addr:value = '2a00:1450:4001::1']",
            ["address", "network-alert"],
            True,
        ),
        (
            one(Industrial(), modbus(source=PEER)),
            f"[ipv4-addr:value = '{PEER}']",
            ["address", "industrial"],
            True,
        ),
        (
            one(LookalikeDomains(ENGINE), named("www.northseaport.co")),
            "[domain-name:value IN ('northseaport.co', 'www.northseaport.co')]",
            ["domain", "lookalike"],
            False,
        ),
        (
            one(MailFraud(ENGINE, ["Jan Vries"]), mail(display_name="Jan Vries", spf="fail")),
            "[email-addr:value = 'jan@example.org']",
            ["account", "mail-fraud"],
            True,
        ),
    ],
)
def test_something_foreign_becomes_an_indicator(
    finding: Finding, pattern: str, labels: list[str], personal: bool
) -> None:
    made, said = proposed(finding)
    assert (said["type"], said["pattern"], said["labels"]) == ("indicator", pattern, labels)
    assert compile_pattern(pattern, TemplateCache()).bound
    assert (made.personal_data, made.purpose, made.kind) == (personal, "cyber-security", "publish")
    begin, end = (said[name] for name in ("created", "valid_until"))
    assert end[:10] == (BEGIN + timedelta(days=14)).date().isoformat()
    assert begin[:10] == BEGIN.date().isoformat()


@pytest.mark.parametrize(
    ("finding", "title", "labels", "personal"),
    [
        (one(Industrial(), modbus()), "Unexpected commands to controllers", ["industrial"], False),
        (
            one(Industrial(TERRITORY), modbus(source=OWN_PUBLIC)),
            "Unexpected commands to controllers",
            ["industrial"],
            False,
        ),
        (
            one(AccountFraud(), *(account(f"digest{number}", bank="b") for number in range(3))),
            "Accounts made by one hand",
            ["account", "account-fraud"],
            True,
        ),
        (
            one(
                MailFraud(),
                mail(supplier="ACME", iban="BE68539007547034"),
                mail(1, supplier="ACME", iban="NL91ABNA0417164300"),
            ),
            "Another bank account for a known supplier",
            ["mail-fraud"],
            False,
        ),
    ],
)
def test_what_is_all_our_own_becomes_a_note(finding: Finding, title: str, labels: list[str], personal: bool) -> None:
    made, said = proposed(finding)
    assert (said["type"], said["abstract"], said["labels"], made.kind) == ("note", title, labels, "report")
    assert said["object_refs"] == [DEFAULTS.issuer]
    assert made.personal_data is personal
    for own in finding.inside:
        assert own.lower() not in made.objects[0].decode().lower()


def test_rules_and_techniques_are_referred_to() -> None:
    _, said = proposed(one(CyberAlerts(), alert(), alert(1, sid=7)))
    assert said["external_references"] == [
        {"external_id": "2001219", "source_name": "suricata"},
        {"external_id": "7", "source_name": "suricata"},
    ]
    _, said = proposed(one(Industrial(), modbus()))
    assert said["external_references"][0] == {
        "external_id": "T0855",
        "source_name": "mitre-attack",
        "url": "https://attack.mitre.org/techniques/T0855",
    }


ADDRESS = st.one_of(
    st.ip_addresses(network="10.0.0.0/8"),
    st.ip_addresses(network=OWN),
    st.ip_addresses(network="fd00::/8"),
    st.ip_addresses(network="192.168.0.0/16"),
    st.sampled_from([ip_address(PEER), ip_address("8.8.8.8"), ip_address("2a00:1450:4001::1")]),
).map(str)
# As rules of sensors quote them: alone, with a port, in brackets, at the end of a sentence.
QUOTED = st.tuples(ADDRESS, st.sampled_from(["{}", "{}:80", "[{}]:80", "({})", "{}.", "{},", "{}/32", "={};"])).map(
    lambda said: said[1].format(said[0])
)
WORDS = st.lists(st.one_of(QUOTED, st.text(max_size=8)), max_size=4).map(" ".join)


@st.composite
def quoting(draw: st.DrawFn) -> list[Finding]:
    """An alert with a foreign address whose rule quotes others."""
    return CyberAlerts(TERRITORY).detect([alert(signature=draw(WORDS))])


@st.composite
def findings(draw: st.DrawFn) -> list[Finding]:
    """Whatever the detectors make of traffic between any two addresses, with rules that quote some more."""
    source, target, text = draw(ADDRESS), draw(ADDRESS), draw(WORDS)
    records = [
        alert(source=source, target=target, signature=text),
        modbus(1, draw(st.text(max_size=6)) or "5", source=source, target=(target, 502)),
        named("www.northseaport.co", 2),
        record("tls", 3, source=source, target=target, facts={"domain-name:value": ("northseaport.co",)}),
        mail(4, sender="jan@example.org", display_name="Jan Vries", spf="fail"),
        *(account(f"{draw(st.integers(10**9, 10**10))}", 5, device="d") for _ in range(3)),
    ]
    detectors = (
        CyberAlerts(TERRITORY),
        Industrial(TERRITORY),
        LookalikeDomains(ENGINE),
        MailFraud(ENGINE, ["Jan Vries"]),
        AccountFraud(),
    )
    return [finding for detector in detectors for finding in detector.detect(records)]


_LOOKS = re.compile(r"[0-9a-fA-F:.]{3,}")
_FOUR = re.compile(r"[0-9]+(?:\.[0-9]+){3}")


def addresses_in(text: str) -> list[str]:
    found = []
    for piece in _LOOKS.findall(text):
        for candidate in {piece, piece.strip(".:"), piece.strip("."), *_FOUR.findall(piece)}:
            try:
                found.append(str(ip_address(candidate)))
            except ValueError:
                continue
    return found


@given(findings() | quoting())
def test_no_address_of_the_port_stands_in_any_proposal(made: list[Finding]) -> None:
    for finding in made:
        proposal, said = proposed(finding)
        text = " ".join(str(said.get(name, "")) for name in ("name", "description", "pattern", "abstract", "content"))
        for address in addresses_in(text):
            parsed = ip_address(address)
            assert parsed.is_global, (address, text)
            assert parsed.version == 6 or parsed not in ip_network(OWN), (address, text)
        if finding.kind is FindingKind.ACCOUNT_FRAUD:
            assert not any(name in text for name in finding.inside)
        assert proposal.objects


def test_a_rule_that_quotes_our_own_machines_is_blackened() -> None:
    told = without_inside(
        "from 10.1.2.3 and fd00::7 to 8.8.8.8 at 08:00:00, host cranes01 (cranes01.port)", ["cranes01"]
    )
    assert told == f"from {WITHHELD} and {WITHHELD} to 8.8.8.8 at 08:00:00, host {WITHHELD} ({WITHHELD}.port)"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def test_several_rules_of_one_peer_are_one_draft_that_is_kept_up_to_date(desk: Desk) -> None:
    first, second = CyberAlerts().detect([alert(-60), alert(-30, sid=7, target="10.1.2.9")])
    draft = desk.draft(first)
    again = desk.take(second)
    assert (again.draft is not None and again.draft.id) == draft.id
    assert again.draft is not None
    said = orjson.loads(again.draft.proposal.objects[0])
    assert len(said["external_references"]) == 2
    assert again.draft.why["inside"] == [INSIDE, "10.1.2.9"]
    desk.fed.validate(again.draft.proposal.objects[0])


def test_a_flood_is_one_draft_and_its_findings_are_stored(desk: Desk) -> None:
    detector = Folding(CyberAlerts(), FoldingSettings(subjects=1))
    taken = [desk.take(finding) for finding in detector.detect([alert(-60), alert(-50, source="8.8.8.8")])]
    titles = [orjson.loads(one.draft.proposal.objects[0]) for one in taken if one.draft is not None]
    assert [said.get("abstract", "") for said in titles] == ["", "Flood of findings of cyber-alerts"]
    assert (desk.count(tables.FindingRow), desk.count(tables.DraftRow)) == (3, 2)


@pytest.mark.parametrize(
    "finding",
    [
        one(Industrial(), modbus(-60)),
        one(LookalikeDomains(ENGINE), named("www.northseaport.co", -60)),
        one(AccountFraud(), *(account(f"digest{number}", -60, bank="b") for number in range(3))),
    ],
)
def test_every_kind_can_be_published_and_is_valid(desk: Desk, finding: Finding) -> None:
    draft = desk.draft(finding)
    desk.fed.validate(draft.proposal.objects[0])
    assert desk.publish(draft, act=desk.both())
