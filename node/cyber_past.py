"""Which values network sensors saw, and when, for looking back when an indicator arrives.

Values are kept by digest, hour and sensor, thirty days and so many rows; beside them the coverage: in which minutes
of an hour a sensor told anything, and of which paths. A sensor that tells of alerts alone has not looked for domains.
What is forgotten to keep the bound takes its coverage along, so that "not seen" never means "forgotten".

All functions work on one open transaction, in which what followed from the records is stored too, or none of it.
Whoever can write here can make a value seen that was not, or hide one; the rows never leave the port.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from node import tables
from node.records import Record
from node.visits import HOUR, LOOKED_MINUTES, LookBack, Verdict, hour_of
from port2port.clock import from_ms, to_ms
from port2port.patterns import IndexKey, is_unique

_VALUE: Final = tables.RecordValueRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_COVERAGE: Final = tables.RecordCoverageRow.__table__  # type: ignore[attr-defined]  # as above
_HOUR_MS: Final = int(HOUR.total_seconds() * 1000)
_CHUNK: Final = 500
ANYTHING: Final = ""  # the path of coverage of a sensor as a whole
DIGEST_BYTES: Final = 16
KEPT: Final = timedelta(days=30)
VALUES_MOST: Final = 3_000_000

_Key: TypeAlias = tuple[bytes, int, str]


class ValueFold:
    """Collects what the records of one batch add to the rows."""

    def __init__(self) -> None:
        self._values: dict[_Key, tuple[int, int, int]] = {}
        self._minutes: dict[tuple[int, str, str], int] = {}

    def fold(self, records: Iterable[Record]) -> None:
        """Take records in: of each the values that name one thing."""
        for record in records:
            at_ms = to_ms(record.observed_at)
            hour_ms, minute = at_ms - at_ms % _HOUR_MS, 1 << record.observed_at.minute
            self._look(hour_ms, record.sensor, ANYTHING, minute)
            for path, values in record.facts.items():
                if is_unique(path):
                    self._look(hour_ms, record.sensor, path, minute)
                    for value in values:
                        self._see((digest_of((path, value)), hour_ms, record.sensor), at_ms)

    def store(self, connection: Connection) -> None:
        """Join what was collected into the rows."""
        dialect = connection.dialect.name
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        if self._values:
            connection.execute(_joining(insert(_VALUE), dialect), self._value_rows())
        if self._minutes:
            made = insert(_COVERAGE)
            joined = _COVERAGE.c.minutes.op("|")(made.excluded.minutes)
            key = ["hour_ms", "sensor", "path"]
            rows = [
                {"hour_ms": hour_ms, "sensor": sensor, "path": path, "minutes": minutes}
                for (hour_ms, sensor, path), minutes in self._minutes.items()
            ]
            connection.execute(made.on_conflict_do_update(index_elements=key, set_={"minutes": joined}), rows)

    def _see(self, key: _Key, at_ms: int) -> None:
        first, last, count = self._values.get(key, (at_ms, at_ms, 0))
        self._values[key] = (min(first, at_ms), max(last, at_ms), count + 1)

    def _look(self, hour_ms: int, sensor: str, path: str, minute: int) -> None:
        key = (hour_ms, sensor, path)
        self._minutes[key] = self._minutes.get(key, 0) | minute

    def _value_rows(self) -> list[dict[str, Any]]:
        return [
            {"digest": digest, "hour_ms": hour, "sensor": sensor, "first_ms": first, "last_ms": last, "count": count}
            for (digest, hour, sensor), (first, last, count) in self._values.items()
        ]


def digest_of(key: IndexKey) -> bytes:
    """What a value is kept as."""
    return sha256(f"{key[0]}\0{key[1]}".encode()).digest()[:DIGEST_BYTES]


def look_back(connection: Connection, keys: Collection[IndexKey], since: datetime, until: datetime) -> LookBack:
    """Was any of these values seen in [since, until)?

    An hour counts as looked when a sensor told something in at least ten of its minutes, and in some hour asked about
    told of such a path: a name server that nobody asked anything was looked at too.
    """
    digests = sorted({digest_of(key) for key in keys})
    found: list[Any] = []
    for at in range(0, len(digests), _CHUNK):
        chunk = _VALUE.c.digest.in_(digests[at : at + _CHUNK])
        found += connection.execute(sa.select(_VALUE).where(chunk, *_within(_VALUE.c.hour_ms, since, until)))
    rows = [row for row in found if row.last_ms >= to_ms(since) and from_ms(row.first_ms) < until]
    rows.sort(key=lambda row: (row.hour_ms, row.sensor))
    looked = _hours_looked(connection, {path for path, _ in keys}, since, until)
    not_seen = Verdict.LOOKED_NOT_SEEN if looked else Verdict.NOT_LOOKED
    return LookBack(
        verdict=Verdict.SEEN if rows else not_seen,
        first_seen=min((from_ms(row.first_ms) for row in rows), default=None),
        last_seen=max((from_ms(row.last_ms) for row in rows), default=None),
        places=tuple(dict.fromkeys(row.sensor for row in rows)),
        count=sum(row._mapping["count"] for row in rows),  # noqa: SLF001  # a row's own ``count`` is the tuple method
        hours_asked=_hours_between(since, until),
        hours_looked=len(looked),
    )


def seen_among(connection: Connection, keys: Iterable[IndexKey], since: datetime) -> list[IndexKey]:
    """Those of the values that were seen since a time, as they came."""
    given = list(keys)
    digests = {digest_of(key) for key in given}
    query = sa.select(_VALUE.c.digest).where(_VALUE.c.digest.in_(digests), _VALUE.c.last_ms >= to_ms(since))
    known = {bytes(digest) for digest in connection.scalars(query.distinct())}
    return [key for key in given if digest_of(key) in known]


def _hours_looked(connection: Connection, paths: set[str], since: datetime, until: datetime) -> set[int]:
    query = sa.select(_COVERAGE).where(
        _COVERAGE.c.path.in_({*paths, ANYTHING}), *_within(_COVERAGE.c.hour_ms, since, until)
    )
    rows = connection.execute(query).all()
    able = {row.sensor for row in rows if row.path != ANYTHING}
    return {
        row.hour_ms
        for row in rows
        if row.path == ANYTHING and row.sensor in able and row.minutes.bit_count() >= LOOKED_MINUTES
    }


def _within(hour: sa.Column[int], since: datetime, until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return hour < to_ms(until), hour + _HOUR_MS > to_ms(since)


def _hours_between(since: datetime, until: datetime) -> int:
    if until <= since:
        return 0
    return (hour_of(until - timedelta(microseconds=1)) - hour_of(since)) // HOUR + 1


def _joining(made: Any, dialect: str) -> Any:
    row, new = _VALUE.c, made.excluded
    least, most = (sa.func.least, sa.func.greatest) if dialect == "postgresql" else (sa.func.min, sa.func.max)
    joined = {
        "first_ms": least(row.first_ms, new.first_ms),
        "last_ms": most(row.last_ms, new.last_ms),
        "count": row.count + new.count,
    }
    return made.on_conflict_do_update(index_elements=["digest", "hour_ms", "sensor"], set_=joined)


def purge(connection: Connection, now: datetime, *, most: int = VALUES_MOST) -> None:
    """Forget what is too old, and of too much the oldest hours."""
    _forget_hours(connection, to_ms(now - KEPT) - _HOUR_MS)
    while (connection.scalar(sa.select(sa.func.count()).select_from(_VALUE)) or 0) > most:
        _forget_hours(connection, connection.scalar(sa.select(sa.func.min(_VALUE.c.hour_ms))) or 0)


def _forget_hours(connection: Connection, until_ms: int) -> None:
    connection.execute(sa.delete(_VALUE).where(_VALUE.c.hour_ms <= until_ms))
    connection.execute(sa.delete(_COVERAGE).where(_COVERAGE.c.hour_ms <= until_ms))
