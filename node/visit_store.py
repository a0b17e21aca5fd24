"""Visits and coverage in the node's database: the ``VisitStore`` that survives a restart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from node import tables
from node.store import NodeStore
from node.visits import HOUR, Coverage, Visit
from port2port.clock import from_ms, to_ms

_VISIT: Final = tables.VisitRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_COVERAGE: Final = tables.CoverageRow.__table__  # type: ignore[attr-defined]  # as above
_HOUR_MS: Final = int(HOUR.total_seconds() * 1000)
_CHUNK: Final = 500


class SqlVisits:
    """Satisfies ``VisitStore``; every call blocks for one transaction, so call it off the event loop."""

    def __init__(self, store: NodeStore) -> None:
        self._store = store

    def add(self, visits: Iterable[Visit], coverage: Iterable[Coverage]) -> None:
        """Join parts into their rows; all of them or none."""
        visit_rows = [_visit_values(visit) for visit in visits]
        coverage_rows = [_coverage_values(row) for row in coverage]

        def action(connection: Connection) -> None:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            for values in visit_rows:
                connection.execute(_join_visit(insert(_VISIT).values(values), connection.dialect.name))
            for values in coverage_rows:
                made = insert(_COVERAGE).values(values)
                joined = _COVERAGE.c.minutes.op("|")(made.excluded.minutes)
                key = ["hour_ms", "station", "place"]
                connection.execute(made.on_conflict_do_update(index_elements=key, set_={"minutes": joined}))

        if visit_rows or coverage_rows:
            self._store.write_now(action)

    def visits_of(self, identities: Collection[str], since: datetime, until: datetime) -> Sequence[Visit]:
        """Rows of these identities whose hour overlaps [since, until), by hour, then place, then identity."""
        names = sorted(set(identities))

        def action(connection: Connection) -> list[Visit]:
            found: list[Visit] = []
            for at in range(0, len(names), _CHUNK):
                chunk = _VISIT.c.identity.in_(names[at : at + _CHUNK])
                query = sa.select(_VISIT).where(chunk, *_overlaps(_VISIT.c.hour_ms, since, until))
                found += [_visit(row) for row in connection.execute(query)]
            return sorted(found, key=lambda visit: (visit.hour, visit.place, visit.identity))

        return self._store.read_now(action)

    def coverage(self, since: datetime, until: datetime) -> Sequence[Coverage]:
        """Rows whose hour overlaps [since, until), by hour, then station, then place."""
        query = sa.select(_COVERAGE).where(*_overlaps(_COVERAGE.c.hour_ms, since, until))
        rows = self._store.read_now(lambda connection: [_coverage(row) for row in connection.execute(query)])
        return sorted(rows, key=lambda row: (row.hour, row.station, row.place))

    def purge(self, before: datetime) -> int:
        """Forget all rows whose hour ended before this time; how many visits that were."""
        limit = to_ms(before) - _HOUR_MS

        def action(connection: Connection) -> int:
            connection.execute(sa.delete(_COVERAGE).where(_COVERAGE.c.hour_ms <= limit))
            return connection.execute(sa.delete(_VISIT).where(_VISIT.c.hour_ms <= limit)).rowcount

        return self._store.write_now(action)


def _overlaps(hour: sa.Column[int], since: datetime, until: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return hour < _ceiling_ms(until), hour + _HOUR_MS > to_ms(since)


def _ceiling_ms(moment: datetime) -> int:
    """``to_ms`` rounds down; an end between two milliseconds still lies after the first."""
    return to_ms(moment) + (1 if moment.microsecond % 1000 else 0)


def _join_visit(made: Any, dialect: str) -> Any:
    """``joined_visits`` in SQL: the part seen first gives the station, of two at once the lesser name."""
    row, new = _VISIT.c, made.excluded
    least, most = (sa.func.least, sa.func.greatest) if dialect == "postgresql" else (sa.func.min, sa.func.max)
    station = sa.case(
        (new.first_ms < row.first_ms, new.station),
        (new.first_ms > row.first_ms, row.station),
        else_=least(new.station, row.station),
    )
    joined = {
        "station": station,
        "first_ms": least(row.first_ms, new.first_ms),
        "last_ms": most(row.last_ms, new.last_ms),
        "count": row.count + new.count,
    }
    return made.on_conflict_do_update(index_elements=["identity", "hour_ms", "place"], set_=joined)


def _visit_values(visit: Visit) -> dict[str, Any]:
    return {
        "identity": visit.identity,
        "hour_ms": to_ms(visit.hour),
        "place": visit.place,
        "first_ms": to_ms(visit.first_seen),
        "last_ms": to_ms(visit.last_seen),
        "count": visit.count,
        "station": visit.station,
    }


def _coverage_values(row: Coverage) -> dict[str, Any]:
    return {"hour_ms": to_ms(row.hour), "station": row.station, "place": row.place, "minutes": row.minutes}


def _visit(row: Row[Any]) -> Visit:
    return Visit(
        identity=row.identity,
        hour=from_ms(row.hour_ms),
        place=row.place,
        first_seen=from_ms(row.first_ms),
        last_seen=from_ms(row.last_ms),
        count=row._mapping["count"],  # noqa: SLF001  # a row's own ``count`` is the tuple method
        station=row.station,
    )


def _coverage(row: Row[Any]) -> Coverage:
    return Coverage(station=row.station, hour=from_ms(row.hour_ms), place=row.place, minutes=row.minutes)
