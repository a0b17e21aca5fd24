"""Positions on the WGS 84 sphere, distances in metres and the coarse cells in which places are named to others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius R1 of the International Union of Geodesy and Geophysics
METRES_PER_NM: Final = 1852.0
METRES_PER_DEGREE: Final = EARTH_RADIUS_M * math.pi / 180.0
SECONDS_PER_HOUR: Final = 3600.0
CELL_DEG: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Degrees, north and east positive. Not checked here: a sensor's gate refuses what cannot be."""

    latitude_deg: float
    longitude_deg: float

    @property
    def is_on_earth(self) -> bool:
        """Whether both coordinates lie in their range; false for NaN and for the AIS codes 91 and 181."""
        return -90.0 <= self.latitude_deg <= 90.0 and -180.0 <= self.longitude_deg <= 180.0


def metres_per_second(speed_kn: float) -> float:
    """Knots to metres per second."""
    return speed_kn * METRES_PER_NM / SECONDS_PER_HOUR


def haversine_m(a: Position, b: Position) -> float:
    """Great-circle distance in metres; the error against the ellipsoid stays below 0.6 %."""
    lat_a = math.radians(a.latitude_deg)
    lat_b = math.radians(b.latitude_deg)
    half_lat = math.sin((lat_b - lat_a) / 2.0)
    half_lon = math.sin(math.radians(b.longitude_deg - a.longitude_deg) / 2.0)
    chord = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def local_metres(origin: Position, point: Position) -> tuple[float, float]:
    """(east, north) of ``point`` seen from ``origin``, flat: for distances inside one harbour, up to some 50 km."""
    east_deg = (point.longitude_deg - origin.longitude_deg + 180.0) % 360.0 - 180.0
    east_m = east_deg * METRES_PER_DEGREE * math.cos(math.radians(origin.latitude_deg))
    return east_m, (point.latitude_deg - origin.latitude_deg) * METRES_PER_DEGREE


def from_local_metres(origin: Position, east_m: float, north_m: float) -> Position:
    """The reverse of ``local_metres``; not for the poles."""
    latitude_deg = origin.latitude_deg + north_m / METRES_PER_DEGREE
    east_deg = east_m / (METRES_PER_DEGREE * math.cos(math.radians(origin.latitude_deg)))
    return Position(latitude_deg=latitude_deg, longitude_deg=_wrapped(origin.longitude_deg + east_deg))


def bearing_deg(a: Position, b: Position) -> float:
    """Initial great-circle bearing from ``a`` to ``b``, 0 up to but not including 360, clockwise from north."""
    lat_a = math.radians(a.latitude_deg)
    lat_b = math.radians(b.latitude_deg)
    delta = math.radians(b.longitude_deg - a.longitude_deg)
    east = math.sin(delta) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(delta)
    # The second remainder turns the 360.0 that rounding can leave into 0.0.
    return math.degrees(math.atan2(east, north)) % 360.0 % 360.0


def angle_between_deg(a: float, b: float) -> float:
    """The smaller angle between two directions, 0 to 180."""
    difference = abs(a - b) % 360.0
    return 360.0 - difference if difference > 180.0 else difference


def cell_of(position: Position) -> str:
    """The 0.1-degree cell (about 11 by 7 km on the Scheldt), named by its south-west corner: ``N51.3E004.2``.

    Coarse on purpose: a cell may be told to others where the exact track may not.
    """
    south = math.floor(round(position.latitude_deg / CELL_DEG, 6))
    west = math.floor(round(position.longitude_deg / CELL_DEG, 6))
    north_south = "N" if south >= 0 else "S"
    east_west = "E" if west >= 0 else "W"
    return f"{north_south}{abs(south) * CELL_DEG:04.1f}{east_west}{abs(west) * CELL_DEG:05.1f}"


def _wrapped(longitude_deg: float) -> float:
    return (longitude_deg + 180.0) % 360.0 - 180.0
