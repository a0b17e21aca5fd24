"""Plays simulated traffic to a node as datagrams, at the speed it happened or faster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from port2port.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from port2port.clock import Clock

# Without a chosen speed the loop gets its turn after so many datagrams, lest the receiver's buffer overflow.
BURST: Final = 50


async def send_udp(
    host: str, port: int, traffic: Iterable[tuple[float, bytes]], *, clock: Clock, speed: float | None = 1.0
) -> int:
    """Send every sentence as one datagram; how many were sent. ``speed`` N is N times faster, None as fast as can be.

    Raises ConfigurationError for a speed that is none and for an address that does not resolve.
    """
    if speed is not None and speed <= 0.0:
        raise ConfigurationError("the speed of a simulation is above 0, or absent for unlimited")
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(host, port)
        )
    except OSError as error:
        raise ConfigurationError("cannot send datagrams there", port=port) from error
    sent = 0
    begun_s = clock.monotonic()
    try:
        for offset_s, sentence in traffic:
            if speed is not None:
                wait_s = begun_s + offset_s / speed - clock.monotonic()
                if wait_s > 0.0:
                    await clock.sleep(wait_s)
            elif sent % BURST == 0:
                await clock.sleep(0.0)
            transport.sendto(sentence)
            sent += 1
    finally:
        transport.close()
    return sent
