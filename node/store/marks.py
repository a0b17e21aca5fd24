"""Small remembered values, our own keys, and the audit trail of decisions by people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import tables

_MARK: Final = tables.Mark.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_OWN: Final = tables.OwnKey.__table__  # type: ignore[attr-defined]  # as above
_AUDIT: Final = tables.Audit.__table__  # type: ignore[attr-defined]  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One decision by a person; ``facts`` is canonical JSON, ``signature`` by the officer's key over it."""

    at_ms: int
    officer: str
    action: str
    subject: str
    facts: bytes
    key_id: str = ""
    signature: bytes = b""


def mark(connection: Connection, name: str, value: str, at_ms: int) -> None:
    """Remember a value under a name, replacing the older one."""
    changed = connection.execute(sa.update(_MARK).where(_MARK.c.name == name).values(value=value, at_ms=at_ms))
    if not changed.rowcount:
        connection.execute(sa.insert(_MARK).values(name=name, value=value, at_ms=at_ms))


def marked(connection: Connection, name: str) -> str | None:
    """The value remembered under a name."""
    return connection.scalar(sa.select(_MARK.c.value).where(_MARK.c.name == name))


def marked_at(connection: Connection, name: str) -> int | None:
    """When the value under a name was remembered, in milliseconds since the epoch."""
    return connection.scalar(sa.select(_MARK.c.at_ms).where(_MARK.c.name == name))


def remember_own_key(connection: Connection, key_id: str, key_class: str, *, pseudonym: str = "", at_ms: int) -> None:
    """Note a key as made by this port; saying so twice changes nothing."""
    if key_id not in own_keys(connection):
        row = {"key_id": key_id, "key_class": key_class, "pseudonym": pseudonym, "added_ms": at_ms}
        connection.execute(sa.insert(_OWN).values(row))


def own_keys(connection: Connection) -> frozenset[str]:
    """The ids of the keys this port made."""
    return frozenset(connection.scalars(sa.select(_OWN.c.key_id)))


def audit(connection: Connection, line: AuditLine) -> None:
    """Write down a decision; lines are never changed."""
    connection.execute(
        sa.insert(_AUDIT).values(
            at_ms=line.at_ms,
            officer=line.officer,
            action=line.action,
            subject=line.subject,
            facts=line.facts,
            key_id=line.key_id,
            signature=line.signature,
        )
    )


def audit_lines(connection: Connection, *, subject: str | None = None, limit: int = 100) -> list[AuditLine]:
    """The newest decisions first, optionally about one subject."""
    columns = [column for column in _AUDIT.c if column.name != "id"]
    query = sa.select(*columns).order_by(_AUDIT.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(_AUDIT.c.subject == subject)
    return [AuditLine(**dict(row._mapping)) for row in connection.execute(query)]  # noqa: SLF001  # a row's view
