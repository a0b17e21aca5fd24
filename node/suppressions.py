"""Everything that silences: one list, each with an owner, a reason and an end.

A muted detector, an exception for one ship, the own fleet, a quiet zone: all are suppressions. What they silence is
still computed, stored and counted, so that nobody can make a port blind without leaving a name.
Whoever can write here can keep findings from officers; he cannot undo them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import tables
from node.findings import Finding, FindingKind
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError, PolicyError

_TABLE: Final = tables.SuppressionRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
PAIR: Final = "pair"
WORK: Final = "work"
OWN_FLEET: Final = "own-fleet"
LISTED: Final = "warning-list"
KINDS: Final = frozenset({"mute", "exception", OWN_FLEET, "zone", "rule-off", PAIR, WORK, LISTED})
LONGEST: Final = timedelta(days=366)


class SuppressionError(PolicyError):
    """A suppression without owner, reason or end, or of an unknown kind."""

    code = "SUPPRESSION"


class NoSuppressionError(NotFoundError):
    """No suppression of this id is in force."""

    code = "NO_SUPPRESSION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """``subject`` is what is silenced: a detector (``mute``, ``rule-off``), an identity, a place (``zone``), or one
    object under one indicator (``pair``), which silences hits and no finding. Expected works (``work``) are
    ``identity@place``, of which either may be empty: they silence that a fence is crossed, never a cloned identity.
    ``warning-list`` silences the warning lists about one value (``node.warning_lists``), and no finding.
    """

    id: str
    kind: str
    subject: str
    owner: str
    reason: str
    made_at: datetime
    expires_at: datetime

    def silences(self, finding: Finding) -> bool:
        """Whether this finding is meant."""
        if self.kind in {"mute", "rule-off"}:
            return finding.detector.partition("@")[0] == self.subject
        if self.kind == "zone":
            return self.subject in finding.places
        if self.kind in {PAIR, LISTED}:
            return False
        if self.kind == WORK:
            who, _, where = self.subject.partition("@")
            is_here = not where or where in finding.places
            return finding.kind is FindingKind.GEOFENCE and is_here and (not who or who in finding.subjects)
        return self.subject in finding.subjects


def add(
    connection: Connection,
    *,
    kind: str,
    subject: str,
    owner: str,
    reason: str,
    now: datetime,
    expires_at: datetime,
) -> Suppression:
    """Silence something until a time at most a year away. Raises SuppressionError."""
    require_right(kind=kind, subject=subject, owner=owner, reason=reason, now=now, expires_at=expires_at)
    made = Suppression(
        id=f"S-{uuid.uuid4().hex[:8]}",
        kind=kind,
        subject=subject,
        owner=owner,
        reason=reason,
        made_at=now,
        expires_at=expires_at,
    )
    connection.execute(
        sa.insert(_TABLE).values(
            id=made.id,
            kind=kind,
            subject=subject,
            owner=owner,
            reason=reason,
            made_ms=to_ms(now),
            expires_ms=to_ms(expires_at),
        )
    )
    return made


def require_right(*, kind: str, subject: str, owner: str, reason: str, now: datetime, expires_at: datetime) -> None:
    """That something could be silenced like this. Raises SuppressionError."""
    if kind not in KINDS:
        raise SuppressionError(f"a suppression is one of {', '.join(sorted(KINDS))}")
    if not owner.strip() or not reason.strip() or not subject.strip():
        raise SuppressionError("a suppression needs a subject, an owner and a reason")
    if not now < expires_at <= now + LONGEST:
        raise SuppressionError("a suppression ends: give a time within a year")


def end(connection: Connection, suppression_id: str, now: datetime) -> None:
    """Stop silencing before its time. Raises NoSuppressionError."""
    changed = connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id == suppression_id, _TABLE.c.ended_ms.is_(None), _TABLE.c.expires_ms > to_ms(now))
        .values(ended_ms=to_ms(now))
    )
    if changed.rowcount != 1:
        raise NoSuppressionError("no such suppression is in force")


def in_force(connection: Connection, now: datetime) -> list[Suppression]:
    """All that silence now, the oldest first."""
    query = sa.select(_TABLE).where(_TABLE.c.ended_ms.is_(None), _TABLE.c.expires_ms > to_ms(now))
    return [_of_row(row) for row in connection.execute(query.order_by(_TABLE.c.made_ms))]


def suppressing(connection: Connection, finding: Finding, now: datetime) -> Suppression | None:
    """The oldest suppression in force that silences a finding."""
    return next((one for one in in_force(connection, now) if one.silences(finding)), None)


def muted_pairs(connection: Connection, now: datetime) -> dict[str, Suppression]:
    """The pairs of indicator and object whose hits are silenced now, by subject; of several the one that ends last."""
    pairs = [one for one in in_force(connection, now) if one.kind == PAIR]
    return {one.subject: one for one in sorted(pairs, key=lambda one: one.expires_at)}


def _of_row(row: Row[Any]) -> Suppression:
    return Suppression(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        owner=row.owner,
        reason=row.reason,
        made_at=from_ms(row.made_ms),
        expires_at=from_ms(row.expires_ms),
    )
