"""An observation as flat facts under the paths that patterns use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from node.observations import AisPosition, AisStatic, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from port2port.geo import Position
    from port2port.patterns import Value


class ObservedFacts(Protocol):
    """What matching needs: facts such as ``{"vessel:mmsi": "205123456"}``, when (aware UTC) and where."""

    @property
    def facts(self) -> Mapping[str, Value]: ...
    @property
    def observed_at(self) -> datetime: ...
    @property
    def position(self) -> Position | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The facts of one observation."""

    facts: Mapping[str, Value]
    observed_at: datetime
    position: Position | None = None


def facts_of_ais(seen: Observation) -> Facts:
    """One AIS message by itself, nothing joined from others: two ships with one number must stay two."""
    found = _of_position(seen) if isinstance(seen, AisPosition) else _of_static(seen)
    facts = {f"vessel:{name}": value for name, value in found.items() if value is not None}
    position = seen.position if isinstance(seen, AisPosition) else None
    return Facts(facts=facts, observed_at=seen.observed_at, position=position)


def _of_position(seen: AisPosition) -> dict[str, Value | None]:
    return {
        "mmsi": f"{seen.mmsi:09d}",
        "speed_kn": seen.speed_kn,
        "course_deg": seen.course_deg,
        "heading_deg": seen.heading_deg,
        "nav_status": seen.nav_status,
    }


def _of_static(seen: AisStatic) -> dict[str, Value | None]:
    return {
        "mmsi": f"{seen.mmsi:09d}",
        "imo": None if seen.imo is None else f"{seen.imo:07d}",
        "eni": seen.eni,
        "name": seen.name,
        "call_sign": seen.callsign,
        "ship_type": seen.ship_type,
        "length_m": seen.length_m,
        "beam_m": seen.beam_m,
        "destination": seen.destination,
    }
