"""Listens for datagrams. Each is split by itself: nothing of one datagram, or one sender, ever joins another's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from node.sensors.transports.lines import LINE_BYTES, LineQueue, ReceivedLine, TransportCounters
from port2port.errors import ConfigurationError

if TYPE_CHECKING:
    from port2port.clock import Clock


class ListenError(ConfigurationError):
    """The address to listen on is taken or is not ours."""

    code = "LISTEN"


class UdpListener(asyncio.DatagramProtocol):
    """A UDP port as a source; ``source`` of its lines is ``name/sender address``."""

    def __init__(self, name: str, host: str, port: int, queue: LineQueue, *, clock: Clock) -> None:
        self._name = name
        self._address = (host, port)
        self._queue = queue
        self._clock = clock
        self._lines = 0
        self._too_long = 0
        self._overflowed = 0
        self._bound: asyncio.Future[tuple[str, int]] | None = None

    @property
    def name(self) -> str:
        return self._name

    def counters(self) -> TransportCounters:
        return TransportCounters(lines=self._lines, too_long=self._too_long, overflowed=self._overflowed)

    async def bound(self) -> tuple[str, int]:
        """The address listened on, once ``run`` has bound it (useful with port 0)."""
        return await asyncio.shield(self._future())

    async def run(self) -> None:
        """Listen until cancelled. Raises ListenError."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._address)
        except OSError as error:
            raise ListenError("cannot listen for datagrams", source=self._name, port=self._address[1]) from error
        host, port = transport.get_extra_info("sockname")[:2]
        self._future().set_result((host, port))
        try:
            await loop.create_future()
        finally:
            transport.close()
            self._bound = None

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Called by the event loop."""
        source = f"{self._name}/{addr[0]}:{addr[1]}"
        now = self._clock.now()
        for piece in data.split(b"\n"):
            line = piece.rstrip(b"\r")
            if len(line) > LINE_BYTES:
                self._too_long += 1
            elif line:
                self._lines += 1
                self._overflowed += not self._queue.offer(ReceivedLine(source, now, line))

    def _future(self) -> asyncio.Future[tuple[str, int]]:
        if self._bound is None:
            self._bound = asyncio.get_running_loop().create_future()
        return self._bound
