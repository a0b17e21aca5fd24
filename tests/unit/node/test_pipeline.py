"""From bytes on a wire to a draft, and from somebody's indicator to our sighting: the stages as the node wires them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node import drafts, rules, sightings, suppressions, tables
from node.findings import Finding
from node.pipeline import Looked, Options, Pipeline
from node.places import Places
from node.sensors.parsers.ais import AisParser
from node.sensors.transports.lines import LineQueue, ReceivedLine
from node.trusted_time import TrustedTime
from node.visit_store import SqlVisits
from node.warning_lists.gate import Gate
from node.watch import Admission
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.ais import sentences
from tests.fakes.desks import A, B, C, Desk, Harbour, a_finding, amber
from tests.fakes.federation import statement_of, stix_id_of
from tests.fakes.waiting import wait_until

SHIP = 205123400
ANTWERP, BOSTON = (51.3, 4.3), (42.3, -71.0)


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
    """A detector that finds what it is told to, once."""

    findings: list[Finding]
    name: str = "told"
    version: int = 1

    def detect(self, batch: Sequence[Any], scene: Any) -> list[Finding]:
        found, self.findings = self.findings, []
        return found


def a_pipeline(desk: Desk, *findings: Finding, **options: Any) -> Pipeline:
    return Pipeline(
        desk.node.store,
        desk.author,
        Options(**{"defaults": desk.defaults, **options}),
        clock=desk.fed.clock,
        trusted=TrustedTime(desk.fed.clock),
        places=Places(()),
        visits=SqlVisits(desk.node.store),
        roster=lambda: desk.node.inbox.state.roster,
        parser=AisParser(),
        queue=LineQueue(),
        detectors=[Finds(list(findings))] if findings else None,
    )


def heard(
    desk: Desk, mmsi: int = SHIP, where: tuple[float, float] = ANTWERP, at: datetime | None = None
) -> list[ReceivedLine]:
    """One position report, as a receiver passes it on."""
    moment = at or desk.fed.clock.now()
    lines = sentences({"type": 1, "mmsi": mmsi, "lat": where[0], "lon": where[1], "speed": 8.0}, moment=moment)
    return [ReceivedLine("mast", moment, line) for line in lines]


def take(pipeline: Pipeline, lines: list[ReceivedLine]) -> Looked:
    return asyncio.run(pipeline.take(lines))


def tick(pipeline: Pipeline) -> None:
    asyncio.run(pipeline.tick())


def published(harbour: Harbour, *, mmsi: int = SHIP, **more: Any) -> str:
    """An indicator of B on a ship, received by A; its STIX id."""
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER, pattern=f"[vessel:mmsi = '{mmsi}']")
    given = {"tlp": Tlp.AMBER, "groups": ("seaports",), **more}
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], **given))
    harbour.desks[A].pull()
    return stix_id_of(raw)


def test_a_cloned_identity_on_the_wire_becomes_a_draft(desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    for minute in range(6):
        at = desk.fed.clock.now()
        where = (ANTWERP[0] + minute / 1000, ANTWERP[1]) if minute % 2 else (BOSTON[0] + minute / 1000, BOSTON[1])
        take(pipeline, heard(desk, where=where, at=at))
        desk.fed.clock.advance(60)
    (draft,) = desk.node.store.read_now(drafts.listed)
    assert draft.why["kind"] == "IDENTITY_CLONE"
    assert (pipeline.counters.findings, pipeline.counters.drafts) == (1, 1)


def test_a_ship_we_see_answers_an_indicator_with_a_sighting(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    stix_id = published(harbour)
    tick(pipeline)
    take(pipeline, heard(desk))
    (raw,) = desk.send()
    assert statement_of(raw).kind == "sighting"
    harbour.pull()
    (seen,) = harbour.desks[B].node.store.read_now(lambda c: sightings.seen_of(c, stix_id))
    assert (seen.by, seen.looking) == (A, "live")
    take(pipeline, heard(desk, at=desk.fed.clock.now() + timedelta(seconds=10)))
    assert desk.send() == []


def test_another_ship_answers_nothing(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    published(harbour)
    tick(pipeline)
    take(pipeline, heard(desk, mmsi=205999999))
    assert desk.send() == []


def test_a_new_indicator_is_also_asked_about_the_past(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    take(pipeline, heard(desk))
    desk.fed.clock.advance(7_200)
    stix_id = published(harbour)
    tick(pipeline)
    (raw,) = desk.send()
    assert b'"looking":"back"' in decode_envelope(raw).objects[0].body
    one = desk.indicator(stix_id)
    assert one is not None
    assert one.past is not None
    assert (one.past["verdict"], one.past["count"], one.state) == ("seen", 1, Admission.WATCHED.value)


@pytest.mark.parametrize(("minutes", "verdict"), [(20, "looked-not-seen"), (3, "not-looked")])
def test_not_seen_differs_from_not_looked(harbour: Harbour, desk: Desk, minutes: int, verdict: str) -> None:
    pipeline = a_pipeline(desk)
    for _ in range(minutes):
        take(pipeline, heard(desk, mmsi=205999999))
        desk.fed.clock.advance(60)
    stix_id = published(harbour)
    tick(pipeline)
    one = desk.indicator(stix_id)
    assert one is not None
    assert one.past is not None
    assert one.past["verdict"] == verdict
    assert desk.send() == []


def test_a_retraction_stops_matching_within_one_cycle(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    stix_id = published(harbour)
    tick(pipeline)
    harbour.feed.log(harbour.fed.retract(B, [stix_id], tlp=Tlp.AMBER, groups=("seaports",)))
    desk.pull()
    take(pipeline, heard(desk))
    assert desk.send() == [], "even before the watch has heard of it"
    tick(pipeline)
    assert take(pipeline, heard(desk, at=desk.fed.clock.now() + timedelta(minutes=20))).due == ()


def test_an_older_version_does_not_revive_a_retracted_indicator(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    stix_id = published(harbour)
    old = desk.indicator(stix_id)
    assert old is not None
    harbour.feed.log(harbour.fed.retract(B, [stix_id], tlp=Tlp.AMBER, groups=("seaports",)))
    harbour.feed.log(harbour.fed.publish(B, objects=[old.stix], tlp=Tlp.AMBER, groups=("seaports",)))
    desk.pull()
    tick(pipeline)
    assert take(pipeline, heard(desk)).due == ()


def test_what_has_expired_by_the_time_of_the_log_is_not_matched(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    published(harbour)
    tick(pipeline)
    assert take(pipeline, heard(desk)).due
    desk.fed.clock.advance(31 * 86_400)
    harbour.feed.log(harbour.fed.group("others", C))
    desk.pull()
    tick(pipeline)
    desk.fed.clock.step(-31 * 86_400)  # somebody sets the clock back
    assert take(pipeline, heard(desk, at=desk.fed.clock.now() + timedelta(minutes=30))).due == ()


def test_an_exercise_is_never_in_the_live_watch(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    published(harbour, realm="exercise:scheldt-26")
    tick(pipeline)
    assert take(pipeline, heard(desk)).due == ()


def test_a_pattern_we_do_not_evaluate_is_said_so(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    raw = harbour.fed.indicator(B, pattern="[vessel:name MATCHES '^MSC']")
    harbour.feed.log(harbour.fed.publish(B, objects=[raw]))
    desk.pull()
    tick(pipeline)
    one = desk.indicator(stix_id_of(raw))
    assert one is not None
    assert one.state == Admission.NOT_EVALUATED.value


def test_protected_identities_send_nothing_live_or_back(harbour: Harbour, desk: Desk) -> None:
    pipeline = a_pipeline(desk, protected=Gate(desk.node.home, [f"mmsi:{SHIP}"]).protects)
    take(pipeline, heard(desk))
    published(harbour)
    tick(pipeline)
    take(pipeline, heard(desk, at=desk.fed.clock.now() + timedelta(minutes=1)))
    assert desk.send() == []
    hits = desk.node.store.read_now(sightings.hits)
    assert {hit["state"] for hit in hits} == {sightings.DUTY_OFFICER}
    assert {hit["looking"] for hit in hits} == {"live", "back"}


def test_one_protected_identity_among_several_is_enough_to_send_nothing(harbour: Harbour, desk: Desk) -> None:
    other = SHIP + 1
    pipeline = a_pipeline(desk, protected=Gate(desk.node.home, [f"mmsi:{SHIP}"]).protects)
    take(pipeline, heard(desk))
    pattern = f"[vessel:mmsi = '{SHIP}'] OR [vessel:mmsi = '{other}']"
    raw = harbour.fed.indicator(B, tlp=Tlp.AMBER, pattern=pattern)
    harbour.feed.log(harbour.fed.publish(B, objects=[raw], tlp=Tlp.AMBER, groups=("seaports",)))
    desk.pull()
    tick(pipeline)
    assert desk.send() == []
    (hit,) = desk.node.store.read_now(sightings.hits)
    assert (hit["looking"], hit["state"]) == ("back", sightings.DUTY_OFFICER)


def test_our_own_indicator_is_not_matched_unless_asked_for(harbour: Harbour) -> None:
    mine = harbour.desks[B]
    published(harbour)
    mine.pull()
    for match_own in (False, True):
        pipeline = a_pipeline(mine, match_own=match_own)
        tick(pipeline)
        assert bool(take(pipeline, heard(mine)).due) is match_own


def test_a_clone_indicator_says_which_track_was_seen(harbour: Harbour) -> None:
    author, desk = harbour.desks[B], harbour.desks[A]
    author.publish(author.draft(a_finding(mmsi=str(SHIP))), amber())
    author.send()
    harbour.pull()
    pipeline = a_pipeline(desk)
    tick(pipeline)
    take(pipeline, heard(desk, where=(51.3, 4.3)))
    take(pipeline, heard(desk, where=BOSTON))
    tracks = {hit["track"] for hit in desk.node.store.read_now(sightings.hits)}
    assert tracks <= {"cloned track", "other track of same identity", "undetermined"}
    assert len(tracks) == 2


def test_suppressed_findings_are_counted_and_never_drafted(desk: Desk) -> None:
    now = desk.fed.clock.now()
    desk.node.store.write_now(
        lambda c: suppressions.add(
            c, kind="exception", subject="mmsi:205123456", owner="o1", reason="training ship", now=now,
            expires_at=now + timedelta(days=1),
        )
    )  # fmt: skip
    pipeline = a_pipeline(desk, a_finding())
    take(pipeline, heard(desk))
    assert (pipeline.counters.findings, pipeline.counters.suppressed, pipeline.counters.drafts) == (1, 1, 0)
    assert desk.node.store.read_now(drafts.listed) == []


def a_rule(desk: Desk, **changes: Any) -> rules.AutomaticRule:
    """A rule that an officer approved."""
    base = {
        "id": "clones", "version": 1, "detector": "identity-clone", "min_confidence": 60, "tlp": Tlp.AMBER,
        "groups": ("seaports",), "approved_by": "o1",
    }  # fmt: skip
    bare = rules.AutomaticRule(**{**base, **changes})
    return replace(bare, signature=rules.approval(bare, desk.officer()))


def test_an_approved_rule_publishes_what_does_not_rest_on_open_radio_alone(desk: Desk) -> None:
    from node.observations import SourceClass

    told = (a_finding(source_class=SourceClass.LOCAL), a_finding(mmsi="205000001"))
    pipeline = a_pipeline(desk, *told, rules=(a_rule(desk),))
    take(pipeline, heard(desk))
    (raw,) = desk.send()
    assert statement_of(raw).decided_by == "rule:clones@1"
    (waiting,) = desk.node.store.read_now(drafts.listed)
    assert waiting.why["single_open_source"] is True
    assert desk.count(tables.EvidenceRow) == 1


def test_a_rule_nobody_approved_publishes_nothing_and_harms_nothing(desk: Desk) -> None:
    from node.observations import SourceClass

    forged = replace(a_rule(desk), min_confidence=0)
    pipeline = a_pipeline(desk, a_finding(source_class=SourceClass.LOCAL), rules=(forged,))
    take(pipeline, heard(desk))
    assert desk.send() == []
    assert len(desk.node.store.read_now(drafts.listed)) == 1
    assert pipeline.counters.refused == 1


def test_after_a_restart_an_old_indicator_is_watched_and_the_past_not_told_twice(harbour: Harbour, desk: Desk) -> None:
    first = a_pipeline(desk)
    take(first, heard(desk))
    published(harbour)
    tick(first)
    assert len(desk.send()) == 1
    again = a_pipeline(desk)
    asyncio.run(again.start())
    assert desk.send() == [], "the past is not asked again"
    take(again, heard(desk, at=desk.fed.clock.now() + timedelta(minutes=1)))
    assert len(desk.send()) == 1


def test_run_reads_its_queue_until_it_is_closed_and_keeps_the_visits(desk: Desk) -> None:
    pipeline = a_pipeline(desk)
    queue = pipeline._queue

    async def story() -> None:
        task = asyncio.create_task(pipeline.run())
        for line in heard(desk):
            await queue.put(line)
        await asyncio.to_thread(wait_until, lambda: pipeline.counters.observations == 1, what="an observation")
        queue.close()
        await asyncio.to_thread(wait_until, lambda: desk.count(tables.VisitRow) == 1, what="a visit")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
