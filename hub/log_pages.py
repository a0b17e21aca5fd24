"""The log as pages show it: search, one entry with its proof, two checkpoints compared, a bundle to take away.

Every leaf is shown by index and hash, because every member has these anyway. What else a row says (member, kind, time,
envelope) is shown where the reader may read the entry; a search finds readable entries only, so that what is found
tells nothing of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture import Reading, entry_row
from hub.picture.reading import rows
from hub.store import read_head
from hub.tables import BODY, CONTROL, ENTRY, LEAF, PICTURE_FACT
from hub.transparency import Tree, leaf_hashes
from port2port import bundle, conflict
from port2port.checkpoint import SignedCheckpoint
from port2port.checkpoint import log_key as log_verifier
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.statement import decode
from port2port.wire import decode_envelope

PAGE_ROWS: Final = 50
MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a readable row says beside index and hash. ``digest`` is of the signed message, in hex."""

    statement_id: str
    digest: str
    kind: str
    member: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One leaf; ``entry`` is None where the reader may not read it. ``leaf_hash`` is hex."""

    index: int
    leaf_hash: str
    entry: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; everything given must hold. Without anything: all leaves, newest first.

    ``indicator`` is a STIX id, ``leaf`` an index, ``before`` the cursor.
    """

    indicator: str = ""
    leaf: int | None = None
    member: str = ""
    kind: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None

    @property
    def by_content(self) -> bool:
        """Whether it asks for something that only readable rows say."""
        return bool(self.indicator or self.member or self.kind or self.start or self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Newest first; ``cursor`` asks for what follows. ``size`` is that of the log."""

    rows: tuple[Row, ...]
    cursor: int | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One leaf with its path to the root of a signed checkpoint; hashes in hex, from the leaf upwards.

    ``envelope`` is None where the reader may not read the entry: the leaf is in the tree all the same.
    """

    row: Row
    envelope: bytes | None
    path: tuple[str, ...]
    size: int
    root: str
    checkpoint: str


def search(connection: Connection, reading: Reading, wanted: Search, *, limit: int = PAGE_ROWS) -> Rows:
    """The leaves that fit. A search by content looks at readable entries only."""
    count = min(limit, MOST_ROWS)
    readable = sa.and_(ENTRY.c.index == LEAF.c.index, reading.sees(ENTRY.c.visibility))
    columns = (ENTRY.c.statement_id, ENTRY.c.digest, ENTRY.c.kind, ENTRY.c.issuer, ENTRY.c.received_ms)
    query = (
        sa.select(LEAF.c.index, LEAF.c.leaf_hash, *columns)
        .join(ENTRY, readable, isouter=not wanted.by_content)
        .where(*_conditions(reading, wanted))
        .order_by(LEAF.c.index.desc())
        .limit(count + 1)
    )
    found = rows(connection, query)
    shown = tuple(_row(row) for row in found[:count])
    cursor = shown[-1].index if len(found) > count else None
    return Rows(rows=shown, cursor=cursor, size=read_head(connection).next)


def proof(connection: Connection, reading: Reading, tree: Tree, index: int, size: int | None = None) -> Proof:
    """A leaf's way to the checkpoint of a size, by default the newest. Raises NotFoundError beyond the log."""
    head = read_head(connection)
    wanted = head.next if size is None else size
    if not 0 <= index < wanted <= head.next:
        raise NotFoundError("the log is not that long")
    row = search(connection, reading, Search(leaf=index)).rows[0]
    envelope = None if row.entry is None else bytes(entry_row(connection, reading, index).envelope)
    signed = tree.checkpoint(wanted)
    return Proof(
        row=row,
        envelope=envelope,
        path=tuple(item.hex() for item in tree.inclusion(index, wanted)),
        size=wanted,
        root=signed.checkpoint.root.hex(),
        checkpoint=signed.note.decode(),
    )


def compare(reading: Reading, tree: Tree, first: bytes, second: bytes) -> conflict.Verdict:
    """Whether two checkpoints of this log, from wherever, belong to one history. Raises CheckpointError for others.

    Where one is a beginning of the other, the log's own consistency proof is asked for and checked.
    """
    genesis = reading.roster.genesis
    a, b = SignedCheckpoint.parse(first), SignedCheckpoint.parse(second)
    low, high = sorted((a.checkpoint.size, b.checkpoint.size))
    given = None
    if 0 < low < high <= tree.head().next:
        root = tree.root_at(low) or b""
        given = conflict.PrefixProof(first=low, second=high, first_root=root, path=tree.consistency(low, high))
    return conflict.compare(a, b, log_verifier(genesis.origin, genesis.log_key), given)


def bundle_of(connection: Connection, reading: Reading, checkpoint: SignedCheckpoint, index: int) -> bytes:
    """Everything to verify one readable entry offline with the genesis hash alone, under ``checkpoint``.

    Raises NotFoundError for an entry that is hidden or beyond that checkpoint.
    """
    size = checkpoint.checkpoint.size
    wanted = entry_row(connection, reading, index)
    if index >= size:
        raise NotFoundError("the log is not that long")
    control = rows(
        connection,
        sa.select(ENTRY.c.index, ENTRY.c.received_ms, BODY.c.envelope)
        .join(CONTROL, CONTROL.c.index == ENTRY.c.index)
        .join(BODY, BODY.c.index == ENTRY.c.index)
        .where(CONTROL.c.index < size)
        .order_by(CONTROL.c.version),
    )
    made = bundle.Bundle(
        entry=_part(connection, wanted, size),
        control=tuple(_part(connection, row, size) for row in control),
        checkpoint=checkpoint,
    )
    return bundle.encode(made)


def verify_command(genesis_hash: str, file: str = "entry.p2p-bundle") -> str:
    """The one line that checks a bundle on any machine."""
    return f"port2port verify {file} --genesis {genesis_hash}"


def _conditions(reading: Reading, wanted: Search) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.leaf is not None:
        found.append(LEAF.c.index == wanted.leaf)
    if wanted.before is not None:
        found.append(LEAF.c.index < wanted.before)
    if wanted.member:
        found.append(ENTRY.c.issuer == wanted.member)
    if wanted.kind:
        found.append(ENTRY.c.kind == wanted.kind)
    if wanted.start is not None:
        found.append(ENTRY.c.received_ms >= to_ms(wanted.start))
    if wanted.end is not None:
        found.append(ENTRY.c.received_ms < to_ms(wanted.end))
    if wanted.indicator:
        found.append(ENTRY.c.index.in_(_naming(reading, wanted.indicator)))
    return found


def _naming(reading: Reading, stix_id: str) -> sa.Select[Any]:
    """The readable entries that publish, sight or end an object of this id, whoever issued it."""
    owners = [*reading.roster.member_table]
    values = [f"{owner}/{stix_id}" for owner in owners]
    return sa.select(PICTURE_FACT.c.index).where(
        PICTURE_FACT.c.name.in_(("object", "ref", "ends")),
        PICTURE_FACT.c.value.in_(values),
        reading.sees(PICTURE_FACT.c.visibility),
    )


def _row(row: Any) -> Row:
    leaf = Row(index=row.index, leaf_hash=bytes(row.leaf_hash).hex(), entry=None)
    if row.statement_id is None:
        return leaf
    entry = Entry(
        statement_id=row.statement_id,
        digest=bytes(row.digest).hex(),
        kind=row.kind,
        member=row.issuer,
        received_at=from_ms(row.received_ms),
    )
    return replace(leaf, entry=entry)


def _part(connection: Connection, row: Any, size: int) -> bundle.Part:
    envelope = bytes(row.envelope)
    seen = decode(decode_envelope(envelope).statement).log_seen.size

    def leaves(start: int, end: int) -> Sequence[bytes]:
        return leaf_hashes(connection, start, end)

    return bundle.make_part(
        index=row.index,
        received_ms=row.received_ms,
        envelope=envelope,
        seen=seen,
        leaves=leaves,
        size=size,
    )
