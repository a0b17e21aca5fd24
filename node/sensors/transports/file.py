"""Replays a recording. The recording's own times are the clock, so that a replay finds the same whenever it is run."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from node.sensors.transports.lines import LineQueue, LineSplitter, ReceivedLine, TransportCounters
from port2port.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from port2port.clock import Clock

CHUNK_BYTES: Final = 256 * 1024
# At a chosen speed, waits shorter than this are left out: the loop's timer is no finer.
SHORTEST_WAIT_S: Final = 0.005


class RecordingError(UnavailableError):
    """The recording cannot be read, or its compressed stream is broken."""

    code = "RECORDING"


class FileReplay:
    """A recording, plain or ``.gz``, as a source.

    ``stamp`` reads the time a line carries, or None (the transport itself knows no format); lines without one take
    the last one seen, the first of them the clock's now. ``speed`` is 1.0 for as it happened, N for N times faster,
    None for as fast as the consumer takes it.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        queue: LineQueue,
        *,
        clock: Clock,
        stamp: Callable[[bytes], datetime | None],
        speed: float | None = None,
    ) -> None:
        if speed is not None and not 0.0 < speed <= 1e6:
            raise ConfigurationError("the speed of a replay is a number above 0, or absent for unlimited")
        self._name = name
        self._path = path
        self._queue = queue
        self._clock = clock
        self._stamp = stamp
        self._speed = speed
        self._splitter = LineSplitter()
        self._lines = 0
        self._last: datetime | None = None
        self._start: tuple[datetime, float] | None = None

    @property
    def name(self) -> str:
        return self._name

    def counters(self) -> TransportCounters:
        return TransportCounters(lines=self._lines, too_long=self._splitter.too_long, overflowed=0)

    async def run(self) -> None:
        """Read to the end. Raises RecordingError."""
        stream = await asyncio.to_thread(self._open)
        try:
            while chunk := await asyncio.to_thread(self._read, stream):
                for line in self._splitter.feed(chunk):
                    await self._deliver(line)
            for line in self._splitter.finish():
                await self._deliver(line)
        finally:
            stream.close()

    def _open(self) -> BinaryIO:
        try:
            if self._path.suffix == ".gz":
                return cast("BinaryIO", gzip.open(self._path, "rb"))
            return self._path.open("rb")
        except OSError as error:
            raise RecordingError("cannot open the recording", source=self._name) from error

    def _read(self, stream: BinaryIO) -> bytes:
        try:
            return stream.read(CHUNK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError("the recording breaks off", source=self._name) from error

    async def _deliver(self, line: bytes) -> None:
        at = self._stamp(line) or self._last or self._clock.now()
        await self._wait_until(at)
        self._last = at
        self._lines += 1
        await self._queue.put(ReceivedLine(self._name, at, line))

    async def _wait_until(self, at: datetime) -> None:
        if self._speed is None:
            return
        if self._start is None:
            self._start = (at, self._clock.monotonic())
        began, began_s = self._start
        due_s = began_s + (at - began) / timedelta(seconds=1) / self._speed
        wait_s = due_s - self._clock.monotonic()
        if wait_s > SHORTEST_WAIT_S:
            await self._clock.sleep(wait_s)
