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

from hub.tables import BODY, COSIGNATURE, ENTRY
from hub.transparency.tree import Tree, leaf_hashes, stored_root
from port2port import clock, ids, merkle, statement
from port2port.checkpoint import NoteSignature, SignedCheckpoint, TlogProof, format_proof, verify_cosignatures
from port2port.checkpoint import witnessed as is_witnessed
from port2port.envelope import SignedEnvelope
from port2port.errors import InvariantError
from port2port.merkle import SubtreeCache
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.stix import outlets
from port2port.stix.objects import Header
from port2port.tlp import UNMARKED
from port2port.wire import decode_envelope

_SIZES: Final = 32  # the newest sizes that anybody co-signed; the hub forgets those below a witnessed one


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint that a majority of the witnesses co-signed, and when: the median of what they say."""

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

    def attest(self, connection: Connection, index: int, *, under: Witnessed | None = None) -> bytes | None:
        """The canonical bytes of the entry's attestation; None where there is nothing to attest (no objects, erased
        ones, a statement that this version does not understand).

        ``under`` is what ``newest_witnessed`` found, for the second version; it must be behind the entry.
        """
        digest, received_ms, raw = _entry(connection, index)
        envelope = decode_envelope(raw)
        said = statement.decode(envelope.statement)
        if not envelope.objects or not said.understood:
            return None
        return outlets.attestation(
            self._header(said, received_ms, under),
            digest=digest,
            objects=_salts(said, envelope),
            signed_statement=envelope.signed,
            received_ms=received_ms,
            tlog_proof=format_proof(self._proof(connection, index, under)).decode(),
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
        times = sorted(item.time for item in cosigned)  # a minority of liars cannot move the median beyond the others
        return Witnessed(signed=signed, at=clock.from_ms(times[len(times) // 2] * 1_000))

    def _checkpoint(self, connection: Connection, size: int) -> SignedCheckpoint:
        root = stored_root(connection, size)
        if root is None:
            raise InvariantError("the log has no such checkpoint", size=size)
        return self._tree.sign_at(size, root)

    def _proof(self, connection: Connection, index: int, under: Witnessed | None) -> TlogProof:
        signed = self._checkpoint(connection, index + 1) if under is None else under.signed
        path = merkle.inclusion_proof(
            lambda start, end: leaf_hashes(connection, start, end),
            index=index,
            size=signed.checkpoint.size,
            cache=self._cache,
        )
        return TlogProof(index=index, path=path, signed=signed)

    def _header(self, said: Statement, received_ms: int, under: Witnessed | None) -> Header:
        created = clock.from_ms(received_ms)
        return Header(
            ident=ids.NAMESPACE,  # replaced by one that follows from the entry
            issuer=self._issuer,
            created=created,
            modified=None if under is None else max(under.at, clock.from_ms(received_ms + 1)),
            tlp=UNMARKED if said.tlp is None else said.tlp,
        )


def _entry(connection: Connection, index: int) -> tuple[bytes, int, bytes]:
    query = sa.select(ENTRY.c.digest, ENTRY.c.received_ms, BODY.c.envelope).join(BODY, BODY.c.index == ENTRY.c.index)
    found = connection.execute(query.where(ENTRY.c.index == index)).one_or_none()
    if found is None:
        raise InvariantError("the log has no such entry", index=index)
    return bytes(found[0]), found[1], bytes(found[2])


def _salts(said: Statement, envelope: SignedEnvelope) -> list[tuple[str, bytes]]:
    return [(ref.id, item.salt) for ref, item in zip(said.objects, envelope.objects, strict=True)]
