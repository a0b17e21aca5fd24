"""Open consoles at a hub: signed-in sessions, each with its live stream over loopback, and what they cost the hub.

A console here does what its page does: it holds `/live` open, and where ``reads`` is set it fetches the strip, the
feed and the map again after each alert, one reading at a time. Entries arrive at a steady rate from a joined port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from benchmarks.parts.drive import newest_checkpoint, submit
from benchmarks.parts.founding import Founded, found
from benchmarks.parts.measures import Meter, two_cores
from benchmarks.parts.ports import requests_of
from port2port.checkpoint import SignedCheckpoint
from port2port.stage import Stage, add_picture
from port2port.statement import LogSeen

PERSON: Final = "C-01"
STREAM: Final = "/live?topics=picture"
PIECES: Final = ("/picture/strip", "/picture/feed", "/picture/drawn")
ENTRIES_PER_S: Final = 0.5  # far more than ports decide: 1,800 publications an hour
HEARD_S: Final = 60.0
_TOKEN: Final = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
_NEW: Final = re.compile(rb'"kind":"changed","data":\{"new":(\d+)\}')


class ConsoleError(Exception):
    """A console got another answer than its page would need: then a figure would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the hub's console answered."""

    status: int
    cookies: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Line:
    """One kept connection to the console, with the cookies of its browser."""

    origin: str
    cookies: dict[str, str] = field(default_factory=dict)
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def begin(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, list[str]]:
        """Send a request; status and header lines of the answer."""
        if self.reader is None or self.writer is None:
            where = urlsplit(self.origin)
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", where.port)
        body = urlencode(form or {}).encode() if form is not None else b""
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(self.origin).netloc}", f"Cookie: {kept}"]
        if form is not None:
            head += [f"Origin: {self.origin}", "Sec-Fetch-Site: same-origin", f"Content-Length: {len(body)}"]
            head += ["Content-Type: application/x-www-form-urlencoded"]
        self.writer.write("\r\n".join([*head, "", ""]).encode() + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(lines[0].split(" ")[1]), lines[1:-2]

    async def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        """One whole answer; its cookies are kept."""
        status, lines = await self.begin(method, path, form)
        named = [line.partition(": ")[::2] for line in lines]
        length = next((int(value) for name, value in named if name.lower() == "content-length"), 0)
        pairs = [value.split(";")[0].partition("=")[::2] for name, value in named if name.lower() == "set-cookie"]
        self.cookies |= dict(pairs)
        assert self.reader is not None
        return Answer(status=status, cookies=dict(pairs), body=await self.reader.readexactly(length))

    async def close(self) -> None:
        """Hang up."""
        if self.writer is not None:
            self.writer.close()
            with contextlib.suppress(ConnectionError):
                await self.writer.wait_closed()


@dataclass(slots=True)
class Console:
    """One open console: its session, how many new items it was told of, how often it read them."""

    origin: str
    reads: bool
    told: int = 0
    readings: int = 0
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _behind: bool = False

    async def run(self) -> None:
        """Sign in, open the stream, listen until cancelled."""
        line, stream = Line(self.origin), None
        try:
            await signed_in(line)
            stream = Line(self.origin, line.cookies)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(stream))
                if self.reads:
                    tasks.create_task(self._read(line))
        finally:
            for one in (line, stream):
                if one is not None:
                    await one.close()

    async def _listen(self, stream: Line) -> None:
        status, _ = await stream.begin("GET", STREAM)
        if status != 200:
            raise ConsoleError(f"the stream answered {status}")
        assert stream.reader is not None
        while line := await stream.reader.readline():
            if line.startswith(b"event: hello"):
                self.greeted.set()
            elif found_new := _NEW.search(line):
                self.told += int(found_new.group(1))
                self._behind = self.reads
                self._news.set()
                self._moved.set()
        raise ConsoleError("the stream ended")

    async def _read(self, line: Line) -> None:
        while await self._news.wait():
            self._news.clear()
            for piece in PIECES:
                answer = await line.ask("GET", piece)
                if answer.status != 200 or not answer.body:
                    raise ConsoleError(f"{piece} answered {answer.status}")
            self.readings += 1
            self._behind = self._news.is_set()
            self._moved.set()

    async def caught_up(self, entries: int) -> None:
        """Wait until it was told of so many and has read what the last one changed."""
        while self.told < entries or self._behind:
            self._moved.clear()
            await self._moved.wait()


async def signed_in(line: Line) -> None:
    """A session of its own through the demo's list. Raises ConsoleError."""
    token = _TOKEN.search((await line.ask("GET", "/sign-in")).body.decode())
    if token is None:
        raise ConsoleError("the sign-in page has no form")
    form = {"form_token": token.group(1), "pseudonym": PERSON, "next": "/"}
    answer = await line.ask("POST", "/sign-in/demo", form)
    if answer.status != 303:
        raise ConsoleError(f"signing in answered {answer.status}")


@contextlib.asynccontextmanager
async def opened(origin: str, count: int, *, reads: bool) -> AsyncIterator[list[Console]]:
    """``count`` consoles, all greeted by their streams; closed on leaving."""
    consoles = [Console(origin, reads) for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(console.run()) for console in consoles]
        async with asyncio.timeout(HEARD_S):
            for console in consoles:
                await console.greeted.wait()
        yield consoles
        for task in running:
            task.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A federation whose hub has a console at ``origin``."""

    founded: Founded
    origin: str

    async def cores(self, count: int, seconds: float, *, reads: bool) -> dict[str, float]:
        """How busy the hub is while entries arrive and ``count`` consoles hear of each."""
        port = self.founded.ports[0]
        note = SignedCheckpoint.parse(await newest_checkpoint(port.tls))
        entries = max(2, round(seconds * ENTRIES_PER_S))
        seen = LogSeen(size=note.checkpoint.size, root=note.checkpoint.root)
        requests = requests_of(port.envelopes(entries, seen), 1)
        async with opened(self.origin, count, reads=reads) as consoles:
            with Meter(pids=(self.founded.hub_pid,)) as meter:
                await submit(port.tls, requests, [1] * entries, window=entries, every_s=1 / ENTRIES_PER_S)
                await heard(consoles, entries)
                await asyncio.sleep(max(0.0, entries / ENTRIES_PER_S - meter.so_far_s()))
        readings = sum(console.readings for console in consoles)
        return {
            "hub_cores": round(meter.used_s[0] / meter.wall_s, 3),
            "entries": entries,
            "readings": readings,
            "others_cores": round(meter.foreign_cores, 2),
        }


async def heard(consoles: Sequence[Console], entries: int) -> None:
    """Every console was told of every entry and has read again since; raises TimeoutError."""
    async with asyncio.timeout(HEARD_S):
        for console in consoles:
            await console.caught_up(entries)


@contextlib.contextmanager
def watched_hub() -> Iterator[Watched]:
    """Coordinator, hub with a console, and two ports of which one reads and one writes."""
    before = os.sched_getaffinity(0)
    hub, others = two_cores()
    origins: list[str] = []

    def prepare(stage: Stage) -> None:
        origins.append(add_picture(stage.hub_config, "bench-2"))

    with (
        tempfile.TemporaryDirectory(prefix="p2p-bench-") as scratch,
        Stage(root=Path(scratch), federation="bench.port2port.example") as stage,
    ):
        founded = found(stage, 2, hub, prepare=prepare)
        os.sched_setaffinity(0, others)
        try:
            yield Watched(founded=founded, origin=origins[0])
        finally:
            os.sched_setaffinity(0, before)


def hub_figures(counts: Sequence[int], seconds: float) -> dict[str, float]:
    """Cores of the hub for each number of open consoles: none, streams alone, streams and pages that read again."""
    figures: dict[str, float] = {"entries_per_s": ENTRIES_PER_S}
    with watched_hub() as watched:
        alone = asyncio.run(watched.cores(0, seconds, reads=False))
        figures["cores_without"] = alone["hub_cores"]
        for count in counts:
            for reads, what in ((False, "streams"), (True, "reading")):
                one = asyncio.run(watched.cores(count, seconds, reads=reads))
                figures[f"cores_{count}_{what}"] = one["hub_cores"]
                figures[f"others_cores_{count}_{what}"] = one["others_cores"]
                if reads:
                    figures[f"readings_{count}"] = one["readings"]
                    figures[f"readings_{count}_due"] = count * one["entries"]
    return figures
