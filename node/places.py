"""The port's own map: named places, and the rules of those that are fences.

A place comes from a GeoJSON file that the port edits (RFC 7946, WGS 84, longitude first); ``docs`` and the starter
file under ``node/data`` show every property. Who can write that file decides what is an alarm and what is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import time
from typing import TYPE_CHECKING, Any, Final

import orjson
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import Polygon, shape
from shapely.strtree import STRtree

from port2port.errors import MalformedError
from port2port.geo import METRES_PER_DEGREE, Position, from_local_metres
from port2port.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shapely.geometry.base import BaseGeometry

FEATURES: Final = 10_000
NAME_CHARS: Final = 120
RADIUS_M: Final = (1.0, 50_000.0)
INNER_BUFFER_M: Final = 50.0
CIRCLE_CORNERS: Final = 64
DECIMALS: Final = 7
SHIP_TYPES: Final = range(256)
ISPS_LEVELS: Final = (1, 2, 3)
POLE_DEG: Final = 85.0  # beyond, the flat approximation of metres no longer holds
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_RANGE = re.compile(r"(\d{1,3})-(\d{1,3})", re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_RULE_NAMES: Final = frozenset({
    "allowed_ship_types", "active_utc", "max_speed_kn", "min_security_level", "alert_on",
})  # fmt: skip
_WINDOW_HINT: Final = 'active_utc is a list of pairs like ["22:00", "05:30"]'
_ALERTS: Final = frozenset({"enter", "leave"})


class PlacesError(MalformedError):
    """The file is not a map of places; the text names the feature (counted from 0) and what to change."""

    code = "PLACES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a place a fence. All that is given must hold for an alarm.

    ``allowed_ship_types`` None allows nobody, an empty set too; codes of ITU-R M.1371 table 53, 0 is "not available".
    With ``max_speed_kn`` everybody not allowed may be there, but not faster.
    ``active_utc`` are times of day from (inclusive) to (exclusive), over midnight if need be; empty is always.
    ``min_security_level`` is the ISPS level from which the fence stands. ``alert_on`` says which crossings count.
    """

    allowed_ship_types: frozenset[int] | None = None
    active_utc: tuple[tuple[time, time], ...] = ()
    max_speed_kn: float | None = None
    min_security_level: int = 1
    alert_on: frozenset[str] = frozenset({"enter"})

    def stands(self, at: datetime, security_level: int) -> bool:
        """Whether the fence is up at this time and ISPS level."""
        if security_level < self.min_security_level:
            return False
        if not self.active_utc:
            return True
        now = at.time()
        return any(begin <= now < end if begin <= end else now >= begin or now < end for begin, end in self.active_utc)

    def allows(self, ship_type: int) -> bool:
        """Whether ships of this type may be here."""
        return self.allowed_ship_types is not None and ship_type in self.allowed_ship_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``outline`` is in degrees; ``inner`` is 50 m inside of it, or equal to it where the place is too small."""

    id: str
    name: str
    kind: str
    port: str | None
    rules: Rules | None
    outline: BaseGeometry = field(repr=False)
    inner: BaseGeometry = field(repr=False)


class Places:
    """All places with a spatial index; immutable. Ask for some hundred positions at once: ten times faster than one."""

    def __init__(self, places: Sequence[Place]) -> None:
        # The smallest place first, so that the first hit is the most specific.
        self.places = tuple(sorted(places, key=lambda place: (place.outline.area, place.id)))
        self._by_id = {place.id: place for place in self.places}
        self._tree = STRtree([place.outline for place in self.places])
        self.fences = tuple(place for place in self.places if place.rules is not None)
        self._fence_tree = STRtree([place.outline for place in self.fences])
        # The geometries of a tree, as an array: this one is never searched.
        self._inner = STRtree([place.inner for place in self.fences]).geometries
        for geometries in (self._tree.geometries, self._fence_tree.geometries, self._inner):
            shapely.prepare(geometries)

    def __len__(self) -> int:
        return len(self.places)

    def get(self, place_id: str) -> Place | None:
        """The place of this id."""
        return self._by_id.get(place_id)

    def locate(self, positions: Sequence[Position]) -> list[tuple[Place, ...]]:
        """For each position the places it lies in, the most specific first."""
        found: list[list[int]] = [[] for _ in positions]
        if positions and self.places:
            for point, place in zip(*_hits(self._tree, _points(positions)), strict=True):
                found[point].append(place)
        return [tuple(self.places[index] for index in sorted(hit)) if hit else () for hit in found]

    def locate_fences(self, positions: Sequence[Position]) -> list[tuple[tuple[Place, bool], ...]]:
        """For each position the fences it lies in, and whether it is at least 50 m inside."""
        found: list[list[tuple[int, bool]]] = [[] for _ in positions]
        if positions and self.fences:
            points = _points(positions)
            which, where = _hits(self._fence_tree, points)
            deep = shapely.intersects(self._inner.take(where), points.take(which)).tolist()
            for point, place, inside in zip(which, where, deep, strict=True):
                found[point].append((place, inside))
        return [tuple((self.fences[index], deep) for index, deep in sorted(hit)) if hit else () for hit in found]


def _points(positions: Sequence[Position]) -> Any:  # an array of shapely points; shapely has no types
    return shapely.points(
        [position.longitude_deg for position in positions], [position.latitude_deg for position in positions]
    )


def _hits(tree: STRtree, points: Any) -> tuple[list[int], list[int]]:
    """Which point lies in which geometry: boxes by the tree, then the prepared outlines, all in one call each."""
    which, where = tree.query(points)
    inside = shapely.intersects(tree.geometries.take(where), points.take(which))
    return which[inside].tolist(), where[inside].tolist()


def load_places(data: bytes) -> Places:
    """The map in a GeoJSON FeatureCollection. Raises PlacesError and nothing else, whatever the bytes."""
    if len(data) > LIMITS.geojson_bytes:
        raise PlacesError("the places file is too large", limit_bytes=LIMITS.geojson_bytes)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise PlacesError(f"the places file is not JSON: {error}") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or document.get("type") != "FeatureCollection":
        raise PlacesError("the places file must be a GeoJSON FeatureCollection")
    if len(features) > FEATURES:
        raise PlacesError(f"the places file has more than {FEATURES} features")
    places: dict[str, Place] = {}
    for index, feature in enumerate(features):
        place = _place(index, feature)
        if place.id in places:
            raise _bad(index, f"the id {place.id} is used twice")
        places[place.id] = place
    return Places(tuple(places.values()))


def _bad(index: int, what: str) -> PlacesError:
    return PlacesError(f"feature {index}: {what}", feature=index)


def _place(index: int, feature: object) -> Place:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise _bad(index, "is not a GeoJSON Feature")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        raise _bad(index, "has no properties")
    outline = _outline(index, feature.get("geometry"), properties.get("radius_m"))
    port = properties.get("port")
    return Place(
        id=_matching(index, feature.get("id", properties.get("id")), _ID, "id"),
        name=_name(index, properties.get("name")),
        kind=_matching(index, properties.get("kind"), _KIND, "kind"),
        port=None if port is None else _matching(index, port, _ID, "port"),
        rules=_rules(index, properties["rules"]) if properties.get("rules") is not None else None,
        outline=outline,
        inner=_inner(outline),
    )


def _matching(index: int, value: object, pattern: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _bad(index, f"{name} must be letters, digits and . _ - (pattern {pattern.pattern})")
    return value


def _name(index: int, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_CHARS or not value.isprintable():
        raise _bad(index, f"name must be 1 to {NAME_CHARS} printable characters")
    return value


def _number(index: int, value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _bad(index, f"{name} must be a number from {low:g} to {high:g}")
    return float(value)


def _outline(index: int, geometry: object, radius_m: object) -> BaseGeometry:
    if not isinstance(geometry, dict):
        raise _bad(index, "has no geometry")
    if geometry.get("type") == "Point":
        return _circle(index, geometry.get("coordinates"), radius_m)
    if geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise _bad(index, "geometry must be a Point with radius_m, a Polygon or a MultiPolygon")
    if radius_m is not None:
        raise _bad(index, "radius_m belongs to a Point only")
    try:
        # Rounded to a centimetre: differences far below that are no shape and upset the geometry library.
        outline = shapely.transform(shapely.force_2d(shape(geometry)), lambda degrees: degrees.round(DECIMALS))
        valid = outline.is_valid and outline.area > 0.0
    # shapely passes on whatever numpy and the iteration over foreign lists raise.
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise _bad(index, "the coordinates are not those of a polygon") from error
    if not valid:
        raise _bad(index, "the polygon crosses itself or has no area")
    west, south, east, north = outline.bounds
    if not (-180.0 <= west <= east <= 180.0 and -POLE_DEG <= south <= north <= POLE_DEG):
        raise _bad(index, "coordinates must be [longitude, latitude] in degrees, up to 85 degrees north and south")
    return outline


def _circle(index: int, coordinates: object, radius_m: object) -> Polygon:
    if not isinstance(coordinates, list) or len(coordinates) not in (2, 3):
        raise _bad(index, "a Point has coordinates [longitude, latitude]")
    longitude = _number(index, coordinates[0], "longitude", -179.0, 179.0)
    latitude = _number(index, coordinates[1], "latitude", -POLE_DEG, POLE_DEG)
    radius = _number(index, radius_m, "radius_m", *RADIUS_M)
    ring = shapely.get_coordinates(Polygon(shapely.Point(0.0, 0.0).buffer(radius, CIRCLE_CORNERS // 4).exterior))
    centre = Position(latitude_deg=latitude, longitude_deg=longitude)
    corners = (from_local_metres(centre, float(east), float(north)) for east, north in ring)
    return Polygon([(corner.longitude_deg, corner.latitude_deg) for corner in corners])


def _inner(outline: BaseGeometry) -> BaseGeometry:
    """The outline moved 50 m inwards, so that a ship passing along a fence does not cross it by GNSS noise alone."""
    stretch = shapely.get_coordinates(outline.centroid)[0][1]
    per_degree = METRES_PER_DEGREE * _cosine(float(stretch))
    metres = shapely.transform(outline, lambda degrees: degrees * [per_degree, METRES_PER_DEGREE])
    shrunk = metres.buffer(-INNER_BUFFER_M)
    if shrunk.is_empty:
        return outline
    return shapely.transform(shrunk, lambda flat: flat / [per_degree, METRES_PER_DEGREE])


def _cosine(latitude_deg: float) -> float:
    east = from_local_metres(Position(latitude_deg=latitude_deg, longitude_deg=0.0), METRES_PER_DEGREE, 0.0)
    return 1.0 / east.longitude_deg


def _rules(index: int, rules: object) -> Rules:
    if not isinstance(rules, dict):
        raise _bad(index, "rules must be an object")
    if unknown := sorted(set(rules) - _RULE_NAMES):
        raise _bad(index, f"unknown rule {unknown[0][:40]!r}; known are {', '.join(sorted(_RULE_NAMES))}")
    speed, level = rules.get("max_speed_kn"), rules.get("min_security_level", 1)
    if level not in ISPS_LEVELS or isinstance(level, bool):
        raise _bad(index, "min_security_level must be 1, 2 or 3")
    return Rules(
        allowed_ship_types=_ship_types(index, rules.get("allowed_ship_types")),
        active_utc=_windows(index, rules.get("active_utc", [])),
        max_speed_kn=None if speed is None else _number(index, speed, "max_speed_kn", 0.1, 102.0),
        min_security_level=level,
        alert_on=_alerts(index, rules.get("alert_on", ["enter"])),
    )


def _ship_types(index: int, value: object) -> frozenset[int] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise _bad(index, "allowed_ship_types must be a list")
    allowed: set[int] = set()
    for item in value:
        if isinstance(item, int) and not isinstance(item, bool) and item in SHIP_TYPES:
            allowed.add(item)
        elif isinstance(item, str) and (found := _RANGE.fullmatch(item)):
            allowed.update(range(int(found[1]), min(int(found[2]), SHIP_TYPES[-1]) + 1))
        else:
            raise _bad(index, 'allowed_ship_types holds AIS type codes (70) and ranges of them ("70-79")')
    return frozenset(allowed)


def _windows(index: int, value: object) -> tuple[tuple[time, time], ...]:
    if not isinstance(value, list):
        raise _bad(index, _WINDOW_HINT)
    return tuple(_window(index, pair) for pair in value)


def _window(index: int, pair: object) -> tuple[time, time]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        raise _bad(index, _WINDOW_HINT)
    begin, end = _CLOCK.fullmatch(pair[0]), _CLOCK.fullmatch(pair[1])
    if begin is None or end is None:
        raise _bad(index, _WINDOW_HINT)
    return time(int(begin[1]), int(begin[2])), time(int(end[1]), int(end[2]))


def _alerts(index: int, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise _bad(index, 'alert_on is a list of "enter" and "leave"')
    if not set(value) <= _ALERTS:
        raise _bad(index, 'alert_on is a list of "enter" and "leave"')
    return frozenset(value)
