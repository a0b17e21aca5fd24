"""Reads lines from a server and comes back when the connection is lost, waiting longer each time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from node.sensors.transports.lines import LineQueue, LineSplitter, ReceivedLine, TransportCounters

if TYPE_CHECKING:
    import random

    from port2port.clock import Clock

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 64 * 1024
CONNECT_S: Final = 10.0
SILENCE_S: Final = 120.0  # a connection without a byte for so long is taken for dead
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0


class TcpClient:
    """A TCP server of lines as a source. ``jitter`` spreads the reconnects of many nodes."""

    def __init__(
        self, name: str, host: str, port: int, queue: LineQueue, *, clock: Clock, jitter: random.Random
    ) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._queue = queue
        self._clock = clock
        self._jitter = jitter
        self._lines = 0
        self._too_long = 0
        self._connections = 0

    @property
    def name(self) -> str:
        return self._name

    def counters(self) -> TransportCounters:
        return TransportCounters(
            lines=self._lines, too_long=self._too_long, overflowed=0, connections=self._connections
        )

    async def run(self) -> None:
        """Connect, read, reconnect, until cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            before = self._lines
            try:
                await self._one_connection()
            except (OSError, TimeoutError):
                logger.warning("sensor connection lost", extra={"source": self._name})
            wait_s = FIRST_WAIT_S if self._lines > before else min(LONGEST_WAIT_S, wait_s * 2.0)
            await self._clock.sleep(wait_s * self._jitter.uniform(0.5, 1.0))

    async def _one_connection(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=CHUNK_BYTES)
        self._connections += 1
        # A number in the name gives every connection its own assembler: halves of messages never cross over.
        source = f"{self._name}/{self._connections}"
        splitter = LineSplitter()
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    chunk = await reader.read(CHUNK_BYTES)
                if not chunk:
                    return
                await self._deliver(source, splitter, chunk)
        finally:
            self._too_long += splitter.too_long
            writer.close()

    async def _deliver(self, source: str, splitter: LineSplitter, chunk: bytes) -> None:
        now = self._clock.now()
        for line in splitter.feed(chunk):
            self._lines += 1
            await self._queue.put(ReceivedLine(source, now, line))
