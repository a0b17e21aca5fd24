"""A member's sending and following sides over real gRPC, for tests that keep killing the other end.

``Publisher`` keeps what it wants to say until it is acknowledged and hands in all of it again, in order, on every
new connection: what an outbox does. ``follow_into`` puts a real inbox behind a real Follow stream.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from node.inbox import Batch, BatchEntry
from port2port.v1 import exchange_pb2
from tests.fakes.feed import digest_in
from tests.fakes.hub_home import HubHome
from tests.fakes.nodes import TestNode

SUBMIT = "/port2port.v1.Exchange/Submit"
FOLLOW = "/port2port.v1.Exchange/Follow"
_DEADLINE_S = 300.0
_BROKEN = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


@dataclass(slots=True)
class Publisher:
    """Everything one member says in a test. ``acknowledged``: digest to (index, received_ms)."""

    home: HubHome
    member: str
    make: Callable[[], bytes]
    batch: int = 5
    window: int = 4
    pause_s: float = 0.0
    waiting: dict[bytes, bytes] = field(default_factory=dict)
    acknowledged: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)

    @property
    def said(self) -> set[bytes]:
        """Digests of all it ever wanted to say."""
        return set(self.waiting) | set(self.acknowledged)

    def think(self, count: int) -> None:
        """Have something new to say."""
        for _ in range(count):
            raw = self.make()
            self.waiting[digest_in(raw)] = raw

    async def talk(self, *, for_ever: bool) -> None:
        """Hand in what waits, and new things for ever or until nothing waits. Returns when the hub breaks off."""
        try:
            async with self.home.channel(self.member) as channel:
                call = channel.stream_stream(SUBMIT, response_deserializer=exchange_pb2.SubmitReply.FromString)(
                    timeout=_DEADLINE_S, wait_for_ready=True
                )
                await self._talk(call, for_ever=for_ever)
        except _BROKEN as error:
            self.outcomes[f"broken {type(error).__name__}"] += 1

    async def _talk(self, call: grpc.aio.StreamStreamCall[bytes, exchange_pb2.SubmitReply], *, for_ever: bool) -> None:
        sent: set[bytes] = set()
        flying: dict[int, list[bytes]] = {}
        number = 0
        while for_ever or self.waiting:
            if for_ever and len(self.waiting) - len(sent & self.waiting.keys()) < self.batch:
                self.think(self.batch)
            unsent = [item for item in self.waiting.items() if item[0] not in sent]
            while unsent and len(flying) < self.window:
                chunk, unsent = unsent[: self.batch], unsent[self.batch :]
                number += 1
                flying[number] = [digest for digest, _ in chunk]
                sent.update(flying[number])
                await call.write(
                    exchange_pb2.SubmitRequest(batch_id=number, envelopes=[r for _, r in chunk]).SerializeToString()
                )
            await asyncio.sleep(self.pause_s)
            reply = await call.read()
            if reply is grpc.aio.EOF:
                return
            answered = [digest for at in sorted(flying) if at <= reply.up_to_batch for digest in flying.pop(at)]
            assert len(answered) == len(reply.results), "one result for each envelope"
            for digest, result in zip(answered, reply.results, strict=True):
                self._note(digest, result, sent)
        await call.done_writing()

    def _note(self, digest: bytes, result: exchange_pb2.SubmitResult, sent: set[bytes]) -> None:
        name = exchange_pb2.SubmitResult.Outcome.Name(result.outcome)
        self.outcomes[name] += 1
        if name == "RETRY":
            sent.discard(digest)
        elif name in {"ACCEPTED", "DUPLICATE"}:
            self._acknowledge(digest, result)
        else:
            self.contradictions.append(f"{digest.hex()[:12]} {name} {result.code} {result.text}")
            self.waiting.pop(digest, None)

    def _acknowledge(self, digest: bytes, result: exchange_pb2.SubmitResult) -> None:
        place = (result.index, result.received_ms)
        if result.digest != digest or self.acknowledged.setdefault(digest, place) != place:
            self.contradictions.append(f"{digest.hex()[:12]} acknowledged at {place}, told otherwise before")
        self.waiting.pop(digest, None)


def batch_of(message: exchange_pb2.FeedBatch) -> Batch:
    """A feed batch as the inbox takes it."""
    leaves = message.leaf_hashes
    return Batch(
        first_index=message.first_index,
        leaf_hashes=tuple(leaves[at : at + 32] for at in range(0, len(leaves), 32)),
        entries=tuple(
            BatchEntry(index=entry.index, received_ms=entry.received_ms, raw=entry.envelope)
            for entry in message.entries
        ),
        checkpoint=message.checkpoint.encode(),
        cosigned=message.cosigned.encode(),
    )


async def follow_into(home: HubHome, node: TestNode, *, upto: int | None = None) -> None:
    """Receive until the tree has ``upto`` leaves, or until the hub breaks off."""
    try:
        async with home.channel(node.member) as channel:
            call = channel.unary_stream(FOLLOW, response_deserializer=exchange_pb2.FeedBatch.FromString)
            state = node.inbox.state
            request = exchange_pb2.FollowRequest(cursor=state.size, checkpoint=state.note.decode())
            async for message in call(request.SerializeToString(), timeout=_DEADLINE_S, wait_for_ready=True):
                batch = batch_of(message)
                if batch.leaf_hashes:
                    await node.inbox.receive(batch)
                if upto is not None and node.inbox.state.size >= upto:
                    return
    except _BROKEN:
        if upto is not None:
            raise
