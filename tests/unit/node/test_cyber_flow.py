"""From lines of a network sensor to drafts and sightings: each line once, whatever becomes of its neighbours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node import cyber, cyber_past, drafts, hits, sightings, tables, tail_places
from node.cyber import CyberFlow, own_things
from node.findings import Finding
from node.observations import SourceClass
from node.pipeline import Options, Pipeline
from node.places import Places
from node.records import Record
from node.sensors.logs import LogSource
from node.sensors.parsers import eve, zeek
from node.sensors.parsers.ais import AisParser
from node.sensors.parsers.records import SensorLine
from node.sensors.transports.lines import LineQueue
from node.settings import CyberSettings
from node.store import NodeStore
from node.trusted_time import TrustedTime
from node.visit_store import SqlVisits
from port2port.database import StorageError
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.cyber import eve_recording, moved, sensor_line, zeek_dns, zeek_recording
from tests.fakes.desks import A, B, Desk, Harbour, a_finding
from tests.fakes.federation import statement_of, stix_id_of
from tests.fakes.flaky_store import FlakyDatabase

EVIL = "evil.example"
LOGIN = "user-account:account_login"
OURS = CyberSettings(own_networks=("134.71.0.0/16",), own_domains=("port.example",))


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(harbour: Harbour) -> Desk:
    return harbour.desks[A]


@dataclass
class Finds:
    """A detector that finds what it is told to in its first batch, and remembers what it was shown."""

    findings: list[Finding] = field(default_factory=list)
    shown: list[Record] = field(default_factory=list)
    name: str = "told"
    version: int = 1

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        self.shown += records
        found, self.findings = self.findings, []
        return found


@dataclass
class Sensor:
    """A port with one network sensor, whose log is written by ``tell``."""

    desk: Desk
    log: Path
    detector: Finds = field(default_factory=Finds)
    kind: str = "zeek"

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, **options: Any) -> None:
        """As after a crash: nothing is left but the database and the log."""
        desk, store = self.desk, self.desk.node.store
        self.pipeline = Pipeline(
            store,
            desk.author,
            Options(**{"defaults": desk.defaults, "protected": own_things(OURS), **options}),
            clock=desk.fed.clock,
            trusted=TrustedTime(desk.fed.clock),
            places=Places(()),
            visits=SqlVisits(store),
            roster=lambda: desk.node.inbox.state.roster,
            parser=AisParser(),
            queue=LineQueue(),
            network=partial(cyber.look_back, store),
        )
        self.source = LogSource("ids", self.kind, self.log, SourceClass.LOCAL)
        self.flow = CyberFlow(
            store, self.pipeline, [self.source], clock=desk.fed.clock, detectors=lambda: [self.detector]
        )
        asyncio.run(self.flow.start())

    def tell(self, *lines: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def ask(self, query: str, **more: Any) -> None:
        """Somebody at the port asks for a domain."""
        self.tell(zeek_dns(query, **{"at": self.desk.fed.clock.now(), **more}))

    def look(self, times: int = 3) -> None:
        async def takes() -> None:
            for _ in range(times):
                await self.flow.take(self.source)

        asyncio.run(takes())

    def tick(self) -> None:
        asyncio.run(self.pipeline.tick())

    def counted(self) -> tail_places.Counted:
        return self.desk.node.store.read_now(tail_places.counted)["ids"][0]


@pytest.fixture
def sensor(desk: Desk, tmp_path: Path) -> Sensor:
    return Sensor(desk, tmp_path / "dns.log")


def published(harbour: Harbour, pattern: str, **more: Any) -> str:
    """An indicator of B, received by A; its STIX id."""
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER, pattern=pattern)
    given = {"tlp": Tlp.AMBER, "groups": ("seaports",), **more}
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], **given))
    harbour.desks[A].pull()
    return stix_id_of(raw)


LIVE = {
    "a domain": f"[domain-name:value = '{EVIL}']",
    "a domain, spelled otherwise": "[domain-name:value = 'EVIL.Example.']",
    "the second address of an answer": "[ipv4-addr:value = '93.184.216.34']",
    "an address of the other family": "[ipv6-addr:value = '2606:2800:0220::0001']",
    "one of several": "[domain-name:value IN ('a.example', 'b.example', 'c.example', 'evil.example')]",
    "a prefix": "[domain-name:value LIKE 'evil.%']",
    "a port": "[network-traffic:dst_port = 53]",
}


@pytest.mark.parametrize("pattern", LIVE.values(), ids=LIVE.keys())
def test_what_the_network_sensor_sees_answers_an_indicator(harbour: Harbour, sensor: Sensor, pattern: str) -> None:
    stix_id = published(harbour, pattern)
    sensor.tick()
    answers = ("8.8.4.4", "93.184.216.34", "2606:2800:220::1")
    sensor.ask("www.example.org")
    sensor.ask(EVIL, answers=answers)
    sensor.look()
    (raw,) = sensor.desk.send()
    assert statement_of(raw).kind == "sighting"
    assert EVIL.encode() not in raw
    harbour.pull()
    (seen,) = harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, stix_id))
    assert (seen.by, seen.looking, seen.track) == (A, "live", None)


def test_another_domain_answers_nothing(harbour: Harbour, sensor: Sensor) -> None:
    published(harbour, f"[domain-name:value = '{EVIL}']")
    sensor.tick()
    sensor.ask("notevil.example", answers=("93.184.216.34",))
    sensor.look()
    assert sensor.desk.send() == []


def test_a_match_is_shown_at_the_desk_as_the_value_that_was_met(harbour: Harbour, sensor: Sensor) -> None:
    published(harbour, f"[domain-name:value = '{EVIL}']")
    sensor.tick()
    sensor.ask("www.example.org", answers=(EVIL, "93.184.216.34"))
    sensor.look()
    (hit,) = sensor.desk.node.store.read_now(lambda c: hits.listed(c, sensor.desk.fed.clock.now()))
    assert hit.subject == ("domain-name:value", EVIL)


def test_what_is_our_own_goes_to_the_duty_officer_alone(harbour: Harbour, sensor: Sensor) -> None:
    for pattern in ("[ipv4-addr:value = '10.1.2.3']", "[domain-name:value = 'mail.port.example']"):
        published(harbour, pattern)
    published(harbour, "[ipv4-addr:value = '134.71.3.16']")
    sensor.tick()
    sensor.ask("mail.port.example", answers=("134.71.3.16",))
    sensor.look()
    assert sensor.desk.send() == []
    found = sensor.desk.node.store.read_now(sightings.hits)
    assert [hit["state"] for hit in found] == [sightings.DUTY_OFFICER] * 3


OURS_TOLD = {
    "an address as an end of traffic": "[network-traffic:src_ref.value = '134.71.3.16']",
    "a web address at our host": "[url:value = 'http://mail.port.example/x']",
    "a web address at our address": "[url:value = 'http://134.71.3.16/x']",
}


@pytest.mark.parametrize("pattern", OURS_TOLD.values(), ids=OURS_TOLD.keys())
def test_our_own_is_told_to_nobody_however_it_is_named(harbour: Harbour, sensor: Sensor, pattern: str) -> None:
    published(harbour, pattern)
    sensor.tick()
    http = {"_path": "http", "uri": "/x", "id.orig_h": "134.71.3.16", "id.resp_h": "93.184.216.34"}
    for number, host in enumerate(("mail.port.example", "134.71.3.16")):
        line = {"ts": sensor.desk.fed.clock.now().timestamp(), "uid": str(number), "host": host, **http}
        sensor.tell(json.dumps(line).encode())
    sensor.look()
    assert sensor.desk.send() == []
    found = sensor.desk.node.store.read_now(sightings.hits)
    assert {hit["state"] for hit in found} == {sightings.DUTY_OFFICER}


def test_a_new_indicator_is_also_asked_about_what_was_seen(harbour: Harbour, sensor: Sensor) -> None:
    sensor.ask(EVIL)
    sensor.look()
    sensor.desk.fed.clock.advance(7_200)
    stix_id = published(harbour, "[domain-name:value IN ('other.example', 'Evil.Example')]")
    sensor.tick()
    (raw,) = sensor.desk.send()
    assert b'"looking":"back"' in decode_envelope(raw).objects[0].body
    one = sensor.desk.indicator(stix_id)
    assert one is not None
    assert one.past is not None
    assert (one.past["verdict"], one.past["count"], one.past["places"]) == ("seen", 1, ["ids"])
    (hit,) = sensor.desk.node.store.read_now(lambda c: hits.listed(c, sensor.desk.fed.clock.now()))
    assert hit.subject == ("domain-name:value", EVIL)


def test_nothing_is_told_of_the_past_where_more_than_the_value_is_asked(harbour: Harbour, sensor: Sensor) -> None:
    sensor.ask(EVIL)
    sensor.look()
    stix_id = published(harbour, f"[domain-name:value = '{EVIL}'] AND [ipv4-addr:value = '93.184.216.34']")
    sensor.tick()
    one = sensor.desk.indicator(stix_id)
    assert one is not None
    assert one.past is not None
    assert (one.past["verdict"], one.past["partial"]) == ("seen", True)
    assert sensor.desk.send() == []


LOOKED = {
    "asked in twenty minutes": (20, "[domain-name:value = 'evil.example']", "looked-not-seen"),
    "asked in three minutes": (3, "[domain-name:value = 'evil.example']", "not-looked"),
    "no such sensor": (20, "[email-addr:value = 'boss@evil.example']", "not-looked"),
}


@pytest.mark.parametrize(("minutes", "pattern", "verdict"), LOOKED.values(), ids=LOOKED.keys())
def test_not_seen_differs_from_not_looked(
    harbour: Harbour, sensor: Sensor, minutes: int, pattern: str, verdict: str
) -> None:
    for minute in range(minutes):
        sensor.ask("www.example.org", at=sensor.desk.fed.clock.now() - timedelta(minutes=minute), number=minute)
    sensor.look()
    stix_id = published(harbour, pattern)
    sensor.tick()
    one = sensor.desk.indicator(stix_id)
    assert one is not None
    assert one.past is not None
    assert one.past["verdict"] == verdict
    assert sensor.desk.send() == []


def test_findings_become_drafts_and_a_bad_one_harms_no_other(sensor: Sensor) -> None:
    good, bad = a_finding(), a_finding(mmsi="205999999", found_at=datetime(1, 1, 1, tzinfo=UTC))  # no time in STIX
    sensor.detector.findings = [bad, good]
    sensor.ask(EVIL)
    sensor.look()
    assert len(sensor.desk.node.store.read_now(drafts.listed)) == 1
    assert sensor.pipeline.counters.refused == 1
    assert sensor.counted().records == 1


def test_a_line_counts_once_wherever_it_stands(sensor: Sensor) -> None:
    sensor.ask(EVIL)
    sensor.look()
    sensor.restart()
    sensor.look()
    copy = sensor.log.read_bytes()
    sensor.log.unlink()
    sensor.log.write_bytes(copy + copy)
    sensor.ask("www.example.org", number=1)
    sensor.look()
    assert sensor.counted() == tail_places.Counted(lines=4, records=2, repeated=2)
    assert len(sensor.detector.shown) == 2


def test_what_nobody_foresaw_in_a_line_or_a_detector_stops_neither_the_log_nor_the_others(
    sensor: Sensor, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(Finds):
        def detect(self, records: Sequence[Record]) -> list[Finding]:
            raise ZeroDivisionError(len(records))

    sensor.detector.findings = [a_finding()]
    sensor.flow = CyberFlow(
        sensor.desk.node.store,
        sensor.pipeline,
        [sensor.source],
        clock=sensor.desk.fed.clock,
        detectors=lambda: [Fails(name="new"), sensor.detector],
    )
    asyncio.run(sensor.flow.start())
    read = sensor.source._parse

    def parse(line: SensorLine) -> Record:
        if b"poison" in line.data:
            raise IndexError
        return read(line)

    sensor.source._parse = parse
    sensor.ask("poison.example")
    sensor.ask(EVIL, number=1)
    sensor.look()
    assert sensor.counted() == tail_places.Counted(lines=2, records=1, bad=1)
    assert len(sensor.desk.node.store.read_now(drafts.listed)) == 1
    assert {record.message for record in caplog.records} >= {
        "a line of a sensor met a fault of ours",
        "a detector failed",
    }


def test_lines_that_are_no_records_are_put_aside_one_by_one(sensor: Sensor) -> None:
    sensor.tell(b"{", b"\xff\xfe", b"[]", b'{"ts": "never"}')
    sensor.ask(EVIL)
    sensor.look()
    store: NodeStore = sensor.desk.node.store
    assert sensor.counted() == tail_places.Counted(lines=5, records=1, bad=4)
    bad = store.read_now(tail_places.bad_lines)
    assert [(one.source, one.why.partition(":")[0]) for one in bad] == [("ids", "RECORD")] * 4
    assert {one.head for one in bad} == {b"{", b"\xff\xfe", b"[]", b'{"ts": "never"}'}


def test_what_is_put_aside_and_remembered_is_bounded(sensor: Sensor) -> None:
    sensor.tell(*(f"{number}".encode() for number in range(tail_places.BAD_MOST + 50)))
    sensor.look(5)
    assert sensor.counted().bad == tail_places.BAD_MOST + 50
    assert sensor.desk.count(tables.BadLineRow) == tail_places.BAD_MOST
    now = sensor.desk.fed.clock.now()
    sensor.desk.node.store.write_now(lambda c: tail_places.purge(c, now + timedelta(minutes=1), most=0))
    assert sensor.desk.count(tables.TailLineRow) == 0


@pytest.mark.parametrize("how", ["lose", "lose_answer"])
def test_a_batch_counts_once_whether_its_write_is_lost_or_its_answer(sensor: Sensor, how: str) -> None:
    flaky = FlakyDatabase(sensor.desk.node.store.database.engine)
    sensor.desk.node.store.database = flaky
    sensor.ask(EVIL)
    setattr(flaky, how, 1)
    with pytest.raises(StorageError):
        sensor.look()
    assert sensor.desk.count(tables.RecordValueRow) == (0 if how == "lose" else 3)
    sensor.look()
    assert sensor.counted() == tail_places.Counted(lines=1, records=1)
    sensor.restart()
    sensor.look()
    assert sensor.counted() == tail_places.Counted(lines=1, records=1)


@pytest.mark.parametrize("how", ["lose", "lose_answer"])
def test_what_was_found_in_a_batch_outlives_its_failed_write(harbour: Harbour, sensor: Sensor, how: str) -> None:
    published(harbour, f"[domain-name:value = '{EVIL}']")
    sensor.tick()
    flaky = FlakyDatabase(sensor.desk.node.store.database.engine)
    sensor.desk.node.store.database = flaky
    sensor.detector.findings = [a_finding()]  # found once: a detector raises an occasion once a day
    sensor.ask(EVIL)
    setattr(flaky, how, 2 if how == "lose" else 1)
    for _ in range(flaky.lose + flaky.lose_answer):
        with pytest.raises(StorageError):
            sensor.look()
    sensor.ask("www.example.org", number=1)
    sensor.look()
    assert len(sensor.desk.node.store.read_now(drafts.listed)) == 1
    assert len(sensor.desk.node.store.read_now(sightings.hits)) == 1
    assert sensor.counted() == tail_places.Counted(lines=2, records=2)
    assert len(sensor.detector.shown) == 2


def test_the_past_is_forgotten_with_its_coverage(sensor: Sensor) -> None:
    clock, store = sensor.desk.fed.clock, sensor.desk.node.store
    sensor.ask("old.example")
    clock.advance(3_600)
    sensor.ask(EVIL)
    sensor.look()
    store.write_now(lambda c: cyber_past.purge(c, clock.now(), most=4))
    assert sensor.desk.count(tables.RecordValueRow) <= 4
    keys = [("domain-name:value", "old.example")]
    since, until = clock.now() - timedelta(days=1), clock.now() + timedelta(hours=1)
    answer = store.read_now(lambda c: cyber_past.look_back(c, keys, since, until))
    assert answer.verdict.value == "not-looked"
    store.write_now(lambda c: cyber_past.purge(c, clock.now() + timedelta(days=31)))
    assert (sensor.desk.count(tables.RecordValueRow), sensor.desk.count(tables.RecordCoverageRow)) == (0, 0)


RECORDED = {
    "a domain that Zeek saw asked for": ("zeek", "dns.head1500", "[domain-name:value = 'forums.jerry.land']"),
    "an answer of a name server": ("zeek", "dns.head1500", "[ipv4-addr:value = '104.16.40.2']"),
    "a certificate": (
        "zeek",
        "ssl.head1500",
        "[x509-certificate:hashes.'SHA-256' = 'b2dafbcdbc75210672f137f27ce882ccb799887631655d4f11191d5a678e44fe']",
    ),
    "a sender of mail": ("zeek", "smtp", "[email-addr:value = 'Nessus49048747@hotmail.com']"),
    "an account": ("zeek", "rdp", "[user-account:account_login = '{login}']"),
    "an attacker's address": ("eve", "wrccdc2018", "[ipv4-addr:value = '64.135.77.30']"),
    "a web address": ("eve", "first2015", "[url:value = '{url}']"),
    "a domain in an alert": ("eve", "wrccdc2018", "[domain-name:value = 'tags.onscroll.com']"),
}


@pytest.mark.parametrize("looking", ["live", "back"])
@pytest.mark.parametrize(("kind", "name", "pattern"), RECORDED.values(), ids=RECORDED.keys())
def test_values_of_real_recordings_are_met(  # one table of cases
    harbour: Harbour, desk: Desk, tmp_path: Path, kind: str, name: str, pattern: str, looking: str
) -> None:
    lines = moved(zeek_recording(name) if kind == "zeek" else eve_recording(name), desk.fed.clock.now())
    sensor = Sensor(desk, tmp_path / "sensor.log", kind=kind)
    text = pattern.format(login=first_of(lines, kind, LOGIN), url=first_of(lines, kind, "url:value"))
    if looking == "live":
        published(harbour, text)
        sensor.tick()
    sensor.tell(*lines)
    sensor.look(10)
    if looking == "back":
        published(harbour, text)
        sensor.tick()
    assert sensor.counted() == tail_places.Counted(lines=len(lines), records=len(lines))
    told = [decode_envelope(raw).objects[0].body for raw in desk.send()]
    assert [f'"looking":"{looking}"'.encode() in body for body in told] == [True]


def first_of(lines: list[bytes], kind: str, path: str) -> str:
    """The first value of a path in a recording."""
    parse = zeek.parse if kind == "zeek" else eve.parse
    found = (value for line in lines for value in parse(sensor_line(line)).facts.get(path, ()))
    return next(found, "none")
