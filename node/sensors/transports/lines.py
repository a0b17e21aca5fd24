"""Lines of bytes on their way from any transport to the parser: cut, bounded, and counted when they are lost."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LINE_BYTES: Final = 4096  # the longest AIS line with tag block is below 200
QUEUE_LINES: Final = 50_000


class ReceivedLine(NamedTuple):
    """One line without its line end. ``source`` names the connection: ``name`` or ``name/sender``."""

    source: str
    received_at: datetime
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportCounters:
    """What a transport took in and what it had to drop since it was started."""

    lines: int
    too_long: int
    overflowed: int
    connections: int = 0


class Transport(Protocol):
    """One source. ``run`` ends when the source has ended (a file) or its task is cancelled (the others)."""

    @property
    def name(self) -> str: ...
    async def run(self) -> None: ...
    def counters(self) -> TransportCounters: ...


class LineSplitter:
    """Cuts a byte stream into lines; a line over the bound is dropped whole, however long it goes on."""

    def __init__(self, *, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False
        self.too_long = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The complete, non-empty lines that ``data`` finishes, without their ends."""
        pieces = (self._rest + data).split(b"\n")
        self._rest = pieces.pop()
        for piece in pieces:
            if self._skipping:
                self._skipping = False
            elif len(piece) > self._limit:
                self.too_long += 1
            elif line := piece.rstrip(b"\r"):
                yield line
        if len(self._rest) > self._limit:
            if not self._skipping:
                self.too_long += 1
            self._skipping = True
            self._rest = b""

    def finish(self) -> Iterator[bytes]:
        """What is left when the stream ends without a line end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        if rest and not self._skipping:
            yield rest
        self._skipping = False


class LineQueue:
    """The bounded meeting point of all transports and the one parser of a node, used from one event loop.

    ``offer`` is for senders that cannot be slowed down: when full, the oldest line goes, because a newer position
    is worth more. ``put`` waits for room, for files and connections that can be slowed down.
    """

    def __init__(self, *, limit: int = QUEUE_LINES) -> None:
        self._limit = limit
        self._lines: deque[ReceivedLine] = deque()
        self._changed = asyncio.Condition()
        self._arrived = asyncio.Event()
        self._closed = False
        self.overflowed = 0

    def __len__(self) -> int:
        return len(self._lines)

    def offer(self, line: ReceivedLine) -> bool:
        """Append; False when the oldest line had to go for it."""
        full = len(self._lines) >= self._limit
        if full:
            self._lines.popleft()
            self.overflowed += 1
        self._lines.append(line)
        self._arrived.set()
        return not full

    async def put(self, line: ReceivedLine) -> None:
        """Append, waiting while the queue is full."""
        if len(self._lines) >= self._limit:
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._lines) < self._limit)
        self._lines.append(line)
        self._arrived.set()

    def close(self) -> None:
        """No more lines will come: ``batch`` returns what is left, then empty lists."""
        self._closed = True
        self._arrived.set()

    async def batch(self, limit: int = 512) -> list[ReceivedLine]:
        """Wait for at least one line and take up to ``limit``; an empty list means closed and drained."""
        while not self._lines:
            if self._closed:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        taken = [self._lines.popleft() for _ in range(min(limit, len(self._lines)))]
        async with self._changed:
            self._changed.notify_all()
        return taken
