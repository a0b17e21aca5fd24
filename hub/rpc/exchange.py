"""Exchange: follow the feed, fetch one entry. Submit has a module of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final, cast

from hub.feed import Feed, FeedFilter
from hub.members import Peer
from hub.rpc.errors import RequestError
from hub.rpc.gate import Write
from port2port.v1 import exchange_pb2

FILTER_MAX: Final = 64
NAME_CHARS: Final = 100


class Exchange:
    """Follow and Fetch."""

    def __init__(self, *, feed: Feed) -> None:
        self._feed = feed

    async def follow(self, peer: Peer, request: exchange_pb2.FollowRequest, write: Write) -> None:
        """Batches from the cursor on until the caller goes. ``write`` waits for a slow reader."""
        wanted = FeedFilter(kinds=_names(request.filter.kinds), issuers=_names(request.filter.issuers))
        follow = cast("AsyncGenerator[bytes]", self._feed.follow(peer.member, request.cursor, wanted))
        async with aclosing(follow) as batches:
            async for batch in batches:
                await write(batch)

    async def fetch(self, peer: Peer, request: exchange_pb2.FetchRequest) -> exchange_pb2.FetchReply:
        """One entry. Raises NotFoundError, the same for what is hidden, malformed or not there."""
        entry = await self._feed.fetch(peer.member, request.id[:NAME_CHARS])
        found = exchange_pb2.FeedEntry(index=entry.index, received_ms=entry.received_ms, envelope=entry.envelope)
        return exchange_pb2.FetchReply(entry=found)


def _names(given: Iterable[str]) -> frozenset[str]:
    names = frozenset(given)
    if len(names) > FILTER_MAX or any(len(name) > NAME_CHARS for name in names):
        raise RequestError(f"a filter names at most {FILTER_MAX} kinds and {FILTER_MAX} issuers")
    return names
