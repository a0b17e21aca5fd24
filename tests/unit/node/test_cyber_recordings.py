"""The network detectors over real recordings: how many findings, stated, so that a change of a threshold shows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime

import pytest

from node.detectors.cyber import cyber_detectors
from node.detectors.industrial import TECHNIQUES, Industrial
from node.detectors.protocols import Deed
from node.detectors.recorded import technique
from node.findings import Finding
from node.observations import SourceClass
from node.proposals import Defaults, is_global, propose
from node.records import Record
from node.sensors.parsers import eve, zeek
from node.sensors.parsers.records import SensorLine
from node.settings import CyberSettings
from tests.fakes.shared_data import shared_path

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = CyberSettings(
    own_domains=("northseaport.com", "portofantwerpbruges.com", "certifiedpickup.eu", "alfapass.be", "nxtport.eu"),
    protected_persons=("Jan de Vries",),
)


def line(data: bytes) -> SensorLine:
    return SensorLine(
        sensor="ids",
        source_class=SourceClass.LOCAL,
        received_at=RECEIVED,
        data=data,
        digest=hashlib.sha256(data).digest(),
    )


def suricata(name: str) -> list[Record]:
    events = json.loads(shared_path(f"cyber/suricata_eve_alerts_{name}.json").read_bytes())
    return [eve.parse(line(json.dumps(event).encode())) for event in events]


def of_zeek(name: str) -> list[Record]:
    return [zeek.parse(line(raw)) for raw in shared_path(f"cyber/zeek_{name}.ndjson").read_bytes().splitlines()]


def detected(records: list[Record]) -> list[Finding]:
    return [finding for detector in cyber_detectors(SETTINGS) for finding in detector.detect(records)]


def counted(findings: list[Finding]) -> dict[tuple[str, str], int]:
    return dict(Counter((one.detector.partition("@")[0], one.severity.name) for one in findings))


@pytest.mark.parametrize(
    ("name", "alerts", "counts", "peers"),
    [
        ("first2015", 136, {"HIGH": 38, "MEDIUM": 21, "LOW": 10}, 29),
        ("wrccdc2018", 206, {"HIGH": 4, "MEDIUM": 10, "LOW": 13}, 22),
    ],
)
def test_alerts_with_foreign_addresses_are_found(name: str, alerts: int, counts: dict[str, int], peers: int) -> None:
    records = suricata(name)
    findings = detected(records)
    assert len(records) == alerts
    assert counted(findings) == {("cyber-alerts", severity): count for severity, count in counts.items()}
    assert len({one.subjects for one in findings}) == peers
    assert all(is_global(one.subjects[0].partition(":")[2]) for one in findings)


def test_every_frame_of_the_modbus_scan_is_unusual_and_few_are_told() -> None:
    records = of_zeek("modbus")
    assert [Industrial().is_unusual(record) for record in records] == [Deed.UNKNOWN] * 268
    findings = detected(records)
    assert counted(findings) == {("industrial", "MEDIUM"): 3}
    assert {one.subjects[0] for one in findings} == {"ipv4:10.128.0.242", "ipv4:10.128.0.248"}


@pytest.mark.parametrize(
    ("name", "count"),
    [("dns.head1500", 1496), ("ssl.head1500", 1500), ("notice", 200), ("smtp", 1188), ("known_services", 1579)],
)
def test_everyday_logs_give_no_finding(name: str, count: int) -> None:
    records = of_zeek(name)
    assert len(records) == count
    assert detected(records) == []


def test_no_proposal_about_real_traffic_holds_a_private_address() -> None:
    defaults = Defaults(issuer="identity--00000000-0000-4000-8000-000000000001")
    findings = detected([*suricata("first2015"), *suricata("wrccdc2018"), *of_zeek("modbus")])
    for finding in findings:
        made = propose(finding, defaults, now=RECEIVED, ident=finding.id, created=RECEIVED)
        assert made is not None
        for inside in finding.inside:
            assert inside.encode() not in made.objects[0]
    assert len(findings) > 80


def test_techniques_are_those_of_the_published_matrix() -> None:
    objects = json.loads(shared_path("stix/ics-attack-18.1.json").read_bytes())["objects"]
    known = {
        (said.get("external_id"), said.get("url"), said.get("source_name"))
        for one in objects
        if one["type"] == "attack-pattern" and not one.get("revoked") and not one.get("x_mitre_deprecated")
        for said in one.get("external_references", ())
    }
    used = [technique(ident) for idents in TECHNIQUES.values() for ident in idents]
    assert len(used) > 8
    assert [one.ident for one in used if (one.ident, one.url, one.source) not in known] == []
