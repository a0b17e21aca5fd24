"""What the live map is sent: whole frames of vessels now and then, and small deltas in between.

A delta says everything that changed since its *frame*, not since the delta before it. So the newest one makes all
earlier ones worthless, and a reader that is too slow may lose any number of them. One that lacks the frame waits
for the next, or asks for one.

Both are JSON. Positions are whole numbers of 1e-5 degree (about a metre), courses of whole degrees, speeds of tenths
of a knot; -1 is unknown. With v the version and at the moment in milliseconds:

    frame  {"v":1,"frame":n,"at":ms,"vessels":[[key,lat,lon,course,speed,state,name],...]}
    delta  {"v":1,"base":n,"at":ms,"moved":[[slot,dlat,dlon,course,speed],...],"state":[[slot,state],...],
            "come":[[key,lat,lon,course,speed,state,name],...],"gone":[slot,...]}

A slot is the place in the frame's list; dlat and dlon are what to add to the position there. The browser's side is
``static/vessels.mjs``. Nothing here knows where positions come from; who may see them is decided before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple

import orjson

from port2port.clock import to_ms
from port2port.errors import MalformedError

VERSION: Final = 1
PER_DEGREE: Final = 100_000
UNKNOWN: Final = -1
_NAME_CHARS: Final = 40
_SPEED_MAX: Final = 1_022  # tenths of a knot: the highest that AIS can say

Row = tuple[str, int, int, int, int, int, str]


class PositionError(MalformedError):
    """A position that is not on this planet, a course or speed out of range, or one vessel twice."""

    code = "POSITION"


class VesselState(IntEnum):
    """How the map draws a vessel, in the words of IEC 62288; *selected* is the browser's own affair."""

    SLEEPING = 0
    ACTIVATED = 1
    LOST = 2
    DANGEROUS = 3


class Vessel(NamedTuple):
    """One vessel as it stands: degrees in WGS 84, course in degrees from true north, speed in knots."""

    key: str
    latitude_deg: float
    longitude_deg: float
    course_deg: float | None = None
    speed_kn: float | None = None
    state: VesselState = VesselState.SLEEPING
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A whole picture: its bytes, and what deltas are reckoned from."""

    number: int
    data: bytes
    slots: Mapping[str, int] = field(repr=False)
    rows: tuple[Row, ...] = field(repr=False)


def encode_frame(vessels: Iterable[Vessel], *, number: int, at: datetime) -> Frame:
    """The picture of all ``vessels``. ``number`` is new for each frame of a stream. Raises PositionError."""
    rows = tuple(_row(vessel) for vessel in vessels)
    slots = {row[0]: slot for slot, row in enumerate(rows)}
    if len(slots) != len(rows):
        raise PositionError("a vessel stands in a frame once")
    data = orjson.dumps({"v": VERSION, "frame": number, "at": to_ms(at), "vessels": rows})
    return Frame(number=number, data=data, slots=slots, rows=rows)


def encode_delta(base: Frame, vessels: Iterable[Vessel], *, at: datetime) -> bytes:
    """What ``vessels`` (all of them, now) differ in from ``base``. Raises PositionError."""
    moved: list[tuple[int, int, int, int, int]] = []
    states: list[tuple[int, int]] = []
    come: list[Row] = []
    seen: set[str] = set()
    for vessel in vessels:
        row = _row(vessel)
        if row[0] in seen:
            raise PositionError("a vessel stands in a delta once")
        seen.add(row[0])
        slot = base.slots.get(row[0])
        before = None if slot is None else base.rows[slot]
        if slot is None or before is None or before[6] != row[6]:
            come.append(row)  # a vessel whose name changed comes anew under its own key
            continue
        if before[1:5] != row[1:5]:
            moved.append((slot, row[1] - before[1], row[2] - before[2], row[3], row[4]))
        if before[5] != row[5]:
            states.append((slot, row[5]))
    gone = [slot for key, slot in base.slots.items() if key not in seen]
    changes = {"moved": moved, "state": states, "come": come, "gone": gone}
    return orjson.dumps({"v": VERSION, "base": base.number, "at": to_ms(at), **changes})


def _row(vessel: Vessel) -> Row:
    key, latitude, longitude, course, speed, state, name = vessel
    if not key or not -90 <= latitude <= 90 or not -180 <= longitude <= 180:
        raise PositionError("a vessel has a key and a position on this planet", key=key)
    return (
        key,
        round(latitude * PER_DEGREE),
        round(longitude * PER_DEGREE),
        UNKNOWN if course is None else round(_finite(course)) % 360,
        UNKNOWN if speed is None else min(max(round(_finite(speed) * 10), 0), _SPEED_MAX),
        VesselState(state).value,
        name[:_NAME_CHARS],
    )


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise PositionError("a course or speed is a number or unknown")
    return value
