"""How fast lines of network sensors are read and matched, beside reading their JSON alone in the same run.

Run: ``python -m benchmarks.records --json FILE``. Lines are the recordings of Zeek and Suricata in the shared data, or
such as these made up where they are not there. CPU time of one process, the best of the rounds; trust the ratios.
"stored" is the whole way of a batch, with one transaction for each 512 lines, against the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import tempfile
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from node.cyber import CyberFlow
from node.observations import SourceClass
from node.sensors.logs import LogSource
from node.sensors.parsers import zeek
from node.sensors.parsers.records import SensorLine
from node.store import open_store
from node.watch import Handling, ManyFacts, Match, WatchedIndicator, WatchIndex, WatchLimits
from port2port.clock import SystemClock
from port2port.database import sqlite_url
from port2port.patterns import TemplateCache, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.cyber import Due
    from node.findings import Finding

SIZES = (1, 1_000, 100_000)
SHARED = Path(__file__).parents[2] / "shared" / "data" / "cyber"
LOGS = ("dns.head1500", "ssl.head1500", "smtp", "rdp", "notice", "known_services", "modbus")
ROUNDS = 5
NOW = datetime.now(UTC)


def lines_of(count: int) -> list[bytes]:
    """Real lines, each made another by a number, until there are so many."""
    files = [SHARED / f"zeek_{name}.ndjson" for name in LOGS]
    real = [line for file in files if file.exists() for line in file.read_bytes().splitlines()] or [made_up()]
    found = []
    for number in range(count):
        line = real[number % len(real)]
        found.append(line[:-1] + b',"number":%d}' % number)
    return found


def made_up() -> bytes:
    """A question to a name server."""
    ends = {"id.orig_h": "10.1.2.3", "id.orig_p": 40_000, "id.resp_h": "10.0.0.53", "id.resp_p": 53}
    told = {"query": "www.example.org", "answers": ["198.51.100.7"], "proto": "udp", "uid": "CqKst53mF3det3eDV9"}
    return orjson.dumps({"_path": "dns", "ts": NOW.isoformat(), **ends, **told})


def index_of(size: int) -> WatchIndex:
    """Domains nobody asks for, of many issuers, and one that everybody does."""
    index, templates = WatchIndex(WatchLimits(), lambda _facts: False), TemplateCache()
    for number in range(size):
        name = "ise.wrccdc.org" if number == 0 else f"host{number}.example"
        index.add(
            WatchedIndicator(
                issuer=f"port-{number % 11}",
                stix_id=f"indicator--00000000-0000-4000-8000-{number:012d}",
                entry_index=number,
                pattern=compile_pattern(f"[domain-name:value = '{name}']", templates),
                handling=Handling.OBSERVE_ONLY,
                valid_from=NOW - timedelta(days=1),
            ),
            lambda _pattern: 0,
        )
    return index


def best(lines: Sequence[bytes], work: Callable[[Sequence[bytes]], object]) -> float:
    """Lines a second of CPU time in the best of the rounds."""
    gc.collect()
    rates = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work(lines)
        rates.append(len(lines) / (time.process_time() - began))
    return max(rates)


def parse(line: bytes) -> ManyFacts:
    """From bytes to facts, digest and all."""
    record = zeek.parse(SensorLine("ids", SourceClass.LOCAL, NOW, line, sha256(line).digest()))
    return ManyFacts(facts=record.facts, observed_at=record.observed_at)


def parse_and_match(index: WatchIndex) -> Callable[[Sequence[bytes]], int]:
    """What is measured: how many matches there were is its answer."""
    return lambda lines: sum(len(index.observe_record(parse(line), NOW)) for line in lines)


class Nobody:
    """A desk at which nothing is found and nothing told."""

    def __init__(self, write: Callable[[Callable[[Connection], None]], object]) -> None:
        self.busy = asyncio.Lock()
        self._write = write
        self._index = index_of(1_000)

    def met(self, find: Callable[[WatchIndex, datetime], Iterable[Match]]) -> list[Due]:
        """Look, and tell nobody."""
        for _ in find(self._index, NOW):
            pass
        return []

    async def keep(
        self, findings: Sequence[Finding], due: Sequence[Due], also: Callable[[Connection], None] | None = None
    ) -> None:
        """The transaction of a batch without drafts and sightings."""
        assert not findings
        assert not due
        if also is not None:
            await asyncio.to_thread(self._write, also)


async def stored(lines: Sequence[bytes]) -> float:
    """Lines a second from a file to a database, against the clock."""
    with tempfile.TemporaryDirectory() as home:
        log = Path(home) / "dns.log"
        log.write_bytes(b"\n".join(lines) + b"\n")
        store = open_store(sqlite_url(Path(home) / "node.db"))
        source = LogSource("ids", "zeek", log, SourceClass.LOCAL)
        flow = CyberFlow(store, Nobody(store.write_now), [source], clock=SystemClock())
        await flow.start()
        began = time.monotonic()
        while await flow.take(source) is not None:
            pass
        took_s = time.monotonic() - began
        source.close()
        store.close()
        return len(lines) / took_s


def main() -> None:
    """Measure, print, write the file."""
    parser = argparse.ArgumentParser(description="figures of network sensors")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--quick", action="store_true", help="fewer lines")
    arguments = parser.parse_args()
    lines = lines_of(2_000 if arguments.quick else 20_000)
    alone = best(lines, lambda given: [orjson.loads(line) for line in given])
    matched = {size: best(lines, parse_and_match(index_of(size))) for size in SIZES}
    figures = {
        "python": platform.python_version(),
        "lines": len(lines),
        "json_alone_per_s": round(alone),
        "parsed_per_s": round(best(lines, lambda given: [parse(line) for line in given])),
        "parsed_and_matched_per_s": {str(size): round(rate) for size, rate in matched.items()},
        "flatness": round(max(matched.values()) / min(matched.values()), 3),
        "share_of_json_alone": round(min(matched.values()) / alone, 3),
        "stored_per_s": round(asyncio.run(stored(lines))),
    }
    print(json.dumps(figures, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
