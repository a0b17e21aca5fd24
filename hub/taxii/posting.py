"""Intakes: what a facility tells its port through TAXII waits here until the port has taken it.

Nothing here is in the log, and no other member knows that it exists. What is posted twice is there once; one bad object
never takes its neighbours with it; a full intake refuses what is new and says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Insert, Lookup, Query
from hub.taxii.adding import EVERYBODY, NEWEST, OLDEST, Addition, Batch, digest_of, lock
from hub.taxii.catalogue import number_of
from hub.taxii.model import Collection, Filters, Kind, Posted, Principal, Status
from hub.taxii.telling import version_of
from hub.taxii_tables import TAXII_BODY, TAXII_CLASS, TAXII_HEAD, TAXII_ITEM, TAXII_STATUS
from port2port import canonical, clock
from port2port.errors import InvariantError, Port2PortError
from port2port.limits import MIB
from port2port.stix.validate import ValidObject

STATUSES: Final = 1_000  # of one intake; the oldest are forgotten
_FIRST_BODY: Final = -2
_FULL: Final = "this intake is full until its port has taken what waits in it"
_NAME_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one intake holds at most."""

    objects: int = 10_000
    held_bytes: int = 64 * MIB


CAPS: Final = Caps()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A posted object after validation, which needs no transaction. ``why`` is empty where it may be taken."""

    raw: bytes
    stix_id: str
    kind: str
    version: str
    version_us: int
    why: str = ""


def prepare(objects: Iterable[bytes], validate: Callable[[bytes], ValidObject]) -> tuple[Prepared, ...]:
    """Judge each object by itself. ``validate`` raises a Port2PortError for what it refuses."""
    return tuple(_prepare(raw, validate) for raw in objects)


def post(
    connection: Connection,
    collection: Collection,
    principal: Principal,
    objects: Sequence[bytes],
    *,
    validate: Callable[[bytes], ValidObject],
    now_ms: int,
    caps: Caps = CAPS,
) -> Status:
    """Take what is valid, in a writing transaction; the outcome says of each object what became of it."""
    return put(connection, collection, principal, prepare(objects, validate), now_ms=now_ms, caps=caps)


def put(
    connection: Connection,
    collection: Collection,
    principal: Principal,
    objects: Sequence[Prepared],
    *,
    now_ms: int,
    caps: Caps = CAPS,
) -> Status:
    """As ``post``, of objects that were prepared before the transaction."""
    if collection.kind is not Kind.INTAKE:
        raise InvariantError("only intakes are posted to", collection=collection.id)
    place = number_of(collection.id)
    head = lock(connection, now_ms)
    batch = Batch(connection, head.moment_us)
    additions = [
        _addition(place, collection.key, one, _FIRST_BODY - head.posted - at) for at, one in enumerate(objects)
    ]
    batch.prepare(additions)
    room = _Room(connection, place, caps)
    known = _known(connection, place, [one.stix_id for one in objects if not one.why])
    outcomes = []
    for one, addition in zip(objects, additions, strict=True):
        why = one.why
        if not why and (one.stix_id, one.version_us) not in known:
            why = "" if room.fits(len(one.raw)) else _FULL
            if not why and batch.add(addition, one.raw):
                room.take(len(one.raw))
                if one.version:
                    known.add((one.stix_id, one.version_us))
        outcomes.append(Posted(stix_id=one.stix_id, version=one.version, why=why))
    batch.write()
    room.write(connection, place)
    _COUNT(connection, now_posted=head.posted + len(objects))
    made = Status(id=str(uuid.uuid4()), requested_ms=now_ms, objects=tuple(outcomes))
    _keep_status(connection, place, principal, made)
    return made


def status(connection: Connection, collection: Collection, principal: Principal, ident: str) -> Status | None:
    """What became of a POST of this principal; None for any other."""
    query = sa.select(TAXII_STATUS.c.requested_ms, TAXII_STATUS.c.objects).where(
        TAXII_STATUS.c.id == ident,
        TAXII_STATUS.c.collection == number_of(collection.id),
        TAXII_STATUS.c.principal == principal.name,
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    posted = tuple(Posted(stix_id=one[0], version=one[1], why=one[2]) for one in orjson.loads(row.objects))
    return Status(id=ident, requested_ms=row.requested_ms, objects=posted)


def delete(connection: Connection, collection: Collection, principal: Principal, stix_id: str, filters: Filters) -> int:
    """Take versions of an object (all of them where no versions are named) out of an intake; how many.

    For whoever may read and write there, which ``catalogue`` says; ``principal`` is for the audit of the caller.
    """
    if collection.kind is not Kind.INTAKE or not (collection.can_read and collection.can_write):
        raise InvariantError("only the owner of an intake deletes from it", principal=principal.name)
    lock(connection, 0)
    place = number_of(collection.id)
    item = TAXII_ITEM.c
    query = sa.select(item.date_us, item.version_us, item.body, item.edge).where(
        item.collection == place, item.visibility == EVERYBODY, item.stix_id == stix_id
    )
    rows = connection.execute(query.order_by(item.version_us)).all()
    gone = [row for row in rows if _is_named(filters, row)]
    sizes = sa.select(sa.func.sum(sa.func.length(TAXII_BODY.c.raw)))
    numbers = [row.body for row in gone]
    freed = connection.execute(sizes.where(TAXII_BODY.c.number.in_(numbers))).scalar() or 0
    here = sa.and_(item.collection == place, item.visibility == EVERYBODY)
    connection.execute(TAXII_ITEM.delete().where(here, item.date_us.in_([row.date_us for row in gone])))
    connection.execute(TAXII_BODY.delete().where(TAXII_BODY.c.number.in_(numbers)))
    _mark_rest(connection, here, [row.date_us for row in rows if row not in gone])
    cls = TAXII_CLASS.c
    connection.execute(
        TAXII_CLASS.update()
        .where(cls.collection == place, cls.visibility == EVERYBODY)
        .values(objects=cls.objects - len(gone), held_bytes=cls.held_bytes - int(freed))
    )
    return len(gone)


class _Room:
    """What an intake still has room for."""

    def __init__(self, connection: Connection, place: int, caps: Caps) -> None:
        rows = _ROOM(connection, of=place)
        self._objects = int(rows[0][0]) if rows else 0
        self._bytes = int(rows[0][1]) if rows else 0
        self._caps = caps

    def fits(self, size: int) -> bool:
        return self._objects < self._caps.objects and self._bytes + size <= self._caps.held_bytes

    def take(self, size: int) -> None:
        self._objects += 1
        self._bytes += size

    def write(self, connection: Connection, place: int) -> None:
        _TAKE_ROOM(connection, of=place, now_objects=self._objects, now_bytes=self._bytes)


def _prepare(raw: bytes, validate: Callable[[bytes], ValidObject]) -> Prepared:
    try:
        found = validate(raw)
        version, version_us = version_of(found.data)
    except Port2PortError as error:
        stix_id, version = _name(raw)
        return Prepared(raw=raw, stix_id=stix_id, kind="", version=version, version_us=0, why=error.text)
    return Prepared(raw=raw, stix_id=found.id, kind=found.type, version=version, version_us=version_us)


def _name(raw: bytes) -> tuple[str, str]:
    """What a refused object calls itself, as far as that can be told."""
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "", ""
    if not isinstance(data, dict):
        return "", ""
    named = [data.get(name) for name in ("id", "modified", "created")]
    stix_id, *times = [one[:_NAME_CHARS] if isinstance(one, str) else "" for one in named]
    return stix_id, next(filter(None, times), "")


def _addition(place: int, affiliate: str, one: Prepared, body: int) -> Addition:
    return Addition(
        collection=place,
        visibility=EVERYBODY,
        issuer=affiliate,
        kind=one.kind,
        stix_id=one.stix_id,
        version=one.version,
        version_us=one.version_us,
        digest=digest_of(one.raw),
        body=body,
    )


def _known(connection: Connection, place: int, ids: Sequence[str]) -> set[tuple[str, int]]:
    return {(stix_id, version_us) for stix_id, version_us in _VERSIONS(connection, sorted(set(ids)), of=place)}


def _keep_status(connection: Connection, place: int, principal: Principal, made: Status) -> None:
    row: Mapping[str, Any] = {
        "id": made.id,
        "collection": place,
        "principal": principal.name,
        "requested_ms": made.requested_ms,
        "objects": canonical.dumps([[one.stix_id, one.version, one.why] for one in made.objects]).decode(),
    }
    _INSERT_STATUSES(connection, [row])
    for (limit,) in _TOO_OLD(connection, of=place):
        _FORGET(connection, of=place, until=limit)


def _is_named(filters: Filters, row: Any) -> bool:
    wanted = filters.versions or {"all"}
    return (
        "all" in wanted
        or ("first" in wanted and bool(row.edge & OLDEST))
        or ("last" in wanted and bool(row.edge & NEWEST))
        or row.version_us in {_micros(text) for text in wanted}
    )


def _micros(text: str) -> int | None:
    try:
        return (datetime.fromisoformat(text) - clock.EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        return None


def _mark_rest(connection: Connection, here: sa.ColumnElement[bool], dates: Sequence[int]) -> None:
    """Of the versions that are left, in their order, say which is the oldest and which the newest."""
    for place, date_us in enumerate(dates):
        newest = place == len(dates) - 1
        edge = (OLDEST if place == 0 else 0) | (NEWEST if newest else 0)
        this = sa.and_(here, TAXII_ITEM.c.date_us == date_us)
        connection.execute(TAXII_ITEM.update().where(this).values(edge=edge, newest=int(newest)))


_OF_INTAKE: Final = sa.and_(TAXII_CLASS.c.collection == sa.bindparam("of"), TAXII_CLASS.c.visibility == EVERYBODY)
_ROOM: Final = Query(sa.select(TAXII_CLASS.c.objects, TAXII_CLASS.c.held_bytes).where(_OF_INTAKE))
_TAKE_ROOM: Final = Query(
    TAXII_CLASS.update()
    .where(_OF_INTAKE)
    .values(objects=sa.bindparam("now_objects"), held_bytes=sa.bindparam("now_bytes"))
)
_COUNT: Final = Query(TAXII_HEAD.update().where(TAXII_HEAD.c.id == 0).values(posted=sa.bindparam("now_posted")))
_INSERT_STATUSES: Final = Insert(TAXII_STATUS)
_TOO_OLD: Final = Query(
    sa.select(TAXII_STATUS.c.requested_ms)
    .where(TAXII_STATUS.c.collection == sa.bindparam("of"))
    .order_by(TAXII_STATUS.c.requested_ms.desc())
    .offset(STATUSES)
    .limit(1)
)
_FORGET: Final = Query(
    TAXII_STATUS.delete().where(
        TAXII_STATUS.c.collection == sa.bindparam("of"), TAXII_STATUS.c.requested_ms <= sa.bindparam("until")
    )
)
_VERSIONS: Final = Lookup(
    sa.select(TAXII_ITEM.c.stix_id, TAXII_ITEM.c.version_us).where(
        TAXII_ITEM.c.collection == sa.bindparam("of"),
        TAXII_ITEM.c.visibility == EVERYBODY,
        TAXII_ITEM.c.version != "",
    ),
    TAXII_ITEM.c.stix_id,
)
