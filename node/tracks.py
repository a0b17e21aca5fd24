"""Positions folded into the latest state of every ship: what the picture of the port shows. Pure and bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields, replace
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


class Tracks:
    """One track per MMSI. A ship whose number is cloned flickers here; telling its copies apart is a detector's work.

    When full, the ship unheard for longest goes.
    """

    def __init__(self, *, limit: int = TRACKS) -> None:
        self._limit = limit
        self._tracks: OrderedDict[int, Track] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tracks)

    def __iter__(self) -> Iterator[Track]:
        return iter(tuple(self._tracks.values()))

    def get(self, mmsi: int) -> Track | None:
        """The track of this number, if it is known."""
        return self._tracks.get(mmsi)

    def fold(self, observations: Iterable[Observation]) -> set[int]:
        """Take a batch in; the numbers whose track changed. Older positions than the one held only count."""
        changed = set()
        for seen in observations:
            track = self._tracks.get(seen.mmsi)
            self._tracks[seen.mmsi] = _started(seen) if track is None else _advanced(track, seen)
            self._tracks.move_to_end(seen.mmsi)
            changed.add(seen.mmsi)
            if len(self._tracks) > self._limit:
                forgotten, _ = self._tracks.popitem(last=False)
                changed.discard(forgotten)
        return changed

    def expire(self, before: datetime) -> list[int]:
        """Forget the ships last heard before this time, and name them."""
        stale = [mmsi for mmsi, track in self._tracks.items() if track.last_seen < before]
        for mmsi in stale:
            del self._tracks[mmsi]
        return stale


def _started(seen: Observation) -> Track:
    return Track(
        mmsi=seen.mmsi,
        position=seen if isinstance(seen, AisPosition) else None,
        static=seen if isinstance(seen, AisStatic) else None,
        first_seen=seen.observed_at,
        last_seen=seen.observed_at,
        reports=1,
    )


def _advanced(track: Track, seen: Observation) -> Track:
    position, static = track.position, track.static
    if isinstance(seen, AisStatic):
        static = seen if static is None else merged(static, seen)
    elif position is None or seen.observed_at >= position.observed_at:
        position = seen
    return Track(
        mmsi=track.mmsi,
        position=position,
        static=static,
        first_seen=min(track.first_seen, seen.observed_at),
        last_seen=max(track.last_seen, seen.observed_at),
        reports=track.reports + 1,
    )


def merged(older: AisStatic, newer: AisStatic) -> AisStatic:
    """What ``newer`` says, and for what it leaves out what ``older`` said."""
    silent = {field.name: getattr(older, field.name) for field in fields(newer) if getattr(newer, field.name) is None}
    return replace(newer, **silent) if silent else newer
