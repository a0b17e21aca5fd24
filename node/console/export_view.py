"""What leaves the desk as a file: statements of a period with their proofs, and the audit trail as a table.

Only what the person's member may read is chosen, by the one rule of sharing for exports. Everything in the file can be
checked without us: each proof holds the exact envelope, and ``port2port verify`` accepts it with the genesis alone.
"""

from __future__ import annotations

import asyncio
import io
import uuid
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import evidence, review, store, tables
from node.settings import NodeSettings
from node.store import AuditLine, NodeStore
from port2port import canonical, sharing
from port2port import statement as stm
from port2port.bundle import Bundle, Part, encode
from port2port.canonical import Json
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import from_ms, to_ms, to_text
from port2port.console import spreadsheet
from port2port.errors import InvariantError, Port2PortError, TooLargeError
from port2port.limits import MIB
from port2port.roster import Roster
from port2port.sharing import Outlet, Reader
from port2port.tlp import strictest
from port2port.wire import decode_envelope

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_AUDIT: Final = tables.Audit.__table__  # type: ignore[attr-defined]  # as above
STATEMENTS_MOST: Final = 500
BYTES_MOST: Final = 256 * MIB
LINES_MOST: Final = 200_000
LINES_AT_ONCE: Final = 500
ENTRIES_AT_ONCE: Final = 50
BOTH, OURS, THEIRS = "both", "ours", "theirs"
TITLES: Final = ("time", "who", "action", "about", "facts", "key", "signature")
_EPOCH_OF_ZIP: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100600 << 16
_HOW: Final = """This file holds what {member} published or received, and may read, from {first} to {last}.

bundle.json     the STIX 2.1 objects, byte for byte as their authors signed them
manifest.json   each statement: number in the log, author, marking, file of its proof with SHA-256
proofs/         one proof for each statement: its exact envelope, and the way to a checkpoint signed by the log

Check any proof on any machine, without network:

    port2port verify proofs/FILE --genesis {genesis}

Strictest marking in this file: TLP:{tlp}. Handle the whole file so.
"""


class Origin(Protocol):
    """Whose files these are: the desk's pages and its commands are such."""

    @property
    def settings(self) -> NodeSettings:
        """The node's settings."""
        ...

    @property
    def store(self) -> NodeStore:
        """Its database."""
        ...

    @property
    def member(self) -> str:
        """This port."""
        ...

    def roster(self) -> Roster | None:
        """As the verified log has it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A period of log times, whose statements, and the purpose the reader states for personal data ("" for none)."""

    start: datetime
    end: datetime
    whose: str = BOTH
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What goes into a file, decided in one moment of the database. ``size`` is that of the checkpoint."""

    indices: tuple[int, ...]
    tlp: str
    checkpoint: SignedCheckpoint
    control: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Leaves under the checkpoint."""
        return self.checkpoint.checkpoint.size


def choose(connection: Connection, reader: Reader, roster: Roster, wanted: Wanted) -> Chosen | None:
    """The statements of a period that ``reader`` may take away; None where there are none. Raises TooLargeError."""
    head = store.head(connection)
    if not head.note:
        return None
    found, count = [], 0
    for index, said in _of_period(connection, wanted, head.size):
        if sharing.permits(sharing.audience_of(said), reader, wanted.purpose or None, Outlet.EXPORT, roster):
            count += 1
            found += [(index, said.tlp)] if count <= STATEMENTS_MOST else []
    if not found:
        return None
    if count > STATEMENTS_MOST:
        raise TooLargeError(f"{count} statements of at most {STATEMENTS_MOST}: choose a shorter period")
    control = tuple(evidence.part_of(connection, one, head.size) for one in store.control_entries(connection))
    heavy = sum(2 * len(one.envelope) for one in control) * len(found)
    if heavy > BYTES_MOST:
        raise TooLargeError("the proofs of this period are too large together: choose a shorter period")
    markings = [tlp for _, tlp in found if tlp is not None]
    return Chosen(
        indices=tuple(index for index, _ in found),
        tlp=strictest(*markings).value if markings else "amber+strict",
        checkpoint=SignedCheckpoint.parse(head.note.encode()),
        control=control,
    )


async def statements(desk: Origin, chosen: Chosen, wanted: Wanted) -> AsyncIterator[bytes]:
    """The ZIP, piece by piece: never more than one statement and its proof in memory."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_info("bundle.json"), "w") as file:
            file.write(b'{"id":"bundle--%s","objects":[' % str(_bundle_id(chosen)).encode())
            comma = b""
            for index in chosen.indices:
                raw = await desk.store.read(partial(_objects, index=index))
                await asyncio.to_thread(file.write, comma + raw if raw else b"")
                comma = b"," if raw else comma
                yield sink.taken()
            file.write(b'],"type":"bundle"}')
        listed: list[Json] = []
        for index in chosen.indices:
            proof, facts = await desk.store.read(partial(_proof, index=index, chosen=chosen))
            name = f"proofs/{index:08d}.p2p-bundle"
            await asyncio.to_thread(archive.writestr, _info(name), proof)
            listed.append({**facts, "file": name, "sha256": sha256(proof).hexdigest()})
            yield sink.taken()
        manifest: dict[str, Json] = {
            "checkpoint": chosen.checkpoint.note.decode(),
            "genesis": desk.settings.genesis,
            "member": desk.member,
            "statements": listed,
        }
        archive.writestr(_info("manifest.json"), canonical.dumps(manifest))
        archive.writestr(_info("HOW-TO-CHECK.txt"), _how(desk, chosen, wanted))
    yield sink.taken()


async def audit_table(desk: Origin, start: datetime, end: datetime) -> AsyncIterator[bytes]:
    """The trail of a period, oldest first, each officer's signature checked again."""
    yield spreadsheet.lines([TITLES])
    roster, after, left = desk.roster(), 0, LINES_MOST
    while True:
        rows = await desk.store.read(partial(_lines, start=start, end=end, after=after, limit=LINES_AT_ONCE))
        if not rows:
            return
        if left <= 0:
            yield spreadsheet.lines([(spreadsheet.CUT,)])
            return
        after, left = rows[-1][0], left - len(rows)
        yield await asyncio.to_thread(spreadsheet.lines, [_cells(line, roster) for _, line in rows])


def _of_period(connection: Connection, wanted: Wanted, size: int) -> Iterator[tuple[int, stm.Statement]]:
    """In log order, one after the other: a period may hold more than memory does."""
    query = sa.select(_ENTRY.c.index, _ENTRY.c.envelope).where(
        _ENTRY.c.index < size,
        _ENTRY.c.received_ms >= to_ms(wanted.start),
        _ENTRY.c.received_ms < to_ms(wanted.end),
        sa.not_(_ENTRY.c.control),
        _ENTRY.c.understood,
    )
    if wanted.whose != BOTH:
        query = query.where(_ENTRY.c.own if wanted.whose == OURS else sa.not_(_ENTRY.c.own))
    query = query.order_by(_ENTRY.c.index).execution_options(yield_per=ENTRIES_AT_ONCE)
    for index, envelope in connection.execute(query):
        yield index, _said(envelope)


def _said(envelope: bytes) -> stm.Statement:
    return stm.decode(decode_envelope(envelope).statement)


def _objects(connection: Connection, index: int) -> bytes:
    entry = store.entry_at(connection, index)
    return b"" if entry is None else b",".join(one.body for one in decode_envelope(entry.envelope).objects)


def _proof(connection: Connection, index: int, chosen: Chosen) -> tuple[bytes, dict[str, Json]]:
    entry = store.entry_at(connection, index)
    if entry is None:
        raise InvariantError("an entry of the log is gone", index=index)
    said = _said(entry.envelope)
    part = evidence.part_of(connection, entry, chosen.size)
    raw = encode(Bundle(entry=part, control=chosen.control, checkpoint=chosen.checkpoint))
    return raw, {
        "author": entry.issuer,
        "index": index,
        "issued": to_text(said.issued),
        "kind": entry.kind,
        "logged": to_text(from_ms(entry.received_ms)),
        "realm": entry.realm,
        "statement": entry.statement_id,
        "tlp": "" if said.tlp is None else said.tlp.value,
    }


def _bundle_id(chosen: Chosen) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{chosen.checkpoint.checkpoint.root.hex()} {chosen.indices}")


def _how(desk: Origin, chosen: Chosen, wanted: Wanted) -> bytes:
    return _HOW.format(
        member=desk.member,
        first=to_text(wanted.start),
        last=to_text(wanted.end),
        genesis=desk.settings.genesis,
        tlp=chosen.tlp.upper(),
    ).encode()


def _lines(
    connection: Connection, start: datetime, end: datetime, after: int, limit: int
) -> list[tuple[int, AuditLine]]:
    query = (
        sa.select(_AUDIT)
        .where(_AUDIT.c.id > after, _AUDIT.c.at_ms >= to_ms(start), _AUDIT.c.at_ms < to_ms(end))
        .order_by(_AUDIT.c.id)
        .limit(limit)
    )
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)  # noqa: SLF001  # the documented view of a row
        found.append((int(values.pop("id")), AuditLine(**values)))
    return found


def _cells(line: AuditLine, roster: Roster | None) -> tuple[object, ...]:
    facts = line.facts.decode(errors="backslashreplace")
    return (
        to_text(from_ms(line.at_ms)),
        line.officer,
        line.action,
        line.subject,
        facts,
        line.key_id,
        _checked(line, roster),
    )


def _checked(line: AuditLine, roster: Roster | None) -> str:
    if not line.signature or roster is None:
        return "not signed"
    try:
        review.verify_line(line, roster)
    except Port2PortError:
        return "does not hold"
    return "holds"


def _info(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
    made.compress_type, made.external_attr = zipfile.ZIP_DEFLATED, _MODE
    return made


class _Sink(io.RawIOBase):
    """Where the archive writes to, and what of it can be sent already."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since."""
        found, self._parts = b"".join(self._parts), []
        return found
