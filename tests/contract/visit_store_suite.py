"""What every VisitStore must do. Subclass it and give a ``store`` fixture that yields an empty store.

class TestMemoryVisits(VisitStoreSuite):
    @pytest.fixture
    def store(self) -> VisitStore: return MemoryVisits()
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING

from node.visits import ANYWHERE, Coverage, Verdict, Visit, look_back

if TYPE_CHECKING:
    from node.visits import VisitStore

NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL_DAY = (NINE - timedelta(hours=9), NINE + timedelta(hours=15))
SHIP = "mmsi:205123456"
FULL_HOUR = 2**60 - 1


def visit(
    *, identity: str = SHIP, hours: int = 0, place: str = "dock", first: int = 0, last: int = 30, count: int = 1,
    station: str = "mast",
) -> Visit:  # fmt: skip
    """A visit from minute ``first`` to ``last`` of the hour."""
    hour = NINE + hours * HOUR
    return Visit(
        identity=identity,
        hour=hour,
        place=place,
        first_seen=hour + timedelta(minutes=first),
        last_seen=hour + timedelta(minutes=last),
        count=count,
        station=station,
    )


def covered(*, hours: int = 0, place: str = ANYWHERE, station: str = "mast", minutes: int = FULL_HOUR) -> Coverage:
    """An hour of a station."""
    return Coverage(station=station, hour=NINE + hours * HOUR, place=place, minutes=minutes)


class VisitStoreSuite:
    def test_what_was_added_is_found_with_equal_times_in_utc(self, store: VisitStore) -> None:
        store.add([visit()], [covered()])
        assert list(store.visits_of([SHIP], *ALL_DAY)) == [visit()]
        assert list(store.coverage(*ALL_DAY)) == [covered()]
        assert store.visits_of([SHIP], *ALL_DAY)[0].first_seen.tzinfo is not None

    def test_parts_of_a_row_are_joined_in_any_order(self, store: VisitStore) -> None:
        parts = [
            visit(first=10, last=20, count=2, station="b"),
            visit(first=5, last=6, count=1, station="a"),
            visit(first=30, last=40, count=4, station="c"),
        ]
        for hours, order in enumerate(permutations(parts)):
            moved = [
                Visit(
                    identity=f"mmsi:{hours}", hour=part.hour, place=part.place, first_seen=part.first_seen,
                    last_seen=part.last_seen, count=part.count, station=part.station,
                )
                for part in order
            ]  # fmt: skip
            for part in moved:
                store.add([part], [])
            (row,) = store.visits_of([f"mmsi:{hours}"], *ALL_DAY)
            assert (row.first_seen, row.last_seen, row.count, row.station) == (
                NINE + timedelta(minutes=5), NINE + timedelta(minutes=40), 7, "a",
            )  # fmt: skip

    def test_parts_within_one_call_are_joined_too(self, store: VisitStore) -> None:
        store.add([visit(count=1), visit(count=2)], [covered(minutes=0b01), covered(minutes=0b10)])
        assert [row.count for row in store.visits_of([SHIP], *ALL_DAY)] == [3]
        assert [row.minutes for row in store.coverage(*ALL_DAY)] == [0b11]

    def test_minutes_of_coverage_are_joined_bit_by_bit(self, store: VisitStore) -> None:
        store.add([], [covered(minutes=1 << 59)])
        store.add([], [covered(minutes=1)])
        assert [row.minutes for row in store.coverage(*ALL_DAY)] == [(1 << 59) | 1]

    def test_rows_are_kept_apart_by_identity_hour_and_place(self, store: VisitStore) -> None:
        rows = [visit(), visit(hours=1), visit(place="lock"), visit(identity="imo:9074729")]
        store.add(rows, [])
        found = store.visits_of([SHIP, "imo:9074729"], *ALL_DAY)
        assert [(row.hour, row.place, row.identity) for row in found] == sorted(
            (row.hour, row.place, row.identity) for row in rows
        )
        assert [row.identity for row in store.visits_of(["imo:9074729"], *ALL_DAY)] == ["imo:9074729"]

    def test_coverage_is_ordered_by_hour_station_and_place(self, store: VisitStore) -> None:
        rows = [covered(hours=1), covered(station="b"), covered(station="a"), covered(station="a", place="x")]
        store.add([], rows)
        found = [(row.hour, row.station, row.place) for row in store.coverage(*ALL_DAY)]
        assert found == sorted((row.hour, row.station, row.place) for row in rows)

    def test_a_span_takes_in_the_hours_it_touches_and_no_others(self, store: VisitStore) -> None:
        store.add([visit(hours=hours) for hours in range(4)], [covered(hours=hours) for hours in range(4)])
        since, until = NINE + HOUR + timedelta(minutes=20), NINE + 3 * HOUR
        assert [row.hour for row in store.visits_of([SHIP], since, until)] == [NINE + HOUR, NINE + 2 * HOUR]
        assert [row.hour for row in store.coverage(since, until)] == [NINE + HOUR, NINE + 2 * HOUR]

    def test_nobody_asked_for_is_nobody_found(self, store: VisitStore) -> None:
        store.add([visit()], [])
        assert list(store.visits_of([], *ALL_DAY)) == []
        assert list(store.visits_of(["mmsi:000000000"], *ALL_DAY)) == []

    def test_purging_forgets_hours_that_have_ended_and_counts_visits(self, store: VisitStore) -> None:
        store.add([visit(hours=hours) for hours in range(3)], [covered(hours=hours) for hours in range(3)])
        assert store.purge(NINE + 2 * HOUR) == 2
        assert [row.hour for row in store.visits_of([SHIP], *ALL_DAY)] == [NINE + 2 * HOUR]
        assert [row.hour for row in store.coverage(*ALL_DAY)] == [NINE + 2 * HOUR]
        assert store.purge(NINE + 2 * HOUR) == 0

    def test_looking_back_tells_seen_from_not_seen_from_not_looked(self, store: VisitStore) -> None:
        store.add([visit(first=10, last=40, count=5)], [covered()])
        seen = look_back(store, [SHIP], *ALL_DAY)
        assert (seen.verdict, seen.places, seen.count) == (Verdict.SEEN, ("dock",), 5)
        assert (seen.first_seen, seen.last_seen) == (NINE + timedelta(minutes=10), NINE + timedelta(minutes=40))
        looked = look_back(store, ["mmsi:244000001"], *ALL_DAY)
        assert (looked.verdict, looked.hours_asked, looked.hours_looked) == (Verdict.LOOKED_NOT_SEEN, 24, 1)
        before = look_back(store, ["mmsi:244000001"], NINE - 2 * HOUR, NINE)
        assert (before.verdict, before.hours_asked, before.hours_looked) == (Verdict.NOT_LOOKED, 2, 0)
