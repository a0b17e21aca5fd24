"""Who was where and when, for looking back when an indicator arrives, and when anybody was looking at all.

Positions are folded by the hour: one row per identity, hour and place. Beside it runs the coverage: in which minutes
of an hour a station heard anything, and from which places. Without it "not seen" would not differ from "not looked".
Whoever can write here can make a ship seen that was not; the rows never leave the port.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from node.observations import (
    AisPosition,
    AisStatic,
    Observation,
    eni_identity,
    imo_identity,
    mmsi_identity,
)
from port2port.clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from node.places import Places

ELSEWHERE: Final = "elsewhere"  # in range of a station, in no place of the map
ANYWHERE: Final = "anywhere"  # coverage of a station as a whole
HOUR: Final = timedelta(hours=1)
# A ship at anchor reports every three minutes, so an hour of a working receiver near ships has some twenty minutes
# with something in them; fewer than ten is a receiver that was mostly off.
LOOKED_MINUTES: Final = 10
SHIPS_KNOWN: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An identity in a place in one hour. ``hour`` is its beginning; ``station`` the one that heard it first."""

    identity: str
    hour: datetime
    place: str
    first_seen: datetime
    last_seen: datetime
    count: int
    station: str

    @property
    def key(self) -> tuple[str, datetime, str]:
        """What there is one row of."""
        return self.identity, self.hour, self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """In which minutes of an hour a station heard anything from a place (bit 0 is minute 0)."""

    station: str
    hour: datetime
    place: str
    minutes: int

    @property
    def key(self) -> tuple[str, datetime, str]:
        """What there is one row of."""
        return self.station, self.hour, self.place


def joined_visits(one: Visit, other: Visit) -> Visit:
    """Two parts of the same row. Order does not matter, so a store may add parts as they come."""
    earlier = min(one, other, key=lambda visit: (visit.first_seen, visit.station))
    return replace(earlier, last_seen=max(one.last_seen, other.last_seen), count=one.count + other.count)


def joined_coverage(one: Coverage, other: Coverage) -> Coverage:
    """Two parts of the same row."""
    return replace(one, minutes=one.minutes | other.minutes)


class VisitStore(Protocol):
    """Where visits are kept; tests/contract holds what every store must do. All times are aware UTC."""

    def add(self, visits: Iterable[Visit], coverage: Iterable[Coverage]) -> None:
        """Join parts into their rows (``joined_visits``, ``joined_coverage``); all of them or none."""

    def visits_of(self, identities: Collection[str], since: datetime, until: datetime) -> Sequence[Visit]:
        """Rows of these identities whose hour overlaps [since, until), by hour, then place, then identity."""

    def coverage(self, since: datetime, until: datetime) -> Sequence[Coverage]:
        """Rows whose hour overlaps [since, until), by hour, then station, then place."""

    def purge(self, before: datetime) -> int:
        """Forget all rows whose hour ended before this time; how many visits that were."""


class MemoryVisits:
    """Keeps everything in memory: for tests and for a node without a store."""

    def __init__(self) -> None:
        self._visits: dict[str, dict[tuple[str, datetime, str], Visit]] = {}
        self._coverage: dict[tuple[str, datetime, str], Coverage] = {}

    def add(self, visits: Iterable[Visit], coverage: Iterable[Coverage]) -> None:
        """Join parts into their rows."""
        for visit in visits:
            rows = self._visits.setdefault(visit.identity, {})
            known = rows.get(visit.key)
            rows[visit.key] = visit if known is None else joined_visits(known, visit)
        for row in coverage:
            had = self._coverage.get(row.key)
            self._coverage[row.key] = row if had is None else joined_coverage(had, row)

    def visits_of(self, identities: Collection[str], since: datetime, until: datetime) -> Sequence[Visit]:
        """Rows of these identities whose hour overlaps [since, until)."""
        found = [
            visit
            for identity in set(identities)
            for visit in self._visits.get(identity, {}).values()
            if visit.hour < until and visit.hour + HOUR > since
        ]
        return sorted(found, key=lambda visit: (visit.hour, visit.place, visit.identity))

    def coverage(self, since: datetime, until: datetime) -> Sequence[Coverage]:
        """Rows whose hour overlaps [since, until)."""
        found = [row for row in self._coverage.values() if row.hour < until and row.hour + HOUR > since]
        return sorted(found, key=lambda row: (row.hour, row.station, row.place))

    def purge(self, before: datetime) -> int:
        """Forget all rows whose hour ended before this time."""
        kept: dict[str, dict[tuple[str, datetime, str], Visit]] = {}
        gone = 0
        for identity, rows in self._visits.items():
            young = {key: visit for key, visit in rows.items() if visit.hour + HOUR > before}
            gone += len(rows) - len(young)
            if young:
                kept[identity] = young
        self._visits = kept
        self._coverage = {key: row for key, row in self._coverage.items() if row.hour + HOUR > before}
        return gone


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(slots=True)
class _Part:
    first_seen: datetime
    last_seen: datetime
    station: str
    count: int = 0


class VisitFold:
    """Collects parts of visits between two writes to the store. ``drain`` hands them over and starts anew."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, datetime, str], _Part] = {}
        self._minutes: dict[tuple[str, datetime, str], int] = {}
        self._other_names: dict[int, tuple[str, ...]] = {}
        self._hour = EPOCH

    def fold(self, batch: Sequence[Observation], places: Places) -> None:
        """Take a batch in. A position counts for the most specific place it lies in, and for the other numbers
        (IMO, ENI) that the ship has sent with its MMSI."""
        positions = [seen for seen in batch if isinstance(seen, AisPosition)]
        for seen in batch:
            if isinstance(seen, AisStatic):
                self._learn(seen)
        located = places.locate([seen.position for seen in positions])
        for position, hits in zip(positions, located, strict=True):
            self._count(position, hits[0].id if hits else ELSEWHERE)

    def drain(self) -> tuple[list[Visit], list[Coverage]]:
        """All parts since the last drain."""
        visits = [
            Visit(
                identity=identity,
                hour=hour,
                place=place,
                first_seen=part.first_seen,
                last_seen=part.last_seen,
                count=part.count,
                station=part.station,
            )
            for (mmsi, hour, place), part in self._parts.items()
            for identity in (mmsi_identity(mmsi), *self._other_names.get(mmsi, ()))
        ]
        anywhere: dict[tuple[str, datetime, str], int] = {}
        for (station, hour, _), minutes in self._minutes.items():
            key = (station, hour, ANYWHERE)
            anywhere[key] = anywhere.get(key, 0) | minutes
        coverage = [
            Coverage(station=station, hour=hour, place=place, minutes=minutes)
            for (station, hour, place), minutes in (*self._minutes.items(), *anywhere.items())
        ]
        self._parts, self._minutes = {}, {}
        return visits, coverage

    def _learn(self, seen: AisStatic) -> None:
        names = [imo_identity(seen.imo)] if seen.imo is not None else []
        names += [eni_identity(seen.eni)] if seen.eni is not None else []
        known = self._other_names.get(seen.mmsi, ())
        if not names or set(names) <= set(known):
            return
        if len(self._other_names) >= SHIPS_KNOWN:
            del self._other_names[next(iter(self._other_names))]
        kinds = {name.partition(":")[0] for name in names}
        kept = tuple(name for name in known if name.partition(":")[0] not in kinds)
        self._other_names[seen.mmsi] = (*kept, *names)

    def _count(self, seen: AisPosition, place: str) -> None:
        at = seen.observed_at
        if not self._hour <= at < self._hour + HOUR:
            self._hour = hour_of(at)
        key = (seen.mmsi, self._hour, place)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = _Part(first_seen=at, last_seen=at, station=seen.station)
        elif at < part.first_seen:
            part.first_seen, part.station = at, seen.station
        elif at > part.last_seen:
            part.last_seen = at
        part.count += 1
        heard = (seen.station, self._hour, place)
        self._minutes[heard] = self._minutes.get(heard, 0) | 1 << at.minute


class Verdict(StrEnum):
    """The three answers to "was it here?"."""

    SEEN = "seen"
    LOOKED_NOT_SEEN = "looked-not-seen"
    NOT_LOOKED = "not-looked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """The answer. ``hours_looked`` of ``hours_asked`` say how much "not seen" is worth."""

    verdict: Verdict
    first_seen: datetime | None
    last_seen: datetime | None
    places: tuple[str, ...]
    count: int
    hours_asked: int
    hours_looked: int


def look_back(
    store: VisitStore,
    identities: Collection[str],
    since: datetime,
    until: datetime,
    *,
    place: str | None = None,
) -> LookBack:
    """Was any of these identities seen in [since, until), anywhere or in one place?

    An hour counts as looked when some station heard something in at least ten of its minutes. For a place only
    stations count that heard that place in some hour asked about: an empty lock in their range was looked at too.
    """
    hours_asked = _hours_between(since, until)
    rows = [
        visit
        for visit in store.visits_of(identities, since, until)
        if visit.last_seen >= since and visit.first_seen < until and (place is None or visit.place == place)
    ]
    looked = _hours_looked(store.coverage(since, until), place)
    not_seen = Verdict.LOOKED_NOT_SEEN if looked else Verdict.NOT_LOOKED
    return LookBack(
        verdict=Verdict.SEEN if rows else not_seen,
        first_seen=min((visit.first_seen for visit in rows), default=None),
        last_seen=max((visit.last_seen for visit in rows), default=None),
        places=tuple(dict.fromkeys(visit.place for visit in rows)),
        count=sum(visit.count for visit in rows),
        hours_asked=hours_asked,
        hours_looked=len(looked),
    )


def _hours_looked(rows: Iterable[Coverage], place: str | None) -> set[datetime]:
    rows = tuple(rows)
    in_range = {row.station for row in rows if place is None or row.place == place}
    return {
        row.hour
        for row in rows
        if row.place == ANYWHERE and row.station in in_range and row.minutes.bit_count() >= LOOKED_MINUTES
    }


def _hours_between(since: datetime, until: datetime) -> int:
    if until <= since:
        return 0
    last = hour_of(until - timedelta(microseconds=1))
    return (last - hour_of(since)) // HOUR + 1
