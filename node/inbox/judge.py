"""Judge one batch: pure, told everything, and either an ``Outcome`` or an error and nothing changed.

1 SHAPE        begins at our cursor, whole hashes, entries ascending within the range
2 GENESIS      at bootstrap, entry 0 is the genesis whose hash was pinned: it names the log key
3 SIGNATURE    the log signed the checkpoint (C2SP tlog-checkpoint)
4 SIZE         of exactly the end of this batch; smaller than our head is a rollback
5 ROOT         recomputed from all leaf hashes (RFC 6962)
6 COSIGNED     every other log-signed checkpoint agrees with our tree, else the log showed two histories
7 ORDER        received times never decrease
8 ENTRIES      the numbered steps of ``port2port.verify`` under the roster folded from the entries before
9 SELF         nothing in our name that we did not make
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from node.alarms import Alarm, Code
from node.inbox.batch import Batch, BatchEntry
from port2port import checkpoint as cp
from port2port import genesis, merkle, roster
from port2port import statement as stm
from port2port.authority import CHAIN_KINDS
from port2port.checkpoint import SignedCheckpoint, VerifierKey
from port2port.errors import MalformedError, Port2PortError, ProofError, RollbackError
from port2port.limits import LIMITS
from port2port.merkle import Frontier
from port2port.roster import Roster
from port2port.sharing import Audience, Name, Versions, audience_of
from port2port.statement import Statement
from port2port.stix.validate import ValidObject
from port2port.verify import STEPS, Context, RefusedError, UpgradeNeededError, VerifiedEntry, verify
from port2port.wire import decode_envelope

LEAVES_MAX: Final = 100_000
_UNDERSTOOD_STEP: Final = 7


class BatchError(MalformedError):
    """A batch that is not the next one after our cursor, or not shaped as one."""

    code = "BATCH"


class Memory(Protocol):
    """What was verified before. ``made_here`` says whether a digest is of a statement of our own, ``own_key`` whether
    a key was made by this port, in this process or another; ``realm_of`` and ``versions_of`` are as in
    ``verify.Context``.
    """

    def root_at(self, size: int, /) -> bytes | None: ...
    def last_sequence(self, key_id: str, /) -> tuple[int, bytes] | None: ...
    def made_here(self, digest: bytes, /) -> bool: ...
    def own_key(self, key_id: str, /) -> bool: ...
    def realm_of(self, names: Sequence[Name], /) -> Mapping[Name, str]: ...
    def versions_of(self, stix_ids: Collection[str], /) -> Versions: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxState:
    """How far we are. ``note`` is the checkpoint of our head, ``ahead`` a larger log-signed one, not yet reached."""

    federation: str
    genesis_hash: str
    member: str
    frontier: Frontier = merkle.EMPTY_FRONTIER
    roster: Roster | None = None
    last_received_ms: int = 0
    note: bytes = b""
    ahead: bytes = b""

    @property
    def size(self) -> int:
        """Number of verified leaves."""
        return self.frontier.size

    @property
    def log(self) -> VerifierKey | None:
        """The log's key, from the genesis alone."""
        if self.roster is None:
            return None
        return cp.log_key(self.roster.genesis.origin, self.roster.genesis.log_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An entry that a numbered step refused."""

    entry: BatchEntry
    step: int
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """``theirs`` contradicts the tree of ``ours``: the stored leaves, and from ``first`` on those of the batch."""

    log: VerifierKey
    theirs: SignedCheckpoint
    ours: SignedCheckpoint
    first: int
    leaves: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What follows from a batch. ``rosters`` has the roster after each entry, in the order of ``entries``.

    ``disputes`` are (key id, since ms) of back-dated revocations, ``reaffirmed`` (realm, issuer, digest) of entries
    restored; where there is a ``conflict`` everything else is empty: it is to be turned into evidence.
    """

    state: InboxState
    leaves: tuple[bytes, ...]
    roots: tuple[bytes, ...]
    entries: tuple[VerifiedEntry, ...] = ()
    rosters: tuple[Roster, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    disputes: tuple[tuple[str, int], ...] = ()
    reaffirmed: tuple[tuple[str, str, bytes], ...] = ()
    alarms: tuple[Alarm, ...] = ()
    witnesses: tuple[tuple[int, frozenset[str]], ...] = ()
    conflict: Contradiction | None = None


@dataclass(slots=True, kw_only=True)
class _Fold:
    """What changes from entry to entry within one batch."""

    roster: Roster | None
    last_received_ms: int
    last: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    entries: list[VerifiedEntry] = field(default_factory=list)
    rosters: list[Roster] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    disputes: list[tuple[str, int]] = field(default_factory=list)
    reaffirmed: list[tuple[str, str, bytes]] = field(default_factory=list)
    realms: dict[Name, str] = field(default_factory=dict)
    versions: list[tuple[str, str, Audience]] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)


def judge(batch: Batch, state: InboxState, memory: Memory, validate: Callable[[bytes], ValidObject]) -> Outcome:
    """What follows from ``batch``.

    Raises BatchError, GenesisError, SignatureError, RollbackError, ProofError or UpgradeNeededError. A contradicted
    checkpoint is no error here but ``Outcome.conflict``, since evidence needs leaf hashes from the store.
    """
    _require_shape(batch, state)  # 1
    log = state.log or _founded_log(batch, state)  # 2
    head = cp.verify_log(SignedCheckpoint.parse(batch.checkpoint), log)  # 3
    if head.size < state.size:  # 4
        raise RollbackError("the hub signed a smaller log than we verified", ours=state.size, theirs=head.size)
    if head.size != batch.end:
        raise BatchError("the checkpoint is not of the end of its batch", end=batch.end, checkpoint=head.size)
    frontier, roots = merkle.extend_with_roots(state.frontier, batch.leaf_hashes)  # 5
    if frontier.root() != head.root:
        return _contradicted(batch, state, log)
    after = replace(state, frontier=frontier, note=batch.checkpoint)
    conflict, after = _compare_others(batch, after, log, _roots(memory, state.size, roots))  # 6
    if conflict is not None:
        ours = SignedCheckpoint.parse(batch.checkpoint)
        found = Contradiction(log=log, theirs=conflict, ours=ours, first=state.size, leaves=batch.leaf_hashes)
        return Outcome(state=state, leaves=(), roots=(), conflict=found)
    folded = _fold_entries(batch, state, memory, roots, validate)  # 7, 8, 9
    after = replace(after, roster=folded.roster, last_received_ms=folded.last_received_ms)
    witnesses, alarms = cosigners(batch.cosigned, after)
    return Outcome(
        state=after,
        leaves=batch.leaf_hashes,
        roots=tuple(roots),
        entries=tuple(folded.entries),
        rosters=tuple(folded.rosters),
        refusals=tuple(folded.refusals),
        disputes=tuple(folded.disputes),
        reaffirmed=tuple(folded.reaffirmed),
        alarms=(*folded.alarms, *alarms),
        witnesses=witnesses,
    )


def cosigners(note: bytes, state: InboxState) -> tuple[tuple[tuple[int, frozenset[str]], ...], tuple[Alarm, ...]]:
    """((size, witnesses who co-signed it),) of a note, and an alarm where a line of a known witness is false.

    A note beyond our own tree says nothing of it yet: a hub with two histories could show us the other's witnesses.
    """
    if not note or state.roster is None:
        return (), ()
    signed = SignedCheckpoint.parse(note)
    if signed.checkpoint.size > state.size:
        return (), ()
    try:
        found = cp.verify_cosignatures(signed, state.roster.witness_keys())
    except Port2PortError as error:
        text = f"the hub relayed a false cosignature: {error.text}"
        return (), (Alarm(code=Code.BAD_COSIGNATURE, text=text),)
    return ((signed.checkpoint.size, frozenset(item.witness for item in found)),), ()


def contradicts(note: bytes, log: VerifierKey, root_at: Callable[[int], bytes | None]) -> SignedCheckpoint | None:
    """The checkpoint in ``note`` if the log signed it and it is not of our tree; None where it fits or is ahead.

    Raises CheckpointError or SignatureError.
    """
    signed = SignedCheckpoint.parse(note)
    said = cp.verify_log(signed, log)
    ours = root_at(said.size)
    return signed if ours is not None and ours != said.root else None


def fold(before: Roster | None, said: Statement, *, digest: bytes, index: int, received_ms: int) -> Roster | None:
    """The roster after an entry; content changes nothing. Raises RosterError or RosterConflictError."""
    if said.kind == "genesis":
        return roster.found(genesis.from_statement(said), digest)
    if before is None or (said.kind not in CHAIN_KINDS and said.kind != "rekey"):
        return before
    return roster.apply(before, said, digest=digest, index=index, received_ms=received_ms)


def _require_shape(batch: Batch, state: InboxState) -> None:
    if batch.first_index != state.size:
        raise BatchError("the batch does not begin at our cursor", cursor=state.size, first=batch.first_index)
    if len(batch.leaf_hashes) > LEAVES_MAX or any(len(leaf) != merkle.HASH_BYTES for leaf in batch.leaf_hashes):
        raise BatchError("a batch has whole leaf hashes, and not too many")
    indices = [entry.index for entry in batch.entries]
    if any(not batch.first_index <= index < batch.end for index in indices) or sorted(set(indices)) != indices:
        raise BatchError("the entries of a batch are ascending and within its range")


def _founded_log(batch: Batch, state: InboxState) -> VerifierKey:
    if not batch.entries or batch.entries[0].index != 0:
        raise BatchError("the log begins with the genesis, and it is missing")
    founded = genesis.pinned(decode_envelope(batch.entries[0].raw).statement, state.genesis_hash)
    if founded.federation != state.federation:
        raise genesis.GenesisError("the pinned genesis is of another federation", given=founded.federation)
    return cp.log_key(founded.origin, founded.log_key)


def _contradicted(batch: Batch, state: InboxState, log: VerifierKey) -> Outcome:
    """A signed root that our leaves do not give. Without new leaves both checkpoints are of one size: evidence."""
    if batch.leaf_hashes or not state.note:
        raise ProofError("the leaf hashes do not give the root that the log signed", first=batch.first_index)
    theirs, ours = SignedCheckpoint.parse(batch.checkpoint), SignedCheckpoint.parse(state.note)
    return Outcome(
        state=state, leaves=(), roots=(), conflict=Contradiction(log=log, theirs=theirs, ours=ours, first=state.size)
    )


def _roots(memory: Memory, before: int, roots: list[bytes]) -> Callable[[int], bytes | None]:
    """Roots by tree size: the verified ones, then those of this batch."""

    def root_at(size: int) -> bytes | None:
        if size <= before:
            return memory.root_at(size)
        return roots[size - before - 1] if size <= before + len(roots) else None

    return root_at


def _compare_others(
    batch: Batch, after: InboxState, log: VerifierKey, root_at: Callable[[int], bytes | None]
) -> tuple[SignedCheckpoint | None, InboxState]:
    """Compare the relayed checkpoint, and the one seen ahead of us, with our tree as it is now."""
    for note in filter(None, (batch.cosigned, after.ahead)):
        found = contradicts(note, log, root_at)
        if found is not None:
            return found, after
    return None, replace(after, ahead=further(after.ahead, batch.cosigned, after.size))


def further(one: bytes, other: bytes, size: int) -> bytes:
    """Of two notes the one with the larger tree, if that is larger than ``size``; else none."""
    best = max(filter(None, (one, other)), key=lambda note: SignedCheckpoint.parse(note).checkpoint.size, default=b"")
    return best if best and SignedCheckpoint.parse(best).checkpoint.size > size else b""


def _fold_entries(
    batch: Batch, state: InboxState, memory: Memory, roots: list[bytes], validate: Callable[[bytes], ValidObject]
) -> _Fold:
    folded = _Fold(roster=state.roster, last_received_ms=state.last_received_ms)
    root_at = _roots(memory, state.size, roots)

    def last_sequence(key_id: str) -> tuple[int, bytes] | None:
        return folded.last.get(key_id) or memory.last_sequence(key_id)

    def realm_of(names: Sequence[Name]) -> Mapping[Name, str]:
        new = [name for name in names if name not in folded.realms]
        return {**memory.realm_of(new), **{name: folded.realms[name] for name in names if name in folded.realms}}

    def versions_of(stix_ids: Collection[str]) -> Versions:
        return [*memory.versions_of(stix_ids), *(item for item in folded.versions if item[1] in stix_ids)]

    for entry in batch.entries:
        if entry.received_ms < folded.last_received_ms:  # 7
            raise BatchError("received times decrease along the log", index=entry.index)
        folded.last_received_ms = entry.received_ms
        leaf = batch.leaf_hashes[entry.index - batch.first_index]
        context = Context(
            federation=state.federation,
            genesis_hash=state.genesis_hash,
            roster=folded.roster,
            index=entry.index,
            received_ms=entry.received_ms,
            last_seq=last_sequence,
            root_at=root_at,
            validate=validate,
            inclusion=_stands_at(leaf),
            objects_required=False,
            keep_unknown=True,
            realm_of=realm_of,
            versions_of=versions_of,
        )
        try:
            verified = verify(entry.raw, context, STEPS)  # 8
        except RefusedError as error:
            _refuse(entry, error, folded)
        else:
            _admit(verified, state, memory, folded)
    return folded


def _stands_at(leaf: bytes) -> Callable[[bytes], None]:
    """Inclusion, given that all leaf hashes together gave the signed root."""

    def check(found: bytes) -> None:
        if found != leaf:
            raise ProofError("this is not the entry whose leaf the log holds")

    return check


def _refuse(entry: BatchEntry, error: RefusedError, folded: _Fold) -> None:
    said = _statement_of(entry.raw)
    if error.number == _UNDERSTOOD_STEP and said is not None and said.is_control:
        raise UpgradeNeededError("a control entry needs a newer version of this software: upgrade", index=entry.index)
    folded.refusals.append(Refusal(entry=entry, step=error.number, code=error.cause_code, text=error.text))
    code, text = Code.QUARANTINED, f"entry {entry.index} was refused by step {error.number} {error.name}: {error.text}"
    if said is not None and said.is_control:
        code = Code.CONTROL_REFUSED
    elif error.cause_code == "ISSUER_EQUIVOCATION":
        code = Code.EQUIVOCATION
    folded.alarms.append(Alarm(code=code, subject=str(entry.index), text=text))


def _statement_of(raw: bytes) -> Statement | None:
    try:
        return stm.decode(decode_envelope(raw).statement)
    except Port2PortError:
        return None


def _admit(entry: VerifiedEntry, state: InboxState, memory: Memory, folded: _Fold) -> None:
    before = folded.roster
    after = fold(before, entry.statement, digest=entry.digest, index=entry.index, received_ms=entry.received_ms)
    if after is None:
        raise BatchError("the log begins with the genesis", index=entry.index)
    folded.roster = after
    folded.last[entry.statement.signer] = (entry.statement.seq, entry.digest)
    if entry.understood:
        said = entry.statement
        audience = audience_of(said)
        for ref in said.objects:
            if ref.modified is not None:
                folded.realms.setdefault((said.issuer, ref.id), said.realm)
                folded.versions.append((said.issuer, ref.id, audience))
    folded.entries.append(entry)
    folded.rosters.append(after)
    if entry.statement.is_control:
        folded.disputes += _disputes(before, after)
    if entry.statement.kind == "reaffirm":
        said = entry.statement
        folded.reaffirmed += [(said.realm, said.issuer, digest) for digest in _digests(said.body)]
    folded.alarms += _foreign(entry, before, after, state, memory)  # 9


def _disputes(before: Roster | None, after: Roster) -> list[tuple[str, int]]:
    """Keys whose signatures are in doubt since a time in the past, where this entry says so for the first time."""
    found = []
    for key_id, key in after.keys.items():
        known = None if before is None else before.keys.get(key_id)
        earlier = None if known is None else known.invalid_since_ms
        if key.invalid_since_ms is not None and key.invalid_since_ms != earlier:
            found.append((key_id, key.invalid_since_ms))
    return found


def _digests(body: Mapping[str, object]) -> list[bytes]:
    """``digests`` of a reaffirm: the entries, by the SHA-256 of their signed message in hex."""
    given = body.get("digests")
    texts = [item for item in given if isinstance(item, str) and len(item) == 64] if isinstance(given, list) else []
    try:
        return [bytes.fromhex(text) for text in texts[: LIMITS.envelopes_per_batch]]
    except ValueError:
        return []


def _foreign(
    entry: VerifiedEntry, before: Roster | None, after: Roster, state: InboxState, memory: Memory
) -> list[Alarm]:
    found = []
    if entry.statement.issuer == state.member and not memory.made_here(entry.digest):
        text = f"entry {entry.index} is signed in our name and was not made here: a key of ours is in other hands"
        found.append(Alarm(code=Code.FOREIGN_SELF, subject=f"entry:{entry.index}", text=text))
    if not entry.statement.is_control:
        return found
    known = frozenset() if before is None else frozenset(before.keys)
    for key_id, key in after.keys.items():
        if key.member == state.member and key_id not in known and not memory.own_key(key_id):
            text = f"entry {entry.index} gave us the key {key_id[:16]}, which was not made here"
            found.append(Alarm(code=Code.FOREIGN_SELF, subject=f"key:{key_id}", text=text))
    return found
