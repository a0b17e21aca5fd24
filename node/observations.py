"""What a sensor saw. Observations stay in the port: nothing here has a form on the wire.

An observation is a claim: who received it and how it came in (``SourceClass``) is known, what it says is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from port2port.geo import Position

SHIP_MID_RANGE: Final = range(201, 776)  # maritime identification digits of ships, ITU-R M.585 annex 1
TYPE_NOT_AVAILABLE: Final = 0  # ITU-R M.1371 table 53


class SourceClass(IntEnum):
    """How far the way into the node can be trusted; larger is better."""

    OPEN_RADIO = 1  # anybody with a transmitter can say it
    LOCAL = 2  # the port's own sensor on the port's own wire
    AUTHENTICATED = 3  # signed, or a session bound to a known system


class MmsiClass(StrEnum):
    """What a nine-digit MMSI says it is (ITU-R M.585)."""

    SHIP = "ship"
    CRAFT = "craft"  # 98: a craft of a mother ship
    HANDHELD = "handheld"  # 8: handheld VHF
    COAST = "coast"
    GROUP = "group"
    AIRCRAFT = "aircraft"
    AID = "aid-to-navigation"
    DISTRESS = "distress"  # 970 AIS-SART, 972 man overboard, 974 EPIRB
    JUNK = "junk"  # defaults and test values that many transmitters share
    MALFORMED = "malformed"


# Ships and the small craft that behave like ships; only these reach tracks and detectors.
MOVING_CLASSES: Final = frozenset({MmsiClass.SHIP, MmsiClass.CRAFT, MmsiClass.HANDHELD, MmsiClass.JUNK})

# 666000001: net markers and test sets (labelled so in the Global Fishing Watch regression data); the others are
# the factory defaults and keyboard rows of transponders. Single digits repeated nine times are added below.
_JUNK: Final = frozenset({123_456_789, 987_654_321, 666_000_001, *(d * 111_111_111 for d in range(1, 9))})
_PREFIXES: Final = (
    ("00", MmsiClass.COAST),
    ("0", MmsiClass.GROUP),
    ("111", MmsiClass.AIRCRAFT),
    ("970", MmsiClass.DISTRESS),
    ("972", MmsiClass.DISTRESS),
    ("974", MmsiClass.DISTRESS),
    ("98", MmsiClass.CRAFT),
    ("99", MmsiClass.AID),
    ("8", MmsiClass.HANDHELD),
)


def mmsi_class(mmsi: int) -> MmsiClass:
    """The class of an MMSI; 0, 999999999 and what fits nothing is MALFORMED, well-known test values are JUNK."""
    if 201_000_000 <= mmsi < 776_000_000 and mmsi not in _JUNK:
        return MmsiClass.SHIP
    if not 0 < mmsi < 999_999_999:
        return MmsiClass.MALFORMED
    if mmsi in _JUNK:
        return MmsiClass.JUNK
    digits = f"{mmsi:09d}"
    return next((named for prefix, named in _PREFIXES if digits.startswith(prefix)), MmsiClass.MALFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AisPosition:
    """One position report. ``None`` is the standard's "not available"; speeds in knots, angles in degrees.

    ``observed_at`` is when the receiver says it heard the transmission, ``received_at`` when our node got the bytes.
    ``raw`` holds the lines exactly as they came in, wrapper line included: they become evidence.
    """

    observed_at: datetime
    received_at: datetime
    mmsi: int
    position: Position
    speed_kn: float | None
    course_deg: float | None
    heading_deg: float | None
    nav_status: int | None
    message_type: int
    station: str
    source_class: SourceClass
    raw: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AisStatic:
    """What a transponder says about its ship; ``None`` where the message says nothing.

    ``imo`` is given as sent, without judging its check digit. ``eni`` is the European number of an inland ship
    (message 8, DAC 200, FID 10) and ``ship_type`` the code of ITU-R M.1371, ``eri_type`` that of the ERI guide.
    """

    observed_at: datetime
    received_at: datetime
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
    message_type: int
    station: str
    source_class: SourceClass
    raw: tuple[bytes, ...]


Observation = AisPosition | AisStatic


def mmsi_identity(mmsi: int) -> str:
    """How visits, findings and indicators name a ship by MMSI: ``mmsi:205123456``."""
    return f"mmsi:{mmsi:09d}"


def imo_identity(imo: int) -> str:
    """``imo:9074729``."""
    return f"imo:{imo:07d}"


def eni_identity(eni: str) -> str:
    """``eni:06004321``."""
    return f"eni:{eni}"
