"""The picture's questions, each limited to what its reader may read (``Reading.sees``) in the statement itself.

All are for a reading transaction. ``filters`` alone turns a ``View`` into conditions, so that list, map, bars and
counts always agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.levels import levels_now
from hub.picture.reading import Reading, rows
from hub.picture.values import (
    DECISION,
    HOUSEKEEPING,
    INFORMATION,
    SEVERITIES,
    Bar,
    Item,
    Page,
    Point,
    PortTile,
    Seen,
    Track,
)
from hub.picture.view import View
from hub.tables import NODE_CONTACT, PICTURE_FACT, PICTURE_ITEM, PICTURE_SEEN
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.statement import CONTROL_KINDS

ITEM: Final = PICTURE_ITEM
FACT: Final = PICTURE_FACT
PAGE_ITEMS: Final = 50
MOST_ITEMS: Final = 200
MOST_TRACKS: Final = 500
BUCKETS: Final = 200
_LIST_MAX: Final = 10_000


def filters(reading: Reading, view: View) -> list[sa.ColumnElement[bool]]:
    """The conditions of a view, after the one that limits it to its reader."""
    found: list[sa.ColumnElement[bool]] = [reading.sees(ITEM.c.visibility)]
    if view.cls == HOUSEKEEPING:
        found.append(ITEM.c.kind.in_(sorted(CONTROL_KINDS)))
    elif not view.kinds:  # the federation's own entries are there for whoever asks, and in nobody's way
        found.append(ITEM.c.kind.not_in(sorted(CONTROL_KINDS)))
    if view.cls in (DECISION, INFORMATION):
        found.append(ITEM.c.decides == (view.cls == DECISION))
    if view.ports:
        found.append(ITEM.c.issuer.in_(view.ports))
    if view.severities:
        found.append(ITEM.c.severity.in_([SEVERITIES.index(word) for word in view.severities]))
    if view.kinds:
        found.append(ITEM.c.kind.in_(view.kinds))
    if view.start is not None:
        found.append(ITEM.c.received_ms >= to_ms(view.start))
    if view.end is not None:
        found.append(ITEM.c.received_ms < to_ms(view.end))
    return found + [ITEM.c.text.contains(word, autoescape=True) for word in view.text.lower().split()]


def feed(connection: Connection, reading: Reading, view: View, *, limit: int = PAGE_ITEMS) -> Page:
    """The items of a view, newest first, from its cursor on."""
    count = min(limit, MOST_ITEMS)
    query = sa.select(ITEM).where(*filters(reading, view)).order_by(ITEM.c.index.desc()).limit(count + 1)
    if view.before is not None:
        query = query.where(ITEM.c.index < view.before)
    found = rows(connection, query)
    shown = found[:count]
    cursor = shown[-1].index if len(found) > count else None
    return Page(items=items_of(connection, reading, shown), cursor=cursor)


def counts(connection: Connection, reading: Reading, view: View) -> dict[str, int]:
    """How many open items need a decision, how many others there are, and how many entries the federation made for
    itself (members, groups, keys), under the view's other filters."""
    conditions = filters(reading, View(**{**_fields(view), "cls": "", "before": None}))
    opened = sa.select(sa.func.count()).select_from(ITEM).where(*conditions, *is_open(reading))
    rest = sa.select(sa.func.count()).select_from(ITEM).where(*conditions, ITEM.c.decides.is_(False))
    kept = filters(reading, View(**{**_fields(view), "cls": HOUSEKEEPING, "before": None}))
    housekeeping = sa.select(sa.func.count()).select_from(ITEM).where(*kept)
    return {
        "decision": int(connection.execute(opened).scalar_one()),
        "information": int(connection.execute(rest).scalar_one()),
        "housekeeping": int(connection.execute(housekeeping).scalar_one()),
    }


def one_item(connection: Connection, reading: Reading, index: int) -> Item:
    """One item. Raises NotFoundError, the same for what is hidden and what is not there."""
    row = connection.execute(sa.select(ITEM).where(ITEM.c.index == index, reading.sees(ITEM.c.visibility))).first()
    if row is None:
        raise NotFoundError("there is no such entry")
    return items_of(connection, reading, [row])[0]


def items_at(connection: Connection, reading: Reading, indices: Iterable[int]) -> tuple[Item, ...]:
    """Those of the entries that the reader may read, newest first."""
    wanted = list(indices)[:_LIST_MAX]
    query = sa.select(ITEM).where(ITEM.c.index.in_(wanted), reading.sees(ITEM.c.visibility))
    return items_of(connection, reading, connection.execute(query.order_by(ITEM.c.index.desc())).all())


def is_open(reading: Reading) -> list[sa.ColumnElement[bool]]:
    """What still needs a decision of the reader's people: in force, and not acknowledged by his member."""
    return [
        ITEM.c.decides.is_(True),
        sa.or_(ITEM.c.until_ms.is_(None), ITEM.c.until_ms > reading.now_ms),
        ~_followed(reading),
        ~sa.exists().where(PICTURE_SEEN.c.member == reading.member, PICTURE_SEEN.c.index == ITEM.c.index),
    ]


def strip(connection: Connection, reading: Reading) -> tuple[PortTile, ...]:
    """Every member now, by name of its kind and its own: its levels, open items, and last contact."""
    opened: dict[str, int] = dict(
        rows(
            connection,
            sa.select(ITEM.c.issuer, sa.func.count())
            .where(reading.sees(ITEM.c.visibility), *is_open(reading))
            .group_by(ITEM.c.issuer),
        )
    )
    contacts: dict[str, int] = dict(
        rows(
            connection,
            sa.select(NODE_CONTACT.c.member, sa.func.max(NODE_CONTACT.c.at_ms)).group_by(NODE_CONTACT.c.member),
        )
    )
    levels = levels_now(connection, reading)
    entries = [reading.roster.member_table[name] for name in reading.roster.members()]
    return tuple(
        PortTile(
            member=entry.id,
            name=entry.name,
            kind=entry.kind,
            locodes=entry.locodes,
            levels=tuple(levels[code] for code in entry.locodes if code in levels),
            open_items=int(opened.get(entry.id, 0)),
            contact=from_ms(contacts[entry.id]) if entry.id in contacts else None,
        )
        for entry in sorted(entries, key=lambda entry: (entry.kind != "port", entry.kind, entry.name, entry.id))
    )


def timeline(
    connection: Connection, reading: Reading, view: View, *, start: datetime, end: datetime, buckets: int = 60
) -> tuple[Bar, ...]:
    """Counts per bucket, severity and port between two times; the view's own window does not narrow them."""
    first, last = to_ms(start), to_ms(end)
    width = max(1, -(-(last - first) // min(max(buckets, 1), BUCKETS)))
    bucket = ((ITEM.c.received_ms - first) // width).label("bucket")
    wide = View(**{**_fields(view), "start": start, "end": end})
    query = (
        sa.select(bucket, ITEM.c.severity, ITEM.c.issuer, sa.func.count().label("found"))
        .where(*filters(reading, wide))
        .group_by(bucket, ITEM.c.severity, ITEM.c.issuer)
        .order_by(bucket, ITEM.c.severity, ITEM.c.issuer)
    )
    return tuple(
        Bar(
            start=from_ms(first + int(row.bucket) * width),
            severity=SEVERITIES[row.severity],
            issuer=row.issuer,
            count=row.found,
        )
        for row in rows(connection, query)
    )


def sightings(connection: Connection, reading: Reading, index: int) -> tuple[Seen, ...]:
    """Who says that he saw what this entry published, oldest first."""
    query = (
        sa.select(ITEM.c.index, ITEM.c.issuer, ITEM.c.facts)
        .where(ITEM.c.kind == "sighting", reading.sees(ITEM.c.visibility), ITEM.c.index.in_(_refers_to(reading, index)))
        .order_by(ITEM.c.index)
        .limit(MOST_ITEMS)
    )
    return tuple(_seen(reading, row) for row in rows(connection, query))


def tracks(connection: Connection, reading: Reading, view: View) -> tuple[Track, ...]:
    """The positions that items of a view shared as evidence: what the map shows, and nothing else of ships."""
    placed = sa.exists().where(FACT.c.index == ITEM.c.index, FACT.c.name == "cell")
    query = (
        sa.select(ITEM.c.index, ITEM.c.issuer, ITEM.c.title, ITEM.c.facts)
        .where(*filters(reading, view), placed)
        .order_by(ITEM.c.index.desc())
        .limit(MOST_TRACKS)
    )
    return tuple(
        Track(index=row.index, issuer=row.issuer, title=row.title, points=points_in(orjson.loads(row.facts)))
        for row in rows(connection, query)
    )


def points_in(facts: Mapping[str, Any]) -> tuple[Point, ...]:
    """The positions among an item's facts."""
    return tuple(
        Point(
            latitude=point["latitude"],
            longitude=point["longitude"],
            at=None if point["at_ms"] is None else from_ms(point["at_ms"]),
            label=point["label"],
        )
        for point in facts.get("points", [])
    )


def items_of(connection: Connection, reading: Reading, found: Sequence[Any]) -> tuple[Item, ...]:
    """Rows of ``picture_item``, read under ``reading``, with what other readable entries add to them."""
    indices = [row.index for row in found]
    over, about = _over(connection, reading, indices), _about(connection, reading, indices)
    seen, acknowledged = _counted(connection, reading, indices), _acknowledged(connection, reading, indices)
    return tuple(
        Item(
            index=row.index,
            statement_id=row.statement_id,
            kind=row.kind,
            issuer=row.issuer,
            issuer_name=reading.name_of(row.issuer),
            realm=row.realm,
            received_at=from_ms(row.received_ms),
            issued_at=from_ms(row.issued_ms),
            decides=bool(row.decides),
            severity=SEVERITIES[row.severity],
            modus=row.modus,
            title=row.title,
            tlp=row.tlp,
            handling=row.handling,
            decided_by=row.decided_by,
            until=None if row.until_ms is None else from_ms(row.until_ms),
            over=row.index in over or (row.until_ms is not None and row.until_ms <= reading.now_ms),
            acknowledged=row.index in acknowledged,
            sightings=seen.get(row.index, 0),
            about=tuple(sorted(about.get(row.index, ()))),
            facts=_facts(row.facts),
        )
        for row in found
    )


def _facts(text: str) -> Mapping[str, Json]:
    found: dict[str, Json] = orjson.loads(text)
    return found


def _followed(reading: Reading, own: Any = ITEM) -> sa.ColumnElement[bool]:
    """That a later readable entry supersedes, retracts or suspends what this one published."""
    mine, later = FACT.alias(), FACT.alias()
    return sa.exists().where(
        mine.c.index == own.c.index,
        mine.c.name == "object",
        later.c.value == mine.c.value,
        later.c.name.in_(("object", "ends")),
        sa.or_(later.c.index > own.c.index, sa.and_(later.c.index == own.c.index, later.c.name == "ends")),
        reading.sees(later.c.visibility),
    )


def _over(connection: Connection, reading: Reading, indices: list[int]) -> set[int]:
    query = sa.select(ITEM.c.index).where(ITEM.c.index.in_(indices), _followed(reading))
    return set(connection.execute(query).scalars())


def _refers_to(reading: Reading, index: int) -> sa.Select[Any]:
    mine, other = FACT.alias(), FACT.alias()
    return (
        sa.select(other.c.index)
        .join(mine, sa.and_(mine.c.value == other.c.value, mine.c.name == "object"))
        .where(mine.c.index == index, other.c.name == "ref", reading.sees(other.c.visibility))
    )


def _counted(connection: Connection, reading: Reading, indices: list[int]) -> dict[int, int]:
    mine, other, by = FACT.alias(), FACT.alias(), ITEM.alias()
    query = (
        sa.select(mine.c.index, sa.func.count(sa.distinct(other.c.index)))
        .join(other, sa.and_(other.c.value == mine.c.value, other.c.name == "ref"))
        .join(by, sa.and_(by.c.index == other.c.index, by.c.kind == "sighting"))
        .where(mine.c.index.in_(indices), mine.c.name == "object", reading.sees(other.c.visibility))
        .group_by(mine.c.index)
    )
    return dict(rows(connection, query))


def _about(connection: Connection, reading: Reading, indices: list[int]) -> dict[int, set[str]]:
    mine, other, named = FACT.alias(), FACT.alias(), ITEM.alias()
    query = (
        sa.select(mine.c.index, named.c.title)
        .join(other, sa.and_(other.c.value == mine.c.value, other.c.name == "object"))
        .join(named, named.c.index == other.c.index)
        .where(mine.c.index.in_(indices), mine.c.name.in_(("ref", "ends")), named.c.title != "")
        .where(reading.sees(other.c.visibility), named.c.index != mine.c.index)
    )
    found: dict[int, set[str]] = defaultdict(set)
    for index, title in connection.execute(query):
        found[index].add(title)
    return found


def _acknowledged(connection: Connection, reading: Reading, indices: list[int]) -> set[int]:
    query = sa.select(PICTURE_SEEN.c.index).where(
        PICTURE_SEEN.c.member == reading.member, PICTURE_SEEN.c.index.in_(indices)
    )
    return set(connection.execute(query).scalars())


def _seen(reading: Reading, row: Any) -> Seen:
    said = orjson.loads(row.facts)["sighting"] or {}
    first, last = said.get("first"), said.get("last")
    return Seen(
        index=row.index,
        by=row.issuer,
        by_name=reading.name_of(row.issuer),
        first_seen=None if first is None else from_ms(first),
        last_seen=None if last is None else from_ms(last),
        count=int(said.get("count") or 1),
        port=said.get("port"),
        looking=said.get("looking"),
    )


def _fields(view: View) -> dict[str, Any]:
    return {name: getattr(view, name) for name in View.__slots__}
