"""The picture's tables, folded from the log in log order and made again at will (``port2port-hub rebuild``).

Where the log in this database is another one than was folded (recovered, or brought back from a copy), it starts anew.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.items import fold_one
from hub.picture.reading import rows
from hub.store import read_head
from hub.tables import BODY, ENTRY, LEAF, PICTURE_FACT, PICTURE_HEAD, PICTURE_ITEM
from port2port import canonical
from port2port.clock import to_ms
from port2port.statement import decode
from port2port.wire import decode_envelope

PER_FOLD: Final = 256
_START: Final = {"id": 0, "next": 0, "root": b""}


def fold(connection: Connection, limit: int = PER_FOLD) -> int:
    """Take up to ``limit`` further entries in; how many there were. For a writing transaction; 0 when up to date."""
    start = _position(connection)
    found = rows(
        connection,
        sa.select(ENTRY, BODY.c.envelope, LEAF.c.root)
        .join(BODY, BODY.c.index == ENTRY.c.index)
        .join(LEAF, LEAF.c.index == ENTRY.c.index)
        .where(ENTRY.c.index >= start)
        .order_by(ENTRY.c.index)
        .limit(limit),
    )
    if not found:
        return 0
    items: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    for row in found:
        item, named = _rows(row)
        items.append(item)
        facts += named
    connection.execute(PICTURE_ITEM.insert(), items)
    if facts:
        connection.execute(PICTURE_FACT.insert(), facts)
    last = found[-1]
    moved = PICTURE_HEAD.update().where(PICTURE_HEAD.c.id == 0)
    connection.execute(moved.values(next=last.index + 1, root=bytes(last.root)))
    return len(found)


def rebuild(connection: Connection) -> int:
    """Fold everything anew, in one transaction; the number of entries. What people added beside the log stays."""
    clear(connection)
    total = 0
    while taken := fold(connection):
        total += taken
    return total


def clear(connection: Connection) -> None:
    """Forget what was folded."""
    for table in (PICTURE_ITEM, PICTURE_FACT, PICTURE_HEAD):
        connection.execute(table.delete())
    connection.execute(PICTURE_HEAD.insert(), [_START])


def folded_to(connection: Connection) -> tuple[int, int]:
    """(entries folded, entries in the log)."""
    found = connection.execute(sa.select(PICTURE_HEAD.c.next).where(PICTURE_HEAD.c.id == 0)).scalar()
    return int(found or 0), read_head(connection).next


def _position(connection: Connection) -> int:
    head = connection.execute(sa.select(PICTURE_HEAD).where(PICTURE_HEAD.c.id == 0).with_for_update()).first()
    if head is None:
        clear(connection)
        return 0
    if head.next == 0:
        return 0
    root = connection.execute(sa.select(LEAF.c.root).where(LEAF.c.index == head.next - 1)).scalar()
    if root is None or bytes(root) != bytes(head.root):
        clear(connection)
        return 0
    return int(head.next)


def _rows(row: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    sealed = decode_envelope(bytes(row.envelope))
    said = decode(sealed.statement)
    made = fold_one(said, [item.body for item in sealed.objects])
    item = {
        "index": row.index,
        "visibility": row.visibility,
        "statement_id": row.statement_id,
        "kind": row.kind,
        "issuer": row.issuer,
        "realm": row.realm,
        "received_ms": row.received_ms,
        "issued_ms": to_ms(said.issued),
        "decides": made.decides,
        "severity": made.severity,
        "modus": made.modus,
        "title": made.title,
        "text": made.text,
        "until_ms": made.until_ms,
        "tlp": made.tlp,
        "handling": said.handling,
        "decided_by": said.decided_by,
        "facts": canonical.dumps(dict(made.facts)).decode(),
    }
    named = [
        {"index": row.index, "name": name, "value": value, "visibility": row.visibility} for name, value in made.named
    ]
    return item, named
