"""GEOFENCE: a ship crosses a fence it has no leave to cross, or is too fast inside it.

A crossing takes two reports in a row, 50 m inside to enter and outside to leave, and at least a minute since the last
crossing. Reports that the ship could not have made from where it was belong to somebody else under its number: they
neither end a stay nor start one over, so a transmitter far away cannot hide a ship inside.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from node.findings import (
    Finding,
    FindingKind,
    Measure,
    Severity,
    confidence_of,
    could_reach,
    evidence_of,
    finding_id,
)
from node.observations import TYPE_NOT_AVAILABLE, AisPosition, AisStatic, Observation, mmsi_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.detectors.base import Scene
    from node.places import Place, Rules

BASE_CONFIDENCE: Final = 80
ENTER: Final = "enter"
LEAVE: Final = "leave"
SPEED: Final = "speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceSettings:
    """Thresholds. The 50 m inner buffer is part of the map (``places.INNER_BUFFER_M``)."""

    reports: int = 2  # in a row; one alone is GNSS noise
    hysteresis: timedelta = timedelta(seconds=60)  # a ship alongside a fence crosses it once
    type_wait: timedelta = timedelta(seconds=420)  # class A sends its type every six minutes (ITU-R M.1371)
    ships: int = 50_000
    reports_kept: int = 4


@dataclass(slots=True)
class _Stay:
    kept: deque[AisPosition]
    inside: bool = False
    contrary: int = 0
    too_fast: int = 0
    crossed_at: datetime | None = None
    raised: bool = False


@dataclass(slots=True)
class _Ship:
    stays: dict[str, _Stay] = field(default_factory=dict)
    type_said: AisStatic | None = None


@dataclass(slots=True)
class FenceState:
    """Everything this detector remembers: ships by number, the longest unheard first."""

    ships: OrderedDict[int, _Ship] = field(default_factory=OrderedDict)


class Geofence:
    """See the module's story."""

    name = "geofence"
    version = 1

    def __init__(self, settings: FenceSettings | None = None) -> None:
        self._settings = settings or FenceSettings()
        self.state = FenceState()

    def detect(self, batch: Sequence[Observation], scene: Scene) -> list[Finding]:
        """Findings of this batch."""
        if not scene.places.fences:
            return []
        positions = [seen for seen in batch if isinstance(seen, AisPosition)]
        located = iter(scene.places.locate_fences([seen.position for seen in positions]))
        findings: list[Finding] = []
        for seen in batch:
            if isinstance(seen, AisStatic):
                self._learn(seen)
            else:
                findings.extend(self._report(seen, next(located), scene))
        return findings

    def _learn(self, seen: AisStatic) -> None:
        if seen.ship_type is not None:
            self._ship(seen.mmsi).type_said = seen

    def _ship(self, mmsi: int) -> _Ship:
        ships = self.state.ships
        ship = ships.get(mmsi)
        if ship is None:
            ship = ships[mmsi] = _Ship()
            if len(ships) > self._settings.ships:
                ships.popitem(last=False)
        ships.move_to_end(mmsi)
        return ship

    def _report(self, seen: AisPosition, hits: tuple[tuple[Place, bool], ...], scene: Scene) -> list[Finding]:
        ship = self.state.ships.get(seen.mmsi)
        if not hits and (ship is None or not ship.stays):
            return []
        ship = self._ship(seen.mmsi)
        depth = {place.id: deep for place, deep in hits}
        for place_id in depth:
            if place_id not in ship.stays:
                ship.stays[place_id] = _Stay(kept=deque(maxlen=self._settings.reports_kept))
        findings = []
        for place_id, stay in list(ship.stays.items()):
            place = scene.places.get(place_id)
            if place is None or place.rules is None:  # the port edited its map meanwhile
                del ship.stays[place_id]
                continue
            what = self._advance(stay, seen, depth.get(place_id))
            findings += self._judge(ship, stay, seen, place, what=what, level=scene.security_level)
            if not stay.inside and not stay.contrary:
                del ship.stays[place_id]
        return findings

    def _advance(self, stay: _Stay, seen: AisPosition, deep: bool | None) -> str | None:
        """Take one report in: ``deep`` None is outside, False at the edge. The crossing it completes, if any."""
        if stay.kept:
            last = stay.kept[-1]
            if seen.observed_at < last.observed_at or not could_reach(last.position, last.observed_at, seen):
                return None
        stay.kept.append(seen)
        contrary = deep is None if stay.inside else deep is True
        stay.contrary = stay.contrary + 1 if contrary else 0
        settled = stay.crossed_at is None or seen.observed_at - stay.crossed_at >= self._settings.hysteresis
        if stay.contrary < self._settings.reports or not settled:
            return None
        stay.inside = not stay.inside
        stay.contrary = 0
        stay.crossed_at = seen.observed_at
        return ENTER if stay.inside else LEAVE

    def _judge(
        self, ship: _Ship, stay: _Stay, seen: AisPosition, place: Place, *, what: str | None, level: int
    ) -> list[Finding]:
        rules = place.rules
        if rules is None or not rules.stands(seen.observed_at, level):
            stay.raised = False
            return []
        if what == LEAVE:
            stay.raised = False
            wanted = LEAVE in rules.alert_on and not rules.allows(_type_of(ship))
            return [self._finding(ship, stay, seen, place, LEAVE)] if wanted else []
        if not stay.inside or stay.raised or not self._breaks(ship, stay, seen, rules):
            return []
        stay.raised = True
        return [self._finding(ship, stay, seen, place, ENTER if rules.max_speed_kn is None else SPEED)]

    def _breaks(self, ship: _Ship, stay: _Stay, seen: AisPosition, rules: Rules) -> bool:
        if rules.max_speed_kn is not None:
            fast = seen.speed_kn is not None and seen.speed_kn > rules.max_speed_kn
            stay.too_fast = stay.too_fast + 1 if fast else 0
            if stay.too_fast < self._settings.reports:
                return False
        elif ENTER not in rules.alert_on:
            return False
        if rules.allows(_type_of(ship)):
            return False
        # A ship that has not yet said what it is gets the time to say so, where types matter.
        waits = ship.type_said is None and rules.allowed_ship_types
        return not waits or self._inside_for(stay, seen) >= self._settings.type_wait

    def _inside_for(self, stay: _Stay, seen: AisPosition) -> timedelta:
        return seen.observed_at - stay.crossed_at if stay.crossed_at is not None else timedelta(0)

    def _finding(self, ship: _Ship, stay: _Stay, seen: AisPosition, place: Place, what: str) -> Finding:
        detector = f"{self.name}@{self.version}"
        subject = mmsi_identity(seen.mmsi)
        confidence, open_only = confidence_of(BASE_CONFIDENCE, stay.kept)
        numbers = {
            "reports_in_a_row": Measure(value=self._settings.reports, unit="reports", limit=self._settings.reports),
            "ship_type": Measure(value=_type_of(ship), unit="ITU-R M.1371 code"),
            "inside": Measure(value=self._inside_for(stay, seen).total_seconds(), unit="s"),
        }
        if seen.speed_kn is not None:
            limit = place.rules.max_speed_kn if place.rules is not None else None
            numbers["speed"] = Measure(value=seen.speed_kn, unit="kn", limit=limit)
        said = () if ship.type_said is None else (ship.type_said,)
        return Finding(
            id=finding_id(detector, FindingKind.GEOFENCE, subject, f"{place.id}/{what}/{seen.observed_at.isoformat()}"),
            detector=detector,
            kind=FindingKind.GEOFENCE,
            found_at=seen.observed_at,
            subjects=(subject,),
            severity=Severity.MEDIUM,
            confidence=confidence,
            single_open_source=open_only,
            numbers=numbers,
            reason=_reason(subject, place, what, _type_of(ship), numbers),
            places=(place.id,),
            discriminators=(),
            evidence=evidence_of((*said, *stay.kept)),
        )


def _type_of(ship: _Ship) -> int:
    said = ship.type_said
    return TYPE_NOT_AVAILABLE if said is None or said.ship_type is None else said.ship_type


def _reason(subject: str, place: Place, what: str, ship_type: int, numbers: dict[str, Measure]) -> str:
    ship = f"{subject} (ship type {ship_type or 'unknown'})"
    if what == SPEED:
        speed = numbers["speed"]
        return f"{ship} moves at {speed.value:g} kn in {place.name}, limit {speed.limit:g} kn"
    crossed = "left" if what == LEAVE else "entered, or was found in,"
    return f"{ship} {crossed} {place.name}, closed to ships of its type"
