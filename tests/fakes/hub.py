"""A hub without a socket behind the uplink's ``Hub``: what it logs is a ``FakeFeed``; switches make it fail.

Several connections (one per node) share one ``FakeHub``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from node import receipts
from node.inbox import Batch
from node.receipts import SignedReceipt
from node.uplink.hub import Answer, Description, Outcome, RecoverPart
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import to_ms
from port2port.errors import LogBehindError, NotFoundError, NotMemberError, Port2PortError, UnavailableError
from port2port.key_request import KeyRequest, require_proofs
from port2port.verify import Context, RefusedError, verify
from tests.fakes.federation import statement_of
from tests.fakes.feed import FakeFeed, digest_in


@dataclass(slots=True)
class FakeHub:
    """The hub's side. ``refuse``/``retry`` answer by statement id; ``verifying`` runs the numbered steps.

    ``lose_answers`` logs and then breaks the stream that many times. ``hidden`` are (member, index) of entries that a
    member was given and may not see any more; ``unapproved`` members may connect and ask nothing else.
    """

    feed: FakeFeed
    refuse: dict[str, str] = field(default_factory=dict)
    retry: dict[str, int] = field(default_factory=dict)
    verifying: bool = False
    lose_answers: int = 0
    refuse_connections: int = 0
    behind: bool = False
    unapproved: set[str] = field(default_factory=set)
    submitted: list[bytes] = field(default_factory=list)
    receipts: list[SignedReceipt] = field(default_factory=list)
    feed_held: set[str] = field(default_factory=set)
    hidden: set[tuple[str, int]] = field(default_factory=set)
    recovered: list[RecoverPart] = field(default_factory=list)
    offered: list[KeyRequest] = field(default_factory=list)
    connections: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def append(self, *raws: bytes) -> None:
        """Log envelopes, by whatever way they came, and wake the followers."""
        self.feed.log(*raws)
        self.wake()

    def wake(self) -> None:
        event, self.changed = self.changed, asyncio.Event()
        event.set()

    async def connect(self, member: str) -> FakeConnection:
        """What ``UplinkParts.connect`` does."""
        if self.refuse_connections:
            self.refuse_connections -= 1
            raise UnavailableError("nobody there")
        self.connections += 1
        return FakeConnection(self, member)

    def answer(self, raw: bytes) -> Answer:
        said = statement_of(raw)
        self.submitted.append(raw)
        known = {digest_in(entry.raw): entry for entry in self.feed.entries}.get(digest_in(raw))
        if known is not None:
            return Answer(outcome=Outcome.DUPLICATE, index=known.index, received_ms=known.received_ms)
        if said.id in self.refuse:
            return Answer(outcome=Outcome.REFUSED, code="POLICY", text=self.refuse[said.id], step=13)
        if self.retry.get(said.id):
            self.retry[said.id] -= 1
            return Answer(outcome=Outcome.RETRY, code="BACKPRESSURE", text="slow down", delay_ms=1_000)
        if self.verifying:
            try:
                verify(raw, self._context())
            except RefusedError as error:
                return Answer(outcome=Outcome.REFUSED, code=error.cause_code, text=error.text, step=error.number)
        self.append(raw)
        entry = self.feed.entries[-1]
        return Answer(outcome=Outcome.ACCEPTED, index=entry.index, received_ms=entry.received_ms)

    def _context(self) -> Context:
        fed, feed = self.feed.fed, self.feed
        return Context(
            federation=fed.name,
            genesis_hash=fed.genesis_hash,
            roster=fed.roster,
            index=len(feed.leaves),
            received_ms=to_ms(fed.clock.now()),
            last_seq=self._last_sequence,
            root_at=feed.root_at,
            validate=fed.validate,
        )

    def _last_sequence(self, key_id: str) -> tuple[int, bytes] | None:
        said = [(statement_of(entry.raw), entry.raw) for entry in self.feed.entries]
        return max(((one.seq, digest_in(raw)) for one, raw in said if one.signer == key_id), default=None)


class FakeConnection:
    """One open connection; satisfies ``node.uplink.Hub``."""

    def __init__(self, hub: FakeHub, member: str) -> None:
        self._hub = hub
        self._member = member
        self.closed = False

    async def describe(self) -> Description:
        fed = self._hub.feed.fed
        return Description(
            federation=fed.name,
            genesis=bytes.fromhex(fed.genesis_hash),
            member=self._member,
            now_ms=to_ms(fed.clock.now()),
        )

    async def submit(self, batches: AsyncIterator[Sequence[bytes]]) -> AsyncIterator[Sequence[Answer]]:
        self._require_approved()
        async for envelopes in batches:
            answers = [self._hub.answer(raw) for raw in envelopes]
            if self._hub.lose_answers:
                self._hub.lose_answers -= 1
                raise UnavailableError("the connection broke before the answer")
            yield answers

    async def follow(self, cursor: int, checkpoint: bytes) -> AsyncIterator[Batch]:
        hub = self._hub
        self._require_approved()
        while True:
            if self._member in hub.feed_held:
                await hub.changed.wait()
                continue
            size = SignedCheckpoint.parse(checkpoint).checkpoint.size if checkpoint else 0
            if hub.behind or size > len(hub.feed.leaves):
                raise LogBehindError("the log is behind what its members remember")
            if cursor < len(hub.feed.leaves):
                end = min(cursor + 100, len(hub.feed.leaves))
                yield hub.feed.batch(cursor, end, reader=self._member)
                cursor = end
            else:
                await hub.changed.wait()

    async def receipts(self, mine: Sequence[SignedReceipt], after: int) -> tuple[list[SignedReceipt], int]:
        if any((self._member, receipts.parse(item.receipt).index) in self._hub.hidden for item in mine):
            raise NotFoundError("there is no such entry")
        keys = self._hub.feed.fed.roster.keys
        if any(item.key_id not in keys or keys[item.key_id].revoked_index is not None for item in mine):
            raise NotMemberError("a receipt is signed by a current machine key of the member that hands it in")
        self._hub.receipts += mine
        theirs = [item for item in self._hub.receipts if self._issuer(item) == self._member]
        return theirs[after:], len(theirs)

    def _require_approved(self) -> None:
        if self._member in self._hub.unapproved:
            raise NotMemberError("not in the roster: the coordinators have not approved this node")

    def _issuer(self, item: SignedReceipt) -> str | None:
        try:
            index = receipts.parse(item.receipt).index
        except Port2PortError:
            return self._member
        return statement_of(self._hub.feed.entries[index].raw).issuer

    async def newest_checkpoint(self) -> bytes:
        return self._hub.feed.cosigned() or self._hub.feed.checkpoint().note

    async def cosign(self, note: bytes) -> bytes:
        signed = SignedCheckpoint.parse(note)
        size = signed.checkpoint.size
        self._hub.feed.cosignatures.setdefault(size, []).append(signed.signatures[-1])
        return self._hub.feed.cosigned(size)

    async def recover(self, parts: AsyncIterator[RecoverPart]) -> tuple[int, int]:
        async for part in parts:
            self._hub.recovered.append(part)
            for entry in part.entries:
                if entry.index == len(self._hub.feed.leaves):
                    self._hub.feed.entries.append(replace(entry))
                    self._hub.feed.leaves.append(part.leaf_hashes[entry.index - part.first_index])
        self._hub.behind = False
        return len(self._hub.feed.leaves), len(self._hub.feed.leaves)

    async def offer_keys(self, request: KeyRequest, proofs: Sequence[bytes]) -> str:
        require_proofs(request, proofs)
        self._hub.offered.append(request)
        return request.fingerprint

    async def close(self) -> None:
        self.closed = True
