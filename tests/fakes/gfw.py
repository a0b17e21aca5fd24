"""Recordings of Global Fishing Watch, decoded JSON lines, encoded again into the tagged sentences a receiver sends.

What a field does not hold is encoded as the standard's "not available", never as zero. The labels in the recordings
(`expected`) are not read.
"""

from __future__ import annotations

import gzip
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyais import encode_dict
from pyais.messages import TagBlock

if TYPE_CHECKING:
    from pathlib import Path

SHIP_TYPES = {"Fishing": 30, "Cargo": 70, "Tanker": 80, "Passenger": 60, "Tug": 52, "Not available": 0}


def sentences_of(path: Path) -> list[bytes]:
    """Every message of a recording that AIS can carry, in the file's order, each line with a tag block."""
    lines: list[bytes] = []
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for text in stream:
            lines.extend(_sentences(json.loads(text)))
    return lines


def _sentences(row: dict[str, Any]) -> list[bytes]:
    fields = _fields(int(row["type"].removeprefix("AIS.")), row)
    if fields is None:
        return []
    at = int(datetime.fromisoformat(row["timestamp"]).timestamp())
    return tagged(fields, station=row["receiver"], at=at)


def tagged(fields: dict[str, Any], *, station: str, at: int) -> list[bytes]:
    """Encode one message; every sentence gets the same tag block."""
    block = TagBlock.create(source_station=station, receiver_timestamp=at)
    body, check = block.split(b"*")
    head = b"\\" + body + b"*" + check.rjust(2, b"0") + b"\\"
    parts = encode_dict(fields, talker_id="AI", sentence_type="VDM", radio_channel="A", seq_id=at % 10)
    return [head + part.encode() for part in parts]


def _fields(number: int, row: dict[str, Any]) -> dict[str, Any] | None:
    mmsi = int(row["ssvid"])
    if number in (1, 2, 3, 18, 19, 27):
        return {"type": number, "mmsi": mmsi, **_motion(number, row), **(_identity(row) if number == 19 else {})}
    if number == 5:
        imo = row.get("imo")
        return {"type": 5, "mmsi": mmsi, "imo": int(imo) if imo else 0, **_identity(row)}
    if number == 24:
        part = 0 if row.get("shipname") else 1
        return {"type": 24, "mmsi": mmsi, "partno": part, **_identity(row)}
    return None


def _motion(number: int, row: dict[str, Any]) -> dict[str, Any]:
    long_range = number == 27
    motion = {
        "lat": _or(row["lat"], 91.0),
        "lon": _or(row["lon"], 181.0),
        "speed": min(_or(row["speed"], 63.0 if long_range else 102.3), 63.0 if long_range else 102.3),
        "course": min(_or(row["course"], 511.0 if long_range else 360.0), 511.0 if long_range else 360.0),
        "heading": int(_or(row["heading"], 511.0)),
        "second": 60,
    }
    if number in (1, 2, 3, 27):
        motion["status"] = int(_or(row["status"], 15.0))
    if number in (1, 2, 3):
        motion["turn"] = -128
    return motion


def _identity(row: dict[str, Any]) -> dict[str, Any]:
    length, width = int(_or(row["length"], 0.0)), int(_or(row["width"], 0.0))
    kind = str(row.get("shiptype") or "Not available").split(",")[0]
    return {
        "shipname": row.get("shipname") or "",
        "callsign": row.get("callsign") or "",
        "destination": row.get("destination") or "",
        "ship_type": SHIP_TYPES.get(kind, 90),
        "to_bow": length,
        "to_stern": 0,
        "to_port": width,
        "to_starboard": 0,
    }


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or math.isnan(value) else float(value)
