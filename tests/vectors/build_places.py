"""Builds node/data/places.geojson, the starter map, from a list of reference points (``ports.json``).

    python tests/vectors/build_places.py PORTS_JSON node/data/places.geojson

Waterways have one reference point and no extent, so they are left out. No place is a fence: a port draws those.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DISCLAIMER = (
    "Starter map of reference points with suggested radii, compiled by hand and compared with AIS positions. "
    "Replace by outlines from the port authorities. NEVER FOR NAVIGATION."
)
CONFIDENCE = {
    "high": "about 150 m, supported by AIS",
    "medium": "about 500 m",
    "low": "0.5 to 2 km, sea areas several nautical miles: ask the port before use",
}
KINDS = {"pilot_station": "pilot-station"}


def build(ports: dict[str, Any]) -> dict[str, Any]:
    """The FeatureCollection."""
    places = [place for place in ports["places"] if place["radius_m"] is not None]
    return {
        "type": "FeatureCollection",
        "disclaimer": DISCLAIMER,
        "confidence": CONFIDENCE,
        "version": ports["version"],
        "features": [_feature(place) for place in sorted(places, key=lambda place: place["id"])],
    }


def _feature(place: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "name": place["name"],
        "kind": KINDS.get(place["type"], place["type"]),
        "port": place["port"],
        "unlocode": place["unlocode"],
        "radius_m": place["radius_m"],
        "confidence": place["confidence"],
        "basis": place["basis"],
        "note": place["note"],
    }
    return {
        "type": "Feature",
        "id": place["id"],
        "geometry": {"type": "Point", "coordinates": [place["lon"], place["lat"]]},
        "properties": properties,
    }


def render(document: dict[str, Any]) -> str:
    """One feature a line, so that a port's edits show well in a diff."""
    head = {key: value for key, value in document.items() if key != "features"}
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in document["features"])
    opening = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    return f'{opening},\n "features": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    source, target = (Path(argument) for argument in sys.argv[1:3])
    target.write_text(render(build(json.loads(source.read_text(encoding="utf-8")))), encoding="utf-8")
