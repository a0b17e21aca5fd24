"""What a detector found, with everything an officer needs to judge it: numbers and limits, places, raw lines.

A finding stays in the port. What leaves is the draft that an officer, or a rule officers approved, makes of it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from node.observations import AisPosition, AisStatic, Observation, SourceClass
from port2port.geo import Position, cell_of, haversine_m, metres_per_second
from port2port.ids import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

OPEN_RADIO_CONFIDENCE: Final = 50  # anybody can transmit AIS: by itself it is at most "possibly true"
EVIDENCE_LINES: Final = 24
REACH_MARGIN_M: Final = 1000.0
REACH_SPEED_KN: Final = 50.0
REACH_JITTER_S: Final = 60.0
# At most 800 m at any latitude, so within the margin without trigonometry: nearly every report of nearly every ship.
NEAR_DEG: Final = 0.005


class FindingKind(StrEnum):
    """What was found. DATA_QUALITY is for the port's own lists and never becomes an indicator."""

    IDENTITY_CLONE = "IDENTITY_CLONE"
    GEOFENCE = "GEOFENCE"
    NETWORK_ALERT = "NETWORK_ALERT"
    INDUSTRIAL = "INDUSTRIAL"
    LOOKALIKE = "LOOKALIKE"
    MAIL_FRAUD = "MAIL_FRAUD"
    ACCOUNT_FRAUD = "ACCOUNT_FRAUD"
    BEACON = "BEACON"
    DATA_QUALITY = "DATA_QUALITY"


class Severity(IntEnum):
    """How much it matters if it is true; confidence says separately how likely that is."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measured value beside the limit it was compared with; ``limit`` None where there is nothing to compare."""

    value: float
    unit: str
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One received line, byte for byte, and how it came in."""

    line: bytes
    station: str
    source_class: SourceClass
    observed_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Discriminator:
    """What tells one of two ships under one identity from the other, so that the innocent one is not hit.

    ``track`` is "older" or "newer" in the order in which this node met them: neither says who is the false one.
    ``cell`` is the coarse form of ``position``, which is the last one at ``last_seen``.
    """

    track: str
    first_seen: datetime
    last_seen: datetime
    position: Position
    cell: str
    speed_kn: float | None
    course_deg: float | None
    heading_deg: float | None
    message_type: int
    names: tuple[str, ...]
    callsigns: tuple[str, ...]
    imos: tuple[int, ...]
    ship_types: tuple[int, ...]
    lengths_m: tuple[float, ...]
    stations: tuple[str, ...]


# Found in what network sensors wrote down, or a platform's list of accounts.
CYBER_KINDS: Final = frozenset(
    {
        FindingKind.NETWORK_ALERT,
        FindingKind.INDUSTRIAL,
        FindingKind.LOOKALIKE,
        FindingKind.MAIL_FRAUD,
        FindingKind.ACCOUNT_FRAUD,
        FindingKind.BEACON,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where more is known: a rule of a sensor (``suricata``, its number) or a technique (``mitre-attack``, T0855)."""

    source: str
    ident: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``detector`` is name@version, ``confidence`` 0 to 100, ``subjects`` identities as in ``mmsi:205123456``.

    ``single_open_source`` is true when nothing but open radio stands behind it. ``inside`` is for the officer alone:
    the port's own addresses, hosts and accounts that it concerns. They stay here, and so stand in no ``reason``.
    ``folded`` is one of a flood: it is stored and counted, and makes no draft of its own.
    """

    id: uuid.UUID
    detector: str
    kind: FindingKind
    found_at: datetime
    subjects: tuple[str, ...]
    severity: Severity
    confidence: int
    single_open_source: bool
    numbers: Mapping[str, Measure]
    reason: str
    places: tuple[str, ...]
    discriminators: tuple[Discriminator, ...]
    evidence: tuple[Evidence, ...]
    references: tuple[Reference, ...] = ()
    inside: tuple[str, ...] = ()
    folded: bool = False


def finding_id(detector: str, kind: FindingKind, subject: str, occasion: str) -> uuid.UUID:
    """The same occasion gives the same id, so that a restart or a replay does not find everything twice."""
    return uuid.uuid5(NAMESPACE, f"finding/{detector}/{kind}/{subject}/{occasion}")


def confidence_of(base: int, seen: Iterable[Observation]) -> tuple[int, bool]:
    """(confidence, single open source): open radio alone is worth at most 50, however often it was heard."""
    open_only = all(one.source_class is SourceClass.OPEN_RADIO for one in seen)
    return (min(base, OPEN_RADIO_CONFIDENCE) if open_only else base), open_only


def evidence_of(seen: Iterable[Observation]) -> tuple[Evidence, ...]:
    """The raw lines of these observations, each once, in order, at most ``EVIDENCE_LINES``."""
    lines: dict[tuple[bytes, datetime], Evidence] = {}
    for one in seen:
        for raw in one.raw:
            lines[(raw, one.received_at)] = Evidence(
                line=raw,
                station=one.station,
                source_class=one.source_class,
                observed_at=one.observed_at,
                received_at=one.received_at,
            )
    return tuple(sorted(lines.values(), key=lambda line: line.received_at)[-EVIDENCE_LINES:])


def discriminator_of(
    track: str,
    first_seen: datetime,
    last: AisPosition,
    statics: Iterable[AisStatic],
    stations: Iterable[str],
) -> Discriminator:
    """What is known of one track; ``statics`` are those that belong to it and not to the other."""
    said = tuple(statics)
    return Discriminator(
        track=track,
        first_seen=first_seen,
        last_seen=last.observed_at,
        position=last.position,
        cell=cell_of(last.position),
        speed_kn=last.speed_kn,
        course_deg=last.course_deg,
        heading_deg=last.heading_deg,
        message_type=last.message_type,
        names=tuple(dict.fromkeys(one.name for one in said if one.name)),
        callsigns=tuple(dict.fromkeys(one.callsign for one in said if one.callsign)),
        imos=tuple(dict.fromkeys(one.imo for one in said if one.imo)),
        ship_types=tuple(dict.fromkeys(one.ship_type for one in said if one.ship_type is not None)),
        lengths_m=tuple(dict.fromkeys(one.length_m for one in said if one.length_m)),
        stations=tuple(dict.fromkeys(stations)),
    )


def which_track(discriminators: Iterable[Discriminator], seen: AisPosition, name: str | None = None) -> str | None:
    """The track an observation under a cloned identity belongs to, or None when it could be either or neither.

    A name that only one track ever used decides; otherwise the only track that could have come here since its last
    position, at 50 knots and with some slack, is meant.
    """
    given = tuple(discriminators)
    if name is not None:
        named = [one.track for one in given if name in one.names]
        if len(named) == 1:
            return named[0]
    reached = [one.track for one in given if could_reach(one.position, one.last_seen, seen)]
    return reached[0] if len(reached) == 1 else None


def could_reach(origin: Position, left_at: datetime, seen: AisPosition, *, speed_kn: float = REACH_SPEED_KN) -> bool:
    """Whether a ship could be at both places, allowing 1 km and a minute for clocks and GNSS."""
    there = seen.position
    if (
        abs(origin.latitude_deg - there.latitude_deg) < NEAR_DEG
        and abs(origin.longitude_deg - there.longitude_deg) < NEAR_DEG
    ):
        return True
    elapsed_s = abs((seen.observed_at - left_at).total_seconds()) + REACH_JITTER_S
    return haversine_m(origin, there) <= REACH_MARGIN_M + metres_per_second(speed_kn) * elapsed_s
