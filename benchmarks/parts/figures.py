"""The measurements of ``benchmarks/intake.py``: every figure is a ratio of things measured in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.parts.drive import Submitted, echo_times, newest_checkpoint, submit_all
from benchmarks.parts.founding import Founded, pin
from benchmarks.parts.measures import Meter, median, percentile, verify_cost_s
from benchmarks.parts.ports import BenchPort, TlsFiles, requests_of
from benchmarks.parts.stages import COMMITTED, ENVELOPES, Stages
from hub import keyring
from hub.settings import HubSettings
from port2port.checkpoint import SignedCheckpoint
from port2port.settings import load
from port2port.statement import LogSeen

WINDOW: Final = {100: 8, 10: 32, 1: 32}  # batches unanswered on each stream
SENDERS: Final = 2  # ports that send at once
PACED_PER_S: Final = 100
FOLLOWERS: Final = 5
FOLLOWED_BATCH: Final = 10
FOLLOWED_EVERY_S: Final = 0.05  # a batch of ten each: 200 envelopes a second, so that nobody falls behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is sent. Bursts of 20,000 and 6,000 a minute are each port's quota; five ports stay far below."""

    rounds: int = 3
    envelopes: dict[int, int] = field(default_factory=lambda: {100: 3_000, 10: 2_000, 1: 800})
    naive: dict[int, int] = field(default_factory=lambda: {100: 400, 10: 400})
    paced: int = 600
    followed: int = 1_000


QUICK: Final = Sizes(
    rounds=1, envelopes={100: 1_000, 10: 500, 1: 200}, naive={100: 100, 10: 100}, paced=200, followed=300
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A server to compare with; ``seen`` is what an author knows of its log."""

    address: str
    pid: int
    seen: LogSeen


@dataclass(slots=True, kw_only=True)
class Bench:
    """The federation under test and what was found so far."""

    founded: Founded
    sizes: Sizes
    verify_us: list[float] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.founded.stage.hub_dir / "hub.toml"

    async def seen(self) -> LogSeen:
        """What an author has verified of the log, for its statements."""
        note = SignedCheckpoint.parse(await newest_checkpoint(self.founded.ports[0].tls))
        return LogSeen(size=note.checkpoint.size, root=note.checkpoint.root)

    async def jobs(
        self, count: int, batch: int, *, signatures: int = 1, to: Other | None = None, senders: int = SENDERS
    ) -> list[tuple[TlsFiles, list[bytes], list[int]]]:
        """For each sending port its connection and its serialised requests."""
        seen = await self.seen() if to is None else to.seen
        made = []
        for port in self.founded.ports[:senders]:
            raws = port.envelopes(count // senders, seen, signatures=signatures)
            sizes = [len(raws[at : at + batch]) for at in range(0, len(raws), batch)]
            files = port.tls if to is None else replace(port.tls, address=to.address)
            made.append((files, requests_of(raws, batch), sizes))
        return made

    def verify_now_us(self, before: float) -> float:
        """One verification, measured before and after each round."""
        self.verify_us.append((before + verify_cost_s() * 1e6) / 2)
        return self.verify_us[-1]

    async def intake(self, count: int, batch: int, *, signatures: int = 1, to: Other | None = None) -> dict[str, float]:
        """One round at full speed: rate against the verify rate, CPU in verifies."""
        jobs = await self.jobs(count, batch, signatures=signatures, to=to)
        before = verify_cost_s() * 1e6
        pid = self.founded.hub_pid if to is None else to.pid
        with Meter(pids=(pid,)) as meter:
            done = await submit_all(jobs, window=WINDOW[batch])
        verify_us = self.verify_now_us(before)
        rate = len(done.sent) / meter.wall_s
        return {
            "envelopes_per_s": rate,
            "of_verify_rate": rate * verify_us / 1e6,
            "hub_cpu_us": meter.used_s[0] / len(done.sent) * 1e6,
            "hub_cpu_in_verifies": meter.used_s[0] / len(done.sent) * 1e6 / verify_us,
            "client_cpu_us": meter.used_s[1] / len(done.sent) * 1e6,
            "hub_cores": meter.used_s[0] / meter.wall_s,
            "foreign_cores": meter.foreign_cores,
        }

    async def rounds(self, batch: int, **more: Any) -> dict[str, float]:
        """The medians of several rounds, after a short one that nobody counts."""
        await self.intake(2 * batch, batch, **more)
        return medians(
            [await self.intake(self.sizes.envelopes[batch], batch, **more) for _ in range(self.sizes.rounds)]
        )

    # --- subscribers ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def followers(self, cores: set[int]) -> Iterator[subprocess.Popen[str]]:
        """Five verifying subscribers in a process of their own, one for each port."""
        config = self.founded.stage.root / "followers.json"
        files = [
            {
                "address": port.tls.address,
                "ca": str(port.tls.ca),
                "certificate": str(port.tls.certificate),
                "key": str(port.tls.key),
            }
            for port in self.founded.ports[:FOLLOWERS]
        ]
        config.write_text(
            json.dumps({"control": str(self.founded.control), "genesis": self.founded.genesis, "followers": files})
        )
        with child("benchmarks.parts.followers", str(config), cores=cores) as process:
            require_line(process, "following")
            yield process

    async def followed(self, process: subprocess.Popen[str] | None) -> float:
        """Hub CPU microseconds per envelope at a steady pace; with subscribers, once all of them have it all."""
        jobs = await self.jobs(self.sizes.followed, FOLLOWED_BATCH, senders=1)
        with Meter(pids=(self.founded.hub_pid,)) as meter:
            done = await submit_all(jobs, window=WINDOW[FOLLOWED_BATCH], every_s=FOLLOWED_EVERY_S)
            if process is not None:
                await arrivals(process, done)
        return meter.used_s[0] / len(done.sent) * 1e6

    async def latency(self, process: subprocess.Popen[str]) -> tuple[list[float], list[float]]:
        """Seconds from writing an envelope, at 100 a second, to its answer and to its verified arrival at each."""
        jobs = await self.jobs(self.sizes.paced, 1, senders=1)
        done = await submit_all(jobs, window=WINDOW[1], every_s=1 / PACED_PER_S)
        got = await arrivals(process, done)
        answered = [at - done.sent[index] for index, at in sorted(done.acknowledged.items())]
        order = sorted(done.sent)
        return answered, [one[index] - done.sent[index] for index in order for one in got]

    # --- others ---------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def server(self, what: str, cores: set[int]) -> AsyncIterator[Other]:
        """A server to compare with, over a copy of the hub's database."""
        seen = await self.seen()
        copy = self.founded.stage.root / f"{what}.sqlite"
        self.copy_database(copy)
        with child("benchmarks.parts.servers", what, str(self.config), str(copy), cores=cores) as process:
            port = require_line(process, "port ").split()[1]
            yield Other(address=f"127.0.0.1:{port}", pid=process.pid, seen=seen)

    def copy_database(self, to: Path) -> None:
        """A consistent copy, taken while the hub serves."""
        to.unlink(missing_ok=True)
        settings = load(self.config, HubSettings)
        source = sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))
        target = sqlite3.connect(to)
        with contextlib.closing(source), contextlib.closing(target):
            source.backup(target)

    async def stages(self) -> dict[str, Any]:
        """Microseconds of each stage, in this process."""
        copy = self.founded.stage.root / "stages.sqlite"
        self.copy_database(copy)
        port: BenchPort = self.founded.ports[0]
        raws = port.envelopes(ENVELOPES, await self.seen())
        bench = Stages(
            database=copy,
            keyring=keyring.load(load(self.config, HubSettings)),
            member=port.member,
            verify_us=median(self.verify_us),
        )
        try:
            checks = bench.before_commit(raws[: COMMITTED[100]])
            found: dict[str, Any] = {"before_commit": checks, "commit": {}, "pipeline": {}, "group": {}}
            at = 0
            for batch, count in COMMITTED.items():
                whole, group = await bench.pipeline(raws[at : at + count], batch, SENDERS * WINDOW[batch])
                commit = bench.commit(raws[at + count : at + 2 * count], max(1, round(group)), batch)
                one_by_one = sum(checks.values()) + sum(commit.values()) - commit["acknowledgement"]
                found["group"][batch], found["commit"][batch] = group, commit
                found["pipeline"][batch] = whole - one_by_one
                at += 2 * count
        finally:
            bench.close()
        return found


async def arrivals(process: subprocess.Popen[str], done: Submitted) -> list[dict[int, float]]:
    """When each subscriber had verified each envelope of ``done``; waits until all have all."""
    got: list[dict[int, float]] = [{} for _ in range(FOLLOWERS)]
    while any(len(one) < len(done.sent) for one in got):
        for one, news in zip(got, await asyncio.to_thread(ask, process), strict=True):
            one.update({index: at for index, at in news if index in done.sent})
        await asyncio.sleep(0.2)
    return got


def ask(process: subprocess.Popen[str]) -> list[list[tuple[int, float]]]:
    """The arrivals since the last question. Raises SystemExit if the subscribers have ended."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    news: list[list[tuple[int, float]]] = json.loads(require_line(process, "["))
    return news


def require_line(process: subprocess.Popen[str], start: str) -> str:
    """The next line, which must begin so."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(start):
        raise SystemExit(f"a process of the bench said {line!r}, its exit code is {process.poll()}")
    return line


@contextlib.contextmanager
def child(module: str, *arguments: str, cores: set[int]) -> Iterator[subprocess.Popen[str]]:
    """A module of the bench as a process, ended on leaving."""
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pin(process.pid, cores)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: median([one[name] for one in rounds]) for name in rounds[0]}


async def bare_times(address: str, port: BenchPort, count: int) -> list[float]:
    """Round trips of the bare unary rpc with an envelope's worth of bytes, at 100 a second."""
    return await echo_times(replace(port.tls, address=address), bytes(1_500), count, every_s=1 / PACED_PER_S)


def spread_ms(seconds: list[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds, the first tenth left out."""
    settled = seconds[len(seconds) // 10 :]
    return {"p50_ms": percentile(settled, 0.5) * 1e3, "p99_ms": percentile(settled, 0.99) * 1e3}
