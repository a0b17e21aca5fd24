"""Adding objects to collections, in the one transaction at a time that holds the head row.

Within a collection and class an object (an issuer's, by id) has an oldest and a newest version; the columns that say so
let a page find newest versions without looking at older ones. What is there already in that version is not added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Insert, Lookup, Query
from hub.tables import VISIBILITY
from hub.taxii.dates import moment_after, next_date
from hub.taxii_tables import TAXII_BODY, TAXII_CLASS, TAXII_HEAD, TAXII_ITEM
from port2port.errors import InvariantError

OLDEST: Final = 1
NEWEST: Final = 2
EVERYBODY: Final = 0  # the class of what whoever sees the collection may read; the log's begin at 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A version of an object for one collection. ``version`` is empty for one without versions: its date stands for it.

    ``visibility`` is the class, ``body`` the number of its bytes, ``expires_ms`` when it is to be announced again.
    """

    collection: int
    visibility: int
    issuer: str
    kind: str
    stix_id: str
    version: str
    version_us: int
    digest: bytes
    body: int
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The locked row, and the moment of this transaction."""

    next: int
    root: bytes
    horizon_us: int
    witnessed: int
    posted: int
    moment_us: int


Name = tuple[int, int, str, str]  # collection, class, issuer, STIX id
Kept = dict[tuple[int, int, int, bytes], tuple[int, int | None]]  # (collection, class, body, digest): date, expiry


@dataclass(slots=True)
class _Row:
    """A row as it was and as it becomes."""

    values: dict[str, Any]
    fresh: bool
    before: int = 0


@dataclass(slots=True)
class _Class:
    last_us: int
    rank: int
    fresh: bool
    moved: bool = False


@dataclass(slots=True)
class Batch:
    """What one transaction adds: taken one by one, written at once.

    ``again``: everything is added anew, and what is still there under the negative of its collection keeps its date.
    """

    connection: Connection
    moment_us: int
    again: bool = False
    _kept: Kept = field(default_factory=dict)
    _classes: dict[tuple[int, int], _Class] = field(default_factory=dict)
    _objects: dict[Name, list[_Row]] = field(default_factory=dict)
    _bodies: dict[int, bytes] = field(default_factory=dict)
    _made: list[_Row] = field(default_factory=list)

    def prepare(self, additions: Iterable[Addition]) -> None:
        """Read what is there of these objects and classes, in a few statements."""
        some = list(additions)
        groups: dict[tuple[int, int], set[str]] = defaultdict(set)
        for one in some:
            name = (one.collection, one.visibility, one.issuer, one.stix_id)
            if name not in self._objects:
                groups[one.collection, one.visibility].add(one.stix_id)
                self._objects[name] = []
        for (collection, visibility), ids in groups.items():
            self._load_objects(collection, visibility, sorted(ids))
        self._load_classes({(one.collection, one.visibility) for one in some})

    def add(self, one: Addition, raw: bytes) -> bool:
        """Add a prepared object; whether it was new."""
        rows = self._objects[one.collection, one.visibility, one.issuer, one.stix_id]
        if rows and any(self._same(row, one) for row in rows):
            return False
        date_us, expires_ms = self._date(one)
        values = {
            "collection": one.collection,
            "visibility": one.visibility,
            "date_us": date_us,
            "rank": self._classes[one.collection, one.visibility].rank,
            "newest": 0,
            "edge": 0,
            "kind": one.kind,
            "issuer": one.issuer,
            "stix_id": one.stix_id,
            "version": one.version,
            "version_us": one.version_us if one.version else date_us,
            "digest": one.digest,
            "body": one.body,
            "expires_ms": expires_ms,
        }
        made = _Row(values, fresh=True)
        rows.append(made)
        self._made.append(made)
        _mark(rows)
        self._bodies[one.body] = raw
        return True

    def date_again(self, items: Iterable[tuple[int, int, int]]) -> None:
        """Give what stands at these (collection, class, date) a new date, once."""
        some = list(items)
        self._load_classes({(collection, visibility) for collection, visibility, _ in some})
        for collection, visibility, date_us in some:
            cls = self._classes[collection, visibility]
            cls.last_us, cls.moved = next_date(cls.last_us, self.moment_us), True
            _AGAIN(self.connection, of=collection, cls=visibility, date=date_us, later=cls.last_us)

    def write(self) -> None:
        """Everything that was added, in a few statements."""
        for name, rows in self._objects.items():
            for row in rows:
                if not row.fresh and row.values["edge"] != row.before:
                    self._demote(name, row)
        _INSERT_ITEMS(self.connection, [row.values for row in self._made])
        there = {number for (number,) in _BODIES_THERE(self.connection, list(self._bodies))}
        bodies = [{"number": number, "raw": raw} for number, raw in self._bodies.items() if number not in there]
        _INSERT_BODIES(self.connection, bodies)
        self._write_classes()

    def _date(self, one: Addition) -> tuple[int, int | None]:
        kept = self._kept.get((one.collection, one.visibility, one.body, one.digest))
        if kept is not None:
            return kept
        cls = self._classes[one.collection, one.visibility]
        cls.last_us = next_date(cls.last_us, self.moment_us)
        cls.moved = True
        return cls.last_us, one.expires_ms

    def _same(self, row: _Row, one: Addition) -> bool:
        if not one.version:
            return bool(row.values["newest"]) and bytes(row.values["digest"]) == one.digest
        return bool(row.values["version_us"] == one.version_us)

    def _demote(self, name: Name, row: _Row) -> None:
        edge = row.values["edge"]
        _DEMOTE(
            self.connection,
            of=name[0],
            cls=name[1],
            date=row.values["date_us"],
            is_newest=int(bool(edge & NEWEST)),
            now_edge=edge,
            ends=row.values["expires_ms"],
        )

    def _load_objects(self, collection: int, visibility: int, ids: Sequence[str]) -> None:
        for row in _EDGES(self.connection, ids, of=collection, cls=visibility):
            values = dict(zip(_COLUMNS, row, strict=True))
            rows = self._objects.get((collection, visibility, values["issuer"], values["stix_id"]))
            if rows is not None:
                rows.append(_Row(values, fresh=False, before=values["edge"]))
        for body, digest, date_us, ends in (
            _OLD(self.connection, ids, of=-collection, cls=visibility) if self.again else ()
        ):
            self._kept[collection, visibility, body, bytes(digest)] = (date_us, ends)

    def _load_classes(self, wanted: Iterable[tuple[int, int]]) -> None:
        missing = set(wanted) - self._classes.keys()
        rows = _CLASSES(self.connection, sorted({visibility for _, visibility in missing}))
        for collection, visibility, rank, last_us in rows:
            if (collection, visibility) in missing:
                self._classes[collection, visibility] = _Class(last_us, rank, fresh=False)
        new = missing - self._classes.keys()
        ranks = _ranks(self.connection, sorted({visibility for _, visibility in new}))
        for collection, visibility in new:
            self._classes[collection, visibility] = _Class(0, ranks[visibility], fresh=True)

    def _write_classes(self) -> None:
        fresh = [(key, cls) for key, cls in self._classes.items() if cls.fresh]
        none = {"objects": 0, "held_bytes": 0}
        _INSERT_CLASSES(
            self.connection,
            [
                {"collection": key[0], "visibility": key[1], "rank": cls.rank, "last_us": cls.last_us, **none}
                for key, cls in fresh
            ],
        )
        for key, cls in self._classes.items():
            if cls.moved and not cls.fresh:
                _MOVE_CLASS(self.connection, of=key[0], cls=key[1], last=cls.last_us)


def lock(connection: Connection, now_ms: int) -> Head:
    """The head row, locked until the transaction ends."""
    rows = _LOCK(connection)
    if not rows:
        raise InvariantError("the collections have no head")
    size, root, horizon_us, witnessed, posted = rows[0]
    return Head(
        next=size,
        root=bytes(root),
        horizon_us=horizon_us,
        witnessed=witnessed,
        posted=posted,
        moment_us=moment_after(horizon_us, now_ms),
    )


def horizon(connection: Connection) -> int:
    """Up to when readers are served, as this transaction sees it."""
    return int(_HORIZON(connection)[0][0])


def digest_of(raw: bytes) -> bytes:
    """What tells two contents apart where there are no versions."""
    return sha256(raw).digest()[:16]


def announce_again(connection: Connection, moment_us: int, now_ms: int, limit: int) -> int:
    """Give a new date to what expired meanwhile, same bytes, so that whoever polls hears of it; how many."""
    rows = _EXPIRED(connection, now=now_ms, most=limit)
    if not rows:
        return 0
    batch = Batch(connection, moment_us)
    batch.date_again((row[0], row[1], row[2]) for row in rows)
    batch.write()
    return len(rows)


def _mark(rows: Sequence[_Row]) -> None:
    """Say which of the versions of one object is the oldest and which the newest; a later date wins a tie."""
    if len(rows) == 1:  # as nearly always
        rows[0].values |= {"edge": OLDEST | NEWEST, "newest": 1}
        return
    oldest = min(rows, key=lambda row: (row.values["version_us"], row.values["date_us"]))
    newest = max(rows, key=lambda row: (row.values["version_us"], row.values["date_us"]))
    for row in rows:
        row.values["edge"] = (OLDEST if row is oldest else 0) | (NEWEST if row is newest else 0)
        row.values["newest"] = int(row is newest)
        if row is not newest:
            row.values["expires_ms"] = None


def _ranks(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The order among classes that share a date: it follows from the class, so it tells nothing of others."""
    found = {EVERYBODY: 0}
    wanted = [ident for ident in ids if ident != EVERYBODY]
    for ident, digest in _DIGESTS(connection, wanted) if wanted else ():
        found[ident] = int.from_bytes(bytes(digest)[:8], "big") >> 2
    return found


_COLUMNS: Final = tuple(column.name for column in TAXII_ITEM.columns)
_OF_CLASS: Final = sa.and_(
    TAXII_ITEM.c.collection == sa.bindparam("of"), TAXII_ITEM.c.visibility == sa.bindparam("cls")
)
_EDGES: Final = Lookup(
    sa.select(*TAXII_ITEM.columns).where(_OF_CLASS, TAXII_ITEM.c.edge > 0),
    TAXII_ITEM.c.stix_id,
)
_OLD: Final = Lookup(
    sa.select(TAXII_ITEM.c.body, TAXII_ITEM.c.digest, TAXII_ITEM.c.date_us, TAXII_ITEM.c.expires_ms).where(_OF_CLASS),
    TAXII_ITEM.c.stix_id,
)
_CLASSES: Final = Lookup(
    sa.select(TAXII_CLASS.c.collection, TAXII_CLASS.c.visibility, TAXII_CLASS.c.rank, TAXII_CLASS.c.last_us),
    TAXII_CLASS.c.visibility,
)
_DIGESTS: Final = Lookup(sa.select(VISIBILITY.c.id, VISIBILITY.c.digest), VISIBILITY.c.id)
_BODIES_THERE: Final = Lookup(sa.select(TAXII_BODY.c.number), TAXII_BODY.c.number)
_INSERT_ITEMS: Final = Insert(TAXII_ITEM)
_INSERT_BODIES: Final = Insert(TAXII_BODY)
_INSERT_CLASSES: Final = Insert(TAXII_CLASS)
_THIS: Final = sa.and_(_OF_CLASS, TAXII_ITEM.c.date_us == sa.bindparam("date"))
_DEMOTE: Final = Query(
    TAXII_ITEM.update()
    .where(_THIS)
    .values(newest=sa.bindparam("is_newest"), edge=sa.bindparam("now_edge"), expires_ms=sa.bindparam("ends"))
)
_AGAIN: Final = Query(TAXII_ITEM.update().where(_THIS).values(date_us=sa.bindparam("later"), expires_ms=None))
_MOVE_CLASS: Final = Query(
    TAXII_CLASS.update()
    .where(TAXII_CLASS.c.collection == sa.bindparam("of"), TAXII_CLASS.c.visibility == sa.bindparam("cls"))
    .values(last_us=sa.bindparam("last"))
)
_EXPIRED: Final = Query(
    sa.select(TAXII_ITEM.c.collection, TAXII_ITEM.c.visibility, TAXII_ITEM.c.date_us)
    .where(TAXII_ITEM.c.expires_ms <= sa.bindparam("now"))
    .order_by(TAXII_ITEM.c.expires_ms, TAXII_ITEM.c.visibility, TAXII_ITEM.c.date_us)
    .limit(sa.bindparam("most"))
)
_HEAD_ROW: Final = sa.select(
    *(TAXII_HEAD.c.next, TAXII_HEAD.c.root, TAXII_HEAD.c.horizon_us, TAXII_HEAD.c.witnessed, TAXII_HEAD.c.posted)
).where(TAXII_HEAD.c.id == 0)
_LOCK: Final = Query(_HEAD_ROW.with_for_update())
_HORIZON: Final = Query(sa.select(TAXII_HEAD.c.horizon_us).where(TAXII_HEAD.c.id == 0))
