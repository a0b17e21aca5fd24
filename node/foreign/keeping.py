"""The store of what came from outside: objects by (source, id), what they name, what was set apart, how far one read.

A page and the position behind it are written in one transaction: whoever is stopped anywhere goes on without gap or
double. What the log has said is kept beside it under the same keys, so that an echo is known as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import store, tables
from node.foreign.spellings import digest_of, keys_in
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

_OBJECT: Final = tables.ForeignObjectRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_VALUE: Final = tables.ForeignValueRow.__table__  # type: ignore[attr-defined]  # as above
_APART: Final = tables.ForeignQuarantineRow.__table__  # type: ignore[attr-defined]  # as above
_FEED: Final = tables.FeedRow.__table__  # type: ignore[attr-defined]  # as above
_INDICATOR: Final = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # as above
_LOG: Final = "log:"  # no source's name has a colon
_INDEXED: Final = "foreign.indexed"
_AT_ONCE: Final = 500
_IN: Final = 400  # bound variables of one question
SAMPLE_BYTES: Final = 4_096
TEXT_CHARS: Final = 300
APART_MOST: Final = 5_000  # of one source and reason: the newest
EMPTY: Final = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An object as it was met last; ``digest`` is empty where only its container is known yet."""

    digest: bytes
    modified: str
    outcome: str
    draft: str
    tlp: Tlp | None
    container: Tlp | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """Something set apart, for whoever asks."""

    source: str
    stix_id: str
    code: str
    text: str
    at_ms: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How far a collection or file was read; ``facts`` are counts and the last error."""

    name: str
    kind: str
    position: Mapping[str, Json]
    at_ms: int
    facts: Mapping[str, Json]


def known(connection: Connection, source: str, ids: Iterable[str]) -> dict[str, Known]:
    """What is known of these objects of a source, by id."""
    found: dict[str, Known] = {}
    wanted = sorted(set(ids))
    for at in range(0, len(wanted), _IN):
        query = sa.select(_OBJECT).where(_OBJECT.c.source == source, _OBJECT.c.stix_id.in_(wanted[at : at + _IN]))
        found |= {row.stix_id: _known(row) for row in connection.execute(query)}
    return found


def keep(connection: Connection, source: str, stix_id: str, values: Mapping[str, Any]) -> None:
    """Write what is known of an object, over what was known."""
    where = (_OBJECT.c.source == source, _OBJECT.c.stix_id == stix_id)
    if not connection.execute(sa.update(_OBJECT).where(*where).values(**values)).rowcount:
        connection.execute(sa.insert(_OBJECT).values(_blank(source, stix_id, **values)))


def contain(
    connection: Connection, source: str, held: Mapping[str, Tlp], known: Mapping[str, Known], at_ms: int
) -> None:
    """Write how strictly containers mark these objects, met or not; ``known`` are those that are there already."""
    rows = [{"at_source": source, "at_id": ident, "held": tlp.value, "now": at_ms} for ident, tlp in held.items()]
    there = [row for row in rows if row["at_id"] in known]
    new = [
        _blank(source, ident, at_ms=at_ms, container_tlp=tlp.value) for ident, tlp in held.items() if ident not in known
    ]
    at = (_OBJECT.c.source == sa.bindparam("at_source"), _OBJECT.c.stix_id == sa.bindparam("at_id"))
    change = sa.update(_OBJECT).where(*at).values(container_tlp=sa.bindparam("held"), at_ms=sa.bindparam("now"))
    if there:
        connection.execute(change, there)
    if new:
        connection.execute(sa.insert(_OBJECT), new)


def count(connection: Connection, source: str) -> int:
    """How many objects of a source are known."""
    return connection.scalar(sa.select(sa.func.count()).select_from(_OBJECT).where(_OBJECT.c.source == source)) or 0


def name_values(connection: Connection, source: str, stix_id: str, keys: Iterable[str]) -> None:
    """Remember what an object names, beside what earlier versions of it did."""
    digests = {digest_of(key) for key in keys}
    of = (_VALUE.c.source == source, _VALUE.c.stix_id == stix_id)
    there = set(connection.scalars(sa.select(_VALUE.c.digest).where(*of, _VALUE.c.digest.in_(digests))))
    rows = [{"digest": one, "source": source, "stix_id": stix_id} for one in sorted(digests - there)]
    if rows:
        connection.execute(sa.insert(_VALUE), rows)


def said_before(connection: Connection, keys: Iterable[str]) -> list[tuple[str, str]]:
    """(issuer, STIX id) of what the log ever said of one of these values, in force or not."""
    query = (
        sa.select(_VALUE.c.source, _VALUE.c.stix_id)
        .where(_VALUE.c.digest.in_({digest_of(key) for key in keys}), _VALUE.c.source.like(f"{_LOG}%"))
        .distinct()
        .order_by(_VALUE.c.source, _VALUE.c.stix_id)
        .limit(10)
    )
    return [(row.source.removeprefix(_LOG), row.stix_id) for row in connection.execute(query)]


def same_thing(connection: Connection, source: str, stix_id: str, keys: frozenset[str]) -> tuple[str, str, str] | None:
    """(source, id, draft) of another drafted object that names all of this, however it spells it."""
    if not keys:
        return None
    digests = {digest_of(key) for key in keys}
    query = (
        sa.select(_OBJECT.c.source, _OBJECT.c.stix_id, _OBJECT.c.draft)
        .join(_VALUE, sa.and_(_VALUE.c.source == _OBJECT.c.source, _VALUE.c.stix_id == _OBJECT.c.stix_id))
        .where(_VALUE.c.digest.in_(digests), _OBJECT.c.draft != "")
        .where(sa.or_(_OBJECT.c.source != source, _OBJECT.c.stix_id != stix_id))
        .group_by(_OBJECT.c.source, _OBJECT.c.stix_id, _OBJECT.c.draft)
        .having(sa.func.count(_VALUE.c.digest.distinct()) == len(digests))
        .order_by(_OBJECT.c.source, _OBJECT.c.stix_id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def index_log(connection: Connection, now: datetime) -> None:
    """Bring what the log has said up to now under the keys of this store: only what was added since."""
    at = int(store.marked(connection, _INDEXED) or -1)
    while True:
        indices = sa.select(_INDICATOR.c.index).where(_INDICATOR.c.index > at, _INDICATOR.c.realm == "real")
        page = list(connection.scalars(indices.distinct().order_by(_INDICATOR.c.index).limit(_AT_ONCE)))
        if not page:
            return
        rows = sa.select(_INDICATOR.c.issuer, _INDICATOR.c.stix_id, _INDICATOR.c.body)
        for row in connection.execute(rows.where(_INDICATOR.c.index.between(page[0], page[-1]))).all():
            data = orjson.loads(orjson.loads(row.body).get("stix") or "{}")
            name_values(connection, f"{_LOG}{row.issuer}", row.stix_id, keys_in(data))
        at = page[-1]
        store.mark(connection, _INDEXED, str(at), to_ms(now))


def set_apart(
    connection: Connection, source: str, raw: bytes, error: tuple[str, str], *, stix_id: str, at_ms: int, size: int = 0
) -> bool:
    """Keep something odd with the reason; whether it was new. ``error`` is code and text."""
    digest = sha256(raw).digest()
    where = (_APART.c.source == source, _APART.c.digest == digest)
    if connection.execute(sa.select(_APART.c.size).where(*where)).first() is not None:
        return False
    names = {"source": source, "digest": digest, "stix_id": _plain(stix_id), "code": error[0]}
    rest = {"text": _plain(error[1]), "at_ms": at_ms, "size": size or len(raw), "sample": raw[:SAMPLE_BYTES]}
    connection.execute(sa.insert(_APART).values(names | rest))
    return True


def forget_apart(connection: Connection, source: str, code: str) -> None:
    """Let go of the oldest that were set apart for this reason, beyond ``APART_MOST``; counts of feeds stay."""
    of, (at, digest) = (_APART.c.source == source, _APART.c.code == code), (_APART.c.at_ms, _APART.c.digest)
    newest = sa.select(at, digest).where(*of).order_by(at.desc(), digest.desc())
    last = connection.execute(newest.offset(APART_MOST).limit(1)).first()
    if last is not None:
        beyond = sa.or_(at < last.at_ms, sa.and_(at == last.at_ms, digest <= last.digest))
        connection.execute(sa.delete(_APART).where(*of, beyond))


def apart(connection: Connection, *, limit: int = 100) -> list[Apart]:
    """What was set apart, the newest first."""
    query = sa.select(_APART).order_by(_APART.c.at_ms.desc(), _APART.c.source, _APART.c.digest).limit(limit)
    return [
        Apart(source=row.source, stix_id=row.stix_id, code=row.code, text=row.text, at_ms=row.at_ms, size=row.size)
        for row in connection.execute(query)
    ]


def apart_count(connection: Connection) -> int:
    """How many were set apart."""
    return connection.scalar(sa.select(sa.func.count()).select_from(_APART)) or 0


def feed(connection: Connection, name: str) -> Feed | None:
    """How far this was read."""
    row = connection.execute(sa.select(_FEED).where(_FEED.c.name == name)).one_or_none()
    return None if row is None else _feed(row)


def feeds(connection: Connection) -> list[Feed]:
    """All that was ever followed or read."""
    return [_feed(row) for row in connection.execute(sa.select(_FEED).order_by(_FEED.c.name))]


def move(connection: Connection, moved: Feed) -> None:
    """Write how far one has read: in the transaction that stores what was read before it."""
    values = {
        "kind": moved.kind,
        "position": orjson.dumps(dict(moved.position)),
        "at_ms": moved.at_ms,
        "body": orjson.dumps(dict(moved.facts)),
    }
    if not connection.execute(sa.update(_FEED).where(_FEED.c.name == moved.name).values(**values)).rowcount:
        connection.execute(sa.insert(_FEED).values(name=moved.name, **values))


def outcomes(connection: Connection) -> dict[str, dict[str, int]]:
    """How many objects of each source ended how."""
    query = sa.select(_OBJECT.c.source, _OBJECT.c.outcome, sa.func.count()).where(_OBJECT.c.outcome != "")
    found: dict[str, dict[str, int]] = {}
    for source, outcome, count in connection.execute(query.group_by(_OBJECT.c.source, _OBJECT.c.outcome)):
        found.setdefault(source, {})[outcome] = count
    return found


def _blank(source: str, stix_id: str, **values: Any) -> dict[str, Any]:
    blank = {"digest": EMPTY, "salt": EMPTY, "raw": EMPTY, "at_ms": 0}
    texts = dict.fromkeys(("modified", "outcome", "reason", "tlp", "container_tlp", "draft"), "")
    return {"source": source, "stix_id": stix_id, **texts, **blank, **values}


def _plain(text: str) -> str:
    """What any database keeps and any terminal shows."""
    kept = text[:TEXT_CHARS].encode("ascii", "backslashreplace").decode()
    return "".join(char if char.isprintable() else "?" for char in kept)


def _known(row: Row[Any]) -> Known:
    return Known(
        digest=row.digest,
        modified=row.modified,
        outcome=row.outcome,
        draft=row.draft,
        tlp=tlp_of(row.tlp) if row.tlp else None,
        container=tlp_of(row.container_tlp) if row.container_tlp else None,
    )


def _feed(row: Row[Any]) -> Feed:
    return Feed(
        name=row.name, kind=row.kind, position=orjson.loads(row.position), at_ms=row.at_ms, facts=orjson.loads(row.body)
    )
