"""A briefing: what happened in a period, for an audience, with the checkpoint of the log it was made from.

It is a function of the log up to that checkpoint, the roster there, and the reader: made again under the same
checkpoint it is the same to the byte, whatever was logged since. So nothing in it asks what time it is, who
acknowledged what at a screen, or what was retracted later. The structure only; pages make a document of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.picture import SEVERITIES, Reading, View, read_as, roster_before
from hub.picture.queries import ITEM, filters
from hub.picture.reading import rows
from hub.transparency import Tree
from port2port import canonical
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import from_ms, to_text
from port2port.errors import NotFoundError
from port2port.sharing import Outlet, Reader
from port2port.tlp import Tlp, strictest

WEEKS: Final = 4
WEEK: Final = timedelta(days=7)
MOST_LISTED: Final = 500
DEFINITIONS: Final = (
    ("count", "statements logged in the period that this audience may read"),
    ("modus", "the kind of finding that the author's label names, or the kind of statement"),
    ("earlier weeks", "the same count in each of the four weeks before the period, the nearest first"),
    ("severity", "as labelled by the author, else by how the item is to be handled"),
    (
        "audience",
        "whoever the marking and the named groups and recipients let read, under the roster at the checkpoint",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How often in the period, and in each week before it, nearest first."""

    name: str
    count: int
    earlier: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One statement of the period."""

    index: int
    at: str
    issuer: str
    kind: str
    modus: str
    severity: str
    tlp: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """``tlp`` is the strictest marking of what is listed. ``checkpoint`` is the signed note."""

    start: str
    end: str
    audience: str
    tlp: str
    total: int
    by_modus: tuple[Count, ...]
    by_port: tuple[Count, ...]
    items: tuple[Listed, ...]
    definitions: tuple[tuple[str, str], ...]
    size: int
    root: str
    checkpoint: str

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal briefings are equal bytes."""
        return canonical.dumps(_plain(asdict(self)))


def briefing(
    connection: Connection,
    audiences: Audiences,
    tree: Tree,
    reader: Reader,
    *,
    start: datetime,
    end: datetime,
    size: int | None = None,
    purpose: str | None = None,
) -> Briefing:
    """The briefing of a period for a reader, from the first ``size`` entries (by default all). Raises NotFoundError."""
    signed = tree.checkpoint(size)
    roster = roster_before(connection, signed.checkpoint.size)
    if roster is None or start >= end:
        raise NotFoundError("there is nothing to brief about")
    reading = read_as(connection, audiences, reader, roster, end, purpose=purpose, outlet=Outlet.EXPORT)
    return _made(connection, reading, signed, start, end)


def _made(
    connection: Connection, reading: Reading, signed: SignedCheckpoint, start: datetime, end: datetime
) -> Briefing:
    found = _rows(connection, reading, View(start=start, end=end), signed.checkpoint.size)
    earlier = [
        _rows(
            connection, reading, View(start=start - WEEK * (week + 1), end=start - WEEK * week), signed.checkpoint.size
        )
        for week in range(WEEKS)
    ]
    return Briefing(
        start=to_text(start),
        end=to_text(end),
        audience=reading.member or reading.reader.kind.value,
        tlp=_strictest(found),
        total=len(found),
        by_modus=_counts(found, earlier, "modus"),
        by_port=_counts(found, earlier, "issuer"),
        items=tuple(_listed(row) for row in found[:MOST_LISTED]),
        definitions=DEFINITIONS,
        size=signed.checkpoint.size,
        root=signed.checkpoint.root.hex(),
        checkpoint=signed.note.decode(),
    )


def _rows(connection: Connection, reading: Reading, view: View, size: int) -> list[Any]:
    query = sa.select(ITEM).where(*filters(reading, view), ITEM.c.index < size, ITEM.c.tlp != "")
    return rows(connection, query.order_by(ITEM.c.index))


def _counts(found: list[Any], earlier: list[list[Any]], column: str) -> tuple[Count, ...]:
    now = Counter(getattr(row, column) for row in found)
    before = [Counter(getattr(row, column) for row in week) for week in earlier]
    names = sorted(set(now).union(*before), key=lambda name: (-now[name], name))
    return tuple(Count(name=name, count=now[name], earlier=tuple(week[name] for week in before)) for name in names)


def _listed(row: Any) -> Listed:
    return Listed(
        index=row.index,
        at=to_text(from_ms(row.received_ms)),
        issuer=row.issuer,
        kind=row.kind,
        modus=row.modus,
        severity=SEVERITIES[row.severity],
        tlp=row.tlp,
        title=row.title,
    )


def _strictest(found: list[Any]) -> str:
    markings = [Tlp(row.tlp) for row in found]
    return strictest(*markings).value if markings else Tlp.CLEAR.value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
