"""A log as one would write it first: the ORM, one transaction for each entry, everything read anew each time.

It keeps every promise of ``hub.transparency.Log`` (the same contract suite runs on both), so that the benchmark
compares two hubs that do the same. Same tables, same ``synchronous=FULL``, same reading side.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy.engine import Connection
from sqlmodel import Session, col, select

from hub.audience import class_key
from hub.store import CHANNEL, Head, Store, audit
from hub.tables import LogBody, LogControl, LogEntry, LogHead, LogLeaf, ObjectRef, Visibility
from hub.transparency import Appended, Candidate, Duplicate, Judge, Outcome, Refused, Tree, object_rows
from port2port.checkpoint import Checkpoint, sign
from port2port.clock import Clock, to_ms
from port2port.errors import ConflictError, InvariantError, Port2PortError
from port2port.keys import SigningKey
from port2port.merkle import Frontier
from port2port.sharing import audience_of
from port2port.verify import SEQUENCE_STEP, EquivocationError, RefusedError, Work, run


class NaiveLog(Tree):
    """The federation's log, entry by entry."""

    def __init__(self, store: Store, *, origin: str, key: SigningKey, clock: Clock) -> None:
        super().__init__(store, origin=origin, key=key)
        self._clock = clock
        self._last: dict[str, tuple[int, bytes]] = {}

    def append(self, group: Sequence[Candidate], judge: Judge | None = None) -> list[Outcome]:
        """As ``Log.append``, with a transaction for each candidate."""
        return [
            self._store.database.write_now(lambda connection, item=item: self._append_one(connection, item, judge))
            for item in group
        ]

    def append_in(self, connection: Connection, group: Sequence[Candidate], judge: Judge | None) -> list[Outcome]:
        """As ``Log.append_in``: the caller's transaction, still row by row."""
        return [self._append_one(connection, item, judge) for item in group]

    def last_seq(self, signer: str) -> tuple[int, bytes] | None:
        """(sequence, digest) of the newest logged statement of a signing key; within ``append`` only."""
        return self._last.get(signer)

    def _append_one(self, connection: Connection, item: Candidate, judge: Judge | None) -> Outcome:
        with Session(bind=connection) as session:
            head = session.get(LogHead, 0, with_for_update=True)
            if head is None:
                raise InvariantError("the log has no head")
            received_ms = max(to_ms(self._clock.now()), head.last_received_ms)
            outcome = self._decide(session, item, judge, head, received_ms)
            if isinstance(outcome, Appended):
                self._add(session, item, outcome, head)
            elif isinstance(outcome, Refused):
                _record_equivocation(connection, item.work, outcome.error, received_ms)
            checkpoint = Checkpoint(origin=self._origin, size=head.next, root=head.root)
            head.note = sign(checkpoint, self._key).note
            session.add(head)
            session.flush()
            stamp = (head.next, head.root)
        if judge is not None:
            judge.end(stamp)
        if self._store.is_postgres and isinstance(outcome, Appended):
            connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, str(stamp[0])))
        return outcome

    def _decide(
        self, session: Session, item: Candidate, judge: Judge | None, head: LogHead, received_ms: int
    ) -> Outcome:
        work = item.work
        said = work.said
        if judge is not None:
            judge.begin(session.connection(), _as_head(head), [item])
        first = session.exec(select(LogEntry).where(LogEntry.digest == work.digest)).first()
        if first is not None:
            return Duplicate(index=first.index, received_ms=first.received_ms)
        same_id = select(LogEntry).where(LogEntry.statement_id == said.id, LogEntry.issuer == said.issuer)
        newest = select(LogEntry).where(LogEntry.signer == said.signer).order_by(col(LogEntry.seq).desc()).limit(1)
        last = session.exec(newest).first()
        self._last = {} if last is None else {said.signer: (last.seq, last.digest)}
        try:
            if session.exec(same_id).first() is not None:
                raise ConflictError("the issuer used this statement id before")
            run((SEQUENCE_STEP,), work)
            if judge is not None:
                judge.judge(item, head.next, received_ms)
        except Port2PortError as error:
            if error.fatal:
                raise
            return Refused(error=error)
        return Appended(index=head.next, received_ms=received_ms)

    def _add(self, session: Session, item: Candidate, at: Appended, head: LogHead) -> None:
        work, said, index = item.work, item.work.said, at.index
        leaf = item.leaf_hash(at.received_ms)
        frontier = Frontier.from_bytes(head.frontier).append(leaf)
        entry = LogEntry(
            index=index,
            digest=work.digest,
            statement_id=said.id,
            kind=said.kind,
            issuer=said.issuer,
            signer=said.signer,
            seq=said.seq,
            received_ms=at.received_ms,
            realm=said.realm,
            visibility=_visibility(session, class_key(audience_of(said))),
        )
        session.add(entry)
        session.add(LogLeaf(index=index, leaf_hash=leaf, root=frontier.root()))
        session.add(LogBody(index=index, envelope=work.raw))
        session.add_all(ObjectRef(**row) for row in object_rows(said, index, item.revokes))
        if said.is_control:
            head.roster_version += 1
            session.add(LogControl(version=head.roster_version, index=index))
        head.next, head.root, head.frontier = frontier.size, frontier.root(), frontier.to_bytes()
        head.last_received_ms = at.received_ms


def _visibility(session: Session, key: str) -> int:
    found = session.exec(select(Visibility).where(Visibility.key == key)).first()
    if found is not None:
        return found.id
    last = session.exec(select(Visibility).order_by(col(Visibility.id).desc()).limit(1)).first()
    made = Visibility(id=1 if last is None else last.id + 1, digest=sha256(key.encode()).digest(), key=key)
    session.add(made)
    session.flush()
    return made.id


def _as_head(head: LogHead) -> Head:
    return Head(
        next=head.next,
        root=head.root,
        frontier=head.frontier,
        roster_version=head.roster_version,
        last_received_ms=head.last_received_ms,
        note=head.note,
    )


def _record_equivocation(connection: Connection, work: Work, error: Port2PortError, at_ms: int) -> None:
    if isinstance(error, RefusedError) and error.cause_code == EquivocationError.code:
        said = work.said
        facts = {"digest": work.digest.hex(), "seq": said.seq, "signer": said.signer}
        audit(connection, at_ms=at_ms, event=EquivocationError.code, member=said.issuer, facts=facts)
