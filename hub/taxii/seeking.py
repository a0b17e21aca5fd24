"""Rows of a collection in the order of their dates, over many classes, at a cost that does not grow with either.

Each class is a run in an index. Runs are begun where the reader stopped, a few rows of each are read in one statement,
and merged; a run is read on only when its rows are used up.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Query
from hub.taxii.model import Position
from hub.taxii_tables import TAXII_ITEM

_SIZES: Final = (1, 4, 16, 64)
_FEW: Final = 16
_NO_CLASS: Final = -1


class Row(NamedTuple):
    """What a page needs of an item before its bytes. ``others``: None where the collection has its id only once."""

    visibility: int
    date_us: int
    rank: int
    issuer: str
    stix_id: str
    version: str
    version_us: int
    body: int
    others: int | None


class Mode(Enum):
    """Which index a run goes along."""

    EVERY = "every version"
    NEWEST = "newest versions"
    KIND = "versions of one type"


@dataclass(slots=True, kw_only=True)
class Run:
    """A class, or one type of a class, from a date on."""

    visibility: int
    date_us: int
    newest: int = 1
    kind: str = ""
    rows: deque[Row] = field(default_factory=deque)
    drained: bool = False


_EDGE: Final = TAXII_ITEM.alias("edge_of_id")
_SECOND: Final = (
    sa.select(sa.literal_column("1", sa.Integer()))
    .where(_EDGE.c.collection == TAXII_ITEM.c.collection, _EDGE.c.stix_id == TAXII_ITEM.c.stix_id, _EDGE.c.edge > 0)
    .correlate(TAXII_ITEM)
    .limit(1)
    .offset(1)
    .scalar_subquery()
)
COLUMNS: Final = (
    *(TAXII_ITEM.c.visibility, TAXII_ITEM.c.date_us, TAXII_ITEM.c.rank, TAXII_ITEM.c.issuer, TAXII_ITEM.c.stix_id),
    *(TAXII_ITEM.c.version, TAXII_ITEM.c.version_us, TAXII_ITEM.c.body, _SECOND.label("others")),
)


def begins(position: Position, rank: int) -> int:
    """The first date of a class with this rank that stands behind ``position``."""
    return position.date_us if rank > position.number else position.date_us + 1


def merged(
    connection: Connection, collection: int, mode: Mode, runs: Sequence[Run], *, horizon_us: int, limit: int
) -> Iterator[Row]:
    """All rows of the runs in order of (date, rank), for somebody who will probably take ``limit`` of them."""
    if not runs:
        return
    given = {"of": collection, "horizon": horizon_us}
    most = min(limit + 1, max(_FEW, -(-2 * limit // len(runs))))

    def fill(some: Sequence[Run]) -> None:
        for start in range(0, len(some), _SIZES[-1]):
            _fill(connection, mode, some[start : start + _SIZES[-1]], {**given, "most": most})

    fill(runs)
    if len(runs) == 1:
        yield from _through(runs[0], fill)
        return
    heap = [(run.rows[0].date_us, run.rows[0].rank, place) for place, run in enumerate(runs) if run.rows]
    heapq.heapify(heap)
    while heap:
        run = runs[heap[0][2]]
        row = run.rows.popleft()
        run.date_us = row.date_us + 1
        if not run.rows and not run.drained:
            fill([run])
        if run.rows:
            heapq.heapreplace(heap, (run.rows[0].date_us, run.rows[0].rank, heap[0][2]))
        else:
            heapq.heappop(heap)
        yield row


def _through(run: Run, fill: Callable[[Sequence[Run]], None]) -> Iterator[Row]:
    """The rows of one run, from what was read of it on."""
    while run.rows:
        yield from run.rows
        run.date_us = run.rows[-1].date_us + 1
        run.rows.clear()
        if not run.drained:
            fill([run])


def _fill(connection: Connection, mode: Mode, runs: Sequence[Run], given: dict[str, Any]) -> None:
    size = next(size for size in _SIZES if size >= len(runs))
    for place in range(size):
        given |= _parameters(mode, place, runs[place] if place < len(runs) else None)
    for values in _seek(mode, size)(connection, **given):
        runs[values[-1]].rows.append(Row._make(values[:-1]))
    for run in runs:
        run.drained = len(run.rows) < given["most"]


def _parameters(mode: Mode, place: int, run: Run | None) -> dict[str, Any]:
    given: dict[str, Any] = {
        f"c{place}": _NO_CLASS if run is None else run.visibility,
        f"d{place}": 0 if run is None else run.date_us,
    }
    if mode is not Mode.EVERY:
        given[f"n{place}"] = 1 if run is None else run.newest
    if mode is Mode.KIND:
        given[f"k{place}"] = "" if run is None else run.kind
    return given


@cache
def _seek(mode: Mode, size: int) -> Query:
    parts = []
    for place in range(size):
        part = _run(mode, place).subquery()
        parts.append(sa.select(part))
    return Query(parts[0] if size == 1 else sa.union_all(*parts))


def _run(mode: Mode, place: int) -> sa.Select[Any]:
    where = [
        TAXII_ITEM.c.collection == sa.bindparam("of"),
        TAXII_ITEM.c.visibility == sa.bindparam(f"c{place}"),
        TAXII_ITEM.c.date_us >= sa.bindparam(f"d{place}"),
        TAXII_ITEM.c.date_us <= sa.bindparam("horizon"),
    ]
    if mode is not Mode.EVERY:
        where.append(TAXII_ITEM.c.newest == sa.bindparam(f"n{place}"))
    if mode is Mode.KIND:
        where.append(TAXII_ITEM.c.kind == sa.bindparam(f"k{place}"))
    number: sa.Label[int] = sa.literal_column(str(place), sa.Integer()).label("place")
    most: sa.BindParameter[int] = sa.bindparam("most", type_=sa.Integer())
    return sa.select(*COLUMNS, number).where(*where).order_by(TAXII_ITEM.c.date_us).limit(most)
