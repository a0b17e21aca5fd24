"""Which index is in force, in the node's database: its digest there is what makes the file worth reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import store, tables
from node.store import AuditLine
from node.warning_lists.building import Built
from node.warning_lists.index import ListInfo
from port2port import canonical
from port2port.clock import from_ms, to_ms

_TABLE: Final = tables.WarningIndexRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
OPERATOR: Final = "operator"  # in the audit trail: who has the command line, not an officer


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The index that is asked, and what it was made of."""

    digest: str
    made_at: datetime
    lists: tuple[ListInfo, ...]


def in_force(connection: Connection) -> InForce | None:
    """The index in force; None where nothing was ever imported."""
    row = connection.execute(sa.select(_TABLE)).one_or_none()
    if row is None:
        return None
    lists = tuple(ListInfo.of_json(one) for one in orjson.loads(row.body))
    return InForce(digest=row.digest, made_at=from_ms(row.made_ms), lists=lists)


def digest_in_force(connection: Connection) -> str | None:
    """Its SHA-256 alone, which is asked often."""
    found: str | None = connection.scalar(sa.select(_TABLE.c.digest))
    return found


def put_in_force(connection: Connection, built: Built, *, now: datetime) -> None:
    """This index from now on, in place of any other; noted in the audit trail unless it is the same."""
    if digest_in_force(connection) == built.digest:
        return
    connection.execute(sa.delete(_TABLE))
    body = orjson.dumps([one.to_json() for one in built.lists])
    connection.execute(sa.insert(_TABLE).values(digest=built.digest, made_ms=to_ms(now), body=body))
    store.audit(
        connection,
        AuditLine(
            at_ms=to_ms(now),
            officer=OPERATOR,
            action="warning-lists",
            subject=built.digest,
            facts=canonical.dumps({"lists": len(built.lists), "values": _values(built.lists)}),
        ),
    )


def _values(lists: Sequence[ListInfo]) -> int:
    return sum(one.entries for one in lists)
