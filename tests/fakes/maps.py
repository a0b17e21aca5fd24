"""Small maps for tests, as the bytes of a GeoJSON file."""

from __future__ import annotations

import json
from typing import Any

from node.places import Places, load_places

# About 1.4 km wide and 2.2 km high, south-west of the Deurganck dock.
SQUARE = [[[4.20, 51.20], [4.22, 51.20], [4.22, 51.22], [4.20, 51.22], [4.20, 51.20]]]


def feature(place_id: str = "dock", *, geometry: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """A feature; a square dock unless told otherwise."""
    return {
        "type": "Feature",
        "id": place_id,
        "geometry": geometry or {"type": "Polygon", "coordinates": SQUARE},
        "properties": {"name": "Dock", "kind": "dock", **properties},
    }


def geojson(*features: object) -> bytes:
    """The file."""
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def fence(**rules: Any) -> Places:
    """A map of one fenced dock."""
    return load_places(geojson(feature(rules=rules)))
