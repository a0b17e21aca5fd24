"""How far the logs of network sensors were read, which lines were read, and which were no records.

A place is stored in the transaction that stores what its lines did. A line is known again by its digest for two days,
in whatever file it stands: a log that was copied, or a place that was lost, makes nothing count twice.
Whoever can write here can have lines left out or read again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import tables
from port2port.clock import from_ms, to_ms

_TAIL: Final = tables.TailRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_LINE: Final = tables.TailLineRow.__table__  # type: ignore[attr-defined]  # as above
_BAD: Final = tables.BadLineRow.__table__  # type: ignore[attr-defined]  # as above
_CHUNK: Final = 500
LINES_KEPT: Final = timedelta(days=2)
LINES_MOST: Final = 2_000_000
BAD_MOST: Final = 1_000
HEAD_BYTES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPosition:
    """How far a log was read: ``head`` is the digest of its first ``head_bytes``; ``skipping`` inside a long line.

    ``written_ns`` is when the file was last written to, as it was when it was read.
    """

    device: int
    inode: int
    offset: int = 0
    head: bytes = b""
    head_bytes: int = 0
    skipping: bool = False
    written_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some lines, and the place behind them. ``lost``: the file went away, perhaps with lines nobody had read.

    ``ended`` is said of a finished log alone: nothing more will come. ``missing``: under its name there is no file now.
    """

    position: TailPosition | None
    lines: tuple[bytes, ...] = ()
    too_long: int = 0
    lost: bool = False
    ended: bool = False
    missing: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (self.lines or self.too_long or self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that was no record. ``head`` is its beginning."""

    source: str
    at: datetime
    why: str
    digest: bytes
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What came of the lines of a log since it is followed."""

    lines: int = 0
    records: int = 0
    repeated: int = 0
    bad: int = 0
    too_long: int = 0
    lost: int = 0


def place_of(connection: Connection, source: str) -> TailPosition | None:
    """How far a source's log was read; None before it was."""
    row = connection.execute(sa.select(_TAIL).where(_TAIL.c.source == source)).one_or_none()
    if row is None:
        return None
    return TailPosition(**{name: row._mapping[name] for name in TailPosition.__slots__})  # noqa: SLF001  # a row's view


def keep_place(connection: Connection, source: str, place: TailPosition, more: Counted, *, now: datetime) -> None:
    """Remember a place, and count what came of the lines before it."""
    values = {**asdict(place), "updated_ms": to_ms(now)}
    counts = {name: getattr(more, name) for name in Counted.__slots__}
    added = {name: _TAIL.c[name] + count for name, count in counts.items()}
    changed = connection.execute(sa.update(_TAIL).where(_TAIL.c.source == source).values(**values, **added))
    if not changed.rowcount:
        connection.execute(sa.insert(_TAIL).values(source=source, **values, **counts))


def counted(connection: Connection) -> dict[str, tuple[Counted, datetime]]:
    """By source: what was counted, and when something was last read."""
    found = {}
    for row in connection.execute(sa.select(_TAIL).order_by(_TAIL.c.source)):
        values = row._mapping  # noqa: SLF001  # as above
        counts = Counted(**{name: values[name] for name in Counted.__slots__})
        found[row.source] = (counts, from_ms(row.updated_ms))
    return found


def known_lines(connection: Connection, digests: Collection[bytes]) -> set[bytes]:
    """Those that were read before."""
    given, known = sorted(digests), set[bytes]()
    for at in range(0, len(given), _CHUNK):
        query = sa.select(_LINE.c.digest).where(_LINE.c.digest.in_(given[at : at + _CHUNK]))
        known.update(bytes(digest) for digest in connection.scalars(query))
    return known


def keep_lines(connection: Connection, digests: Collection[bytes], now: datetime) -> None:
    """Remember lines as read: none of them was known."""
    if digests:
        at_ms = to_ms(now)
        connection.execute(sa.insert(_LINE), [{"digest": digest, "read_ms": at_ms} for digest in digests])


def put_aside(connection: Connection, lines: Sequence[BadLine]) -> None:
    """Keep lines that were no records, the newest ``BAD_MOST`` of all."""
    if not lines:
        return
    rows = [
        {"source": one.source, "at_ms": to_ms(one.at), "why": one.why, "digest": one.digest, "head": one.head}
        for one in lines[-BAD_MOST:]
    ]
    connection.execute(sa.insert(_BAD), rows)
    newest = sa.select(sa.func.max(_BAD.c.id)).scalar_subquery()
    connection.execute(sa.delete(_BAD).where(_BAD.c.id <= newest - BAD_MOST))


def bad_lines(connection: Connection, *, limit: int = 100) -> list[BadLine]:
    """The newest first."""
    query = sa.select(_BAD).order_by(_BAD.c.id.desc()).limit(limit)
    return [
        BadLine(source=row.source, at=from_ms(row.at_ms), why=row.why, digest=row.digest, head=row.head)
        for row in connection.execute(query)
    ]


def purge(connection: Connection, now: datetime, *, most: int = LINES_MOST) -> None:
    """Forget lines that are too old, and of too many the oldest."""
    connection.execute(sa.delete(_LINE).where(_LINE.c.read_ms < to_ms(now - LINES_KEPT)))
    beyond = sa.select(_LINE.c.read_ms).order_by(_LINE.c.read_ms.desc()).offset(most).limit(1)
    last = connection.scalar(beyond)
    if last is not None:
        connection.execute(sa.delete(_LINE).where(_LINE.c.read_ms <= last))
