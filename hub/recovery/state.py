"""A hub whose database went backwards: noticed before it harms, and made whole by its members.

A log that is restored from a backup and goes on would give indices away twice: every port that saw the first history
would have evidence against an honest hub. So:

1. After a start nobody may submit until a majority of the witness organisations has said what it verified last; where
   the roster names no witness, a majority of all members' organisations. With no members yet the log is open at once.
2. A checkpoint that this log signed and that is larger than the log means that entries were lost: the hub is then
   RECOVERING and serves neither Submit nor Follow.
3. Members give back leaf hashes and the entries they hold. Leaf hashes count once they lead, from our own head, to a
   checkpoint that this log signed; an entry counts if it is the leaf of its index. They are logged again at their
   old place and time as soon as everything before them is there, up to the largest checkpoint seen.
4. A signed checkpoint that contradicts the log cannot be repaired: one of the same size and another root, or one of a
   larger log, given back whole, that does not begin with ours. So it is where a hub went on without what it had lost.
   The hub keeps evidence against itself and refuses to serve until people have decided.

A member can delay this by giving nothing; it can get nothing in that the log did not sign. A copy that does not fit
is refused, and the member is named in the audit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from hub.recovery.opening import release, renew, require_compared, voices
from hub.store import Store, audit, read_head
from hub.transparency import NO_ROSTER, Candidate, Log, RosterAt, fold_roster, leaf_hashes
from port2port import verify
from port2port.checkpoint import SignedCheckpoint, log_key, verify_log, witnessed
from port2port.clock import Clock, to_ms
from port2port.conflict import Evidence, PrefixProof, write_evidence
from port2port.database import StorageError
from port2port.errors import (
    BackpressureError,
    LogBehindError,
    MalformedError,
    SplitViewError,
    UnavailableError,
    VerificationError,
)
from port2port.limits import MIB
from port2port.merkle import EMPTY_FRONTIER, HASH_BYTES, Frontier, consistency_proof
from port2port.stix.validate import ValidObject
from port2port.verify import Context, Work, run

logger = logging.getLogger(__name__)
_READ_AGAIN: Final = (*verify.STEPS[:7], verify.STEPS[14])
_HELD_BYTES: Final = 256 * MIB
_GIVEN_BYTES: Final = 64 * MIB
_GROUP: Final = 256


class State(Enum):
    """What the hub may do."""

    WAITING = "waiting for its members"
    OPEN = "open"
    RECOVERING = "recovering from its members"
    CONFLICT = "in conflict with itself"


class WaitingError(UnavailableError):
    """The hub has just started and waits for a majority of its witnesses (or members) before it accepts anything."""

    code = "WAITING_FOR_WITNESSES"


class TamperedError(VerificationError):
    """What a member gave back is not what was logged."""

    code = "TAMPERED_COPY"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEntry:
    """An entry as a member received it."""

    index: int
    received_ms: int
    envelope: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Leaves the log has now, and how many it must reach."""

    size: int
    wanted: int


@dataclass(slots=True, kw_only=True)
class Giving:
    """One member's Recover stream: what it has given so far."""

    member: str
    checkpoint: SignedCheckpoint | None = None
    first: int = 0
    leaves: list[bytes] = field(default_factory=list)
    entries: dict[int, HeldEntry] = field(default_factory=dict)
    size: int = 0  # bytes of the entries that wait here for their leaf hashes


class Recovery:
    """The hub's state after a start. Used on the event loop; ``start`` before anything is served."""

    def __init__(
        self,
        *,
        store: Store,
        log: Log,
        log_public: bytes,
        evidence: Path,
        clock: Clock,
        roster: Callable[[], RosterAt] | None = None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """``evidence`` is the directory for evidence files; ``recovered`` is called whenever the log has grown."""
        self._store = store
        self._log = log
        self._verifier = log_key(log.origin, log_public)
        self._evidence = evidence
        self._clock = clock
        self._roster = roster
        self._recovered = recovered
        self._state = State.WAITING
        self._started_with = NO_ROSTER
        self._heard: set[str] = set()
        self._wanted: SignedCheckpoint | None = None
        self._leaves: list[bytes] = []  # verified, from index ``_base`` on
        self._base = 0
        self._held: dict[int, tuple[Candidate, int]] = {}
        self._held_bytes = 0
        self._lock = asyncio.Lock()
        self._process = secrets.token_hex(8)
        self._told_open = False

    @property
    def state(self) -> State:
        """What the hub may do now."""
        return self._state

    @property
    def missing(self) -> int:
        """Entries that no member has given back yet."""
        size = 0 if self._wanted is None else self._wanted.checkpoint.size
        return max(0, size - self._base - len(self._held))

    async def start(self, compared: bytes = b"") -> None:
        """Wait for those whom the log names; a log without members is open at once.

        ``compared`` is the members' newest checkpoint as an operator obtained it by another way: then it is open too.
        Raises as ``require_compared``.
        """
        self._started_with = await self._store.database.read(fold_roster)
        if compared:
            size = await asyncio.to_thread(require_compared, self._log, self._verifier, compared)
            await self._store.database.write(partial(self._note_compared, size=size))
            self._state = State.OPEN
        self._open_if_heard()
        await self.tell()

    async def tell(self) -> None:
        """Let ``admit`` know whether the log is open, for a few seconds: to be repeated. Raises StorageError."""
        is_open = self._state is State.OPEN
        if is_open:
            now_ms = to_ms(self._clock.now())
            await self._store.database.write(lambda connection: renew(connection, self._process, now_ms))
        elif self._told_open:
            await self._store.database.write(lambda connection: release(connection, self._process))
        self._told_open = is_open

    async def stop(self) -> None:
        """This process serves no more."""
        try:
            await self._store.database.write(lambda connection: release(connection, self._process))
        except StorageError as error:
            logger.warning("lease not given back, it runs out by itself", extra={"cause": repr(error.__cause__)})

    def gate(self) -> None:
        """Before Submit. Raises WaitingError, LogBehindError or SplitViewError."""
        self.require_whole()
        if self._state is State.WAITING:
            raise WaitingError("the hub has just started and waits until a majority of its witnesses was heard")

    def require_whole(self) -> None:
        """Before Follow, after ``present``. Raises LogBehindError or SplitViewError."""
        if self._state is State.CONFLICT:
            raise SplitViewError("this log has signed two histories; it serves nobody until people have decided")
        if self._state is State.RECOVERING:
            raise LogBehindError("the log lost entries and is recovering them from its members")

    async def present(self, member: str, note: bytes) -> None:
        """A member says which checkpoint it verified last (empty: none), as it does with every Follow.

        Raises MalformedError or SignatureError for what this log never signed, otherwise what ``require_whole`` does.
        """
        async with self._lock:
            if note:
                await self._judge(SignedCheckpoint.parse(note))
            if self._state is not State.CONFLICT:
                self._heard.add(member)
                self._open_if_heard()
            await self._tell_change()
        self.require_whole()

    def giving(self, member: str) -> Giving:
        """Begin a Recover stream."""
        return Giving(member=member)

    async def give(
        self,
        giving: Giving,
        *,
        first_index: int,
        leaves: Sequence[bytes],
        entries: Iterable[HeldEntry],
        checkpoint: bytes = b"",
    ) -> Progress:
        """One message of a Recover stream. Raises TamperedError, MalformedError, BackpressureError."""
        async with self._lock:
            if checkpoint:
                giving.checkpoint = SignedCheckpoint.parse(checkpoint)
                await self._judge(giving.checkpoint)
                giving.first = first_index
            await self._settle()
            await self._tell_change()
            if self._state is not State.RECOVERING:
                return await self._progress()
            try:
                self._take(giving, first_index, leaves, entries)
                await self._verify_leaves(giving)
                self._verify_entries(giving)
            except SplitViewError:
                raise  # accuses us, not the member
            except VerificationError as error:
                await self._store.database.write(partial(self._name, member=giving.member, error=error))
                raise
            await self._log_again()
            await self._tell_change()
            return await self._progress()

    # --- what members remember ------------------------------------------------------------------------------------

    async def _judge(self, given: SignedCheckpoint) -> None:
        seen = verify_log(given, self._verifier)
        head = await self._store.database.read(read_head)
        other = self._wanted
        if seen.size > head.next:
            if other is not None and other.checkpoint.size == seen.size and other.checkpoint.root != seen.root:
                self._convict(other, given)
                return
            if other is None or seen.size > other.checkpoint.size:
                self._wanted = given
            if self._state is not State.CONFLICT:
                self._state = State.RECOVERING
            self._base = head.next if not self._leaves else self._base
            return
        await self._settle()
        root = await asyncio.to_thread(self._log.root_at, seen.size)
        if root is not None and root != seen.root:
            self._convict(self._log.sign_at(seen.size, root), given)

    async def _settle(self) -> None:
        """Where another process wrote to the log meanwhile, what is held may not fit, or may not be needed."""
        if self._state is not State.RECOVERING or self._wanted is None:
            return
        head = await self._store.database.read(read_head)
        if head.next != self._base:
            self._forget()
            self._base = head.next
        if head.next >= self._wanted.checkpoint.size:
            await self._finish(self._wanted)

    def _forget(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._leaves = []

    def _convict(self, ours: SignedCheckpoint, theirs: SignedCheckpoint, proof: PrefixProof | None = None) -> None:
        """Two histories, both signed with the log's key: keep the evidence, stop."""
        raw = write_evidence(Evidence(log=self._verifier, first=ours, second=theirs, proof=proof))
        name = f"log-conflict-{theirs.checkpoint.size}-{hashlib.sha256(raw).hexdigest()[:16]}.json"
        self._evidence.mkdir(parents=True, exist_ok=True)
        (self._evidence / name).write_bytes(raw)
        logger.critical("the log signed two histories", extra={"size": theirs.checkpoint.size, "evidence": name})
        self._state = State.CONFLICT

    def _open_if_heard(self) -> None:
        at = self._started_with if self._roster is None else self._roster()
        organisations = voices(at.roster)
        if self._state is State.WAITING and (not organisations or witnessed(self._heard, organisations)):
            self._state = State.OPEN

    # --- what members give back -----------------------------------------------------------------------------------

    def _take(self, giving: Giving, first: int, leaves: Sequence[bytes], entries: Iterable[HeldEntry]) -> None:
        if giving.checkpoint is None:
            raise MalformedError("a Recover stream begins with the checkpoint that the member verified")
        if first != giving.first + len(giving.leaves) or any(len(leaf) != HASH_BYTES for leaf in leaves):
            raise MalformedError("leaf hashes are 32 bytes each, without a gap from message to message")
        if first + len(leaves) > giving.checkpoint.checkpoint.size:
            raise MalformedError("more leaf hashes than the checkpoint covers")
        giving.leaves += leaves
        for item in entries:
            if item.index in self._held or item.index < self._base:
                continue
            giving.size += len(item.envelope)
            giving.entries[item.index] = item
        if giving.size > _GIVEN_BYTES or self._held_bytes > _HELD_BYTES:
            raise BackpressureError("too many entries wait for those before them", delay_ms=5_000)

    async def _verify_leaves(self, giving: Giving) -> None:
        """Once all of a member's leaf hashes are there: do they lead from our head to its checkpoint?"""
        if giving.checkpoint is None or giving.first + len(giving.leaves) != giving.checkpoint.checkpoint.size:
            return
        head = await self._store.database.read(read_head)
        if giving.first > head.next:
            raise MalformedError("the leaf hashes begin behind the end of the log", first=giving.first, size=head.next)
        ours = await self._store.database.read(
            partial(leaf_hashes, start=giving.first, end=min(head.next, giving.checkpoint.checkpoint.size))
        )
        fresh = giving.leaves[len(ours) :]
        root = Frontier.from_bytes(head.frontier).extend(fresh).root()
        if giving.leaves[: len(ours)] != ours or (fresh and root != giving.checkpoint.checkpoint.root):
            self._require_one_history(giving, giving.checkpoint, head.next, head.root)
            raise TamperedError("the leaf hashes do not lead to the checkpoint", member=giving.member)
        if head.next + len(fresh) > self._base + len(self._leaves):
            self._base, self._leaves = head.next, fresh

    def _require_one_history(self, giving: Giving, theirs: SignedCheckpoint, size: int, root: bytes) -> None:
        """Whether it is our log that does not fit, and not the member's copy of it. Raises SplitViewError.

        Leaves from the first on that lead by themselves to what the log signed were logged here, before it went on
        without them.
        """
        if giving.first or EMPTY_FRONTIER.extend(giving.leaves).root() != theirs.checkpoint.root:
            return
        second = theirs.checkpoint.size
        proof = PrefixProof(
            first=size,
            second=second,
            first_root=EMPTY_FRONTIER.extend(giving.leaves[:size]).root(),
            path=tuple(consistency_proof(lambda a, b: giving.leaves[a:b], first=size, second=second)),
        )
        self._convict(self._log.sign_at(size, root), theirs, proof)
        self.require_whole()

    def _verify_entries(self, giving: Giving) -> None:
        for index in sorted(giving.entries):
            if index >= self._base + len(self._leaves):
                continue
            item = giving.entries.pop(index)
            giving.size -= len(item.envelope)
            if index < self._base or index in self._held:
                continue
            self._held_bytes += len(item.envelope)
            self._held[index] = (self._candidate(giving.member, item), item.received_ms)

    def _candidate(self, member: str, item: HeldEntry) -> Candidate:
        """The entry, if it is the leaf of its index, byte for byte and with its objects."""
        work = Work(raw=item.envelope, context=self._context(item))
        try:
            run(_READ_AGAIN, work)
        except VerificationError as error:
            raise TamperedError("an entry given back cannot be read", member=member, index=item.index) from error
        revoked = (obj.body for obj in work.sealed.objects)
        candidate = Candidate(
            work=work,
            revokes=frozenset(
                str(data.get("id")) for data in map(orjson.loads, revoked) if data.get("revoked") is True
            ),
        )
        if candidate.leaf_hash(item.received_ms) != self._leaves[item.index - self._base]:
            raise TamperedError("an entry given back is not the one logged", member=member, index=item.index)
        return candidate

    def _context(self, item: HeldEntry) -> Context:
        return Context(
            federation="",
            genesis_hash="",
            roster=None,
            index=item.index,
            received_ms=item.received_ms,
            last_seq=self._log.last_seq,
            root_at=self._log.root_at,
            validate=_not_asked,
            keep_unknown=True,
        )

    async def _log_again(self) -> None:
        """Whatever follows the head without a gap."""
        while self._base in self._held:
            group: list[tuple[Candidate, int]] = []
            while self._base + len(group) in self._held and len(group) < _GROUP:
                group.append(self._held[self._base + len(group)])
            size = await self._store.database.write(partial(self._log.restore_in, entries=group))
            for index in range(self._base, size):
                candidate, _ = self._held.pop(index)
                self._held_bytes -= len(candidate.work.raw)
            del self._leaves[: size - self._base]
            self._base = size
            self._recovered()
        if self._wanted is not None and self._base >= self._wanted.checkpoint.size:
            await self._finish(self._wanted)

    async def _finish(self, wanted: SignedCheckpoint) -> None:
        root = await asyncio.to_thread(self._log.root_at, wanted.checkpoint.size)
        if root is not None and root != wanted.checkpoint.root:
            self._convict(self._log.sign_at(wanted.checkpoint.size, root), wanted)
            return
        logger.warning("the log was recovered from its members", extra={"size": wanted.checkpoint.size})
        self._wanted = None
        self._forget()
        self._state = State.WAITING
        self._started_with = await self._store.database.read(fold_roster)
        self._open_if_heard()

    async def _tell_change(self) -> None:
        if self._told_open != (self._state is State.OPEN):
            await self.tell()

    def _note_compared(self, connection: Connection, *, size: int) -> None:
        audit(connection, at_ms=to_ms(self._clock.now()), event="compared", member=None, facts={"size": size})

    async def _progress(self) -> Progress:
        head = await self._store.database.read(read_head)
        wanted = head.next if self._wanted is None else self._wanted.checkpoint.size
        return Progress(size=head.next, wanted=wanted)

    def _name(self, connection: Connection, *, member: str, error: VerificationError) -> None:
        facts = {name: value for name, value in error.facts.items() if isinstance(value, (int, str))}
        now_ms = to_ms(self._clock.now())
        audit(connection, at_ms=now_ms, event=error.code, member=member, facts=facts)


def _not_asked(_raw: bytes) -> ValidObject:
    raise MalformedError("objects are not validated again: their commitments hold")
