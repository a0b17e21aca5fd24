"""The log: append-only, gapless, in one transaction for each group of entries.

``append`` locks the sequencer row, drops what is logged already, asks the judge about each of the others with the
index and time that it would get, writes them with their leaf hashes and the root after each, moves the head and
commits; only then does anybody hear of it. The head is written even if nothing was new, so that an answer
"duplicate" also waits until the first copy is on the standby. A serial column would be wrong twice: it has holes,
and a reader that tails it misses rows that commit late.

``received_ms`` is the hub's clock, held back from ever decreasing along the log.
Ed25519 is deterministic and a tree has one root at each size, so checkpoints of earlier sizes are signed again on
request instead of being stored. Whoever holds the log key and the database can fork the log, and is convicted by
the first two ports that compare.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Classes
from hub.store import CHANNEL, Head, Insert, Lookup, Query, Store, audit, lock_head
from hub.tables import BODY, CONTROL, ENTRY, HEAD, LEAF, OBJECT
from hub.transparency.candidates import (
    Appended,
    Candidate,
    Duplicate,
    Judge,
    Leaf,
    Outcome,
    Refused,
    Tail,
    object_rows,
)
from hub.transparency.rosters import RosterAt
from hub.transparency.tree import Tree, logged
from port2port import merkle
from port2port.checkpoint import Checkpoint, SignedCheckpoint, sign
from port2port.clock import Clock, to_ms
from port2port.database import StorageError
from port2port.errors import ConflictError, InvariantError, Port2PortError
from port2port.failpoints import reach
from port2port.keys import SigningKey
from port2port.merkle import Frontier
from port2port.statement import Statement
from port2port.verify import SEQUENCE_STEP, EquivocationError, RefusedError, Work, run

_KEPT: Final = 8  # groups; the feed takes each as soon as it is woken


@dataclass(slots=True, kw_only=True)
class _There:
    """What is logged already: digests with index and time, and the (statement id, issuer) that are taken."""

    digests: dict[bytes, tuple[int, int]]
    names: set[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class _Rows:
    """What one group writes."""

    leaves: list[bytes] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    objects: list[dict[str, object]] = field(default_factory=list)
    controls: list[dict[str, object]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one group wrote, to be kept once it has committed."""

    head: Head
    leaves: Sequence[Leaf]
    signed: SignedCheckpoint


class Log(Tree):
    """The federation's log in one database. Made once per process; ``append`` runs on the one writer thread."""

    def __init__(self, store: Store, *, origin: str, key: SigningKey, clock: Clock) -> None:
        super().__init__(store, origin=origin, key=key)
        self._clock = clock
        self._classes = Classes()
        self._last: dict[str, tuple[int, bytes]] = {}
        self._stamp: tuple[int, bytes] | None = None
        self._kept: deque[Tail] = deque(maxlen=_KEPT)

    def append(self, group: Sequence[Candidate], judge: Judge | None = None) -> list[Outcome]:
        """Log what can be logged, one outcome for each candidate, durable on return. Raises StorageError.

        After an error nobody knows whether the group was logged: hand it in again and let it be de-duplicated.
        """
        outcomes = self._store.database.write_now(lambda connection: self.append_in(connection, group, judge))
        reach("hub.after_commit")
        return outcomes

    def append_in(self, connection: Connection, group: Sequence[Candidate], judge: Judge | None) -> list[Outcome]:
        """As ``append``, within the caller's writing transaction, which must commit before anybody is told."""
        return self.write_in(connection, group, judge)[0]

    def write_in(
        self, connection: Connection, group: Sequence[Candidate], judge: Judge | None
    ) -> tuple[list[Outcome], Written]:
        """As ``append_in``, with what was written."""
        head = lock_head(connection)
        if self._stamp != head.stamp:
            self._classes.forget()
            self._last.clear()
        self._stamp = None
        received_ms = max(to_ms(self._clock.now()), head.last_received_ms)
        there = _There(
            digests=logged(connection, [item.work.digest for item in group]),
            names=_taken(connection, [item.work.said for item in group]),
        )
        self._load_last(connection, {item.work.said.signer for item in group})
        if judge is not None:
            judge.begin(connection, head, group)
        rows, outcomes = _Rows(), []
        for item in group:
            at = Appended(index=head.next + len(rows.leaves), received_ms=received_ms)
            outcome = self._decide(item, judge, there, at)
            outcomes.append(outcome)
            if isinstance(outcome, Appended):
                self._add(connection, rows, item, outcome, head.roster_version)
            elif isinstance(outcome, Refused):
                _record_equivocation(connection, item.work, outcome.error, received_ms)
        written = self._write(connection, head, rows, received_ms)
        if judge is not None:
            judge.end(written.head.stamp)
        self._stamp = written.head.stamp
        reach("hub.before_commit")
        return outcomes, written

    def keep(self, written: Written, at: RosterAt) -> None:
        """Remember what has been committed, so that the feed of this process need not read it again.

        ``at`` is the roster behind it. On the event loop only, as ``kept_from``.
        """
        self.remember(written.signed)
        if written.leaves:
            self._kept.append(Tail(head=written.head, leaves=written.leaves, at=at))

    def kept_from(self, index: int) -> Tail | None:
        """What was kept from this very index on; None where it must be read."""
        while self._kept and self._kept[0].leaves[0].index < index:
            self._kept.popleft()
        return self._kept[0] if self._kept and self._kept[0].leaves[0].index == index else None

    def restore(self, entries: Sequence[tuple[Candidate, int]]) -> int:
        """Log entries again that were logged before, each at the time it had, from the head on; the new size.

        The caller has checked each leaf against a checkpoint that this log signed. Raises StorageError, and
        InvariantError where the head has moved: entries are given with their index in order.
        """
        return self._store.database.write_now(lambda connection: self.restore_in(connection, entries))

    def restore_in(self, connection: Connection, entries: Sequence[tuple[Candidate, int]]) -> int:
        """As ``restore``, within the caller's writing transaction."""
        head = lock_head(connection)
        if self._stamp != head.stamp:
            self._classes.forget()
        self._stamp = None
        self._last.clear()
        rows, received_ms = _Rows(), head.last_received_ms
        for item, received_ms in entries:
            if received_ms < head.last_received_ms:
                raise InvariantError("an entry is older than the one before it", index=head.next + len(rows.leaves))
            at = Appended(index=head.next + len(rows.leaves), received_ms=received_ms)
            self._add(connection, rows, item, at, head.roster_version)
        self._stamp = self._write(connection, head, rows, received_ms).head.stamp
        return self._stamp[0]

    def last_seq(self, signer: str) -> tuple[int, bytes] | None:
        """(sequence, digest) of the newest logged statement of a signing key; within ``append`` only."""
        return self._last.get(signer)

    def _decide(self, item: Candidate, judge: Judge | None, there: _There, at: Appended) -> Outcome:
        work = item.work
        first = there.digests.get(work.digest)
        if first is not None:
            return Duplicate(index=first[0], received_ms=first[1])
        name = (work.said.id, work.said.issuer)
        try:
            if name in there.names:
                raise ConflictError("the issuer used this statement id before")
            run((SEQUENCE_STEP,), work)
            if judge is not None:
                judge.judge(item, at.index, at.received_ms)
        except Port2PortError as error:
            cause = error.__cause__ if isinstance(error, RefusedError) else error
            if isinstance(cause, StorageError):
                # Not this envelope's fault: what follows it must not be logged before it either.
                raise cause from error
            if error.fatal:
                raise
            return Refused(error=error)
        there.digests[work.digest] = (at.index, at.received_ms)
        there.names.add(name)
        self._last[work.said.signer] = (work.said.seq, work.digest)
        return at

    def _load_last(self, connection: Connection, signers: set[str]) -> None:
        for signer in signers - self._last.keys():
            for seq, digest in _LAST_SEQ(connection, signer=signer):
                self._last[signer] = (seq, bytes(digest))

    def _add(self, connection: Connection, rows: _Rows, item: Candidate, at: Appended, version: int) -> None:
        work, said, index = item.work, item.work.said, at.index
        rows.leaves.append(item.leaf_hash(at.received_ms))
        rows.entries.append(
            {
                "index": index,
                "digest": work.digest,
                "statement_id": said.id,
                "kind": said.kind,
                "issuer": said.issuer,
                "signer": said.signer,
                "seq": said.seq,
                "received_ms": at.received_ms,
                "realm": said.realm,
                "visibility": self._classes.number(connection, said),
            }
        )
        rows.bodies.append({"index": index, "envelope": work.raw})
        rows.objects.extend(object_rows(said, index, item.revokes))
        if said.is_control:
            rows.controls.append({"version": version + len(rows.controls) + 1, "index": index})

    def _write(self, connection: Connection, head: Head, rows: _Rows, received_ms: int) -> Written:
        frontier, roots = merkle.extend_with_roots(Frontier.from_bytes(head.frontier), rows.leaves)
        root = roots[-1] if roots else head.root
        if roots:
            pairs = enumerate(zip(rows.leaves, roots, strict=True), start=head.next)
            leaves = [{"index": index, "leaf_hash": leaf, "root": after} for index, (leaf, after) in pairs]
            _INSERT_LEAF(connection, leaves)
            _INSERT_ENTRY(connection, rows.entries)
            _INSERT_BODY(connection, rows.bodies)
        _INSERT_OBJECT(connection, rows.objects)
        _INSERT_CONTROL(connection, rows.controls)
        signed = sign(Checkpoint(origin=self._origin, size=frontier.size, root=root), self._key)
        after = Head(
            next=frontier.size,
            root=root,
            frontier=frontier.to_bytes(),
            roster_version=head.roster_version + len(rows.controls),
            last_received_ms=received_ms if roots else head.last_received_ms,
            note=signed.note,
        )
        _UPDATE_HEAD(connection, **{f"new_{name}": getattr(after, name) for name in _CHANGED})
        if self._store.is_postgres and roots:
            _NOTIFY(connection, channel=CHANNEL, payload=str(frontier.size))
        return Written(head=after, leaves=_leaves(rows, roots), signed=signed)


def _leaves(rows: _Rows, roots: Sequence[bytes]) -> list[Leaf]:
    return [
        Leaf(
            index=entry["index"],
            leaf_hash=leaf_hash,
            root=root,
            kind=entry["kind"],
            issuer=entry["issuer"],
            visibility=entry["visibility"],
            received_ms=entry["received_ms"],
            size=len(body["envelope"]),
            envelope=body["envelope"],
        )
        for entry, body, leaf_hash, root in zip(rows.entries, rows.bodies, rows.leaves, roots, strict=True)
    ]


_INSERT_LEAF: Final = Insert(LEAF)
_INSERT_ENTRY: Final = Insert(ENTRY)
_INSERT_BODY: Final = Insert(BODY)
_INSERT_OBJECT: Final = Insert(OBJECT)
_INSERT_CONTROL: Final = Insert(CONTROL)
_CHANGED: Final = ("next", "root", "frontier", "roster_version", "last_received_ms", "note")
_UPDATE_HEAD: Final = Query(
    HEAD.update().where(HEAD.c.id == 0).values({name: sa.bindparam(f"new_{name}") for name in _CHANGED})
)
_NOTIFY: Final = Query(sa.text("SELECT pg_notify(:channel, :payload)"))
_LAST_SEQ: Final = Query(
    sa.select(ENTRY.c.seq, ENTRY.c.digest)
    .where(ENTRY.c.signer == sa.bindparam("signer"))
    .order_by(ENTRY.c.seq.desc())
    .limit(1)
)
_TAKEN: Final = Lookup(sa.select(ENTRY.c.statement_id, ENTRY.c.issuer), ENTRY.c.statement_id)


def _record_equivocation(connection: Connection, work: Work, error: Port2PortError, at_ms: int) -> None:
    """One key, one sequence number, two statements: the hub keeps both digests for the officers of that member."""
    if isinstance(error, RefusedError) and error.cause_code == EquivocationError.code:
        said = work.said
        facts = {"digest": work.digest.hex(), "seq": said.seq, "signer": said.signer}
        audit(connection, at_ms=at_ms, event=EquivocationError.code, member=said.issuer, facts=facts)


def _taken(connection: Connection, said: Sequence[Statement]) -> set[tuple[str, str]]:
    return {(ident, issuer) for ident, issuer in _TAKEN(connection, [item.id for item in said])}
