"""Exchange: follow the feed, fetch one entry, exchange receipts. Submit has a module of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Final, cast

from hub.feed import Feed, FeedFilter
from hub.members import Peer
from hub.quota import Quotas
from hub.receipts import Receipts, SignedReceipt
from hub.recovery import Recovery
from hub.rpc.errors import RequestError
from hub.rpc.gate import Write
from port2port.merkle import SIZE_MAX
from port2port.v1 import exchange_pb2

Follows = Callable[[Peer, int], None]
FILTER_MAX: Final = 64
NAME_CHARS: Final = 100


class Exchange:
    """Follow, Fetch and Receipts."""

    def __init__(self, *, feed: Feed, receipts: Receipts, recovery: Recovery, quotas: Quotas, follows: Follows) -> None:
        self._feed = feed
        self._receipts = receipts
        self._recovery = recovery
        self._quotas = quotas
        self._follows = follows

    async def follow(self, peer: Peer, request: exchange_pb2.FollowRequest, write: Write) -> None:
        """Batches from the cursor on until the caller goes. ``write`` waits for a slow reader."""
        await self._recovery.present(peer.member, request.checkpoint.encode())
        wanted = FeedFilter(kinds=_names(request.filter.kinds), issuers=_names(request.filter.issuers))
        follow = cast(
            "AsyncGenerator[bytes]",
            self._feed.follow(peer.member, request.cursor, wanted, partial(self._follows, peer)),
        )
        async with aclosing(follow) as batches:
            async for batch in batches:
                await write(batch)

    async def fetch(self, peer: Peer, request: exchange_pb2.FetchRequest) -> exchange_pb2.FetchReply:
        """One entry. Raises NotFoundError, the same for what is hidden, malformed or not there."""
        entry = await self._feed.fetch(peer.member, request.id[:NAME_CHARS])
        found = exchange_pb2.FeedEntry(index=entry.index, received_ms=entry.received_ms, envelope=entry.envelope)
        return exchange_pb2.FetchReply(entry=found)

    async def receipts(self, peer: Peer, request: exchange_pb2.ReceiptsRequest) -> exchange_pb2.ReceiptsReply:
        """Take this member's, give those for its own entries. Raises QuotaError and what ``hub.receipts`` raises."""
        if request.after > SIZE_MAX:
            raise RequestError("the cursor is not one of ours")
        self._quotas.charge_receipts(peer.member, len(request.mine))
        mine = [SignedReceipt(receipt=item.receipt, key_id=item.keyid.hex(), sig=item.sig) for item in request.mine]
        theirs, cursor = await self._receipts.exchange(peer.member, mine, request.after)
        reply = exchange_pb2.ReceiptsReply(cursor=cursor)
        for item in theirs:
            reply.theirs.add(receipt=item.receipt, keyid=bytes.fromhex(item.key_id), sig=item.sig)
        return reply


def _names(given: Iterable[str]) -> frozenset[str]:
    names = frozenset(given)
    if len(names) > FILTER_MAX or any(len(name) > NAME_CHARS for name in names):
        raise RequestError(f"a filter names at most {FILTER_MAX} kinds and {FILTER_MAX} issuers")
    return names
