"""The raw bytes behind what was published: frozen, with custody, and written to a file that anybody can check.

Freezing copies the received lines, byte for byte, out of reach of retention until they are released. The ZIP holds
them beside the statement and its proof; the same evidence makes the same ZIP, so that its digest names it.
Whoever can write here can destroy or invent raw lines; he cannot change the statement, which the proof covers.
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import store, tables
from node.store import StoredEntry
from port2port import bundle, statement
from port2port.bundle import Bundle, Part
from port2port.canonical import Json
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import from_ms, to_text
from port2port.errors import NotFoundError
from port2port.merkle import LeafSource
from port2port.wire import decode_envelope

_EVIDENCE: Final = tables.EvidenceRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # as above
_EPOCH_OF_ZIP: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100600 << 16
PROOF: Final = "proof.p2p-bundle"


class NoEvidenceError(NotFoundError):
    """No statement of this port has this id."""

    code = "NO_EVIDENCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenLine:
    """One received line. ``clock_offset_ms``: our clock at receipt minus the time the receiver gave it."""

    raw: bytes
    digest: bytes
    station: str
    observed_ms: int
    received_ms: int
    clock_offset_ms: int
    custody: tuple[Mapping[str, Json], ...]
    released_ms: int | None


def freeze(
    connection: Connection, lines: Iterable[Mapping[str, Json]], statement_id: str, *, by: str, at_ms: int
) -> int:
    """Keep the lines of a draft under the statement it became; how many they are."""
    rows = [_row(line, statement_id, by=by, at_ms=at_ms) for line in lines]
    if rows:
        connection.execute(sa.insert(_EVIDENCE), rows)
    return len(rows)


def frozen(connection: Connection, statement_id: str) -> list[FrozenLine]:
    """The lines kept for a statement, in the order they were received."""
    query = sa.select(_EVIDENCE).where(_EVIDENCE.c.statement_id == statement_id)
    rows = connection.execute(query.order_by(_EVIDENCE.c.received_ms, _EVIDENCE.c.id))
    return [
        FrozenLine(
            raw=row.raw,
            digest=row.digest,
            station=row.station,
            observed_ms=row.observed_ms,
            received_ms=row.received_ms,
            clock_offset_ms=row.clock_offset_ms,
            custody=tuple(orjson.loads(row.custody)),
            released_ms=row.released_ms,
        )
        for row in rows
    ]


def let_go(connection: Connection, statement_id: str, *, by: str, at_ms: int) -> int:
    """Give the lines back to ordinary retention; how many they were."""
    count = 0
    for row in connection.execute(sa.select(_EVIDENCE).where(_EVIDENCE.c.statement_id == statement_id)).all():
        if row.released_ms is None:
            custody = [*orjson.loads(row.custody), {"at": to_text(from_ms(at_ms)), "by": by, "what": "released"}]
            values = {"released_ms": at_ms, "custody": orjson.dumps(custody)}
            connection.execute(sa.update(_EVIDENCE).where(_EVIDENCE.c.id == row.id).values(values))
            count += 1
    return count


def collect(connection: Connection, statement_id: str, genesis_hash: str) -> bytes:
    """The ZIP of a statement this port made. Raises NoEvidenceError."""
    envelope = connection.scalar(sa.select(_OUTBOX.c.envelope).where(_OUTBOX.c.statement_id == statement_id))
    if envelope is None:
        raise NoEvidenceError("this port has published nothing of this id")
    return make_zip(
        envelope=envelope,
        proof=proof_of(connection, statement_id),
        lines=frozen(connection, statement_id),
        genesis_hash=genesis_hash,
    )


def proof_of(connection: Connection, statement_id: str) -> bytes | None:
    """The offline bundle of a logged statement under our largest verified checkpoint; None while it is not logged."""
    entry = store.own_entry(connection, statement_id)
    head = store.head(connection)
    if entry is None or not head.note or entry.index >= head.size:
        return None

    return bundle.encode(
        Bundle(
            entry=part_of(connection, entry, head.size),
            control=tuple(part_of(connection, one, head.size) for one in store.control_entries(connection)),
            checkpoint=SignedCheckpoint.parse(head.note.encode()),
        )
    )


def make_zip(*, envelope: bytes, proof: bytes | None, lines: Sequence[FrozenLine], genesis_hash: str) -> bytes:
    """The file, byte for byte the same for the same evidence."""
    opened = decode_envelope(envelope)
    said = statement.decode(opened.statement)
    files = {"statement.json": opened.statement, "envelope.bin": envelope}
    files |= {f"objects/{ref.id}.json": item.body for ref, item in zip(said.objects, opened.objects, strict=False)}
    files |= {f"raw/{number:04d}.bin": line.raw for number, line in enumerate(lines, start=1)}
    if proof is not None:
        files[PROOF] = proof
    files["custody.json"] = _custody(said.id, lines)
    files["HOW-TO-CHECK.txt"] = _how_to(genesis_hash, proved=proof is not None, lines=len(lines)).encode()
    listed = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files["SHA256SUMS"] = listed.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH_OF_ZIP)
            info.external_attr = _MODE
            info.create_system = 3  # the mode bits are Unix's, wherever this runs
            archive.writestr(info, content)
    return out.getvalue()


def _row(line: Mapping[str, Json], statement_id: str, *, by: str, at_ms: int) -> dict[str, Any]:
    raw = base64.b64decode(str(line["line"]))
    observed_ms, received_ms = int(str(line["observed_ms"])), int(str(line["received_ms"]))
    custody = [
        {"at": to_text(from_ms(received_ms)), "by": str(line["station"]), "what": f"received ({line['source_class']})"},
        {"at": to_text(from_ms(at_ms)), "by": by, "what": "frozen"},
    ]
    return {
        "statement_id": statement_id,
        "digest": sha256(raw).digest(),
        "raw": raw,
        "station": str(line["station"]),
        "observed_ms": observed_ms,
        "received_ms": received_ms,
        "clock_offset_ms": received_ms - observed_ms,
        "custody": orjson.dumps(custody),
    }


def part_of(connection: Connection, entry: StoredEntry, size: int) -> Part:
    """An entry with its place in the tree of the first ``size`` leaves."""

    def leaves(start: int, end: int) -> Sequence[bytes]:
        return store.leaf_hashes(connection, start, end)

    return _part(entry, leaves, size)


def _part(entry: StoredEntry, leaves: LeafSource, size: int) -> Part:
    seen = statement.decode(decode_envelope(entry.envelope).statement).log_seen.size
    return bundle.make_part(
        index=entry.index,
        received_ms=entry.received_ms,
        envelope=entry.envelope,
        seen=seen,
        leaves=leaves,
        size=size,
    )


def _custody(statement_id: str, lines: Sequence[FrozenLine]) -> bytes:
    items = [
        {
            "clock_offset_ms": line.clock_offset_ms,
            "custody": [dict(step) for step in line.custody],
            "file": f"raw/{number:04d}.bin",
            "observed": to_text(from_ms(line.observed_ms)),
            "received": to_text(from_ms(line.received_ms)),
            "sha256": line.digest.hex(),
            "station": line.station,
        }
        for number, line in enumerate(lines, start=1)
    ]
    content = {"lines": items, "statement": statement_id}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _how_to(genesis_hash: str, *, proved: bool, lines: int) -> str:
    check = (
        f"1. The statement and when it was logged. Needs neither network nor hub:\n\n"
        f"       port2port verify {PROOF} --genesis {genesis_hash}\n\n"
        "   Compare the genesis hash with one you have from elsewhere: it is the only thing you trust.\n"
        if proved
        else "1. The statement was not yet in the log that this port had verified when this file was written.\n"
        "   Write the file again later: it will then hold the proof.\n"
    )
    return (
        "How to check this evidence\n==========================\n\n"
        f"{check}\n"
        "2. The files are those that were written:\n\n       sha256sum -c SHA256SUMS\n\n"
        f"3. {lines} raw lines, byte for byte as received, are in raw/. custody.json names for each the receiving\n"
        "   station, the time it gave, our time, the difference of the two clocks, and who held it since.\n"
        "   The raw lines are this port's word: they are not in the log, and the proof does not cover them.\n"
    )
