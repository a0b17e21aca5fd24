"""From a message that pyais decoded to the facts we keep; the standard's "not available" codes become None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from node.observations import AisPosition, AisStatic
from port2port.geo import Position

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from node.observations import SourceClass

CLASS_A: Final[frozenset[int]] = frozenset({1, 2, 3})
CLASS_B: Final[frozenset[int]] = frozenset({18, 19})
LONG_RANGE: Final = 27
POSITION_TYPES: Final[frozenset[int]] = CLASS_A | CLASS_B | {LONG_RANGE}
STATIC_TYPES: Final[frozenset[int]] = frozenset({5, 19, 24})
INLAND: Final = (200, 10)  # DAC and FID of the inland ship static data, ECE/TRANS/SC.3/176
SPEED_NOT_AVAILABLE_KN: Final = 102.3
COURSE_NOT_AVAILABLE_DEG: Final = 360.0
HEADING_NOT_AVAILABLE_DEG: Final = 511
LONG_RANGE_SPEED_NOT_AVAILABLE_KN: Final = 63
LONG_RANGE_COURSE_NOT_AVAILABLE_DEG: Final = 511
ENI_DIGITS: Final = 8


class Origin(NamedTuple):
    """Who received a message, when, and in which lines."""

    assembly: str  # connection and station: parts of messages never cross from one to another
    station: str  # source and station, the same after a reconnect
    observed_at: datetime
    received_at: datetime
    source_class: SourceClass
    raw: tuple[bytes, ...]


class StaticFacts(NamedTuple):
    """The part of a static report that does not depend on who received it."""

    mmsi: int
    name: str | None = None
    callsign: str | None = None
    imo: int | None = None
    eni: str | None = None
    ship_type: int | None = None
    eri_type: int | None = None
    length_m: float | None = None
    beam_m: float | None = None
    draught_m: float | None = None
    destination: str | None = None


# pyais types its messages as one union of thirty classes with differing attributes; which one it is we know from
# the message number, so this module alone reads them untyped and gives typed facts back.
Message = Any


def position_of(number: int, message: Message, origin: Origin) -> AisPosition | None:
    """The observation in message 1, 2, 3, 18, 19 or 27; None when the payload was cut off before its facts."""
    latitude, longitude, mmsi = message.lat, message.lon, message.mmsi
    if latitude is None or longitude is None or mmsi is None:
        return None
    speed, course = message.speed, message.course
    if number == LONG_RANGE:
        speed = None if speed == LONG_RANGE_SPEED_NOT_AVAILABLE_KN else speed
        course = None if course == LONG_RANGE_COURSE_NOT_AVAILABLE_DEG else course
        heading = None
    else:
        heading = message.heading
    return AisPosition(
        observed_at=origin.observed_at,
        received_at=origin.received_at,
        mmsi=mmsi,
        position=Position(latitude_deg=latitude, longitude_deg=longitude),
        speed_kn=None if speed == SPEED_NOT_AVAILABLE_KN else speed,
        course_deg=None if course == COURSE_NOT_AVAILABLE_DEG else course,
        heading_deg=None if heading == HEADING_NOT_AVAILABLE_DEG else heading,
        nav_status=None if number in CLASS_B or message.status is None else int(message.status),
        message_type=number,
        station=origin.station,
        source_class=origin.source_class,
        raw=origin.raw,
    )


def static_of(facts: StaticFacts, number: int, origin: Origin) -> AisStatic:
    """The observation of facts that may have been decoded from an earlier, equal message."""
    return AisStatic(
        observed_at=origin.observed_at,
        received_at=origin.received_at,
        mmsi=facts.mmsi,
        name=facts.name,
        callsign=facts.callsign,
        imo=facts.imo,
        eni=facts.eni,
        ship_type=facts.ship_type,
        eri_type=facts.eri_type,
        length_m=facts.length_m,
        beam_m=facts.beam_m,
        draught_m=facts.draught_m,
        destination=facts.destination,
        message_type=number,
        station=origin.station,
        source_class=origin.source_class,
        raw=origin.raw,
    )


def static_facts(number: int, message: Message) -> StaticFacts | None:
    """The facts of message 5, 8 (inland), 19 or 24; None when nothing of use was left of it."""
    if message.mmsi is None:
        return None
    reader = _STATIC_READERS.get(number)
    facts = reader(message) if reader else None
    return facts if facts is not None and any(value is not None for value in facts[1:]) else None


def _voyage(message: Message) -> StaticFacts:
    return StaticFacts(
        message.mmsi,
        name=_text(message.shipname),
        callsign=_text(message.callsign),
        imo=message.imo or None,
        ship_type=_code(message.ship_type),
        length_m=_sum(message.to_bow, message.to_stern),
        beam_m=_sum(message.to_port, message.to_starboard),
        draught_m=message.draught or None,
        destination=_text(message.destination),
    )


def _class_b(message: Message) -> StaticFacts:
    return StaticFacts(
        message.mmsi,
        name=_text(message.shipname),
        ship_type=_code(message.ship_type),
        length_m=_sum(message.to_bow, message.to_stern),
        beam_m=_sum(message.to_port, message.to_starboard),
    )


def _two_parts(message: Message) -> StaticFacts:
    if message.partno != 1:  # cut off before the part number, pyais takes it for part A
        return StaticFacts(message.mmsi, name=_text(message.shipname))
    return StaticFacts(
        message.mmsi,
        callsign=_text(message.callsign),
        ship_type=_code(message.ship_type),
        # A craft of a mother ship (98...) sends the mother's number where others send their dimensions.
        length_m=_sum(getattr(message, "to_bow", None), getattr(message, "to_stern", None)),
        beam_m=_sum(getattr(message, "to_port", None), getattr(message, "to_starboard", None)),
    )


def _inland(message: Message) -> StaticFacts | None:
    if (message.dac, message.fid) != INLAND:
        return None
    number = _text(message.vin) or ""
    named = len(number) == ENI_DIGITS and number.isascii() and number.isdigit() and number.strip("0") != ""
    return StaticFacts(
        message.mmsi,
        eni=number if named else None,
        eri_type=_code(message.shiptype),
        length_m=message.length or None,
        beam_m=message.beam or None,
        draught_m=message.draught or None,
    )


_STATIC_READERS: Final[dict[int, Callable[[Message], StaticFacts | None]]] = {
    5: _voyage,
    8: _inland,
    19: _class_b,
    24: _two_parts,
}


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _code(value: object) -> int | None:
    """A type code; 0 stays 0 ("not available"), which is a statement, None is silence."""
    return int(cast("int", value)) if value is not None else None


def _sum(one: int | None, other: int | None) -> float | None:
    total = (one or 0) + (other or 0)
    return float(total) if total else None
