"""One question, answered and written down in one transaction that does the same work whatever it finds.

Every question reads the same, draws the same lots, writes one row and adds to one row of counts. The rows name a value
by an HMAC whose key is a file, so that a copy of the database tells nobody who was asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import tables
from node.indicators import Indicator, Key
from node.passages.draw import AGAIN_MS, DAY_MS, LISTED, WINDOW_DAYS, Dice, Drawn, Gate, Value, draw
from port2port.clock import from_ms, to_ms
from port2port.patterns import IndexKey

_TABLE: Final = tables.PassageRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_DAY: Final = tables.PassageDayRow.__table__  # type: ignore[attr-defined]  # as above
KEPT_DAYS: Final = 120
SHOWN_MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One passage at one gate: what passes, spelled as patterns spell it, where, and the gate's own name of it."""

    gate: str
    kind: str
    key: IndexKey
    place: str
    passage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What may be told of a gate: how much it asked, and how many were checked, whatever the reason."""

    asked: int = 0
    checks: int = 0
    last_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One passage of somebody looked for, for the officers of the case."""

    at: datetime
    gate: str
    place: str
    passage: str
    checked: bool


Finds = Callable[[Connection, IndexKey], list[Indicator]]


def answer(
    connection: Connection, question: Question, *, finds: Finds, dice: Dice, floor: float, now: datetime
) -> bool:
    """True for a routine check. ``floor`` is the least share of random ones."""
    now_ms = to_ms(now)
    digest = dice.digest(question.kind, str(question.key[1]))
    slot = dice.slot(digest, now_ms)
    found = finds(connection, question.key)
    gate = _gate(connection, question.gate, now_ms // DAY_MS)
    value = _value(connection, question, digest, slot, now_ms, listed=bool(found))
    drawn = draw(gate, value, dice, name=question.gate, digest=digest, floor=floor, now_ms=now_ms)
    _write(
        connection,
        question,
        drawn,
        digest=digest,
        slot=slot if drawn.slot is None else drawn.slot,
        now_ms=now_ms,
        found=found,
    )
    recent = gate.later(listed=bool(found)) if drawn.counts else gate.recent
    _count(connection, question.gate, drawn, now_ms // DAY_MS, listed=bool(found), recent=recent)
    return drawn.check


def counts(connection: Connection, now: datetime) -> dict[str, Counts]:
    """By gate, of the last 28 days."""
    since = to_ms(now) // DAY_MS - WINDOW_DAYS
    sums = sa.select(_DAY.c.gate, sa.func.sum(_DAY.c.asked), sa.func.sum(_DAY.c.checks)).where(_DAY.c.day > since)
    lasts = sa.select(_TABLE.c.gate, sa.func.max(_TABLE.c.at_ms)).group_by(_TABLE.c.gate)
    last = {row[0]: row[1] for row in connection.execute(lasts)}
    return {
        gate: Counts(asked=int(asked), checks=int(checks), last_ms=last.get(gate))
        for gate, asked, checks in connection.execute(sums.group_by(_DAY.c.gate))
    }


def passed(connection: Connection, key: Key, first: datetime, last: datetime) -> list[Passed]:
    """The newest passages under an indicator in a time: what officers read, and nobody else."""
    named = orjson.dumps(key)
    within = (_TABLE.c.at_ms >= to_ms(first), _TABLE.c.at_ms <= to_ms(last))
    query = sa.select(_TABLE).where(_TABLE.c.listed, *within).order_by(_TABLE.c.id.desc())
    about = (row for row in connection.execute(query) if named in row.found)
    return [
        Passed(at=from_ms(row.at_ms), gate=row.gate, place=row.place, passage=row.passage, checked=row.checked)
        for row in islice(about, SHOWN_MOST)
    ]


def purge(connection: Connection, now: datetime) -> None:
    """Let go of what nothing is drawn by any more and every officer was told of."""
    before = to_ms(now) - KEPT_DAYS * DAY_MS
    connection.execute(sa.delete(_TABLE).where(_TABLE.c.at_ms < before, _TABLE.c.told))
    connection.execute(sa.delete(_DAY).where(_DAY.c.day < before // DAY_MS))


def _gate(connection: Connection, name: str, today: int) -> Gate:
    query = sa.select(_DAY).where(_DAY.c.gate == name, _DAY.c.day > today - WINDOW_DAYS).order_by(_DAY.c.day)
    rows = [row._mapping for row in connection.execute(query)]  # noqa: SLF001  # the documented view of a row
    now = [row for row in rows if row["day"] == today]
    before = [row["questions"] for row in rows if row["day"] != today and row["questions"]]
    return Gate(
        questions=sum(row["questions"] for row in rows),
        listed=sum(row["listed"] for row in rows),
        random=sum(row["random"] for row in rows),
        shown=sum(row["shown"] for row in rows),
        today=sum(row["questions"] for row in now),
        random_today=sum(row["random"] for row in now),
        quietest=min(before, default=0),
        recent=rows[-1]["recent"] if rows else 0,
    )


def _value(connection: Connection, question: Question, digest: bytes, slot: int, now_ms: int, *, listed: bool) -> Value:
    same, at_gate = _TABLE.c.digest == digest, _TABLE.c.gate == question.gate
    newest = _TABLE.c.id.desc()
    given = (_TABLE.c.checked, _TABLE.c.why, _TABLE.c.until_ms, _TABLE.c.slot)
    repeated = sa.or_(_TABLE.c.slot == slot, _TABLE.c.passage == question.passage)
    here = connection.execute(sa.select(*given).where(same, at_gate, repeated).order_by(newest).limit(1)).first()
    lasting = (same, _TABLE.c.until_ms > now_ms)
    episode = connection.execute(
        sa.select(_TABLE.c.why, _TABLE.c.until_ms).where(*lasting).order_by(_TABLE.c.until_ms.desc()).limit(1)
    ).first()
    spent = (same, _TABLE.c.why == LISTED, _TABLE.c.until_ms > now_ms - AGAIN_MS)
    return Value(
        listed=listed,
        here=None if here is None else Drawn(check=here.checked, why=here.why, until_ms=here.until_ms, slot=here.slot),
        asked=_any(connection, same, _TABLE.c.slot == slot),
        episode="" if episode is None else episode.why,
        until_ms=0 if episode is None else episode.until_ms,
        seen_here=_any(connection, *lasting, at_gate),
        spent=_any(connection, *spent),
    )


def _any(connection: Connection, *where: sa.ColumnElement[bool]) -> bool:
    return connection.execute(sa.select(_TABLE.c.id).where(*where).limit(1)).first() is not None


def _write(
    connection: Connection,
    question: Question,
    drawn: Drawn,
    *,
    digest: bytes,
    slot: int,
    now_ms: int,
    found: list[Indicator],
) -> None:
    connection.execute(
        sa.insert(_TABLE).values(
            at_ms=now_ms,
            gate=question.gate,
            kind=question.kind,
            place=question.place,
            passage=question.passage,
            digest=digest,
            slot=slot,
            checked=drawn.check,
            why=drawn.why,
            until_ms=drawn.until_ms,
            listed=bool(found),
            found=orjson.dumps([one.key for one in found]),
            told=not found,
        )
    )


def _count(connection: Connection, name: str, drawn: Drawn, today: int, *, listed: bool, recent: int) -> None:
    more = {
        "asked": 1,
        "questions": int(drawn.counts),
        "listed": int(drawn.counts and listed),
        "checks": int(drawn.check),
        "random": int(drawn.begins and drawn.why != LISTED),
        "shown": int(drawn.shows),
    }
    of_today = (_DAY.c.gate == name, _DAY.c.day == today)
    added = {column: _DAY.c[column] + more[column] for column in more}
    if not connection.execute(sa.update(_DAY).where(*of_today).values({**added, "recent": recent})).rowcount:
        connection.execute(sa.insert(_DAY).values(gate=name, day=today, recent=recent, **more))
