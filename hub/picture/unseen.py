"""What asked for action and another member's officers have not seen for ten minutes: "not seen by North Sea Port".

Worked out from the receipts that pass the hub, for real entries that ask to act or to call first, and for changes of
the security level, as long as they are in force; after a day it has been read or telephoned. Receipts are the issuer's
and the coordinator's to read (decision 0019); anybody else knows his own member's answer. A member that had no key in
the roster yet when the entry was logged owes no answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.picture.queries import ITEM, items_of
from hub.picture.reading import Reading, rows
from hub.picture.values import Item
from hub.tables import RECEIPT
from port2port.roster import Roster
from port2port.sharing import REAL

AFTER_MS: Final = 10 * 60 * 1_000
LONGEST_MS: Final = 24 * 3_600 * 1_000
COORDINATOR: Final = "coordinator"  # the role of a person at the hub
MOST_OF_ONE: Final = 100  # of one member: whoever says much hides nothing that others say
_ASKS: Final = ("act", "call_first")
_MAKING: Final = ("publish", "report", "import")
_SAW: Final = ("seen", "retracted")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSeen:
    """One entry and the members, by id and by name, who should have seen it by now and have not."""

    item: Item
    members: tuple[str, ...]
    names: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was answered to one entry: (member, state) each."""

    issuer: str
    visibility: int
    told: frozenset[tuple[str, str]]


def answers_known(reading: Reading) -> sa.ColumnElement[bool]:
    """The condition that limits receipts to those that the reader may know of."""
    if COORDINATOR in reading.reader.roles:
        return sa.true()
    return sa.or_(RECEIPT.c.issuer == reading.member, RECEIPT.c.member == reading.member)


def knows(reading: Reading, issuer: str, member: str) -> bool:
    """Whether the reader may know what ``member`` answered to an entry of ``issuer`` that he may read."""
    return COORDINATOR in reading.reader.roles or reading.member in {issuer, member}


def asks(item: Item) -> bool:
    """Whether an officer at each receiver has something to decide about it, and it is in force."""
    asking = item.kind == "level" or (item.kind in _MAKING and item.handling in _ASKS)
    return asking and item.realm == REAL and not item.over


def not_seen(connection: Connection, reading: Reading, audiences: Audiences) -> tuple[NotSeen, ...]:
    """What the reader may know of it, the oldest first."""
    found = _asking(connection, reading, reading.now_ms - AFTER_MS)
    items = [item for item in items_of(connection, reading, found) if asks(item)]
    classes = {row.index: row.visibility for row in found}
    audiences.load(connection, classes.values())
    answered = _answered(connection, reading, [item.index for item in items])
    made = (
        _of(reading, item, [one for one in owing(audiences, reading.roster, item.index, classes[item.index])
                            if (item.index, one) not in answered and knows(reading, item.issuer, one)])
        for item in reversed(items)
    )  # fmt: skip
    return tuple(one for one in made if one.members)


def answers(connection: Connection, reading: Reading) -> dict[int, Answers]:
    """What the reader may know of the answers to everything that asked for action within a day, by entry."""
    found = _asking(connection, reading, reading.now_ms)
    query = sa.select(RECEIPT.c.index, RECEIPT.c.member, RECEIPT.c.state).where(
        RECEIPT.c.index.in_([row.index for row in found]), answers_known(reading)
    )
    told: dict[int, set[tuple[str, str]]] = {}
    for row in rows(connection, query):
        told.setdefault(row.index, set()).add((row.member, row.state))
    return {
        row.index: Answers(issuer=row.issuer, visibility=row.visibility, told=frozenset(told.get(row.index, ())))
        for row in found
    }


def _asking(connection: Connection, reading: Reading, until_ms: int) -> list[Any]:
    newest_first = sa.func.row_number().over(partition_by=ITEM.c.issuer, order_by=ITEM.c.index.desc())
    asked = (
        sa.select(ITEM.c.index, newest_first.label("rank"))
        .where(
            reading.sees(ITEM.c.visibility),
            ITEM.c.realm == REAL,
            sa.or_(ITEM.c.kind == "level", sa.and_(ITEM.c.kind.in_(_MAKING), ITEM.c.handling.in_(_ASKS))),
            ITEM.c.received_ms <= until_ms,
            ITEM.c.received_ms > reading.now_ms - LONGEST_MS,
        )
        .subquery()
    )
    query = sa.select(ITEM).join(asked, asked.c.index == ITEM.c.index).where(asked.c.rank <= MOST_OF_ONE)
    return rows(connection, query.order_by(ITEM.c.index.desc()))


def owing(audiences: Audiences, roster: Roster, index: int, visibility: int) -> list[str]:
    """The members who may read an entry of a class, and belonged when it was logged: its issuer among them."""
    return [
        member
        for member in roster.members()
        if audiences.visible(visibility, member, roster) and belonged(roster, member, index)
    ]


def belonged(roster: Roster, member: str, index: int) -> bool:
    """Whether a member had a key in the roster when the entry at ``index`` was logged."""
    return any(key.member == member and key.added_index < index for key in roster.keys.values())


def by_member(found: Sequence[NotSeen]) -> Mapping[str, int]:
    """How many each member has not seen."""
    counted: dict[str, int] = {}
    for one in found:
        for member in one.members:
            counted[member] = counted.get(member, 0) + 1
    return counted


def _of(reading: Reading, item: Item, members: Collection[str]) -> NotSeen:
    others = sorted((reading.name_of(one), one) for one in members if one != item.issuer)
    return NotSeen(
        item=item,
        members=tuple(member for _, member in others),
        names=tuple(name for name, _ in others),
        since=item.received_at,
    )


def _answered(connection: Connection, reading: Reading, indices: list[int]) -> set[tuple[int, str]]:
    query = sa.select(RECEIPT.c.index, RECEIPT.c.member).where(
        RECEIPT.c.index.in_(indices), RECEIPT.c.state.in_(_SAW), answers_known(reading)
    )
    answers: list[Any] = rows(connection, query)
    return {(row.index, row.member) for row in answers}
