"""The security levels as this node knows them: what is in force where, and which changes no officer here has opened.

Folded from the entries that this node verified, so there is nothing of its own to keep: ``seen`` is the receipt that
this port owes the authority once an officer opened the change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import receipts, tables
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.levels import Level, level_of
from port2port.sharing import REAL
from port2port.statement import decode
from port2port.wire import decode_envelope

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_RECEIPT: Final = tables.Receipt.__table__  # type: ignore[attr-defined]  # as above
SEEN: Final = "seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A logged change of a level. ``disputed`` ones are shown and never in force."""

    index: int
    issuer: str
    received_at: datetime
    level: Level
    disputed: bool
    own: bool
    seen: bool


def changes(connection: Connection, *, realm: str = REAL) -> tuple[Change, ...]:
    """Every change of a level in log order."""
    seen = set(connection.scalars(sa.select(_RECEIPT.c.index).where(_RECEIPT.c.state == SEEN)))
    query = sa.select(_ENTRY).where(_ENTRY.c.kind == "level", _ENTRY.c.understood, _ENTRY.c.realm == realm)
    found = []
    for row in connection.execute(query.order_by(_ENTRY.c.index)).mappings():
        said = decode(decode_envelope(row["envelope"]).statement)
        made = Change(
            index=row["index"],
            issuer=row["issuer"],
            received_at=from_ms(row["received_ms"]),
            level=level_of(said),
            disputed=row["disputed"],
            own=row["own"],
            seen=row["index"] in seen,
        )
        found.append(made)
    return tuple(found)


def current(connection: Connection, now: datetime, *, realm: str = REAL) -> dict[str, Change]:
    """The change in force at each LOCODE: of those in effect, the one logged last."""
    return {
        one.level.locode: one
        for one in changes(connection, realm=realm)
        if one.level.effective <= now and not one.disputed
    }


def unacknowledged(connection: Connection, *, realm: str = REAL) -> tuple[Change, ...]:
    """Others' changes that the duty officer has yet to acknowledge, oldest first."""
    return tuple(one for one in changes(connection, realm=realm) if not one.own and not one.seen)


def acknowledge(connection: Connection, index: int, now: datetime) -> None:
    """The duty officer has read it: the receipt ``seen`` goes to the authority. Raises NotFoundError."""
    query = sa.select(_ENTRY.c.digest).where(_ENTRY.c.index == index, _ENTRY.c.kind == "level")
    digest = connection.scalar(query)
    if digest is None:
        raise NotFoundError("there is no such change of a level")
    receipts.owe(connection, [(index, digest)], SEEN, to_ms(now))
