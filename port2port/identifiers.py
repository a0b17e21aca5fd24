"""Numbers on hulls and boxes: their canonical spelling and their check digits.

An officer types what he read through binoculars. A wrong digit would send every other port after an innocent
ship, so each ``check_*`` names the right check digit instead of only saying no.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from port2port.errors import ProfileError

_IMO: Final = re.compile(r"(?:IMO)?[ ]?([0-9]{7})", re.ASCII)
_MMSI: Final = re.compile(r"[0-9]{9}", re.ASCII)
_ENI: Final = re.compile(r"(?:ENI)?[ ]?([0-9]{8})", re.ASCII)
_CONTAINER: Final = re.compile(r"([A-Z]{3})([UJZ])([0-9]{6})([0-9])", re.ASCII)
_SERIAL: Final = re.compile(r"[0-9A-HJ-NP-Z]{4}([1-9A-F])([0-9A-HJ-NP-Z]{1,15})", re.ASCII)
_MID_FIRST: Final = 201  # maritime identification digits, ITU table
_MID_LAST: Final = 775
_JUNK_MMSI: Final = frozenset({"123456789", "987654321"})


class IdentifierError(ProfileError):
    """A ship's or box's number that cannot be right; the text says which digit should stand where."""

    code = "IDENTIFIER"


class MmsiClass(enum.Enum):
    """What kind of station an MMSI belongs to (ITU-R M.585)."""

    SHIP = "ship"
    GROUP = "group"
    COAST = "coast station"
    AIRCRAFT = "search and rescue aircraft"
    AID = "aid to navigation"
    CRAFT = "craft of a parent ship"
    HANDHELD = "handheld"
    SART = "search and rescue transmitter"
    MAN_OVERBOARD = "man overboard device"
    EPIRB = "emergency beacon"


_BEACONS: Final = {"970": MmsiClass.SART, "972": MmsiClass.MAN_OVERBOARD, "974": MmsiClass.EPIRB}


def check_imo(text: str) -> str:
    """The seven digits of an IMO ship number (resolution A.1117). Raises IdentifierError."""
    match = _IMO.fullmatch(text.strip().upper())
    if match is None:
        raise IdentifierError("an IMO number has 7 digits", given=text[:20])
    digits = match.group(1)
    right = sum(int(digit) * weight for digit, weight in zip(digits[:6], range(7, 1, -1), strict=True)) % 10
    _require_digit("IMO number", digits[6], right)
    return digits


def check_container(text: str) -> str:
    """Owner code, category, serial number and check digit of ISO 6346, without blanks. Raises
    IdentifierError.
    """
    match = _CONTAINER.fullmatch(re.sub(r"[\s/-]", "", text).upper())
    if match is None:
        raise IdentifierError("a container number is 3 letters, U, J or Z, 6 digits and a check digit")
    body = "".join(match.groups()[:3])
    right = sum(_container_value(char) << place for place, char in enumerate(body)) % 11 % 10
    _require_digit("container number", match.group(4), right)
    return match.group()


def check_eni(text: str) -> str:
    """The eight digits of a European vessel identification number; it has no check digit (Directive
    2016/1629).

    Raises IdentifierError.
    """
    match = _ENI.fullmatch(text.strip().upper())
    if match is None:
        raise IdentifierError("an ENI has 8 digits and no check digit", given=text[:20])
    if match.group(1).startswith("000"):
        raise IdentifierError("the first 3 digits of an ENI name the authority; 000 names none")
    return match.group(1)


def check_mmsi(text: str) -> str:
    """The nine digits of an MMSI that belongs to some kind of station. Raises IdentifierError."""
    digits = text.strip()
    if mmsi_class(digits) is None:
        raise IdentifierError("an MMSI has 9 digits with a country code (201 to 775) in its place; no check digit")
    return digits


def check_uas_serial(text: str) -> str:
    """The serial number of a drone: manufacturer code, length, and as many characters (ANSI/CTA-2063-A).

    It has no check digit; the length is what shows a lost or doubled character. Raises IdentifierError.
    """
    serial = text.strip().upper()
    match = _SERIAL.fullmatch(serial)
    if match is None or int(match.group(1), 16) != len(match.group(2)):
        raise IdentifierError(
            "a drone's serial number has 4 characters, the length of the rest (1 to F), and the rest, without O and I",
            given=text[:24],
        )
    return serial


def mmsi_class(digits: str) -> MmsiClass | None:
    """The kind of station, or None for what ITU-R M.585 assigns to nobody and for keyboard junk."""
    if _MMSI.fullmatch(digits) is None or digits in _JUNK_MMSI or len(set(digits)) == 1:
        return None
    beacon = _BEACONS.get(digits[:3])
    if beacon is not None:
        return beacon
    for prefix, kind in _PREFIXES:
        if digits.startswith(prefix):
            return kind if _is_mid(digits[len(prefix) : len(prefix) + 3]) else None
    return MmsiClass.SHIP if _is_mid(digits[:3]) else None


_PREFIXES: Final = (
    ("00", MmsiClass.COAST),
    ("0", MmsiClass.GROUP),
    ("111", MmsiClass.AIRCRAFT),
    ("99", MmsiClass.AID),
    ("98", MmsiClass.CRAFT),
    ("8", MmsiClass.HANDHELD),
)


def _is_mid(digits: str) -> bool:
    return _MID_FIRST <= int(digits) <= _MID_LAST


def _container_value(char: str) -> int:
    """ISO 6346: A is 10, and the multiples of 11 are left out."""
    if char.isdigit():
        return int(char)
    place = ord(char) - ord("A")
    return 10 + place + (place + 9) // 10


def _require_digit(name: str, given: str, right: int) -> None:
    if int(given) != right:
        raise IdentifierError(f"the {name} is wrong: check digit should be {right}", given=given, right=right)
