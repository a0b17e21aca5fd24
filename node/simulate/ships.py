"""Simulated ships and the messages they send, encoded by pyais with every value that is not known said to be so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyais import encode_dict

from port2port.geo import Position, metres_per_second

if TYPE_CHECKING:
    import random
    from datetime import datetime

    from node.simulate.fairways import Fairway

POSITION_EVERY_S: Final = 10.0  # class A up to 14 knots, ITU-R M.1371 table 1
MOORED_EVERY_S: Final = 180.0
STATIC_EVERY_S: Final = 360.0
IMO_WEIGHTS: Final = (7, 6, 5, 4, 3, 2)
UNDER_WAY: Final = 0
MOORED: Final = 5
TURN_NOT_AVAILABLE: Final = -128
HEADING_NOT_AVAILABLE: Final = 511
_INLAND_FILL: Final = {"hazard": 5, "loaded": 0, "speed_q": 0, "course_q": 0, "heading_q": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """``offset_m`` is where on its fairway it starts. An inland ship has an ENI and no IMO number, and no heading."""

    mmsi: int
    name: str
    callsign: str
    imo: int
    eni: str | None
    ship_type: int
    length_m: int
    beam_m: int
    fairway: Fairway
    offset_m: float
    speed_kn: float

    @property
    def every_s(self) -> float:
        """Seconds between position reports."""
        return POSITION_EVERY_S if self.speed_kn > 0.0 else MOORED_EVERY_S

    def place_at(self, elapsed_s: float) -> Position:
        """Where it is so many seconds after the start."""
        return self.fairway.at(self.offset_m + metres_per_second(self.speed_kn) * elapsed_s)[0]

    def position_report(self, elapsed_s: float, at: datetime, channel: str) -> list[str]:
        """Message 1 as sentences without tag block."""
        position, course = self.fairway.at(self.offset_m + metres_per_second(self.speed_kn) * elapsed_s)
        return encode_dict(
            {
                "type": 1,
                "mmsi": self.mmsi,
                "status": UNDER_WAY if self.speed_kn > 0.0 or self.eni else MOORED,
                "turn": TURN_NOT_AVAILABLE,
                "speed": self.speed_kn,
                "lon": round(position.longitude_deg, 6),
                "lat": round(position.latitude_deg, 6),
                "course": round(course, 1) % 360.0,
                "heading": HEADING_NOT_AVAILABLE if self.eni else int(course) % 360,
                "second": at.second,
            },
            sentence_type="VDM",
            radio_channel=channel,
        )

    def static_reports(self, sequence: int, channel: str) -> list[list[str]]:
        """Message 5, and for inland ships message 8 with DAC 200 and FID 10."""
        messages: list[dict[str, Any]] = [self._voyage()]
        if self.eni:
            messages.append(self._inland(self.eni))
        return [
            encode_dict(message, sentence_type="VDM", radio_channel=channel, seq_id=sequence % 10)
            for message in messages
        ]

    def _voyage(self) -> dict[str, Any]:
        return {
            "type": 5,
            "mmsi": self.mmsi,
            "imo": self.imo,
            "callsign": self.callsign,
            "shipname": self.name,
            "ship_type": self.ship_type,
            "to_bow": self.length_m - self.length_m // 5,
            "to_stern": self.length_m // 5,
            "to_port": self.beam_m // 2,
            "to_starboard": self.beam_m - self.beam_m // 2,
            "epfd": 1,
            "hour": 24,
            "minute": 60,
            "draught": 0.0,
            "destination": "ANTWERP",
        }

    def _inland(self, eni: str) -> dict[str, Any]:
        return {
            "type": 8,
            "mmsi": self.mmsi,
            "dac": 200,
            "fid": 10,
            "vin": eni,
            "length": float(self.length_m),
            "beam": float(self.beam_m),
            "shiptype": 8010,
            **_INLAND_FILL,
        }


def imo_number(serial: int) -> int:
    """A valid IMO number from six digits: the seventh is the last digit of their weighted sum."""
    digits = [int(digit) for digit in f"{serial:06d}"]
    check = sum(digit * weight for digit, weight in zip(digits, IMO_WEIGHTS, strict=True)) % 10
    return serial * 10 + check


def random_ship(number: int, fairway: Fairway, chance: random.Random) -> Ship:
    """Ship ``number`` of a fleet; numbers, names and sizes follow from it and from the seeded generator."""
    inland = chance.random() < 0.45
    moored = chance.random() < 0.2
    return Ship(
        mmsi=(244_700_000 if inland else 205_300_000) + number,
        name=f"SIM {'BARGE' if inland else 'SHIP'} {number:04d}",
        callsign=f"{'PD' if inland else 'OR'}{number:04d}",
        imo=0 if inland else imo_number(900_000 + number),
        eni=f"023{number:05d}" if inland else None,
        ship_type=chance.choice((70, 79, 80, 89)),
        length_m=chance.choice((85, 110, 135)) if inland else chance.choice((90, 140, 190, 366)),
        beam_m=chance.choice((9, 11)) if inland else chance.choice((15, 22, 32, 51)),
        fairway=fairway,
        offset_m=chance.uniform(0.0, 2.0 * fairway.length_m),
        speed_kn=0.0 if moored else round(chance.uniform(5.0, 8.0 if inland else 13.5), 1),
    )
