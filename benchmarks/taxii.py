"""What the hub's TAXII collections take and give, against medallion on the same load in the same run.

    python benchmarks/taxii.py [--json FILE] [--quick]

Each server is a process of its own, asked over HTTP on loopback by one client with one connection. The hub runs its own
application on its own SQLite store with full durability, validates what is posted by the strict profile, and asks
``sharing.permits``; only TLS and secrets are left out, as at medallion. ``benchmarks/README.md`` says what counts.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import orjson

ROOT: Final = Path(__file__).resolve().parent.parent
MEDIA: Final = "application/taxii+json;version=2.1"
LOAD: Final = 400
BATCH: Final = 100
SIZES: Final = (10_000, 1_000_000)
QUICK: Final = (10_000, 100_000)
POSTED: Final = 10_000
PAGE: Final = 1_000
PAGES: Final = 200
IN_A_MILLISECOND: Final = 100  # objects of a long import, among which a page does not end
COMMITS: Final = 100
AIMS: Final = {"written_per_s": 5_000, "read_per_s": 20_000, "page_p99_ms": 100}


@dataclass(slots=True)
class Client:
    """One connection to the server that is the process ``pid``."""

    connection: http.client.HTTPConnection
    root: str
    headers: dict[str, str]
    pid: int

    def post(self, collection: str, objects: list[bytes]) -> float:
        """Seconds; every object must have been taken."""
        body = b'{"objects":[' + b",".join(objects) + b"]}"
        started = time.perf_counter()
        answer = self._ask("POST", f"{self.root}collections/{collection}/objects/", body)
        took = time.perf_counter() - started
        if orjson.loads(answer)["failure_count"]:
            raise RuntimeError(answer[:500])
        return took

    def page(self, collection: str, limit: int, more: str = "") -> tuple[float, int, str | None]:
        """(seconds, objects, where the next page begins)."""
        started = time.perf_counter()
        raw = self._ask("GET", f"{self.root}collections/{collection}/objects/?limit={limit}{more}")
        took = time.perf_counter() - started
        data = orjson.loads(raw)
        return took, len(data.get("objects", ())), data.get("next") if data.get("more") else None

    def spent_s(self) -> float:
        """Processor seconds of the server until now, which do not depend on what else the machine does."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        sent = {"Accept": MEDIA, **self.headers} | ({"Content-Type": MEDIA} if body else {})
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        raw = answer.read()
        if answer.status not in {200, 202}:
            raise RuntimeError(f"{method} {path}: {answer.status} {raw[:300]!r}")
        return raw


@contextmanager
def serving(which: str, objects: int = 0) -> Iterator[tuple[Client, str, str]]:
    """A client of a fresh server, with the collections to read from and to post to."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.parts.taxii_servers", which, home, str(objects)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            port, readable, writable = process.stdout.readline().decode().split()
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=300)
            root = "/port2port/" if which == "medallion" else "/taxii2/port2port/"
            headers = {"Authorization": "Basic dTpw"} if which == "medallion" else {}
            try:
                yield Client(connection, root, headers, process.pid), readable, writable
            finally:
                connection.close()
                process.stdin.close()
                process.wait(30)


def same_load(which: str) -> dict[str, float]:
    """400 objects posted, and read again with those before them in pages of 100."""
    from benchmarks.parts.taxii_servers import raw_object  # noqa: PLC0415 the repository is on the path only now

    objects = [raw_object(number) for number in range(LOAD)]
    with serving(which) as (client, _, place):
        client.post(place, [raw_object(LOAD + at) for at in range(BATCH)])  # what is made ready at the first of each
        client.page(place, BATCH)  # does not count
        wrote = sum(client.post(place, objects[at : at + BATCH]) for at in range(0, LOAD, BATCH))
        read, pages = walk(client, place, BATCH, LOAD + BATCH)
    if read != LOAD + BATCH:
        raise RuntimeError(f"{which} gave {read} of {LOAD + BATCH} objects")
    return {
        "written_per_s": round(LOAD / wrote),
        "read_per_s": round(read / sum(pages)),
        "page_max_ms": round(max(pages) * 1_000, 1),
    }


def walk(client: Client, place: str, limit: int, most: int) -> tuple[int, list[float]]:
    """Follow ``next`` from the beginning until ``most`` objects were read: how many, and the seconds of each page."""
    got, pages, more = 0, [], ""
    while got < most:
        took, count, following = client.page(place, limit, more)
        pages.append(took)
        got += count
        if following is None:
            break
        more = f"&next={following}"
    return got, pages


def alone(size: int) -> dict[str, float]:
    """The hub with ``size`` objects in a collection: posts to an intake, and pages of 1,000 all over the collection."""
    from benchmarks.parts.taxii_servers import raw_object  # noqa: PLC0415

    posted = [raw_object(number) for number in range(POSTED)]
    with serving("hub", size) as (client, readable, writable):
        walk(client, readable, PAGE, 3 * PAGE)
        before_s = client.spent_s()
        got, pages = walk(client, readable, PAGE, min(size, PAGES * PAGE))
        scattered = [
            client.page(readable, PAGE, f"&added_after={_date(random.Random(at).random(), size)}")[:2]
            for at in range(PAGES // 2)
        ]
        page_cpu_s = (client.spent_s() - before_s) / (len(pages) + len(scattered))
        rates = {}
        for batch, part in ((PAGE, posted[: POSTED // 2]), (BATCH, posted[POSTED // 2 :])):
            wrote = [client.post(writable, part[at : at + batch]) for at in range(0, len(part), batch)]
            rates[f"written_per_s_by_{batch}"] = round(len(part) / sum(wrote))
    full = [*pages, *(took for took, count in scattered if count > PAGE - IN_A_MILLISECOND)]
    got += sum(count for _, count in scattered)
    spent = sum(pages) + sum(took for took, _ in scattered)
    return {
        "objects": size,
        **rates,
        "read_per_s": round(got / spent),
        "page_p50_ms": round(quantiles(full, n=100)[49] * 1_000, 1),
        "page_p99_ms": round(quantiles(full, n=100)[98] * 1_000, 1),
        "page_cpu_ms": round(page_cpu_s * 1_000, 1),
        "pages": len(full),
    }


def _date(part: float, size: int) -> str:
    """A date within those that ``taxii_servers`` fills in: whole milliseconds for a second, then small steps."""
    ahead_s = part * (size / 1_000 if size < 1_000 else 1 + size / 100_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_700_000_000 + ahead_s)) + f".{int(ahead_s % 1 * 1e6):06d}Z"


def joined_per_s() -> float:
    """Objects a second where nothing is done but joining their bytes in memory: the physical limit."""
    from benchmarks.parts.taxii_servers import raw_object  # noqa: PLC0415

    objects = [raw_object(number) for number in range(PAGE)]
    started, rounds = time.perf_counter(), 300
    for _ in range(rounds):
        b'{"more":true,"objects":[' + b",".join(objects) + b"]}"
    return rounds * PAGE / (time.perf_counter() - started)


def commits_per_s() -> float:
    """Transactions of one row that the disk takes: more POSTs there cannot be."""
    import sqlalchemy as sa  # noqa: PLC0415 as above

    from port2port.database import make_engine, sqlite_url, write  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as home:
        engine = make_engine(sqlite_url(Path(home) / "commits.db"))
        write(engine, lambda connection: connection.execute(sa.text("CREATE TABLE t (x INTEGER)")))
        started = time.perf_counter()
        for _ in range(COMMITS):
            write(engine, lambda connection: connection.execute(sa.text("INSERT INTO t VALUES (1)")))
        took = time.perf_counter() - started
        engine.dispose()
    return COMMITS / took


def measure(sizes: tuple[int, ...]) -> dict[str, Any]:
    """All figures of one run."""
    ours, theirs = same_load("hub"), same_load("medallion")
    found: dict[str, Any] = {"hub_400": ours, "medallion_400": theirs, "load_before": os.getloadavg()[0]}
    found["ratio_400"] = {name: round(ours[name] / theirs[name], 1) for name in ("written_per_s", "read_per_s")} | {
        "page_max_ms": round(theirs["page_max_ms"] / ours["page_max_ms"], 1)
    }
    found["alone"] = [alone(size) for size in sizes]
    first, last = found["alone"][0], found["alone"][-1]
    found["page_cost_largest_to_smallest"] = round(last["page_cpu_ms"] / first["page_cpu_ms"], 2)
    found["joined_per_s"] = round(joined_per_s())
    found["share_of_joining"] = round(last["read_per_s"] / found["joined_per_s"], 4)
    found["commits_per_s"] = round(commits_per_s())
    found["aims"] = AIMS
    found["load_after"] = os.getloadavg()[0]
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    found = measure(QUICK if args.quick else SIZES)
    for name, value in found.items():
        for row in value if isinstance(value, list) else [value]:
            print(f"{name:30} {row}")
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
