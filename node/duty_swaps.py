"""Turns that two officers exchange between themselves: one asks, the other agrees, and the rota says so from then on.

A turn is exchanged once, before either watch begins, and only as the rota file has it: where the file was changed
since, or exchanges the turn itself, the file counts. Asking and answering are audit lines of the page that does it.
Whoever can write here can have another officer called; what is sent to him says nothing but that an item waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import tables
from node.duty import Rota, Turn, Watch
from port2port.clock import from_ms, to_ms
from port2port.errors import ConflictError, NotFoundError

_TABLE: Final = tables.DutySwapRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
AHEAD: Final = timedelta(days=28)
OPEN_MOST: Final = 20  # asked by one officer
OPEN, AGREED, DECLINED, WITHDRAWN = "open", "agreed", "declined", "withdrawn"


class Why(Enum):
    """Why two turns are not exchanged."""

    NO_TURN = "no-turn"  # the rota has no such turn, or it is exchanged already
    NOT_YOURS = "not-yours"  # the first is to be the officer's own, the second another's
    SAME_WATCH = "same-watch"  # somebody would stand in one watch twice
    BEGUN = "begun"
    TOO_MANY = "too-many"
    CLOSED = "closed"


class SwapError(ConflictError):
    """These turns cannot be exchanged; ``why`` says which rule it is."""

    code = "SWAP"

    def __init__(self, why: Why) -> None:
        super().__init__("these turns cannot be exchanged")
        self.why = why


class NoSwapError(NotFoundError):
    """There is no such question, or not for this officer."""

    code = "NO_SWAP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """``first`` is the turn of who asked, ``second`` that of who is asked."""

    id: int
    first: Turn
    second: Turn
    state: str
    asked_at: datetime


def ask(connection: Connection, rota: Rota, officer: str, turns: tuple[Turn, Turn], now: datetime) -> int:
    """Ask another officer to exchange turns; the number of the question. Raises SwapError."""
    first, second = turns
    if first.person != officer or second.person == officer:
        raise SwapError(Why.NOT_YOURS)
    _require_possible(applied(connection, rota), turns, now)
    mine = (_TABLE.c.state == OPEN, _TABLE.c.first_person == officer)
    if (connection.scalar(sa.select(sa.func.count()).where(*mine)) or 0) >= OPEN_MOST:
        raise SwapError(Why.TOO_MANY)
    values = {**_columns("first", first), **_columns("second", second), "state": OPEN, "asked_ms": to_ms(now)}
    made = connection.execute(sa.insert(_TABLE).values(**values, answered_ms=None).returning(_TABLE.c.id))
    return int(made.scalar_one())


def agree(connection: Connection, rota: Rota, officer: str, ident: int, now: datetime) -> Swap:
    """Who was asked agrees. Raises NoSwapError, or SwapError where it is too late."""
    swap = _open(connection, ident)
    if swap.second.person != officer:
        raise NoSwapError("nobody asked this officer")
    _require_possible(applied(connection, rota), (swap.first, swap.second), now)
    return _close(connection, swap, AGREED, now)


def decline(connection: Connection, officer: str, ident: int, now: datetime) -> Swap:
    """Who was asked declines, or who asked takes it back. Raises NoSwapError or SwapError."""
    swap = _open(connection, ident)
    if officer not in {swap.first.person, swap.second.person}:
        raise NoSwapError("nobody asked this officer")
    return _close(connection, swap, WITHDRAWN if officer == swap.first.person else DECLINED, now)


def waiting(connection: Connection, rota: Rota, now: datetime) -> tuple[Swap, ...]:
    """The open questions that can still be agreed to, the oldest first."""
    current = applied(connection, rota)
    query = sa.select(_TABLE).where(_TABLE.c.state == OPEN).order_by(_TABLE.c.id)
    return tuple(
        swap
        for swap in map(_of_row, connection.execute(query))
        if _hindrance(current, (swap.first, swap.second), now) is None
    )


def applied(connection: Connection, rota: Rota) -> Rota:
    """The rota with everything that was agreed."""
    query = sa.select(_TABLE).where(_TABLE.c.state == AGREED).order_by(_TABLE.c.answered_ms, _TABLE.c.id)
    return rota.with_swaps((swap.first, swap.second) for swap in map(_of_row, connection.execute(query)))


def turns(rota: Rota, now: datetime) -> Iterator[tuple[Watch, Turn]]:
    """Every turn of the coming four weeks that can still be exchanged, by its beginning."""
    today, taken = now.astimezone(rota.zone).date(), rota.swapped
    planned = {shift.name: shift.people for shift in rota.shifts}
    coming = (watch for days in range(AHEAD.days) for watch in rota.starting_on(today + timedelta(days=days)))
    for watch in sorted((one for one in coming if one.starts_at > now), key=lambda one: (one.starts_at, one.shift)):
        for person in planned[watch.shift]:
            turn = Turn(shift=watch.shift, on=watch.on, person=person)
            if turn not in taken:
                yield watch, turn


def _require_possible(rota: Rota, both: tuple[Turn, Turn], now: datetime) -> None:
    found = _hindrance(rota, both, now)
    if found is not None:
        raise SwapError(found)


def _hindrance(rota: Rota, both: tuple[Turn, Turn], now: datetime) -> Why | None:
    first, second = both
    if not (rota.has(first) and rota.has(second)) or {first, second} & rota.swapped:
        return Why.NO_TURN
    today = now.astimezone(rota.zone).date()
    if min(first.on, second.on) < today:
        return Why.BEGUN
    if max(first.on, second.on) > today + AHEAD:
        return Why.NO_TURN
    here, there = _watch(rota, first), _watch(rota, second)
    if min(here.starts_at, there.starts_at) <= now:
        return Why.BEGUN
    if second.person in here.people or first.person in there.people:
        return Why.SAME_WATCH
    return None


def _watch(rota: Rota, turn: Turn) -> Watch:
    return next(one for one in rota.starting_on(turn.on) if one.shift == turn.shift)


def _open(connection: Connection, ident: int) -> Swap:
    row = connection.execute(sa.select(_TABLE).where(_TABLE.c.id == ident)).first()
    if row is None:
        raise NoSwapError("there is no such question")
    if row.state != OPEN:
        raise SwapError(Why.CLOSED)
    return _of_row(row)


def _close(connection: Connection, swap: Swap, state: str, now: datetime) -> Swap:
    mine = (_TABLE.c.id == swap.id, _TABLE.c.state == OPEN)
    if connection.execute(sa.update(_TABLE).where(*mine).values(state=state, answered_ms=to_ms(now))).rowcount != 1:
        raise SwapError(Why.CLOSED)
    return swap


def _columns(name: str, turn: Turn) -> dict[str, str]:
    return {f"{name}_shift": turn.shift, f"{name}_on": turn.on.isoformat(), f"{name}_person": turn.person}


def _of_row(row: Row[Any]) -> Swap:
    return Swap(
        id=row.id,
        first=Turn(shift=row.first_shift, on=date.fromisoformat(row.first_on), person=row.first_person),
        second=Turn(shift=row.second_shift, on=date.fromisoformat(row.second_on), person=row.second_person),
        state=row.state,
        asked_at=from_ms(row.asked_ms),
    )
