"""Which of two ships with one identity is meant.

An indicator on a cloned identity hits two ships: the one that lies and the one whose number was stolen. Its
extension describes the suspect's track, and the innocent one's where known, so that a receiver can tell them
apart by place, name or type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from port2port.stix.profile import DISCRIMINATORS_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from port2port.canonical import Json
    from port2port.patterns import Value

DEFAULT_RADIUS_KM = 20.0
DEFAULT_SPEED_KN = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackHint:
    """What tells one track from another: where it was last (degrees), how far it can be from there, its
    facts.

    ``facts`` use the paths of patterns, for example ``{"vessel:name": "MSC LEANNE"}``.
    """

    position: tuple[float, float] | None = None
    reported_at: datetime | None = None
    radius_km: float = DEFAULT_RADIUS_KM
    speed_kn: float = DEFAULT_SPEED_KN
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discriminators:
    """The suspect track, and the other (innocent) one if it was seen."""

    suspect: TrackHint
    other: TrackHint | None = None


def to_extension(discriminators: Discriminators) -> dict[str, object]:
    """The content of the indicator's extension."""
    content: dict[str, object] = {
        "extension_type": "property-extension",
        "suspect": _hint_to_json(discriminators.suspect),
    }
    if discriminators.other is not None:
        content["other"] = _hint_to_json(discriminators.other)
    return content


def of_indicator(data: Mapping[str, Json]) -> Discriminators | None:
    """Those of a *validated* indicator's data; None if it carries none."""
    extensions = data.get("extensions")
    content = extensions.get(DISCRIMINATORS_EXTENSION) if isinstance(extensions, dict) else None
    if not isinstance(content, dict):
        return None
    suspect, other = content.get("suspect"), content.get("other")
    return Discriminators(
        suspect=_hint_of(suspect if isinstance(suspect, dict) else {}),
        other=_hint_of(other) if isinstance(other, dict) else None,
    )


def _hint_to_json(hint: TrackHint) -> dict[str, object]:
    content: dict[str, object] = {"radius_km": round(hint.radius_km, 3), "speed_kn": round(hint.speed_kn, 3)}
    if hint.position is not None and hint.reported_at is not None:
        latitude, longitude = hint.position
        content["position"] = {"latitude": round(latitude, 5), "longitude": round(longitude, 5)}
        content["reported_at"] = hint.reported_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if hint.facts:
        content["facts"] = dict(hint.facts)
    return content


def _hint_of(content: Mapping[str, Json]) -> TrackHint:
    facts = content.get("facts")
    reported_at = content.get("reported_at")
    return TrackHint(
        position=_position_of(content.get("position")),
        reported_at=datetime.fromisoformat(reported_at) if isinstance(reported_at, str) else None,
        radius_km=_number(content.get("radius_km"), DEFAULT_RADIUS_KM),
        speed_kn=_number(content.get("speed_kn"), DEFAULT_SPEED_KN),
        facts={
            path: value
            for path, value in (facts.items() if isinstance(facts, dict) else ())
            if isinstance(value, (str, int, float))
        },
    )


def _position_of(content: Json) -> tuple[float, float] | None:
    if not isinstance(content, dict):
        return None
    return _number(content.get("latitude"), 0.0), _number(content.get("longitude"), 0.0)


def _number(value: Json, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default
