"""Positions folded into the latest state of every ship: what the picture of the port shows. Pure and bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields, replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Final

from node.observations import AisPosition, AisStatic, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

TRACKS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The newest position and all that is known of the ship. ``static`` joins the parts of several messages."""

    mmsi: int
    position: AisPosition | None
    static: AisStatic | None
    first_seen: datetime
    last_seen: datetime
    reports: int


@dataclass(slots=True)
class _Entry:
    position: AisPosition | None
    static: AisStatic | None
    first_seen: datetime
    last_seen: datetime
    reports: int = 0

    def take(self, seen: Observation) -> None:
        self.reports += 1
        if seen.observed_at > self.last_seen:
            self.last_seen = seen.observed_at
        elif seen.observed_at < self.first_seen:
            self.first_seen = seen.observed_at
        if isinstance(seen, AisStatic):
            self.static = seen if self.static is None else merged(self.static, seen)
        elif self.position is None or seen.observed_at >= self.position.observed_at:
            self.position = seen

    def track(self, mmsi: int) -> Track:
        return Track(
            mmsi=mmsi,
            position=self.position,
            static=self.static,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            reports=self.reports,
        )


class Tracks:
    """One track per MMSI. A ship whose number is cloned flickers here; telling its copies apart is a detector's work.

    When full, the ship unheard for longest goes.
    """

    def __init__(self, *, limit: int = TRACKS) -> None:
        self._limit = limit
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Track]:
        return iter([entry.track(mmsi) for mmsi, entry in self._entries.items()])

    def get(self, mmsi: int) -> Track | None:
        """The track of this number, if it is known."""
        entry = self._entries.get(mmsi)
        return None if entry is None else entry.track(mmsi)

    def latest(self, limit: int) -> list[Track]:
        """The ships heard last, for a screen: safe while another thread takes batches in."""
        with self._lock:
            return [entry.track(mmsi) for mmsi, entry in islice(reversed(self._entries.items()), limit)]

    def fold(self, observations: Iterable[Observation]) -> set[int]:
        """Take a batch in; the numbers whose track changed. Older positions than the one held only count."""
        with self._lock:
            return self._fold(observations)

    def _fold(self, observations: Iterable[Observation]) -> set[int]:
        changed = set()
        for seen in observations:
            entry = self._entries.get(seen.mmsi)
            if entry is None:
                at = seen.observed_at
                entry = self._entries[seen.mmsi] = _Entry(position=None, static=None, first_seen=at, last_seen=at)
            entry.take(seen)
            self._entries.move_to_end(seen.mmsi)
            changed.add(seen.mmsi)
            if len(self._entries) > self._limit:
                forgotten, _ = self._entries.popitem(last=False)
                changed.discard(forgotten)
        return changed

    def expire(self, before: datetime) -> list[int]:
        """Forget the ships last heard before this time, and name them."""
        with self._lock:
            stale = [mmsi for mmsi, entry in self._entries.items() if entry.last_seen < before]
            for mmsi in stale:
                del self._entries[mmsi]
        return stale


def merged(older: AisStatic, newer: AisStatic) -> AisStatic:
    """What ``newer`` says, and for what it leaves out what ``older`` said."""
    silent = {field.name: getattr(older, field.name) for field in fields(newer) if getattr(newer, field.name) is None}
    return replace(newer, **silent) if silent else newer
