from __future__ import annotations

from datetime import timedelta

from node.places import load_places
from node.visits import ANYWHERE, ELSEWHERE, MemoryVisits, Verdict, VisitFold, look_back
from tests.fakes.ais import NOON, after, report, static
from tests.fakes.maps import feature, geojson

SHIP = 205_123_456
MAP = load_places(geojson(feature("dock")))
IN_DOCK, AT_SEA = (51.21, 4.21), (51.5, 3.0)


def test_positions_become_one_visit_per_hour_and_place() -> None:
    fold = VisitFold()
    fold.fold([report(SHIP, second, *IN_DOCK) for second in (60, 30, 3540, 3660)], MAP)
    fold.fold([report(SHIP, 90, *AT_SEA)], MAP)
    visits, _ = fold.drain()
    assert [(v.identity, v.hour, v.place, v.first_seen, v.last_seen, v.count, v.station) for v in visits] == [
        ("mmsi:205123456", NOON, "dock", after(30), after(3540), 3, "mast"),
        ("mmsi:205123456", NOON + timedelta(hours=1), "dock", after(3660), after(3660), 1, "mast"),
        ("mmsi:205123456", NOON, ELSEWHERE, after(90), after(90), 1, "mast"),
    ]
    assert fold.drain() == ([], [])


def test_the_station_is_the_one_that_heard_first() -> None:
    fold = VisitFold()
    fold.fold([report(SHIP, 60, *IN_DOCK, station="late"), report(SHIP, 30, *IN_DOCK, station="early")], MAP)
    assert [visit.station for visit in fold.drain()[0]] == ["early"]


def test_a_ship_is_also_remembered_by_the_other_numbers_it_has_sent() -> None:
    fold = VisitFold()
    fold.fold([static(SHIP, 0, imo=9_074_729), static(SHIP, 1, eni="02312345"), report(SHIP, 2, *IN_DOCK)], MAP)
    assert {visit.identity for visit in fold.drain()[0]} == {"mmsi:205123456", "imo:9074729", "eni:02312345"}
    fold.fold([static(SHIP, 3, imo=9_321_483), report(SHIP, 4, *IN_DOCK)], MAP)
    assert {visit.identity for visit in fold.drain()[0]} == {"mmsi:205123456", "imo:9321483", "eni:02312345"}


def test_coverage_marks_the_minutes_of_station_and_place() -> None:
    fold = VisitFold()
    fold.fold([report(SHIP, second, *IN_DOCK) for second in (0, 59, 60, 3599)], MAP)
    _, coverage = fold.drain()
    assert {(row.station, row.place, row.minutes) for row in coverage} == {
        ("mast", "dock", 1 | 2 | 1 << 59),
        ("mast", ANYWHERE, 1 | 2 | 1 << 59),
    }


def watched(minutes: int, where: tuple[float, float]) -> MemoryVisits:
    """A store of an hour in which another ship was heard in so many minutes."""
    fold, store = VisitFold(), MemoryVisits()
    fold.fold([report(SHIP, 60 * minute, *where) for minute in range(minutes)], MAP)
    store.add(*fold.drain())
    return store


def test_an_hour_of_nine_minutes_heard_was_not_looked() -> None:
    span = (NOON, NOON + timedelta(hours=1))
    assert look_back(watched(9, IN_DOCK), ["mmsi:1"], *span).verdict is Verdict.NOT_LOOKED
    assert look_back(watched(10, IN_DOCK), ["mmsi:1"], *span).verdict is Verdict.LOOKED_NOT_SEEN


def test_a_station_that_never_hears_a_place_has_not_looked_there() -> None:
    span = (NOON, NOON + timedelta(hours=1))
    assert look_back(watched(30, AT_SEA), ["mmsi:1"], *span, place="dock").verdict is Verdict.NOT_LOOKED
    assert look_back(watched(30, IN_DOCK), ["mmsi:1"], *span, place="dock").verdict is Verdict.LOOKED_NOT_SEEN


def test_only_visits_within_the_span_and_place_count() -> None:
    store = watched(30, IN_DOCK)
    me = ["mmsi:205123456"]
    assert look_back(store, me, NOON + timedelta(minutes=40), NOON + timedelta(hours=1)).verdict is not Verdict.SEEN
    assert look_back(store, me, NOON, NOON + timedelta(hours=1), place="lock").verdict is not Verdict.SEEN
    assert look_back(store, me, NOON, NOON + timedelta(hours=1), place="dock").verdict is Verdict.SEEN


def test_an_empty_span_asks_for_no_hours() -> None:
    answer = look_back(MemoryVisits(), ["mmsi:1"], NOON, NOON)
    assert (answer.hours_asked, answer.verdict) == (0, Verdict.NOT_LOOKED)
