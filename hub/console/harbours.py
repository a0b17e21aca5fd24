"""Where a harbour stands on the map when nothing more exact was shared: the same points that the basemap draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

import orjson

Place = tuple[float, float]


@cache
def harbours() -> Mapping[str, Place]:
    """LOCODE to latitude and longitude, degrees."""
    raw = files("port2port.console").joinpath("static/basemap/points.geojson").read_bytes()
    found: dict[str, Place] = {}
    for feature in orjson.loads(raw)["features"]:
        locode = feature["properties"].get("locode")
        if locode:
            longitude, latitude = feature["geometry"]["coordinates"]
            found[locode] = (latitude, longitude)
    return found


def place_of(locodes: Iterable[str]) -> Place | None:
    """The first of the harbours that the map knows."""
    known = harbours()
    return next((known[code] for code in locodes if code in known), None)
