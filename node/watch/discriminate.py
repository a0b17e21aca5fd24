"""Which of the ships that share an identity an observation belongs to.

Each described track votes: it is contradicted by a differing fact or by a place it cannot have reached since it was
last reported, supported by an agreeing fact or a reachable place, and silent otherwise. After twelve hours a ship
can be anywhere, so the place falls silent.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from port2port.geo import Position, haversine_m, metres_per_second

if TYPE_CHECKING:
    from node.watch.facts import ObservedFacts
    from port2port.stix.discriminators import Discriminators, TrackHint

PLACE_TELLS_FOR: Final = timedelta(hours=12)
METRES_PER_KM: Final = 1000.0


class Track(StrEnum):
    """The three answers, as they stand in a sighting."""

    CLONED = "cloned track"
    OTHER = "other track of same identity"
    UNDETERMINED = "undetermined"


def which_track(discriminators: Discriminators | None, seen: ObservedFacts) -> Track | None:
    """The track meant; None for an indicator that does not distinguish (its identity is one ship's)."""
    if discriminators is None:
        return None
    suspect = _fits(discriminators.suspect, seen)
    other = None if discriminators.other is None else _fits(discriminators.other, seen)
    if suspect is True and other is not True:
        return Track.CLONED
    if suspect is not True and other is True:
        return Track.OTHER
    if suspect is False and other is None:
        return Track.OTHER
    return Track.UNDETERMINED


def _fits(hint: TrackHint, seen: ObservedFacts) -> bool | None:
    votes = [seen.facts[path] == value for path, value in hint.facts.items() if path in seen.facts]
    place = _reachable(hint, seen)
    if place is not None:
        votes.append(place)
    return all(votes) if votes else None


def _reachable(hint: TrackHint, seen: ObservedFacts) -> bool | None:
    if hint.position is None or hint.reported_at is None or seen.position is None:
        return None
    apart = abs(seen.observed_at - hint.reported_at)
    if apart > PLACE_TELLS_FOR:
        return None
    last = Position(latitude_deg=hint.position[0], longitude_deg=hint.position[1])
    reach_m = hint.radius_km * METRES_PER_KM + metres_per_second(hint.speed_kn) * apart.total_seconds()
    return haversine_m(last, seen.position) <= reach_m
