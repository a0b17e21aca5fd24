"""Where the raw lines behind a draft say that ships were: for its map, and for the table beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from node.observations import AisPosition
from node.sensors.parsers.ais import AisParser
from node.sensors.transports.lines import ReceivedLine
from port2port.clock import from_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One position: WGS 84 degrees, the ship's number, when it was heard and by which station."""

    key: str
    lat: float
    lon: float
    when: datetime
    station: str

    def to_json(self) -> dict[str, object]:
        """For the map."""
        return {"key": self.key, "lat": self.lat, "lon": self.lon, "at": self.when.isoformat()}


def points_of(evidence: Sequence[Mapping[str, Any]]) -> tuple[Point, ...]:
    """The positions in lines of evidence, the oldest first; lines that are no AIS have none."""
    lines = [
        ReceivedLine(source=str(line["station"]), received_at=from_ms(line["received_ms"]), data=data)
        for line in evidence
        for data in base64.b64decode(line["line"]).splitlines()
    ]
    found = AisParser().parse(lines)
    points = [
        Point(
            key=str(one.mmsi),
            lat=one.position.latitude_deg,
            lon=one.position.longitude_deg,
            when=one.observed_at,
            station=one.station,
        )
        for one in found
        if isinstance(one, AisPosition)
    ]
    return tuple(sorted(points, key=lambda point: point.when))
