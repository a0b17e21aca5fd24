"""The node's copy of the log: all leaf hashes, the entries it may read, how far it is verified."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import tables
from port2port.clock import to_ms
from port2port.errors import ConflictError
from port2port.merkle import EMPTY_FRONTIER, EMPTY_ROOT, Frontier
from port2port.sharing import Audience, Name, audience_of
from port2port.statement import decode
from port2port.verify import VerifiedEntry
from port2port.wire import decode_envelope, encode_envelope

_HEAD: Final = tables.Head.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_LEAF: Final = tables.LogLeaf.__table__  # type: ignore[attr-defined]  # as above
_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # as above
_KEY: Final = tables.EntryKey.__table__  # type: ignore[attr-defined]  # as above
_OBJECT: Final = tables.EntryObject.__table__  # type: ignore[attr-defined]  # as above
_QUARANTINE: Final = tables.Quarantine.__table__  # type: ignore[attr-defined]  # as above
_ONLY: Final = 1
_REALM_OF: Final = (
    sa.select(_OBJECT.c.realm)
    .where(_OBJECT.c.stix_id == sa.bindparam("stix_id"), _OBJECT.c.issuer == sa.bindparam("issuer"))
    .order_by(_OBJECT.c.index)
    .limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far the log is verified. ``note`` is the checkpoint of exactly this size, ``ahead`` a larger one seen.

    ``last_received_ms`` is the time of the newest entry read: log time, which never decreases.
    """

    frontier: Frontier = EMPTY_FRONTIER
    note: str = ""
    last_received_ms: int = 0
    verified_at_ms: int = 0
    ahead: str = ""

    @property
    def size(self) -> int:
        """Number of verified leaves; the cursor of the feed."""
        return self.frontier.size


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """A row of the entry table: it was verified when it was stored."""

    index: int
    digest: bytes
    statement_id: str
    kind: str
    issuer: str
    signer: str
    seq: int
    realm: str
    issued_ms: int
    received_ms: int
    envelope: bytes
    control: bool
    understood: bool
    late: bool
    machine_only: bool
    own: bool
    disputed: bool
    reaffirmed: bool


def head(connection: Connection) -> Head:
    """How far the log is verified; the empty head before anything is."""
    row = connection.execute(sa.select(_HEAD).where(_HEAD.c.id == _ONLY)).one_or_none()
    if row is None:
        return Head()
    return Head(
        frontier=Frontier.from_bytes(row.frontier),
        note=row.note,
        last_received_ms=row.last_received_ms,
        verified_at_ms=row.verified_at_ms,
        ahead=row.ahead,
    )


def advance_head(connection: Connection, before: int, after: Head) -> None:
    """Move the head from size ``before``, or raise ConflictError where somebody else has moved it."""
    values = {
        "size": after.size,
        "frontier": after.frontier.to_bytes(),
        "note": after.note,
        "last_received_ms": after.last_received_ms,
        "verified_at_ms": after.verified_at_ms,
        "ahead": after.ahead,
    }
    moved = connection.execute(sa.update(_HEAD).where(_HEAD.c.id == _ONLY, _HEAD.c.size == before).values(values))
    if moved.rowcount == 1:
        return
    if before or connection.execute(sa.select(_HEAD.c.id)).first() is not None:
        raise ConflictError("the verified head was moved by somebody else", expected=before)
    connection.execute(sa.insert(_HEAD).values(id=_ONLY, **values))


def insert_leaves(connection: Connection, first: int, leaves: Sequence[bytes], roots: Sequence[bytes]) -> None:
    """Leaf hashes from index ``first`` on, with the root after each."""
    rows = [
        {"index": first + offset, "leaf_hash": leaf, "root": root}
        for offset, (leaf, root) in enumerate(zip(leaves, roots, strict=True))
    ]
    if rows:
        connection.execute(sa.insert(_LEAF), rows)


def leaf_hashes(connection: Connection, start: int, end: int) -> list[bytes]:
    """The leaf hashes start, ... end - 1; fewer where the log ends before."""
    query = sa.select(_LEAF.c.leaf_hash).where(_LEAF.c.index >= start, _LEAF.c.index < end).order_by(_LEAF.c.index)
    return list(connection.scalars(query))


def root_at(connection: Connection, size: int) -> bytes | None:
    """The root of the first ``size`` leaves, or None beyond the verified head."""
    if size <= 0:
        return EMPTY_ROOT if size == 0 else None
    return connection.scalar(sa.select(_LEAF.c.root).where(_LEAF.c.index == size - 1))


def last_sequence(connection: Connection, key_id: str) -> tuple[int, bytes] | None:
    """(sequence, digest) of the newest entry of a signing key that this port has read."""
    query = sa.select(_ENTRY.c.seq, _ENTRY.c.digest).where(_ENTRY.c.signer == key_id)
    row = connection.execute(query.order_by(_ENTRY.c.seq.desc()).limit(1)).first()
    return None if row is None else (row.seq, row.digest)


def insert_entries(connection: Connection, entries: Iterable[VerifiedEntry], *, own: frozenset[bytes]) -> None:
    """Store verified entries; ``own`` are the digests of those this port made."""
    rows, keys, objects = [], [], []
    for entry in entries:
        rows.append(_entry_values(entry) | {"own": entry.digest in own})
        keys += [{"index": entry.index, "key_id": voice.key_id} for voice in entry.voices]
        objects += _object_values(entry)
    if rows:
        connection.execute(sa.insert(_ENTRY), rows)
        connection.execute(sa.insert(_KEY), keys)
    if objects:
        connection.execute(sa.insert(_OBJECT), objects)


def _object_values(entry: VerifiedEntry) -> list[dict[str, Any]]:
    """Of what is understood: nobody knows what another kind does to the objects it names."""
    said = entry.statement
    return [
        {"stix_id": ref.id, "issuer": said.issuer, "index": entry.index, "realm": said.realm}
        for ref in (said.objects if entry.understood else ())
        if ref.modified is not None
    ]


def realm_of(connection: Connection, names: Iterable[Name]) -> dict[Name, str]:
    """The realm that each of these objects was first used in, of those that this port has read of."""
    found = {}
    for name in names:
        realm = connection.scalar(_REALM_OF, {"issuer": name[0], "stix_id": name[1]})
        if realm is not None:
            found[name] = realm
    return found


def _entry_values(entry: VerifiedEntry) -> dict[str, Any]:
    said = entry.statement
    return {
        "index": entry.index,
        "digest": entry.digest,
        "statement_id": said.id,
        "kind": said.kind,
        "issuer": said.issuer,
        "signer": said.signer,
        "seq": said.seq,
        "realm": said.realm,
        "issued_ms": to_ms(said.issued),
        "received_ms": entry.received_ms,
        "envelope": encode_envelope(entry.envelope.signed, entry.envelope.objects),
        "control": said.is_control,
        "understood": entry.understood,
        "late": entry.late,
        "machine_only": entry.machine_only,
        "disputed": False,
        "reaffirmed": False,
    }


def _stored(row: Row[Any]) -> StoredEntry:
    return StoredEntry(**dict(row._mapping))  # noqa: SLF001  # the documented name-to-value view of a row


def entry_at(connection: Connection, index: int) -> StoredEntry | None:
    """The entry at a log index, if this port has it."""
    row = connection.execute(sa.select(_ENTRY).where(_ENTRY.c.index == index)).one_or_none()
    return None if row is None else _stored(row)


def entry_by_statement(connection: Connection, statement_id: str) -> StoredEntry | None:
    """The first entry with a statement id, if this port has it."""
    query = sa.select(_ENTRY).where(_ENTRY.c.statement_id == statement_id).order_by(_ENTRY.c.index).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stored(row)


def own_entry(connection: Connection, statement_id: str) -> StoredEntry | None:
    """The entry of a statement that this port made; others may use its id, too."""
    query = sa.select(_ENTRY).where(_ENTRY.c.statement_id == statement_id, _ENTRY.c.own).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _stored(row)


def versions_of(connection: Connection, stix_ids: Collection[str]) -> list[tuple[str, str, Audience]]:
    """Of objects of these ids the versions that this port has read, in log order: (issuer, STIX id, who may read)."""
    query = (
        sa.select(_OBJECT.c.stix_id, _ENTRY.c.envelope)
        .join(_ENTRY, _ENTRY.c.index == _OBJECT.c.index)
        .where(_OBJECT.c.stix_id.in_(stix_ids))
        .order_by(_OBJECT.c.index)
    )
    found = []
    for stix_id, envelope in connection.execute(query):
        said = decode(decode_envelope(envelope).statement)
        found.append((said.issuer, stix_id, audience_of(said)))
    return found


def entries_from(connection: Connection, start: int, *, limit: int) -> list[StoredEntry]:
    """Entries from a log index on, in log order."""
    query = sa.select(_ENTRY).where(_ENTRY.c.index >= start).order_by(_ENTRY.c.index).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def control_entries(connection: Connection) -> list[StoredEntry]:
    """All control entries in log order: what the roster is folded from at start."""
    query = sa.select(_ENTRY).where(_ENTRY.c.control).order_by(_ENTRY.c.index)
    return [_stored(row) for row in connection.execute(query)]


def dispute(connection: Connection, key_id: str, since_ms: int) -> int:
    """Flag the entries that a key signed and the hub logged from ``since_ms`` on; how many that were."""
    signed = sa.select(_KEY.c.index).where(_KEY.c.key_id == key_id)
    flagged = connection.execute(
        sa.update(_ENTRY)
        .where(_ENTRY.c.index.in_(signed), _ENTRY.c.received_ms >= since_ms)
        .where(~_ENTRY.c.disputed, ~_ENTRY.c.reaffirmed, ~_ENTRY.c.control)
        .values(disputed=True)
    )
    return flagged.rowcount


def reaffirm(connection: Connection, realm: str, issuer: str, digests: Iterable[bytes]) -> int:
    """Clear the flag of an issuer's own entries of one realm, for good; how many that were."""
    cleared = connection.execute(
        sa.update(_ENTRY)
        .where(_ENTRY.c.realm == realm, _ENTRY.c.issuer == issuer, _ENTRY.c.digest.in_(list(digests)))
        .values(disputed=False, reaffirmed=True)
    )
    return cleared.rowcount


def quarantine(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep entries that a numbered step refused (columns of ``tables.Quarantine``)."""
    if rows:
        connection.execute(sa.insert(_QUARANTINE), rows)


def quarantined(connection: Connection, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest quarantined entries without their bytes."""
    columns = [column for column in _QUARANTINE.c if column.name != "envelope"]
    query = sa.select(*columns).order_by(_QUARANTINE.c.index.desc()).limit(limit)
    return [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001  # as above


def quarantined_count(connection: Connection) -> int:
    """How many entries were ever refused by a numbered step."""
    return connection.scalar(sa.select(sa.func.count()).select_from(_QUARANTINE)) or 0
