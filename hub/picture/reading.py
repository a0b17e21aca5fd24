"""Who reads, and what: every query of the picture is limited to the visibility classes that its reader may read.

The limit is part of each statement that is run. Nothing is computed over more and narrowed afterwards, so that counts,
bars, cursors and related items of a reader are those of a world without what he may not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from port2port.clock import to_ms
from port2port.roster import Roster
from port2port.sharing import Outlet, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A reader at a moment, with the classes he may read. Make it with ``read_as``, in the transaction it is for."""

    reader: Reader
    roster: Roster
    classes: tuple[int, ...]
    now: datetime
    outlet: Outlet = Outlet.LIVE_PAGE

    @property
    def member(self) -> str:
        """The reader's member; empty for a reader without one."""
        return self.reader.member or ""

    @property
    def now_ms(self) -> int:
        """The moment in milliseconds."""
        return to_ms(self.now)

    def sees(self, visibility: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The condition that limits a statement to what the reader may read."""
        named: sa.BindParameter[Any] = sa.bindparam(
            "classes", value=list(self.classes), expanding=True, literal_execute=True, unique=True
        )
        return visibility.in_(named)

    def name_of(self, member: str) -> str:
        """A member's name as the roster has it."""
        entry = self.roster.member_table.get(member)
        return member if entry is None else entry.name


def rows(connection: Connection, query: sa.Executable, given: Mapping[str, Any] | None = None) -> list[Any]:
    """The rows of a query; untyped, since SQLAlchemy takes a column named ``index`` for the method of tuples."""
    return list(connection.execute(query, given or {}))


def read_as(
    connection: Connection,
    audiences: Audiences,
    reader: Reader,
    roster: Roster,
    now: datetime,
    *,
    purpose: str | None = None,
    outlet: Outlet = Outlet.LIVE_PAGE,
) -> Reading:
    """What ``reader`` may read now, in this transaction. ``purpose`` opens personal data shared for that purpose.

    Live pages never show exercises; ``Outlet.EXPORT`` shows them to a reader whose realm is that exercise.
    """
    classes = audiences.readable(connection, reader, outlet, roster, purpose=purpose)
    return Reading(reader=reader, roster=roster, classes=classes, now=now, outlet=outlet)
