"""The port that asks for no certificate: whoever reaches it may call, so what one caller can hold is bounded.

A call counts from its first byte on: so many at once for one address, so many for all, and its message must come
within seconds. A member's renewal then waits for a stranger only where he has as many addresses as all may have calls.
An IPv6 subscriber has a whole /64, which counts as one address.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote

from hub.rpc.errors import RequestError
from port2port.errors import BackpressureError

CALLS_PER_ADDRESS: Final = 8
CALLS: Final = 256
MESSAGE_S: Final = 10.0
_AGAIN_MS: Final = 1_000
_IPV6_SUBSCRIBER: Final = 64


class Strangers:
    """Who calls now. Used on the event loop."""

    def __init__(self, *, per_address: int = CALLS_PER_ADDRESS, most: int = CALLS) -> None:
        self._per_address = per_address
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def calling(self, peer: str) -> Iterator[None]:
        """While a call of ``peer``, as grpc names it, is open. Raises BackpressureError."""
        address = address_of(peer)
        if self._open[address] >= self._per_address or self._open.total() >= self._most:
            raise BackpressureError("too many calls are open on this port: try again", delay_ms=_AGAIN_MS)
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def address_of(peer: str) -> str:
    """What counts as one address in ``ipv4:10.0.0.1:4711`` or ``ipv6:%5B2001:db8::1%5D:4711``; the rest is one too."""
    _, _, place = unquote(peer).partition(":")
    host, _, _ = place.rpartition(":")
    try:
        found = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return peer.partition(":")[0]
    if found.version == 4:  # the number of the protocol
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((found, _IPV6_SUBSCRIBER), strict=False))


async def only_message(requests: AsyncIterator[bytes], *, within_s: float = MESSAGE_S) -> bytes:
    """The one message of a call. Raises RequestError where it does not come, or not in time."""
    try:
        async with asyncio.timeout(within_s):
            async for raw in requests:
                return raw
    except TimeoutError as error:
        raise RequestError(f"the request did not come within {within_s:.0f} s") from error
    raise RequestError("the call brought no request")
