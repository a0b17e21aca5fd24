"""Spill-over: links between ports whose published items share a subject, with the reason and a score.

Computed for one reader from pairs of entries of which he may read both, and no others. A link that a member's people
called not related is left out for that member. The score, 0 to 1, is that of the strongest shared fact, halved for
each further day between the two entries up to a floor; it orders links and claims nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture import Reading, View, one_item
from hub.picture.queries import FACT, ITEM, filters
from hub.picture.reading import rows
from hub.store import audit
from hub.tables import NOT_RELATED
from port2port.clock import from_ms
from port2port.errors import PolicyError

WEIGHTS: Final = {"sighting": 1.0, "vessel": 0.9, "container": 0.9, "value": 0.8, "container-prefix": 0.4, "modus": 0.3}
WINDOW: Final = timedelta(days=14)
FLOOR: Final = 0.1
MOST_PAIRS: Final = 2_000
REASON_CHARS: Final = 300


class NotRelatedError(PolicyError):
    """These two cannot be called unrelated; the text says why."""

    code = "NOT_RELATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two related entries of two ports; ``first`` is the earlier. ``lag`` is the time between their logging."""

    first: int
    second: int
    reason: str
    value: str
    score: float
    lag: timedelta
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """All pairs between two ports: an arc on the map, from the port that told first in its strongest pair."""

    source: str
    target: str
    score: float
    reasons: tuple[str, ...]
    pairs: tuple[Pair, ...]


def spill_over(connection: Connection, reading: Reading, view: View) -> tuple[Link, ...]:
    """The links among the items of a view, strongest first."""
    apart = _not_related(connection, reading)
    best: dict[tuple[int, int], tuple[Pair, str, str]] = {}
    for row in _shared(connection, reading, view):
        if (row.first, row.second) in apart:
            continue
        pair = _pair(row)
        known = best.get((pair.first, pair.second))
        if known is None or (pair.score, pair.reason) > (known[0].score, known[0].reason):
            best[pair.first, pair.second] = (pair, row.source, row.target)
    return _links(best.values())


def not_related(connection: Connection, reading: Reading, *, who: str, first: int, second: int, reason: str) -> None:
    """Leave a pair out for the reader's member from now on. Raises NotFoundError or NotRelatedError."""
    low, high = sorted((first, second))
    for index in (low, high):
        one_item(connection, reading, index)
    text = reason.strip()
    if low == high or not 0 < len(text) <= REASON_CHARS:
        raise NotRelatedError(f"name two entries, and why, in at most {REASON_CHARS} characters")
    related_again(connection, reading, first=low, second=high)
    row = {"member": reading.member, "first": low, "second": high, "reason": text, "who": who, "at_ms": reading.now_ms}
    connection.execute(NOT_RELATED.insert(), [row])
    facts = {"first": low, "second": high, "who": who}
    audit(connection, at_ms=reading.now_ms, event="picture.not_related", member=reading.member, facts=facts)


def related_again(connection: Connection, reading: Reading, *, first: int, second: int) -> None:
    """Take that back."""
    low, high = sorted((first, second))
    mine = (NOT_RELATED.c.member == reading.member, NOT_RELATED.c.first == low, NOT_RELATED.c.second == high)
    connection.execute(NOT_RELATED.delete().where(*mine))


def _shared(connection: Connection, reading: Reading, view: View) -> list[Any]:
    """Pairs of readable entries of two ports that name the same, the earlier one first; newest pairs first."""
    mine, other, later = FACT.alias(), FACT.alias(), ITEM.alias()
    of_view = sa.select(ITEM.c.index).where(*filters(reading, view))
    same = sa.and_(mine.c.name == other.c.name, mine.c.name.in_([*WEIGHTS]))
    sighted = sa.and_(mine.c.name == "object", other.c.name == "ref", later.c.kind == "sighting")
    lag = later.c.received_ms - ITEM.c.received_ms
    query = (
        sa.select(
            *(mine.c.index.label("first"), other.c.index.label("second"), other.c.name, mine.c.value),
            *(ITEM.c.issuer.label("source"), later.c.issuer.label("target")),
            *(lag.label("lag_ms"), later.c.received_ms.label("at_ms")),
        )
        .join(other, sa.and_(other.c.value == mine.c.value, other.c.index > mine.c.index))
        .join(ITEM, ITEM.c.index == mine.c.index)
        .join(later, later.c.index == other.c.index)
        .where(reading.sees(mine.c.visibility), reading.sees(other.c.visibility), sa.or_(same, sighted))
        .where(ITEM.c.issuer != later.c.issuer, ITEM.c.realm == later.c.realm)
        .where(later.c.kind != "import")  # what came back from outside after it was told here confirms nothing
        .where(mine.c.index.in_(of_view), other.c.index.in_(of_view))
        .where(lag <= WINDOW // timedelta(milliseconds=1))
        .order_by(other.c.index.desc(), mine.c.index.desc(), other.c.name, mine.c.value)
        .limit(MOST_PAIRS)
    )
    return rows(connection, query)


def _pair(row: Any) -> Pair:
    reason = "sighting" if row.name == "ref" else str(row.name)
    lag = timedelta(milliseconds=row.lag_ms)
    score = max(FLOOR, WEIGHTS[reason] * 0.5 ** (lag / timedelta(days=1)))
    return Pair(
        first=row.first,
        second=row.second,
        reason=reason,
        value=row.value,
        score=round(score, 3),
        lag=lag,
        at=from_ms(row.at_ms),
    )


def _links(found: Iterable[tuple[Pair, str, str]]) -> tuple[Link, ...]:
    between: dict[frozenset[str], list[tuple[Pair, str, str]]] = defaultdict(list)
    for pair, source, target in found:
        between[frozenset((source, target))].append((pair, source, target))
    links = []
    for pairs in between.values():
        ordered = sorted(pairs, key=lambda one: (-one[0].score, one[0].first, one[0].second))
        strongest, source, target = ordered[0]
        link = Link(
            source=source,
            target=target,
            score=strongest.score,
            reasons=tuple(sorted({one[0].reason for one in ordered})),
            pairs=tuple(one[0] for one in ordered),
        )
        links.append(link)
    return tuple(sorted(links, key=lambda link: (-link.score, link.source, link.target)))


def _not_related(connection: Connection, reading: Reading) -> set[tuple[int, int]]:
    mine = NOT_RELATED.c.member == reading.member
    query = sa.select(NOT_RELATED.c.first, NOT_RELATED.c.second).where(mine)
    return {(row.first, row.second) for row in connection.execute(query)}
