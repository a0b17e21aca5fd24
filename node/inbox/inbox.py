"""The thin edge around ``judge``: read what it needs, put what it says into one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from node import alarms, indicators, outbox, receipts, store
from node.alarms import Alarm, Code
from node.inbox.batch import Batch
from node.inbox.judge import Contradiction, InboxState, Outcome, Refusal, contradicts, cosigners, fold, further, judge
from node.store import Head, NodeStore
from port2port import conflict, merkle
from port2port import envelope as dsse
from port2port import statement as stm
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import Clock, to_ms
from port2port.conflict import Evidence, PrefixProof
from port2port.errors import InvariantError, Port2PortError, SplitViewError
from port2port.failpoints import reach
from port2port.ids import FEDERATION_ISSUER
from port2port.merkle import Frontier
from port2port.roster import Roster
from port2port.sharing import Name, Versions
from port2port.stix.validate import ValidObject
from port2port.tls import write_private
from port2port.verify import VerifiedEntry
from port2port.wire import decode_envelope

T = TypeVar("T")
logger = logging.getLogger(__name__)

# Called in the transaction that stores the entry, with the roster after it. Must not block, must not commit.
EntryHandler = Callable[[Connection, VerifiedEntry, Roster], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one batch brought: for the uplink, the witness and the figures."""

    size: int
    leaves: int
    entries: tuple[VerifiedEntry, ...]
    refused: int
    alarms: tuple[Alarm, ...]
    witnesses: tuple[tuple[int, frozenset[str]], ...]


class _StoredMemory:
    """``judge.Memory`` over one reading transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def root_at(self, size: int, /) -> bytes | None:
        return store.root_at(self._connection, size)

    def last_sequence(self, key_id: str, /) -> tuple[int, bytes] | None:
        return store.last_sequence(self._connection, key_id)

    def made_here(self, digest: bytes, /) -> bool:
        return bool(outbox.made_here(self._connection, [digest]))

    def own_key(self, key_id: str, /) -> bool:
        return key_id in store.own_keys(self._connection)

    def realm_of(self, names: Sequence[Name], /) -> Mapping[Name, str]:
        return store.realm_of(self._connection, names)

    def versions_of(self, stix_ids: Collection[str], /) -> Versions:
        return store.versions_of(self._connection, stix_ids)


class Inbox:
    """The only one that moves the verified head. ``evidence_dir`` receives proofs against the hub.

    ``version`` is that of this software, held against the minimum of each new roster.
    """

    def __init__(
        self,
        node_store: NodeStore,
        state: InboxState,
        *,
        validate: Callable[[bytes], ValidObject],
        clock: Clock,
        evidence_dir: Path,
        version: str,
        handlers: Sequence[EntryHandler] = (),
    ) -> None:
        self._store = node_store
        self._state = state
        self._validate = validate
        self._clock = clock
        self._evidence_dir = evidence_dir
        self._version = version
        self._handlers = tuple(handlers)
        self._turn = asyncio.Lock()

    @property
    def state(self) -> InboxState:
        """How far we are."""
        return self._state

    async def receive(self, batch: Batch) -> Received:
        """Verify and store one batch. Raises as ``judge``, and SplitViewError once its evidence is on disk."""
        return await self._to_its_end(self._receive(batch))

    async def observe(self, note: bytes) -> tuple[tuple[int, frozenset[str]], ...]:
        """Compare a checkpoint from elsewhere in the feed (a cosigned one) with our tree.

        (size, witnesses) of its valid cosignatures. Raises SplitViewError with evidence on disk, CheckpointError
        or SignatureError.
        """
        return await self._to_its_end(self._observe(note))

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """One piece of work after the other, finished even where the session that asked for it has ended.

        A transaction that is under way commits whoever waits for it: the state here must follow.
        """

        async def in_turn() -> T:
            async with self._turn:
                return await work

        task = asyncio.create_task(in_turn())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
            raise

    async def _receive(self, batch: Batch) -> Received:
        before = self._state
        outcome = await self._store.read(
            lambda connection: judge(batch, before, _StoredMemory(connection), self._validate)
        )
        if outcome.conflict is not None:
            await self._convict(outcome.conflict)
        at_ms = to_ms(self._clock.now())
        await self._store.write(lambda connection: self._apply(connection, before, outcome, at_ms))
        reach("node.after_commit")
        self._state = outcome.state
        for alarm in outcome.alarms:
            logger.warning("alarm raised", extra={"code": alarm.code.value, "subject": alarm.subject})
        return Received(
            size=outcome.state.size,
            leaves=len(outcome.leaves),
            entries=outcome.entries,
            refused=len(outcome.refusals),
            alarms=outcome.alarms,
            witnesses=outcome.witnesses,
        )

    async def _observe(self, note: bytes) -> tuple[tuple[int, frozenset[str]], ...]:
        log = self._state.log
        if log is None:
            return ()
        found = await self._store.read(
            lambda connection: contradicts(note, log, lambda size: store.root_at(connection, size))
        )
        if found is not None:
            ours = SignedCheckpoint.parse(self._state.note)
            await self._convict(Contradiction(log=log, theirs=found, ours=ours, first=self._state.size))
        self._state = replace(self._state, ahead=further(self._state.ahead, note, self._state.size))
        witnesses, raised = cosigners(note, self._state)
        if raised:
            at_ms = to_ms(self._clock.now())
            await self._store.write(lambda connection: [alarms.raise_alarm(connection, one, at_ms) for one in raised])
        return witnesses

    def _apply(self, connection: Connection, before: InboxState, outcome: Outcome, at_ms: int) -> None:
        after = outcome.state
        store.advance_head(connection, before.size, _head_of(after, at_ms))
        store.insert_leaves(connection, before.size, outcome.leaves, outcome.roots)
        made = outbox.made_here(connection, [entry.digest for entry in outcome.entries])
        store.insert_entries(connection, outcome.entries, own=made)
        for entry, roster in zip(outcome.entries, outcome.rosters, strict=True):
            if entry.digest in made:
                outbox.cleared(connection, entry.digest, index=entry.index, received_ms=entry.received_ms)
                if not entry.statement.is_control:
                    receipts.expect(connection, entry, roster, at_ms)
            for handler in self._handlers:
                handler(connection, entry, roster)
        for digest in outbox.settle(connection, after.size):
            text = "the hub promised to have logged a statement of ours and lost it: it is handed in again"
            alarms.raise_alarm(connection, Alarm(code=Code.PROMISE, subject=digest.hex()[:16], text=text), at_ms)
        for key_id, since_ms in outcome.disputes:
            store.dispute(connection, key_id, since_ms)
        for realm, issuer, digest in outcome.reaffirmed:
            store.reaffirm(connection, realm, issuer, [digest])
        _owe(connection, [entry for entry in outcome.entries if _by_another(entry, after.member)], at_ms)
        store.quarantine(connection, [_quarantine_row(refusal, at_ms) for refusal in outcome.refusals])
        for alarm in outcome.alarms:
            alarms.raise_alarm(connection, alarm, at_ms)
        if after.roster is not None and after.roster is not before.roster:
            alarms.compare_version(connection, after.roster, self._version, at_ms)
        reach("node.before_commit")

    async def _convict(self, found: Contradiction) -> None:
        """Write the evidence, raise the alarm, and stop. Raises SplitViewError."""
        frontier = self._state.frontier
        raw = await self._store.read(
            lambda connection: conflict.write_evidence(evidence_of(connection, found, frontier))
        )
        size = found.theirs.checkpoint.size
        path = self._evidence_dir / f"log-conflict-{size}-{found.theirs.checkpoint.root.hex()[:16]}.json"
        self._evidence_dir.mkdir(parents=True, exist_ok=True)
        write_private(path, raw)
        text = f"the log signed two different histories at size {size}; the evidence is in {path.name}"
        alarm = Alarm(code=Code.SPLIT_VIEW, subject=str(size), text=text)
        at_ms = to_ms(self._clock.now())
        await self._store.write(lambda connection: alarms.raise_alarm(connection, alarm, at_ms))
        raise SplitViewError(text, size=size, evidence=path.name)


def _owe(connection: Connection, others: Sequence[VerifiedEntry], at_ms: int) -> None:
    """The receipts that we owe the authors of these entries."""
    receipts.owe(connection, [(entry.index, entry.digest) for entry in others], "delivered", at_ms)
    for entry in others:
        if entry.statement.kind == "retract" and entry.understood:
            receipts.owe(connection, indicators.ended_by(connection, entry.statement), "retracted", at_ms)


def evidence_of(connection: Connection, found: Contradiction, frontier: Frontier) -> Evidence:
    """What convicts the log: both checkpoints, and where their sizes differ the proof of our tree's beginning."""
    first, second = found.theirs.checkpoint.size, found.ours.checkpoint.size
    if first == second:
        return Evidence(log=found.log, first=found.theirs, second=found.ours)

    def leaves(start: int, end: int) -> list[bytes]:
        stored = store.leaf_hashes(connection, start, min(end, found.first)) if start < found.first else []
        return [*stored, *found.leaves[max(start - found.first, 0) : max(end - found.first, 0)]]

    if first <= found.first:
        root = store.root_at(connection, first) or merkle.EMPTY_ROOT
    else:
        root = frontier.extend(found.leaves[: first - found.first]).root()
    path = merkle.consistency_proof(leaves, first=first, second=second)
    proof = PrefixProof(first=first, second=second, first_root=root, path=path)
    return Evidence(log=found.log, first=found.theirs, second=found.ours, proof=proof)


def load_state(connection: Connection, *, federation: str, genesis_hash: str, member: str) -> InboxState:
    """The state as the last transaction left it, the roster folded anew from the stored control entries.

    Raises InvariantError where the stored entries do not fold: somebody wrote into the database.
    """
    head = store.head(connection)
    try:
        roster = _refolded(connection)
        signed_root = SignedCheckpoint.parse(head.note.encode()).checkpoint.root if head.size else merkle.EMPTY_ROOT
    except Port2PortError as error:
        raise InvariantError("the stored control entries do not give a roster", code=error.code) from error
    if signed_root != head.frontier.root():
        raise InvariantError("the stored tree is not the one of the stored checkpoint")
    return InboxState(
        federation=federation,
        genesis_hash=genesis_hash,
        member=member,
        frontier=head.frontier,
        roster=roster,
        last_received_ms=head.last_received_ms,
        note=head.note.encode(),
        ahead=head.ahead.encode(),
    )


def _refolded(connection: Connection) -> Roster | None:
    roster: Roster | None = None
    for row in store.control_entries(connection):
        sealed = decode_envelope(row.envelope)
        said = stm.decode(sealed.statement)
        digest = dsse.digest_of(sealed.statement)
        roster = fold(roster, said, digest=digest, index=row.index, received_ms=row.received_ms)
    return roster


def _head_of(state: InboxState, at_ms: int) -> Head:
    return Head(
        frontier=state.frontier,
        note=state.note.decode(),
        last_received_ms=state.last_received_ms,
        verified_at_ms=at_ms,
        ahead=state.ahead.decode(),
    )


def _by_another(entry: VerifiedEntry, member: str) -> bool:
    """Content by another member: whoever wrote it may know that it arrived."""
    return not entry.statement.is_control and entry.statement.issuer not in {member, FEDERATION_ISSUER}


def _quarantine_row(refusal: Refusal, at_ms: int) -> dict[str, object]:
    return {
        "index": refusal.entry.index,
        "received_ms": refusal.entry.received_ms,
        "at_ms": at_ms,
        "envelope": refusal.entry.raw,
        "step": refusal.step,
        "code": refusal.code,
        "text": refusal.text,
    }
