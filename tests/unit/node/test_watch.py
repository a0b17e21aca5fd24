from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.observations import AisPosition, AisStatic, SourceClass
from node.visits import ANYWHERE, Coverage, MemoryVisits, Verdict, Visit
from node.watch import (
    Admission,
    Decision,
    Facts,
    Handling,
    Track,
    WatchedIndicator,
    WatchIndex,
    WatchLimits,
    due,
    facts_of_ais,
    fold,
    identities_of,
    look_back,
    published,
    which_track,
)
from port2port.geo import Position
from port2port.patterns import TemplateCache, compile_pattern
from port2port.stix.discriminators import Discriminators, TrackHint
from tests.fakes.examples import many

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TEMPLATES = TemplateCache()
MMSI = "205123456"
ANTWERP = Position(latitude_deg=51.3, longitude_deg=4.3)
VLISSINGEN = Position(latitude_deg=51.44, longitude_deg=3.57)
BOSTON = Position(latitude_deg=42.3, longitude_deg=-71.0)


def watched(pattern=f"[vessel:mmsi = '{MMSI}']", *, number=1, issuer="north-sea-port", index=None, **changes):
    base = {
        "issuer": issuer,
        "stix_id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "entry_index": number if index is None else index,
        "pattern": compile_pattern(pattern, TEMPLATES),
        "handling": Handling.CALL_FIRST,
        "valid_from": T0,
        "valid_until": T0 + timedelta(days=1),
    }
    return WatchedIndicator(**(base | changes))


def a_watch(*indicators, protected=lambda facts: False, hits=0, limits=None):
    watch = WatchIndex(limits or WatchLimits(), protected)
    for indicator in indicators:
        watch.add(indicator, lambda pattern: hits)
    return watch


def seen(at=T0, position=ANTWERP, **facts):
    named = {f"vessel:{name}": value for name, value in ({"mmsi": MMSI} | facts).items()}
    return Facts(facts=named, observed_at=at, position=position)


def test_an_observation_meets_the_indicators_that_bind_its_number():
    watch = a_watch(watched(), watched("[vessel:mmsi = '205000001']", number=2))
    (match,) = watch.observe(seen(), T0)
    assert match.handling is Handling.CALL_FIRST
    assert match.decision is Decision.SIGHT
    assert match.subject == ("vessel:mmsi", MMSI)
    assert match.track is None
    assert watch.observe(seen(mmsi="205000009"), T0) == []


def test_matches_come_in_log_order_and_each_indicator_once():
    watch = a_watch(
        watched(number=2, index=9), watched(f"[vessel:mmsi = '{MMSI}' OR vessel:imo = '9074729']", number=1, index=3)
    )
    found = watch.observe(seen(imo="9074729"), T0)
    assert [match.indicator.entry_index for match in found] == [3, 9]


def test_the_rest_of_the_pattern_still_decides():
    watch = a_watch(watched(f"[vessel:mmsi = '{MMSI}' AND vessel:name != 'HONEST']"))
    assert watch.observe(seen(name="LIAR"), T0)
    assert not watch.observe(seen(name="HONEST"), T0)
    assert not watch.observe(seen(), T0)


@pytest.mark.parametrize(
    ("now", "matches"),
    [
        (T0 - timedelta(seconds=1), 0),
        (T0, 1),
        (T0 + timedelta(days=1) - timedelta(seconds=1), 1),
        (T0 + timedelta(days=1), 0),
    ],
    ids=["before valid_from", "at valid_from", "last second", "at valid_until"],
)
def test_only_trusted_time_decides_what_is_in_force(now, matches):
    assert len(a_watch(watched()).observe(seen(), now)) == matches


def test_what_expired_is_forgotten():
    watch = a_watch(watched(), watched(number=2, valid_until=None))
    assert watch.expire(T0 + timedelta(hours=23)) == []
    assert [stix_id[-1] for _, _, stix_id in watch.expire(T0 + timedelta(days=1))] == ["1"]
    assert len(watch) == 1


def test_a_retraction_removes_at_once_and_no_version_revives_the_object():
    watch = a_watch(watched())
    watch.revoke(watched().key)
    assert watch.observe(seen(), T0) == []
    for index in (0, 1, 99):
        assert watch.add(watched(index=index), lambda pattern: 0) is Admission.REVOKED
    assert watch.observe(seen(), T0) == []


def test_a_retraction_that_comes_first_holds_too():
    watch = a_watch()
    watch.revoke(watched().key)
    assert watch.add(watched(), lambda pattern: 0) is Admission.REVOKED


def test_a_retraction_by_another_issuer_changes_nothing():
    watch = a_watch(watched())
    watch.revoke(("somebody-else", watched().stix_id))
    assert watch.observe(seen(), T0)


def test_a_later_version_replaces_and_an_earlier_one_is_ignored():
    watch = a_watch(watched(index=5))
    assert watch.add(watched("[vessel:mmsi = '205000002']", index=4), lambda pattern: 0) is Admission.SUPERSEDED
    assert watch.add(watched("[vessel:mmsi = '205000003']", index=6), lambda pattern: 0) is Admission.WATCHED
    assert not watch.observe(seen(), T0)
    assert not watch.observe(seen(mmsi="205000002"), T0)
    assert watch.observe(seen(mmsi="205000003"), T0)


def test_a_suspended_version_may_come_back():
    watch = a_watch(watched())
    watch.remove(watched().key)
    assert not watch.observe(seen(), T0)
    assert watch.add(watched(), lambda pattern: 0) is Admission.WATCHED
    assert watch.observe(seen(), T0)


def test_few_patterns_without_a_unique_name_are_evaluated_per_issuer():
    limits = WatchLimits(unindexed_per_issuer=2)
    watch = a_watch(limits=limits)
    broad = [watched(f"[vessel:speed_kn > {number}]", number=number) for number in range(1, 5)]
    admissions = [watch.add(indicator, lambda pattern: 0) for indicator in broad]
    assert admissions == [Admission.WATCHED] * 2 + [Admission.NOT_EVALUATED] * 2
    other = watched("[vessel:name LIKE 'X%']", number=9, issuer="beanr")
    assert watch.add(other, lambda pattern: 0) is Admission.WATCHED
    assert len(watch.observe(seen(speed_kn=30.0, name="XY"), T0)) == 3
    shown = {indicator.entry_index: admission for indicator, admission in watch.admissions()}
    assert shown[3] is Admission.NOT_EVALUATED


def test_a_pattern_that_hit_more_than_three_objects_waits_for_an_officer():
    watch = a_watch(hits=4)
    broad = watched("[vessel:speed_kn > 1]")
    assert watch.add(broad, lambda pattern: 4) is Admission.QUARANTINED
    assert not watch.observe(seen(speed_kn=9.0), T0)
    assert watch.release(broad.key)
    assert not watch.release(broad.key)
    decisions = [
        match.decision
        for number in range(6)
        for match in watch.observe(seen(mmsi=f"20500000{number}", speed_kn=9.0), T0)
    ]
    assert decisions == [Decision.SIGHT] * 6


def test_a_pattern_that_turns_out_too_broad_is_quarantined_while_running():
    watch = a_watch(watched("[vessel:speed_kn > 1]"))
    fast = [seen(mmsi=f"20500000{number}", speed_kn=9.0) for number in range(5)]
    decisions = [[match.decision for match in watch.observe(facts, T0)] for facts in [*fast[:3], fast[0], *fast[3:]]]
    assert decisions == [[Decision.SIGHT]] * 4 + [[Decision.QUARANTINE], []]


def test_objects_of_yesterday_do_not_count_towards_quarantine():
    watch = a_watch(watched("[vessel:speed_kn > 1]", valid_until=None))
    for number in range(8):
        (match,) = watch.observe(seen(mmsi=f"20500000{number}", speed_kn=9.0), T0 + timedelta(hours=9 * number))
        assert match.decision is Decision.SIGHT


def test_protected_identities_go_to_the_duty_officer_only():
    watch = a_watch(watched(), protected=lambda facts: facts.get("vessel:mmsi") == MMSI)
    (match,) = watch.observe(seen(), T0)
    assert match.decision is Decision.DUTY_OFFICER_ONLY


def test_repeats_and_within_need_a_history():
    watch = a_watch(watched(f"[vessel:mmsi = '{MMSI}' AND vessel:speed_kn < 0.5] REPEATS 3 TIMES WITHIN 600 SECONDS"))
    hits = [
        len(watch.observe(seen(T0 + timedelta(seconds=at), speed_kn=speed), T0))
        for at, speed in [(0, 0.1), (300, 0.1), (400, 9.0), (700, 0.1), (800, 0.1), (5000, 0.1)]
    ]
    assert hits == [0, 0, 0, 0, 1, 0]


def test_a_flood_of_one_part_does_not_push_out_the_other():
    watch = a_watch(watched(f"[vessel:mmsi = '{MMSI}'] REPEATS 2 TIMES AND [vessel:imo = '9074729']"))
    assert not watch.observe(seen(mmsi="205000009", imo="9074729"), T0)
    assert not watch.observe(seen(mmsi=MMSI), T0)
    found = [watch.observe(seen(T0 + timedelta(seconds=second)), T0) for second in range(50)]
    assert all(found)


# Which of two ships with one number.

SUSPECT = TrackHint(position=(51.3, 4.3), reported_at=T0, radius_km=5.0, facts={"vessel:name": "LIAR"})
VICTIM = TrackHint(position=(42.3, -71.0), reported_at=T0, radius_km=5.0, facts={"vessel:name": "HONEST"})
BOTH = Discriminators(suspect=SUSPECT, other=VICTIM)
HOUR = T0 + timedelta(hours=1)


@pytest.mark.parametrize(
    ("discriminators", "observed", "track"),
    [
        (BOTH, seen(HOUR, ANTWERP), Track.CLONED),
        (BOTH, seen(HOUR, VLISSINGEN), Track.CLONED),
        (BOTH, seen(HOUR, BOSTON), Track.OTHER),
        (BOTH, seen(HOUR, Position(latitude_deg=0.0, longitude_deg=0.0)), Track.UNDETERMINED),
        (BOTH, seen(HOUR, None), Track.UNDETERMINED),
        (BOTH, seen(HOUR, None, name="LIAR"), Track.CLONED),
        (BOTH, seen(HOUR, None, name="HONEST"), Track.OTHER),
        (BOTH, seen(HOUR, None, name="THIRD"), Track.UNDETERMINED),
        (BOTH, seen(HOUR, ANTWERP, name="HONEST"), Track.UNDETERMINED),
        (BOTH, seen(T0 + timedelta(hours=13), BOSTON), Track.UNDETERMINED),
        (BOTH, seen(T0 - timedelta(hours=1), BOSTON), Track.OTHER),
        (Discriminators(suspect=SUSPECT), seen(HOUR, BOSTON), Track.OTHER),
        (Discriminators(suspect=SUSPECT), seen(HOUR, ANTWERP), Track.CLONED),
        (Discriminators(suspect=TrackHint()), seen(HOUR, ANTWERP), Track.UNDETERMINED),
        (None, seen(HOUR, ANTWERP), None),
    ],
    ids=str,
)
def test_a_clone_is_told_from_its_victim(discriminators, observed, track):
    assert which_track(discriminators, observed) is track


def test_the_innocent_ship_is_only_observed():
    watch = a_watch(watched(discriminators=BOTH, handling=Handling.ACT))
    (guilty,) = watch.observe(seen(HOUR, ANTWERP), HOUR)
    (innocent,) = watch.observe(seen(HOUR, BOSTON), HOUR)
    assert (guilty.track, guilty.handling) == (Track.CLONED, Handling.ACT)
    assert (innocent.track, innocent.handling) == (Track.OTHER, Handling.OBSERVE_ONLY)


# Looking back.


def a_visit(hours_ago, place="deurganckdok", identity=f"mmsi:{MMSI}"):
    hour = T0 - timedelta(hours=hours_ago)
    return Visit(
        identity=identity,
        hour=hour,
        place=place,
        first_seen=hour + timedelta(minutes=5),
        last_seen=hour + timedelta(minutes=50),
        count=7,
        station="s1",
    )


def coverage(hours_ago):
    return Coverage(station="s1", hour=T0 - timedelta(hours=hours_ago), place=ANYWHERE, minutes=2**60 - 1)


def test_looking_back_answers_seen_not_seen_and_not_looked():
    visits = MemoryVisits()
    month = T0 - timedelta(days=30)
    assert look_back(watched(), visits, month, T0).answer.verdict is Verdict.NOT_LOOKED
    visits.add([a_visit(3, identity="mmsi:205000009")], [coverage(3)])
    assert look_back(watched(), visits, month, T0).answer.verdict is Verdict.LOOKED_NOT_SEEN
    visits.add([a_visit(100), a_visit(2, "zandvliet")], [])
    past = look_back(watched(), visits, month, T0)
    assert past.answer.verdict is Verdict.SEEN
    assert past.answer.first_seen == T0 - timedelta(hours=100) + timedelta(minutes=5)
    assert past.answer.last_seen == T0 - timedelta(hours=2) + timedelta(minutes=50)
    assert past.answer.places == ("deurganckdok", "zandvliet")
    assert not past.partial


@pytest.mark.parametrize(
    ("indicator", "partial"),
    [
        (watched(f"[vessel:mmsi IN ('{MMSI}', '205000001')]"), False),
        (watched(f"[vessel:mmsi = '{MMSI}'] OR [vessel:imo = '9074729']"), False),
        (watched(f"[vessel:mmsi = '{MMSI}' AND vessel:name = 'X']"), True),
        (watched(f"[vessel:mmsi = '{MMSI}'] REPEATS 2 TIMES"), True),
        (watched(f"[vessel:mmsi = '{MMSI}'] OR [ipv4-addr:value = '10.0.0.1']"), True),
        (watched(discriminators=BOTH), True),
    ],
    ids=["in", "or", "name too", "repeats", "other kinds", "clone"],
)
def test_looking_back_says_when_it_could_not_ask_everything(indicator, partial):
    assert look_back(indicator, MemoryVisits(), T0 - timedelta(days=1), T0).partial is partial


def test_what_visits_do_not_know_is_not_looked_back_for():
    assert look_back(watched("[ipv4-addr:value = '10.0.0.1']"), MemoryVisits(), T0, T0) is None
    assert look_back(watched("[vessel:name LIKE 'X%']"), MemoryVisits(), T0, T0) is None
    assert identities_of(watched("[vessel:imo = '9074729' OR vessel:eni = '06004321']")) == (
        "eni:06004321",
        "imo:9074729",
    )


# One sighting per stay.


def test_a_ship_in_view_for_an_hour_is_one_sighting_told_every_quarter():
    window, told = None, []
    for second in range(0, 3_601, 10):
        now = T0 + timedelta(seconds=second)
        window = fold(window, now)
        if due(window, now):
            told.append(second)
            window = published(window, now)
    assert told == [0, 900, 1_800, 2_700, 3_600]
    assert (window.first_seen, window.count) == (T0, 361)


def test_nothing_new_is_not_told_again():
    window = published(fold(None, T0), T0)
    assert not due(window, T0 + timedelta(days=1))


def test_after_an_hour_out_of_view_a_new_stay_begins():
    window = fold(published(fold(None, T0), T0), T0 + timedelta(hours=1, seconds=1))
    assert window.first_seen == T0 + timedelta(hours=1, seconds=1)
    assert due(window, T0 + timedelta(hours=2))


@settings(max_examples=many(100))
@given(st.lists(st.integers(0, 3_500), min_size=1, max_size=20))
def test_the_order_of_arrival_does_not_matter_within_a_stay(seconds):
    window = None
    for second in seconds:
        window = fold(window, T0 + timedelta(seconds=second))
    assert window.first_seen == T0 + timedelta(seconds=min(seconds))
    assert window.last_seen == T0 + timedelta(seconds=max(seconds))
    assert window.count == len(seconds)


# AIS.

COMMON = {
    "observed_at": T0,
    "received_at": T0,
    "mmsi": 205123456,
    "station": "s1",
    "source_class": SourceClass.OPEN_RADIO,
    "raw": (b"!AIVDM",),
}


def test_ais_messages_become_facts_by_themselves():
    position = AisPosition(
        **COMMON,
        position=ANTWERP,
        speed_kn=0.0,
        course_deg=None,
        heading_deg=90.0,
        nav_status=5,
        message_type=1,
    )
    static = AisStatic(**COMMON, name="LIAR", callsign="ONAB", imo=9074729, message_type=5)
    assert facts_of_ais(position).facts == {
        "vessel:mmsi": MMSI,
        "vessel:speed_kn": 0.0,
        "vessel:heading_deg": 90.0,
        "vessel:nav_status": 5,
    }
    assert facts_of_ais(position).position == ANTWERP
    assert facts_of_ais(static).facts == {
        "vessel:mmsi": MMSI,
        "vessel:imo": "9074729",
        "vessel:name": "LIAR",
        "vessel:call_sign": "ONAB",
    }
    assert facts_of_ais(static).position is None


# The index never changes the answer.

NUMBERS = st.sampled_from(["205000001", "205000002", "205000003"])
SHAPES = st.builds(
    lambda shape, a, b: shape.format(a=a, b=b),
    st.sampled_from(
        [
            "[vessel:mmsi = '{a}']",
            "[vessel:mmsi IN ('{a}', '{b}')]",
            "[vessel:mmsi != '{a}']",
            "[vessel:mmsi = '{a}' AND vessel:speed_kn > 5]",
            "[vessel:mmsi = '{a}'] OR [vessel:name LIKE 'X%']",
        ]
    ),
    NUMBERS,
    NUMBERS,
)


@settings(max_examples=many(150), deadline=None)
@given(st.lists(SHAPES, max_size=5), st.lists(st.tuples(NUMBERS, st.booleans(), st.integers(0, 9)), max_size=5))
def test_the_index_finds_exactly_what_evaluating_every_pattern_finds(shapes, sights):
    indicators = [watched(shape, number=number, issuer=f"i{number}") for number, shape in enumerate(shapes)]
    watch = a_watch(*indicators, limits=WatchLimits(quarantine_over=100))
    for mmsi, named, speed in sights:
        facts = seen(mmsi=mmsi, speed_kn=float(speed), **({"name": "XY"} if named else {}))
        found = [match.indicator for match in watch.observe(facts, T0)]
        assert found == [indicator for indicator in indicators if indicator.pattern.evaluate([facts])]
