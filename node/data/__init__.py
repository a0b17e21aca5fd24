"""Files that a node is shipped with."""

from __future__ import annotations

from importlib import resources


def starter_places() -> bytes:
    """The starter map, GeoJSON bytes for ``places.load_places``. Never for navigation."""
    return resources.files(__name__).joinpath("places.geojson").read_bytes()
