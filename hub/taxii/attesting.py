"""The proof that travels with a TAXII object: what a reader without our software's feed needs to check its author.

An attestation is made from the log alone, so that folding again gives the same bytes. An entry has at most two
versions of it (docs/decisions/0022-attestations.md):

1. at folding, under the checkpoint of size index + 1, the first one that holds the entry; the log signed it, no
   witness did;
2. once a majority of the witnesses co-signed a checkpoint behind the entry, under that checkpoint, with its lines.

The id is the same, ``modified`` is later, so readers replace the first by the second, and one that never sees the
second can say "witness missing". Who serves it marks it as its statement is marked, shows it to exactly those who may
read the entry, and never puts it into a collection of plain observables.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Query
from hub.tables import BODY, COSIGNATURE, ENTRY, LEAF
from hub.transparency.tree import Tree, leaf_hashes, stored_root
from port2port import clock, ids, merkle, statement
from port2port.checkpoint import NoteSignature, SignedCheckpoint, TlogProof, format_proof, verify_cosignatures
from port2port.checkpoint import witnessed as is_witnessed
from port2port.envelope import SignedEnvelope
from port2port.errors import InvariantError
from port2port.merkle import EMPTY_FRONTIER, Frontier, SubtreeCache
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.stix import outlets
from port2port.stix.objects import Header
from port2port.tlp import UNMARKED
from port2port.wire import decode_envelope

_NEAR: Final = 4_096  # entries further on, the way is read from the subtrees instead of leaf by leaf
_LAST_S: Final = 253_402_300_799  # the end of the year 9999; witnesses may say any time up to 2^63
_SIZES: Final = 32  # the newest sizes that anybody co-signed; the hub forgets those below a witnessed one


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint that a majority of the witnesses co-signed, and when: the (lower) median of what they say."""

    signed: SignedCheckpoint
    at: datetime

    @property
    def size(self) -> int:
        """How many entries it vouches for: those with a smaller index."""
        return self.signed.checkpoint.size


class Attestor:
    """Makes attestations of one log; keeps the hashes of its subtrees. Safe to use from any thread."""

    def __init__(self, tree: Tree, *, federation: str) -> None:
        self._tree = tree
        self._issuer = ids.identity_of(federation, ids.FEDERATION_ISSUER)
        self._cache = SubtreeCache()
        self._behind = EMPTY_FRONTIER  # of the entry attested last; folding goes on from there

    def attest(self, connection: Connection, index: int, *, under: Witnessed | None = None) -> bytes | None:
        """The canonical bytes of the entry's attestation; None where there is nothing to attest (no objects, erased
        ones, a statement that this version does not understand).

        ``under`` is what ``newest_witnessed`` found, for the second version; it must be behind the entry.
        """
        logged = _logged(connection, index)
        envelope = decode_envelope(logged.envelope)
        said = statement.decode(envelope.statement)
        if not envelope.objects or not said.understood:
            return None
        return outlets.attestation(
            self._header(said, logged.received_ms, under),
            digest=logged.digest,
            objects=_salts(said, envelope),
            signed_statement=envelope.signed,
            received_ms=logged.received_ms,
            tlog_proof=format_proof(self._proof(connection, logged, under)).decode(),
            exercise=said.realm.removeprefix("exercise:") if said.realm != "real" else None,
        )

    def newest_witnessed(self, connection: Connection, roster: Roster) -> Witnessed | None:
        """The largest checkpoint that a majority of the roster's witnesses co-signed; None: there is none yet.

        Entries below its size whose attestation was made without it are due for their second version.
        """
        sizes = sa.select(COSIGNATURE.c.size).distinct().order_by(COSIGNATURE.c.size.desc()).limit(_SIZES)
        for size in connection.execute(sizes).scalars().all():
            found = self._witnessed(connection, size, roster)
            if found is not None:
                return found
        return None

    def _witnessed(self, connection: Connection, size: int, roster: Roster) -> Witnessed | None:
        query = sa.select(COSIGNATURE.c.line).where(COSIGNATURE.c.size == size).order_by(COSIGNATURE.c.witness)
        lines = [NoteSignature.from_line(line.removesuffix("\n")) for line in connection.execute(query).scalars()]
        signed = self._checkpoint(connection, size).with_signatures(lines)
        cosigned = verify_cosignatures(signed, roster.witness_keys())
        if not is_witnessed([item.witness for item in cosigned], roster.witnesses()):
            return None
        times = sorted(item.time for item in cosigned)
        middle = times[(len(times) - 1) // 2]  # of two the earlier: one liar alone can date nothing ahead
        return Witnessed(signed=signed, at=clock.from_ms(min(middle, _LAST_S) * 1_000))

    def _checkpoint(self, connection: Connection, size: int) -> SignedCheckpoint:
        root = stored_root(connection, size)
        if root is None:
            raise InvariantError("the log has no such checkpoint", size=size)
        return self._tree.sign_at(size, root)

    def _proof(self, connection: Connection, logged: _Logged, under: Witnessed | None) -> TlogProof:
        if under is None:
            signed = self._tree.sign_at(logged.index + 1, logged.root)
            return TlogProof(index=logged.index, path=self._way(connection, logged), signed=signed)
        path = self._path(connection, logged.index, under.size)
        return TlogProof(index=logged.index, path=path, signed=under.signed)

    def _way(self, connection: Connection, logged: _Logged) -> tuple[bytes, ...]:
        """The path in the tree of size index + 1: the complete subtrees before the entry, smallest first.

        Folding asks in log order, and so for a leaf or two each time. Raises InvariantError where they do not lead to
        the root that the log has.
        """
        behind = self._behind
        if behind.size <= logged.index <= behind.size + _NEAR:
            leaves = _LEAVES(connection, first=behind.size, end=logged.index) if behind.size < logged.index else ()
            before = behind.extend(bytes(leaf) for (leaf,) in leaves)
        else:
            path = self._path(connection, logged.index, logged.index + 1)
            before = Frontier(size=logged.index, subtrees=path[::-1])
        after = before.append(logged.leaf_hash)
        if after.root() != logged.root:
            raise InvariantError("the leaves of the log do not lead to its root", index=logged.index)
        self._behind = after
        return before.subtrees[::-1]

    def _path(self, connection: Connection, index: int, size: int) -> tuple[bytes, ...]:
        return merkle.inclusion_proof(
            lambda start, end: leaf_hashes(connection, start, end), index=index, size=size, cache=self._cache
        )

    def _header(self, said: Statement, received_ms: int, under: Witnessed | None) -> Header:
        created = clock.from_ms(received_ms)
        return Header(
            ident=ids.NAMESPACE,  # replaced by one that follows from the entry
            issuer=self._issuer,
            created=created,
            modified=None if under is None else max(under.at, clock.from_ms(received_ms + 1)),
            tlp=UNMARKED if said.tlp is None else said.tlp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logged:
    """An entry as the log has it, with the root of the tree that ends with it."""

    index: int
    digest: bytes
    received_ms: int
    envelope: bytes
    leaf_hash: bytes
    root: bytes


def _logged(connection: Connection, index: int) -> _Logged:
    for digest, received_ms, envelope, leaf_hash, root in _ENTRY(connection, at=index):
        return _Logged(
            index=index,
            digest=bytes(digest),
            received_ms=received_ms,
            envelope=bytes(envelope),
            leaf_hash=bytes(leaf_hash),
            root=bytes(root),
        )
    raise InvariantError("the log has no such entry", index=index)


_ENTRY: Final = Query(
    sa.select(ENTRY.c.digest, ENTRY.c.received_ms, BODY.c.envelope, LEAF.c.leaf_hash, LEAF.c.root)
    .join(BODY, BODY.c.index == ENTRY.c.index)
    .join(LEAF, LEAF.c.index == ENTRY.c.index)
    .where(ENTRY.c.index == sa.bindparam("at"))
)
_LEAVES: Final = Query(
    sa.select(LEAF.c.leaf_hash)
    .where(LEAF.c.index >= sa.bindparam("first"), LEAF.c.index < sa.bindparam("end"))
    .order_by(LEAF.c.index)
)


def _salts(said: Statement, envelope: SignedEnvelope) -> list[tuple[str, bytes]]:
    return [(ref.id, item.salt) for ref, item in zip(said.objects, envelope.objects, strict=True)]
