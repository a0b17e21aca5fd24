"""From a message that pyais decoded to the facts we keep; the standard's "not available" codes become None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from port2port.geo import Position

if TYPE_CHECKING:
    from collections.abc import Callable

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


class PositionFacts(NamedTuple):
    """The part of a position report that does not depend on who received it."""

    mmsi: int
    position: Position
    speed_kn: float | None
    course_deg: float | None
    heading_deg: float | None
    nav_status: int | None


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


def position_facts(number: int, message: Message) -> PositionFacts | None:
    """The facts of message 1, 2, 3, 18, 19 or 27; None when the payload was cut off before them."""
    if message.lat is None or message.lon is None or message.mmsi is None:
        return None
    position = Position(latitude_deg=message.lat, longitude_deg=message.lon)
    if number == LONG_RANGE:
        return _long_range(message, position)
    speed, course, heading = message.speed, message.course, message.heading
    return PositionFacts(
        message.mmsi,
        position,
        None if speed == SPEED_NOT_AVAILABLE_KN else speed,
        None if course == COURSE_NOT_AVAILABLE_DEG else course,
        None if heading == HEADING_NOT_AVAILABLE_DEG else heading,
        None if number in CLASS_B or message.status is None else int(message.status),
    )


def _long_range(message: Message, position: Position) -> PositionFacts:
    speed, course = message.speed, message.course
    return PositionFacts(
        message.mmsi,
        position,
        None if speed == LONG_RANGE_SPEED_NOT_AVAILABLE_KN else speed,
        None if course == LONG_RANGE_COURSE_NOT_AVAILABLE_DEG else course,
        None,
        None if message.status is None else int(message.status),
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
