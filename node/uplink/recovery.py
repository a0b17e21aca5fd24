"""What this node gives back to a hub that was restored from an old backup: the log as it holds it."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from node import store
from node.inbox import BatchEntry
from node.uplink.hub import RecoverPart
from port2port.limits import LIMITS


def stretch(connection: Connection, first: int, end: int, note: bytes) -> list[RecoverPart]:
    """Leaves first, ... end - 1 and the entries among them, split so that no part is over the batch bound."""
    found = store.entries_from(connection, first, limit=end - first)
    parts: list[RecoverPart] = []
    entries: list[BatchEntry] = []
    start, size = first, 0
    for row in [row for row in found if row.index < end]:
        if entries and size + len(row.envelope) > LIMITS.batch_bytes:
            parts.append(_part(connection, start, row.index, entries, b"" if parts else note))
            start, size, entries = row.index, 0, []
        entries.append(BatchEntry(index=row.index, received_ms=row.received_ms, raw=row.envelope))
        size += len(row.envelope)
    return [*parts, _part(connection, start, end, entries, b"" if parts else note)]


def _part(connection: Connection, start: int, end: int, entries: list[BatchEntry], note: bytes) -> RecoverPart:
    leaves = tuple(store.leaf_hashes(connection, start, end))
    return RecoverPart(first_index=start, leaf_hashes=leaves, entries=tuple(entries), checkpoint=note)
