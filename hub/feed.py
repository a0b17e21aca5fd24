"""The log from a cursor on, to everybody, through one path.

One tailer per process takes what was committed into a bounded ring of leaves with their envelopes: from memory what
this process committed last, from the table what another did or what was missed. A follower has no queue: it asks for
what stands behind its cursor, from the ring or, further back, from the table, gets one batch, and asks again; a slow
one costs nothing but its own waiting.

A batch holds all leaf hashes of its range, the entries that the follower may read and asked for (control entries
always), and the checkpoint of its end. **What a follower may not read leaves no trace but its leaf hash**: a batch
ends after so many leaves or so many bytes of entries that this follower gets, never because of the size of one that
it does not get. Batches are serialised once for all followers that get the same entries of the same range.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.store import Announcements, Head, Lookup, Query, Store, read_head
from hub.tables import BODY, ENTRY, LEAF
from hub.transparency import NO_ROSTER, Leaf, Log, RosterAt, Tail, fold_roster
from port2port.database import StorageError
from port2port.errors import InvariantError, LogBehindError, NotFoundError, NotMemberError
from port2port.ids import is_statement_id
from port2port.limits import LIMITS, MIB
from port2port.roster import Roster
from port2port.statement import CONTROL_KINDS
from port2port.wire import encode_feed_batch

logger = logging.getLogger(__name__)
LEAVES_PER_BATCH: Final = 1_000
POLL_S: Final = 1.0
_ENTRY_OVERHEAD: Final = 32  # bytes of protobuf around an envelope, at most
_RING_LEAVES: Final = 8_192
_RING_BYTES: Final = 64 * MIB
_SERIALISED: Final = 64  # batches kept for the next follower


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """What a follower asked for besides control entries and its own; empty means everything it may read."""

    kinds: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()


EVERYTHING: Final = FeedFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as a permitted reader gets it."""

    index: int
    received_ms: int
    envelope: bytes


def plan(leaves: Sequence[Leaf], gets: Callable[[Leaf], bool]) -> tuple[Sequence[Leaf], list[Leaf]]:
    """How far one batch goes over ``leaves``, and which entries it holds.

    Bounded by the number of leaves and by the bytes of entries that the reader gets; at least one leaf.
    """
    included: list[Leaf] = []
    size = 0
    for count, leaf in enumerate(leaves[:LEAVES_PER_BATCH]):
        if not gets(leaf):
            continue
        size += leaf.size + _ENTRY_OVERHEAD
        if included and size > LIMITS.batch_bytes:
            return leaves[:count], included
        included.append(leaf)
    return leaves[:LEAVES_PER_BATCH], included


class Feed:
    """The followers' side of one process. Everything but ``_read_*`` runs on the event loop."""

    def __init__(
        self,
        *,
        store: Store,
        log: Log,
        audiences: Audiences,
        cosigned: Callable[[], bytes] = lambda: b"",
        roster_changed: Callable[[RosterAt], None] = lambda _: None,
    ) -> None:
        """``cosigned`` is the newest checkpoint with cosignatures; ``roster_changed`` is told of each new roster."""
        self._store = store
        self._log = log
        self._audiences = audiences
        self._cosigned = cosigned
        self._roster_changed = roster_changed
        self._head: Head | None = None
        self._at = NO_ROSTER
        self._ring: list[Leaf] = []
        self._ring_bytes = 0
        self._serialised: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._look = asyncio.Event()
        self._pulse = asyncio.Event()

    @property
    def at(self) -> RosterAt:
        """The roster of the newest entry that this process has seen."""
        return self._at

    @property
    def next(self) -> int:
        """The number of leaves that this process has seen."""
        return 0 if self._head is None else self._head.next

    @property
    def cosigned(self) -> bytes:
        """The newest checkpoint with cosignatures, as a note; empty before the first."""
        return self._cosigned()

    def wake(self) -> None:
        """Something was committed here, or a cosignature came in: look at once."""
        self._look.set()

    async def run(self) -> None:
        """Tail the log until cancelled. Raises InvariantError if the log became shorter.

        A database that is away, for a restart or a failover, is asked again every second.
        """
        async with Announcements(self._store, self.wake):
            while True:
                try:
                    if not self._take_kept():
                        await self.catch_up()
                except StorageError as error:
                    logger.warning("log not read, looking again", extra={"cause": repr(error.__cause__)})
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._look.wait()
                self._look.clear()

    async def follow(
        self,
        member: str,
        cursor: int,
        wanted: FeedFilter = EVERYTHING,
        moved: Callable[[int], None] = lambda _: None,
    ) -> AsyncIterator[bytes]:
        """Serialised batches from ``cursor`` on, for ever. A batch without leaves brings cosignatures only.

        Raises LogBehindError where the follower has seen more than there is, and NotMemberError when it does not
        belong any more. ``moved`` is told of the cursor once the batch before it was taken.
        """
        if cursor > self.next:
            await self.catch_up()
        if cursor > self.next:
            raise LogBehindError("the log is shorter than what this member has verified", size=self.next)
        told = b""
        while True:
            moved(cursor)
            pulse = self._pulse
            roster = self._require_member(member)
            note = self._cosigned()
            if cursor < self.next:
                count, raw = await self._batch(member, cursor, wanted, roster, note)
                cursor += count
            elif note != told:
                raw = encode_feed_batch(
                    first_index=cursor, leaf_hashes=(), entries=(), checkpoint=self._checkpoint(cursor), cosigned=note
                )
            else:
                await pulse.wait()
                continue
            told = note
            yield raw

    async def moved(self, seen: int) -> int:
        """Wait until this process has seen more than ``seen`` leaves; how many."""
        while self.next <= seen:
            await self._pulse.wait()
        return self.next

    async def fetch(self, member: str, statement_id: str) -> Entry:
        """The entry of a statement. Raises NotFoundError for what is not there and what the member may not read."""
        roster = self._require_member(member)
        if not is_statement_id(statement_id):
            raise NotFoundError("there is no such entry")
        leaves = await self._store.database.read(lambda connection: self._read_named(connection, statement_id))
        for leaf in leaves:
            # Its body is read only now: the size of a hidden one must not tell in the time that the answer takes.
            if self._audiences.visible(leaf.visibility, member, roster):
                bodies = await self._bodies([leaf])
                return Entry(index=leaf.index, received_ms=leaf.received_ms, envelope=bodies[leaf.index])
        raise NotFoundError("there is no such entry")

    # --- the tailer -----------------------------------------------------------------------------------------------

    async def catch_up(self) -> None:
        """See everything that is committed now."""
        while True:
            first, at = self.next, self._at
            fresh = self._head is None
            tail = await self._store.database.read(partial(self._read_tail, first=first, at=at, fresh=fresh))
            if first != self.next:
                continue
            self._take(tail)
            if self.next >= tail.head.next:
                return

    def _take_kept(self) -> bool:
        """Take what this process committed itself from memory, where it follows on what was seen; whether it did."""
        took = False
        while self._head is not None and (kept := self._log.kept_from(self.next)) is not None:
            if not self._audiences.known({leaf.visibility for leaf in kept.leaves}):
                return False
            self._take(kept)
            took = True
        return took

    def _take(self, tail: Tail) -> None:
        if tail.head.next < self.next:
            raise InvariantError("the log in the database became shorter", seen=self.next, now=tail.head.next)
        changed = tail.at.digest != self._at.digest
        self._at = tail.at
        end = tail.leaves[-1].index + 1 if tail.leaves else self.next
        first_look = self._head is None
        self._head = tail.head if first_look or end >= tail.head.next else _cut(tail.head, tail.leaves[-1])
        self._ring += tail.leaves
        self._ring_bytes += sum(leaf.size for leaf in tail.leaves)
        self._trim()
        if changed:
            self._roster_changed(self._at)
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    def _trim(self) -> None:
        drop = max(0, len(self._ring) - _RING_LEAVES)
        size = self._ring_bytes - sum(leaf.size for leaf in self._ring[:drop])
        while size > _RING_BYTES:
            size -= self._ring[drop].size
            drop += 1
        if drop:
            del self._ring[:drop]
            self._ring_bytes = size

    def _read_tail(self, connection: Connection, *, first: int, at: RosterAt, fresh: bool) -> Tail:
        head = read_head(connection)
        at = fold_roster(connection, at) if fresh or head.roster_version != at.version else at
        if fresh:
            return Tail(head=head, leaves=[], at=at)
        leaves = self._read_leaves(connection, first, first + LEAVES_PER_BATCH, bodies=True)
        return Tail(head=head, leaves=leaves, at=at)

    # --- one batch ------------------------------------------------------------------------------------------------

    async def _batch(
        self, member: str, cursor: int, wanted: FeedFilter, roster: Roster, note: bytes
    ) -> tuple[int, bytes]:
        leaves = await self._leaves(cursor)
        taken, included = plan(leaves, lambda leaf: self._gets(leaf, member, wanted, roster))
        key = (cursor, len(taken), note, tuple(leaf.index for leaf in included))
        raw = self._serialised.get(key)
        if raw is None:
            bodies = await self._bodies(included)
            raw = encode_feed_batch(
                first_index=cursor,
                leaf_hashes=[leaf.leaf_hash for leaf in taken],
                entries=[(leaf.index, leaf.received_ms, bodies[leaf.index]) for leaf in included],
                checkpoint=self._log.sign_at(cursor + len(taken), taken[-1].root).note,
                cosigned=note,
            )
            self._serialised[key] = raw
            if len(self._serialised) > _SERIALISED:
                self._serialised.popitem(last=False)
        return len(taken), raw

    def _gets(self, leaf: Leaf, member: str, wanted: FeedFilter, roster: Roster) -> bool:
        if leaf.kind not in CONTROL_KINDS and leaf.issuer != member:  # its own it must see to clear its outbox
            if wanted.kinds and leaf.kind not in wanted.kinds:
                return False
            if wanted.issuers and leaf.issuer not in wanted.issuers:
                return False
        return self._audiences.visible(leaf.visibility, member, roster)

    async def _leaves(self, cursor: int) -> Sequence[Leaf]:
        """What stands behind the cursor, as far as this process has seen: from the ring or from the table."""
        if self._ring and cursor >= self._ring[0].index:
            start = cursor - self._ring[0].index
            return self._ring[start : start + LEAVES_PER_BATCH]
        end = min(cursor + LEAVES_PER_BATCH, self.next)
        leaves = await self._store.database.read(
            lambda connection: self._read_leaves(connection, cursor, end, bodies=False)
        )
        if len(leaves) != end - cursor:
            raise InvariantError("the log has lost entries", start=cursor, end=end, found=len(leaves))
        return leaves

    async def _bodies(self, included: Sequence[Leaf]) -> Mapping[int, bytes]:
        there = {leaf.index: leaf.envelope for leaf in included if leaf.envelope is not None}
        missing = [leaf.index for leaf in included if leaf.envelope is None]
        if missing:
            there |= await self._store.database.read(lambda connection: _read_bodies(connection, missing))
        return there

    def _checkpoint(self, size: int) -> bytes:
        head = self._head
        if head is None or head.next != size:
            raise InvariantError("a follower stands behind the end of the log", size=size)
        return self._log.sign_at(size, head.root).note

    def _require_member(self, member: str) -> Roster:
        roster = self._at.roster
        if roster is None or not roster.is_member(member):
            raise NotMemberError("not a current member")
        return roster

    def _read_leaves(self, connection: Connection, start: int, end: int, *, bodies: bool) -> list[Leaf]:
        query = _WITH_BODIES if bodies else _WITHOUT_BODIES
        leaves = [_leaf(row) for row in query(connection, start=start, end=end)]
        self._audiences.load(connection, {leaf.visibility for leaf in leaves})
        return leaves

    def _read_named(self, connection: Connection, statement_id: str) -> list[Leaf]:
        leaves = [_leaf(row) for row in _NAMED(connection, id=statement_id)]
        self._audiences.load(connection, {leaf.visibility for leaf in leaves})
        return leaves


_FIELDS: Final = (
    LEAF.c.index,
    LEAF.c.leaf_hash,
    LEAF.c.root,
    ENTRY.c.kind,
    ENTRY.c.issuer,
    ENTRY.c.visibility,
    ENTRY.c.received_ms,
)
_JOINED: Final = LEAF.join(ENTRY, ENTRY.c.index == LEAF.c.index).join(BODY, BODY.c.index == LEAF.c.index)
_RANGE: Final = sa.and_(LEAF.c.index >= sa.bindparam("start"), LEAF.c.index < sa.bindparam("end"))
_WITHOUT_BODIES: Final = Query(
    sa.select(*_FIELDS, sa.func.length(BODY.c.envelope)).select_from(_JOINED).where(_RANGE).order_by(LEAF.c.index)
)
_WITH_BODIES: Final = Query(
    sa.select(*_FIELDS, BODY.c.envelope).select_from(_JOINED).where(_RANGE).order_by(LEAF.c.index)
)
_NAMED: Final = Query(
    sa.select(*_FIELDS, sa.func.length(BODY.c.envelope))
    .select_from(_JOINED)
    .where(ENTRY.c.statement_id == sa.bindparam("id"))
    .order_by(LEAF.c.index)
)
_BODIES: Final = Lookup(sa.select(BODY.c.index, BODY.c.envelope), BODY.c.index)


def _leaf(row: Sequence[Any]) -> Leaf:
    index, leaf_hash, root, kind, issuer, visibility, received_ms, body = row
    envelope = None if isinstance(body, int) else bytes(body)
    return Leaf(
        index=index,
        leaf_hash=bytes(leaf_hash),
        root=bytes(root),
        kind=kind,
        issuer=issuer,
        visibility=visibility,
        received_ms=received_ms,
        size=body if envelope is None else len(envelope),
        envelope=envelope,
    )


def _read_bodies(connection: Connection, indices: Sequence[int]) -> dict[int, bytes]:
    return {index: bytes(envelope) for index, envelope in _BODIES(connection, indices)}


def _cut(head: Head, last: Leaf) -> Head:
    """The head of an earlier size: enough of it for the feed, which reads size and root only."""
    return Head(
        next=last.index + 1,
        root=last.root,
        frontier=b"",
        roster_version=head.roster_version,
        last_received_ms=last.received_ms,
        note=b"",
    )
