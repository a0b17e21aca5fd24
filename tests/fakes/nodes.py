"""A node's store and inbox on a file of its own, without any connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node import outbox, store
from node.inbox import EntryHandler, Inbox, Received, load_state
from node.outbox import Outbox, SequenceFile
from node.store import NodeStore
from port2port.clock import to_ms
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed
from tests.fakes.prepared import node_store


@dataclass(slots=True)
class TestNode:
    """One member's store, outbox and inbox. ``pull`` takes everything a feed has."""

    __test__ = False
    fed: Federation
    member: str
    store: NodeStore
    outbox: Outbox
    inbox: Inbox
    home: Path

    async def pull(self, feed: FakeFeed, *, step: int | None = None) -> list[Received]:
        """Receive up to the end of the feed, in batches of ``step`` leaves."""
        got = []
        while self.inbox.state.size < len(feed.leaves):
            cursor = self.inbox.state.size
            end = len(feed.leaves) if step is None else min(cursor + step, len(feed.leaves))
            got.append(await self.inbox.receive(feed.batch(cursor, end)))
        return got

    def note_own(self, *raws: bytes) -> None:
        """Put envelopes that the fake federation made in this member's name into its outbox."""
        from port2port.wire import decode_envelope

        at_ms = to_ms(self.fed.clock.now())
        for raw in raws:
            statement = decode_envelope(raw).statement
            self.store.write_now(lambda c, s=statement, r=raw: self.outbox.enqueue(c, s, r, at_ms=at_ms))

    def state_of(self, digest: bytes) -> str:
        """The state of an own statement."""
        return self.store.read_now(lambda c: outbox.by_digest(c, digest)).state


def make_node(
    fed: Federation,
    member: str,
    home: Path,
    *,
    handlers: Sequence[EntryHandler] = (),
    own: bool = True,
    version: str = "1.0.0",
) -> TestNode:
    """Open (again) the node of a member in ``home``; close its store at the end."""
    home.mkdir(parents=True, exist_ok=True)
    opened = node_store(home / "node.db")
    port = fed.ports[member]
    if own:
        for key in (port.machine, port.officer, port.second_officer):
            opened.write_now(lambda c, k=key: store.remember_own_key(c, k.key_id, "machine", at_ms=0))
    state = opened.read_now(lambda c: load_state(c, federation=fed.name, genesis_hash=fed.genesis_hash, member=member))
    inbox = Inbox(
        opened,
        state,
        validate=fed.validate,
        clock=fed.clock,
        evidence_dir=home / "evidence",
        version=version,
        handlers=handlers,
    )
    outbox_of = Outbox(port.machine, SequenceFile(home / "machine.key.seq", port.machine.key_id))
    return TestNode(fed, member, opened, outbox_of, inbox, home)
