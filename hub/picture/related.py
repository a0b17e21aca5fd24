"""What else belongs to an item: the same vessel, container, container prefix, value, modus, or place and time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.queries import FACT, ITEM, items_of
from hub.picture.reading import Reading
from hub.picture.values import Related

# The most telling reason first: an item is told once, with its best reason.
REASONS: Final = ("vessel", "container", "value", "container-prefix", "cell", "modus")
PLACE_AND_TIME: Final = "cell"
NEAR_MS: Final = 24 * 3_600_000
MODUS_MS: Final = 30 * 24 * 3_600_000
MOST: Final = 50


def related(connection: Connection, reading: Reading, index: int, *, limit: int = MOST) -> tuple[Related, ...]:
    """Other readable items and why, best reason first, then newest. ``cell`` means within 0.1 degree and a day."""
    mine, other, here, there = FACT.alias(), FACT.alias(), ITEM.alias(), ITEM.alias()
    apart = sa.func.abs(there.c.received_ms - here.c.received_ms)
    query = (
        sa.select(other.c.index, other.c.name, other.c.value)
        .join(mine, sa.and_(mine.c.name == other.c.name, mine.c.value == other.c.value))
        .join(here, here.c.index == mine.c.index)
        .join(there, there.c.index == other.c.index)
        .where(mine.c.index == index, reading.sees(mine.c.visibility), other.c.index != index)
        .where(reading.sees(other.c.visibility), other.c.name.in_(REASONS), here.c.realm == there.c.realm)
        .where(sa.or_(other.c.name != PLACE_AND_TIME, apart <= NEAR_MS))
        .where(sa.or_(other.c.name != "modus", apart <= MODUS_MS))
        .order_by(other.c.index.desc(), other.c.name, other.c.value)
        .limit(limit * len(REASONS))
    )
    best = _best(connection.execute(query))
    chosen = sorted(best, key=lambda at: (REASONS.index(best[at][0]), -at))[:limit]
    rows = connection.execute(sa.select(ITEM).where(ITEM.c.index.in_(chosen), reading.sees(ITEM.c.visibility))).all()
    found = {item.index: item for item in items_of(connection, reading, rows)}
    return tuple(Related(item=found[at], reason=best[at][0], value=best[at][1]) for at in chosen if at in found)


def _best(rows: Iterable[Any]) -> dict[int, tuple[str, str]]:
    best: dict[int, tuple[str, str]] = {}
    for index, name, value in rows:
        known = best.get(index)
        if known is None or REASONS.index(name) < REASONS.index(known[0]):
            best[index] = (name, value)
    return best
