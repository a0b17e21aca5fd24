"""What a page of a collection holds for one reader; and what an intake takes (``hub.taxii.posting``).

A reader is shown what ``sharing.permits`` lets it read and nothing computed from anything else: which version is the
last, whose an id is, where a page ends. Of two members that use one id, the one counts whom this reader saw first, so
that nobody revokes another's indicator at a third party. The bytes are those that were signed: none is parsed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.store import Lookup
from hub.taxii.adding import EVERYBODY, NEWEST, OLDEST, horizon
from hub.taxii.catalogue import number_of
from hub.taxii.model import Collection, Filters, Item, Kind, Page, Position, Principal
from hub.taxii.posting import Caps, Prepared, delete, post, prepare, put, status
from hub.taxii.seeking import COLUMNS, Mode, Row, Run, begins, merged
from hub.taxii_tables import TAXII_BODY, TAXII_CLASS, TAXII_ITEM, TAXII_QUIET
from port2port import clock
from port2port.limits import MIB
from port2port.roster import Roster
from port2port.sharing import Outlet, member_reader

__all__ = ["Caps", "Prepared", "delete", "page", "post", "prepare", "put", "status", "versions"]

LAST: Final = frozenset({"last"})
EVERY: Final = frozenset({"all"})
LOOKED_AT: Final = (
    10_000  # rows beyond the limit that one page looks at; then it ends early and says that there is more
)
PAGE_BYTES: Final = 16 * MIB  # of objects; a page that would be larger ends earlier and says that there is more
_AT_ONCE: Final = 256  # bodies read at once
_BEGINNING: Final = Position(date_us=0, number=0)
_NO_HORIZON: Final = 2**62
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What a reader may see of one collection, in one transaction. ``knows``: classes of which its member may know."""

    connection: Connection
    collection: int
    classes: Sequence[int]
    knows: Sequence[int]
    horizon_us: int
    after: Position
    limit: int
    filters: Filters

    @property
    def wanted(self) -> frozenset[str]:
        return self.filters.versions or LAST


def page(  # noqa: PLR0917 - the words of the request, in the order in which they are found out
    connection: Connection,
    audiences: Audiences,
    roster: Roster,
    principal: Principal,
    collection: Collection,
    filters: Filters,
    *,
    after: Position | None,
    limit: int,
    with_raw: bool = True,
) -> Page:
    """The items behind ``after`` that pass the filters, at most ``limit`` (at least 1), oldest date first.

    It may hold fewer and still have more. It never ends within a millisecond unless it holds nothing else.
    """
    seen = _seen(connection, audiences, roster, principal, collection)
    begin = _BEGINNING if filters.added_after_us is None else Position(date_us=filters.added_after_us, number=2**63)
    view = _View(
        connection=connection,
        collection=number_of(collection.id),
        classes=seen[0],
        knows=seen[1],
        horizon_us=_NO_HORIZON if collection.kind is Kind.INTAKE else horizon(connection),
        after=max(begin, after or _BEGINNING),
        limit=limit,
        filters=filters,
    )
    if filters.spec_versions and "2.1" not in filters.spec_versions:
        return Page(items=(), more=False, end=None)
    return _page(view, with_raw=with_raw)


def versions(  # noqa: PLR0917 - as ``page``
    connection: Connection,
    audiences: Audiences,
    roster: Roster,
    principal: Principal,
    collection: Collection,
    filters: Filters,
    *,
    stix_id: str,
    after: Position | None,
    limit: int,
) -> Page:
    """Every version of one object that the reader may see, without bytes."""
    one = Filters(
        added_after_us=filters.added_after_us,
        ids=frozenset({stix_id}),
        versions=EVERY,
        spec_versions=filters.spec_versions,
    )
    return page(connection, audiences, roster, principal, collection, one, after=after, limit=limit, with_raw=False)


def _seen(
    connection: Connection, audiences: Audiences, roster: Roster, principal: Principal, collection: Collection
) -> tuple[Sequence[int], Sequence[int]]:
    """The classes that the reader may read in this collection, and in the plain one those its member knows of."""
    if collection.kind is Kind.INTAKE:
        return (EVERYBODY,), ()
    plain = collection.kind is Kind.SIEM
    outlet = Outlet.SIEM if plain else principal.outlet
    read = audiences.readable(connection, principal.reader, outlet, roster, purpose=principal.purpose)
    if not plain:
        return read, ()
    return (EVERYBODY, *read), audiences.readable(connection, member_reader(principal.member), Outlet.FEED, roster)


def _page(view: _View, *, with_raw: bool) -> Page:
    source = _named(view) if view.filters.ids else _found(view)
    passed: list[Row] = []
    looked, last = 0, None
    while len(passed) <= view.limit and looked < view.limit + LOOKED_AT:
        block = list(islice(source, view.limit + 1))
        looked += len(block)
        passed += _passing(view, block)
        if len(block) <= view.limit:
            return _made(view, *_cut(passed, view.limit), with_raw=with_raw)
        last = block[-1]
    kept, more = _cut(passed, view.limit)
    if more or last is None:
        return _made(view, kept, more, with_raw=with_raw)
    return _made(view, kept, True, with_raw=with_raw, end=Position(date_us=last.date_us, number=last.rank))


def _cut(passed: list[Row], limit: int) -> tuple[list[Row], bool]:
    """At most ``limit`` rows, and whether there are more: not within one millisecond, or not within one date."""
    if len(passed) <= limit:
        return passed, False
    for unit in (1_000, 1):
        end = limit
        while end and passed[end - 1].date_us // unit == passed[limit].date_us // unit:
            end -= 1
        if end:
            return passed[:end], True
    return passed[:limit], True


def _made(view: _View, rows: Sequence[Row], more: bool, *, with_raw: bool, end: Position | None = None) -> Page:
    bodies, count = _bodies(view, rows) if with_raw else ({}, len(rows))
    if count < len(rows):
        rows, more = _cut(list(rows[: count + 1]), count)
        end = None
    items = tuple(
        Item(rank, stix_id, version or date_text(date_us), date_us, bodies.get(body, b""))
        for _, date_us, rank, _, stix_id, version, _, body, _ in rows
    )
    if end is None and rows:
        end = Position(date_us=rows[-1].date_us, number=rows[-1].rank)
    return Page(items=items, more=more, end=end)


def _bodies(view: _View, rows: Sequence[Row]) -> tuple[dict[int, bytes], int]:
    """The bytes of rows by their number, and of how many rows they fit into one page: of one at least."""
    bodies: dict[int, bytes] = {}
    held = 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        bodies |= {number: bytes(raw) for number, raw in _RAW(view.connection, [row.body for row in some])}
        for place, row in enumerate(some, start):
            held += len(bodies[row.body])
            if held > PAGE_BYTES and place:
                return bodies, place
    return bodies, len(rows)


def date_text(date_us: int) -> str:
    """A date as TAXII writes it: the version of what has none of its own."""
    return (clock.EPOCH + date_us * _MICROSECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- where rows come from -----------------------------------------------------------------------------------------


def _found(view: _View) -> Iterator[Row]:
    """All rows behind the position, by date."""
    newest = view.wanted == LAST
    kinds = sorted(view.filters.types)
    mode = Mode.KIND if kinds else Mode.NEWEST if newest else Mode.EVERY
    flags = (1,) if newest or mode is Mode.EVERY else (0, 1)
    runs = [
        Run(visibility=visibility, date_us=begins(view.after, rank), newest=flag, kind=kind)
        for visibility, rank in _active(view)
        for kind in kinds or [""]
        for flag in flags
    ]
    return merged(view.connection, view.collection, mode, runs, horizon_us=view.horizon_us, limit=view.limit)


def _active(view: _View) -> list[tuple[int, int]]:
    """The reader's classes in this collection that have anything behind the position, with their ranks."""
    query = (
        sa.select(TAXII_CLASS.c.visibility, TAXII_CLASS.c.rank)
        .where(TAXII_CLASS.c.collection == view.collection, TAXII_CLASS.c.last_us >= view.after.date_us)
        .where(_among(TAXII_CLASS.c.visibility, view.classes))
        .order_by(TAXII_CLASS.c.rank)
    )
    return [(row[0], row[1]) for row in view.connection.execute(query)]


def _named(view: _View) -> Iterator[Row]:
    """All rows of the named objects behind the position, by date."""
    place = view.after
    item = TAXII_ITEM.c
    query = sa.select(*COLUMNS).where(
        item.collection == view.collection,
        item.stix_id.in_(sorted(view.filters.ids)),
        _among(_SAME_VISIBILITY, view.classes),
        item.date_us <= view.horizon_us,
    )
    if view.wanted == LAST:
        query = query.where(item.newest == 1)
    if view.filters.types:
        query = query.where(item.kind.in_(sorted(view.filters.types)))
    query = query.order_by(item.date_us, item.rank).limit(view.limit + 1)
    while True:
        number = min(place.number, _NO_HORIZON)
        behind = (item.date_us > place.date_us) | ((item.date_us == place.date_us) & (item.rank > number))
        rows = [Row(*row) for row in view.connection.execute(query.where(behind))]
        yield from rows
        if len(rows) <= view.limit:
            return
        place = Position(date_us=rows[-1].date_us, number=rows[-1].rank)


def _among(column: sa.ColumnElement[int], values: Sequence[int]) -> sa.ColumnElement[bool]:
    named: sa.BindParameter[Any] = sa.bindparam(
        "among", value=list(values), expanding=True, literal_execute=True, unique=True
    )
    return column.in_(named)


# --- which of them a reader is shown --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Object:
    """Whose an id is for this reader, and that issuer's edges: (version, number, which edge)."""

    issuer: str
    since: int
    edges: list[tuple[int, int, int]]


def _passing(view: _View, rows: Sequence[Row]) -> list[Row]:
    wanted = view.wanted
    shared = {row.stix_id for row in rows if row.others is not None}
    objects = _objects(view, shared) if shared else {}
    quiet = _quiet(view, {row.stix_id for row in rows}) if view.knows else {}
    return [
        row
        for row in rows
        if (not quiet or row.body > quiet.get((row.issuer, row.stix_id), -_NO_HORIZON))
        and _is_wanted(wanted, row, objects.get(row.stix_id))
    ]


def _is_wanted(wanted: frozenset[str], row: Row, known: _Object | None) -> bool:
    if known is None:
        return _is_only(wanted, row)
    if row.issuer != known.issuer:
        return False
    if "last" in wanted and row.body == _edge(known, NEWEST):
        return True
    if "first" in wanted and row.body == _edge(known, OLDEST):
        return True
    if any(version == row.version_us and body < row.body for version, body, _ in known.edges):
        return False
    return "all" in wanted or _is_named(wanted, row)


def _is_only(wanted: frozenset[str], row: Row) -> bool:
    """Of what nearly every object is: one version, once in the collection; or whose other versions are all dated
    ahead of what is served.
    """
    return not wanted.isdisjoint(_WORDS) or _is_named(wanted, row)


def _is_named(wanted: frozenset[str], row: Row) -> bool:
    return any(_micros(text) == row.version_us for text in wanted - _WORDS)


def _edge(known: _Object, which: int) -> int | None:
    """The number of the newest or oldest version; of equal ones, the one that was said first."""
    sign = 1 if which == OLDEST else -1
    edges = [(sign * version, body) for version, body, edge in known.edges if edge & which]
    return min(edges)[1] if edges else None


def _objects(view: _View, ids: Iterable[str]) -> dict[str, _Object]:
    """What other classes hold is dropped before anything is worked out: it costs less here than in the statement."""
    found: dict[str, _Object] = {}
    classes = frozenset(view.classes)
    rows = _EDGES(view.connection, sorted(ids), of=view.collection, horizon=view.horizon_us)
    for stix_id, visibility, issuer, version_us, body, edge in sorted(rows, key=_BY_BODY):
        if visibility not in classes:
            continue
        known = found.get(stix_id)
        if known is None:
            found[stix_id] = _Object(issuer, body, [(version_us, body, edge)])
        elif known.issuer == issuer:
            known.edges.append((version_us, body, edge))
    return found


def _quiet(view: _View, ids: Iterable[str]) -> Mapping[tuple[str, str], int]:
    """Up to which number nothing of an object is shown, as far as the reader's member may know of it."""
    found: dict[tuple[str, str], int] = {}
    known = set(view.knows)
    for issuer, stix_id, visibility, until in _QUIET(view.connection, sorted(ids)):
        if visibility in known:
            found[issuer, stix_id] = max(until, found.get((issuer, stix_id), until))
    return found


def _micros(text: str) -> int | None:
    """A version as clients write it, in microseconds; None where it is no time."""
    try:
        return (datetime.fromisoformat(text) - clock.EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        return None


# As an expression: else the engine looks each id up in each class, instead of once.
_SAME_VISIBILITY: Final = TAXII_ITEM.c.visibility + 0
_WORDS: Final = frozenset({"first", "last", "all"})
_BY_BODY: Final = itemgetter(4)
_EDGES: Final = Lookup(
    sa.select(
        *(TAXII_ITEM.c.stix_id, TAXII_ITEM.c.visibility, TAXII_ITEM.c.issuer, TAXII_ITEM.c.version_us),
        *(TAXII_ITEM.c.body, TAXII_ITEM.c.edge),
    ).where(
        TAXII_ITEM.c.collection == sa.bindparam("of"),
        TAXII_ITEM.c.edge > 0,
        TAXII_ITEM.c.date_us <= sa.bindparam("horizon"),
    ),
    TAXII_ITEM.c.stix_id,
)
_RAW: Final = Lookup(sa.select(TAXII_BODY.c.number, TAXII_BODY.c.raw), TAXII_BODY.c.number)
_QUIET: Final = Lookup(
    sa.select(TAXII_QUIET.c.issuer, TAXII_QUIET.c.stix_id, TAXII_QUIET.c.visibility, TAXII_QUIET.c.until),
    TAXII_QUIET.c.stix_id,
)
