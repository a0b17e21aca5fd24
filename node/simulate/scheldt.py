"""A fleet on the Scheldt, the canal to Ghent and the Meuse, and who hears it.

The scripted part: a ship sails between Zandvliet and Kallo, heard at Antwerp and, at the edge of its range, at North
Sea Port. Later a second transmitter with the same number starts between Vlissingen and Terneuzen, out of range of
Antwerp. North Sea Port hears both in turns; Antwerp has only ever seen the first.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pyais.messages import TagBlock

from node.simulate.fairways import (
    ANTWERP_REACH,
    GHENT_TERNEUZEN,
    MEUSE,
    VLISSINGEN_ROADS,
    WESTERN_SCHELDT,
)
from node.simulate.ships import STATIC_EVERY_S, Ship, imo_number, random_ship
from port2port.errors import ConfigurationError
from port2port.geo import Position, haversine_m

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_STATIC_WITHIN_S: Final = 30.0
SHIPS_MAX: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A port's AIS station; ``range_m`` is how far it hears (20 nautical miles is usual for a mast)."""

    station: str
    position: Position
    range_m: float


ANTWERP: Final = Receiver(
    station="SIM-ANTWERP", position=Position(latitude_deg=51.28, longitude_deg=4.32), range_m=30_000.0
)
NORTH_SEA_PORT: Final = Receiver(
    station="SIM-TERNEUZEN", position=Position(latitude_deg=51.3333, longitude_deg=3.82), range_m=40_000.0
)
LIEGE: Final = Receiver(
    station="SIM-LIEGE", position=Position(latitude_deg=50.665, longitude_deg=5.63), range_m=30_000.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """The second transmitter under the first one's number; it starts ``after_s`` and has a name of its own."""

    after_s: float = 300.0
    mmsi: int = 205_999_001
    name: str = "SIM ORTELIUS"
    false_name: str = "SIM ORTELUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """``start`` is the time in the first tag block. Played faster than it happened, begin in the past: a receiver's
    clock ahead of the node's is not believed. The same settings give the same bytes."""

    start: datetime
    duration_s: float
    ships: int = 40
    seed: int = 1
    clone: Clone | None = None


def traffic(simulation: Simulation, receiver: Receiver) -> Iterator[tuple[float, bytes]]:
    """(seconds after the start, one sentence with its tag block) in order, as far as this receiver hears it."""
    if not 0 <= simulation.ships <= SHIPS_MAX:
        raise ConfigurationError(f"a simulation has 0 to {SHIPS_MAX} ships")
    chance = random.Random(simulation.seed)  # noqa: S311 traffic must be the same for the same seed
    queue: list[tuple[float, int, str, Ship, float]] = []
    for number, (ship, begins_s) in enumerate(_fleet(simulation, chance)):
        first_s = begins_s + chance.uniform(0.0, ship.every_s)
        queue.append((first_s, 2 * number, "position", ship, begins_s))
        static_s = begins_s + chance.uniform(0.0, FIRST_STATIC_WITHIN_S)
        queue.append((static_s, 2 * number + 1, "static", ship, begins_s))
    heapq.heapify(queue)
    sequence = 0
    while queue and queue[0][0] < simulation.duration_s:
        at_s, number, what, ship, begins_s = heapq.heappop(queue)
        every_s = ship.every_s if what == "position" else STATIC_EVERY_S
        heapq.heappush(queue, (at_s + every_s, number, what, ship, begins_s))
        sequence += what == "static"
        if _hears(receiver, ship, at_s):
            for sentence in _sent(simulation, receiver, ship, at_s, what=what, sequence=sequence):
                yield at_s, sentence


def _fleet(simulation: Simulation, chance: random.Random) -> Iterator[tuple[Ship, float]]:
    """Every ship with the second at which it begins to transmit."""
    waters = (WESTERN_SCHELDT, WESTERN_SCHELDT, GHENT_TERNEUZEN, MEUSE)
    for number in range(simulation.ships):
        yield random_ship(number, waters[number % len(waters)], chance), 0.0
    if simulation.clone is not None:
        honest = _cloned(simulation.clone)
        yield honest, 0.0
        false = replace(
            honest,
            name=simulation.clone.false_name,
            callsign="",
            imo=0,
            length_m=90,
            beam_m=15,
            fairway=VLISSINGEN_ROADS,
            offset_m=0.0,
            speed_kn=9.0,
        )
        yield false, simulation.clone.after_s


def _cloned(clone: Clone) -> Ship:
    return Ship(
        mmsi=clone.mmsi,
        name=clone.name,
        callsign="ORSIM1",
        imo=imo_number(999_901),
        eni=None,
        ship_type=70,
        length_m=190,
        beam_m=32,
        fairway=ANTWERP_REACH,
        offset_m=0.0,
        speed_kn=6.0,
    )


def _hears(receiver: Receiver, ship: Ship, at_s: float) -> bool:
    return haversine_m(receiver.position, ship.place_at(at_s)) <= receiver.range_m


def _sent(
    simulation: Simulation, receiver: Receiver, ship: Ship, at_s: float, *, what: str, sequence: int
) -> list[bytes]:
    at = simulation.start + timedelta(seconds=at_s)
    channel = "AB"[int(at_s) % 2]
    head = _tag_block(receiver.station, at)
    if what == "position":
        return [head + sentence.encode() for sentence in ship.position_report(at_s, at, channel)]
    return [head + part.encode() for message in ship.static_reports(sequence, channel) for part in message]


def _tag_block(station: str, at: datetime) -> bytes:
    fields: dict[str, object] = {"source_station": station, "receiver_timestamp": int(at.timestamp())}
    content, _, check = TagBlock.create(**fields).partition(b"*")  # type: ignore[arg-type]  # pyais types values as dicts
    return b"\\" + content + b"*" + check.rjust(2, b"0") + b"\\"
