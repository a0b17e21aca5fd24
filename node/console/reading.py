"""What an officer types into the forms of the desk, read: a place by name, a position, a time of today.

Everything here comes from a tired person: it is read generously, and what cannot be read is None or raises
MalformedError, which the page says at the field.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from node.places import Place, Places
from port2port.errors import MalformedError
from port2port.geo import Position

_NUMBER: Final = r"(-?\d{1,3}(?:[.,]\d{1,8})?)"
_POSITION: Final = re.compile(rf"\s*{_NUMBER}\s*(?:[;\s]|,\s)\s*{_NUMBER}\s*", re.ASCII)
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3])[:.hu]?([0-5][0-9])", re.ASCII)
_AHEAD: Final = timedelta(minutes=5)  # clocks of people


def place_named(places: Places, name: str) -> Place | None:
    """The place of this name or id, in either case of letters."""
    wanted = name.strip().casefold()
    return next((one for one in places.places if wanted in {one.name.casefold(), one.id.casefold()}), None)


def middle_of(place: Place) -> Position:
    """A position inside a place."""
    point = place.outline.representative_point()
    return Position(latitude_deg=round(float(point.y), 5), longitude_deg=round(float(point.x), 5))


def position_of(text: str) -> Position | None:
    """Latitude and longitude in degrees, "51.34, 4.28"; None for nothing. Raises MalformedError."""
    if not text.strip():
        return None
    found = _POSITION.fullmatch(text)
    if found is None:
        raise MalformedError("a position looks like 51.34, 4.28")
    latitude, longitude = (float(part.replace(",", ".")) for part in found.groups())
    where = Position(latitude_deg=latitude, longitude_deg=longitude)
    if not where.is_on_earth:
        raise MalformedError("this position is not on Earth")
    return where


def clock_time(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """The last time the clock on the wall showed this, ``now`` for nothing. Raises MalformedError.

    What lies more than five minutes ahead was yesterday: officers report what has been.
    """
    if not text.strip():
        return now
    found = _CLOCK.fullmatch(text.strip().lower())
    if found is None:
        raise MalformedError("a time looks like 22:41")
    local = now.astimezone(zone)
    at = local.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    if at.astimezone(now.tzinfo) > now + _AHEAD:
        at = (local - timedelta(days=1)).replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return at.astimezone(now.tzinfo)
