"""The plausibility gate between parsers and everything that draws conclusions; it counts all it refuses or corrects.

The rates behind the rules are measured on real recordings: 1.4 % of reports have no position, 45 % no heading,
0.2 % a malformed number; a speed of 102.2 kn occurs as a glitch of ships at anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from node.observations import MOVING_CLASSES, AisPosition, AisStatic, MmsiClass, Observation, mmsi_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from port2port.geo import Position

SPEED_LIMIT_KN: Final = 102.2  # means "102.2 or more", ITU-R M.1371 table 45
COURSE_LIMIT_DEG: Final = 360.0
HEADING_LIMIT_DEG: Final = 360.0
CLOCK_BEHIND: Final = timedelta(days=1)  # receivers that store and forward are late, not wrong
CLOCK_AHEAD: Final = timedelta(seconds=90)  # nothing is received before it was sent
REORDER: Final = timedelta(seconds=90)
STREAMS: Final = 200_000


class Refusal(StrEnum):
    """Why an observation went no further."""

    NOT_A_SHIP = "not-a-ship"  # coast station, aid to navigation, aircraft, group, distress device
    BAD_MMSI = "bad-mmsi"
    NO_POSITION = "no-position"  # 91 or 181, the codes for "not available"
    OFF_EARTH = "off-earth"
    NULL_ISLAND = "null-island"  # exactly 0/0
    TOO_LATE = "too-late"  # further behind the newest report of the same ship and station than reordering explains


class Correction(StrEnum):
    """What was taken out of an observation that otherwise passed."""

    SPEED = "speed"
    COURSE = "course"
    HEADING = "heading"
    CLOCK_BEHIND = "clock-behind"
    CLOCK_AHEAD = "clock-ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCounters:
    """A snapshot; ``seen`` is ``passed`` and all refusals together."""

    seen: int
    passed: int
    refusals: Mapping[Refusal, int]
    corrections: Mapping[Correction, int]


class Gate:
    """Judges one observation after the other; remembers per ship and station only the newest time.

    A time that the receiver cannot mean is replaced by the time of receipt. A replay is received at the recording's
    own times, so the same rule serves old recordings.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[int, str], datetime] = {}
        self._seen = 0
        self._refusals = dict.fromkeys(Refusal, 0)
        self._corrections = dict.fromkeys(Correction, 0)

    def counters(self) -> GateCounters:
        """What was refused and corrected so far."""
        return GateCounters(
            seen=self._seen,
            passed=self._seen - sum(self._refusals.values()),
            refusals=dict(self._refusals),
            corrections=dict(self._corrections),
        )

    def admit(self, observations: Iterable[Observation]) -> list[Observation]:
        """Those that pass, corrected where needed, in order."""
        passed: list[Observation] = []
        for observation in observations:
            self._seen += 1
            judged = self._judge(observation)
            if isinstance(judged, Refusal):
                self._refusals[judged] += 1
            else:
                passed.append(judged)
        return passed

    def _judge(self, observation: Observation) -> Observation | Refusal:
        named = mmsi_class(observation.mmsi)
        if named not in MOVING_CLASSES:
            return Refusal.BAD_MMSI if named is MmsiClass.MALFORMED else Refusal.NOT_A_SHIP
        if isinstance(observation, AisStatic):
            at = self._credible_time(observation)
            return observation if at is observation.observed_at else replace(observation, observed_at=at)
        refused = _refused_position(observation.position)
        if refused is not None:
            return refused
        corrected = self._corrected(observation)
        return Refusal.TOO_LATE if self._is_late(corrected) else corrected

    def _corrected(self, seen: AisPosition) -> AisPosition:
        speed, course, heading = seen.speed_kn, seen.course_deg, seen.heading_deg
        if speed is not None and speed >= SPEED_LIMIT_KN:
            speed = None
            self._corrections[Correction.SPEED] += 1
        if course is not None and course >= COURSE_LIMIT_DEG:
            course = None
            self._corrections[Correction.COURSE] += 1
        if heading is not None and heading >= HEADING_LIMIT_DEG:
            heading = None
            self._corrections[Correction.HEADING] += 1
        at = self._credible_time(seen)
        same = at is seen.observed_at and speed is seen.speed_kn and course is seen.course_deg
        if same and heading is seen.heading_deg:
            return seen
        return replace(seen, observed_at=at, speed_kn=speed, course_deg=course, heading_deg=heading)

    def _credible_time(self, seen: Observation) -> datetime:
        lag = seen.received_at - seen.observed_at
        if lag > CLOCK_BEHIND:
            self._corrections[Correction.CLOCK_BEHIND] += 1
            return seen.received_at
        if -lag > CLOCK_AHEAD:
            self._corrections[Correction.CLOCK_AHEAD] += 1
            return seen.received_at
        return seen.observed_at

    def _is_late(self, seen: AisPosition) -> bool:
        key = (seen.mmsi, seen.station)
        newest = self._newest.get(key)
        if newest is None:
            if len(self._newest) >= STREAMS:
                del self._newest[next(iter(self._newest))]
            self._newest[key] = seen.observed_at
            return False
        if seen.observed_at > newest:
            self._newest[key] = seen.observed_at
            return False
        return newest - seen.observed_at > REORDER


def _refused_position(position: Position) -> Refusal | None:
    if position.is_on_earth:
        at_zero = position.latitude_deg == 0.0 and position.longitude_deg == 0.0
        return Refusal.NULL_ISLAND if at_zero else None
    not_available = position.latitude_deg == 91.0 or position.longitude_deg == 181.0
    return Refusal.NO_POSITION if not_available else Refusal.OFF_EARTH
