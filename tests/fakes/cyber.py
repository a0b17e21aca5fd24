"""Lines of network sensors: real recordings, brought to another time, and small ones made up for a case."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from node.observations import SourceClass
from node.sensors.parsers.records import SensorLine
from tests.fakes.shared_data import shared_path

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ZEEK = ("dns.head1500", "known_services", "modbus", "notice", "rdp", "smtp", "ssl.head1500")
EVE = ("first2015", "wrccdc2018")


def zeek_recording(name: str) -> list[bytes]:
    """The lines of a recording by Zeek."""
    return shared_path(f"cyber/zeek_{name}.ndjson").read_bytes().splitlines()


def eve_recording(name: str) -> list[bytes]:
    """The alerts of a recording by Suricata, one a line as Suricata writes them."""
    return [
        orjson.dumps(one) for one in orjson.loads(shared_path(f"cyber/suricata_eve_alerts_{name}.json").read_bytes())
    ]


def moved(lines: list[bytes], to: datetime) -> list[bytes]:
    """The same events, the last of them at another time, all as far apart as they were."""
    events = [orjson.loads(line) for line in lines]
    key = "ts" if "ts" in events[0] else "timestamp"
    times = [datetime.fromisoformat(event[key]) for event in events]
    shift = to - max(times)
    return [
        orjson.dumps({**event, key: (at + shift).astimezone(UTC).isoformat()})
        for event, at in zip(events, times, strict=True)
    ]


def sensor_line(event: dict[str, Any] | bytes, *, received_at: datetime = NOW, sensor: str = "ids") -> SensorLine:
    """A line as the flow hands it to a parser."""
    data = event if isinstance(event, bytes) else orjson.dumps(event)
    return SensorLine(sensor, SourceClass.LOCAL, received_at, data, sha256(data).digest())


def zeek_dns(query: str, *, at: datetime = NOW, answers: tuple[str, ...] = (), number: int = 0) -> bytes:
    """One question to a name server, as Zeek tells it."""
    return orjson.dumps(
        {
            "_path": "dns",
            "ts": at.isoformat(),
            "uid": f"C{number}",
            "id.orig_h": "10.1.2.3",
            "id.orig_p": 40_000,
            "id.resp_h": "10.0.0.53",
            "id.resp_p": 53,
            "proto": "udp",
            "query": query,
            "answers": [*answers],
        }
    )
