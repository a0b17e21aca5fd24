"""Whom an act reaches: the exact bytes each member would see, and which names are new.

A name is new where the port's last publications did not reach it and its rules do not propose it: the officer reads
it before he signs, because a wrong group is the commonest way in which too much is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import receipts, tables
from node.act_store import Prepared
from port2port import sharing
from port2port import statement as stm
from port2port.roster import Roster
from port2port.sharing import Decision
from port2port.wire import decode_envelope

_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_KINDS: Final = ("publish", "report", "note", "import", "reshare")
LAST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One frozen statement as a member would receive it: nothing at all where it may not read it."""

    decision: Decision
    statement: bytes = b""
    objects: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A member who would read an act; ``is_new`` where it read none of the last publications."""

    member: str
    name: str
    is_new: bool


def seen_by(act: Prepared, member: str, roster: Roster) -> tuple[Shown, ...]:
    """What a member would see of an act, byte for byte, with the rule that decides."""
    shown = []
    for part in act.parts:
        audience = sharing.audience_of(stm.decode(part.statement))
        decision = sharing.explain(audience, member, roster)
        if decision.allowed:
            objects = tuple(item.body for item in part.objects)
            shown.append(Shown(decision=decision, statement=part.statement, objects=objects))
        else:
            shown.append(Shown(decision=decision))
    return tuple(shown)


def readers(connection: Connection, act: Prepared, roster: Roster, *, usual: Iterable[str] = ()) -> list[Reader]:
    """Every member who would read an act, by name. ``usual`` are sharing groups that the rules propose anyway."""
    found: set[str] = set()
    for part in act.parts:
        found |= receipts.expected_readers(stm.decode(part.statement), roster)
    before = known(connection, roster, usual=usual)
    return [Reader(member=one, name=_name(one, roster), is_new=one not in before) for one in sorted(found)]


def known(connection: Connection, roster: Roster, *, usual: Iterable[str] = ()) -> frozenset[str]:
    """The members whose names are not new to an officer."""
    return reached(connection, roster) | _members_of(usual, roster)


def reached(connection: Connection, roster: Roster, *, last: int = LAST) -> frozenset[str]:
    """Who reads, by today's roster, at least one of the last publications."""
    query = sa.select(_OUTBOX.c.envelope).where(_OUTBOX.c.kind.in_(_KINDS)).order_by(_OUTBOX.c.id.desc()).limit(last)
    found: set[str] = set()
    for envelope in connection.scalars(query):
        found |= receipts.expected_readers(stm.decode(decode_envelope(envelope).statement), roster)
    return frozenset(found)


def _members_of(groups: Iterable[str], roster: Roster) -> frozenset[str]:
    listed = ((name, roster.latest_group(name)) for name in groups)
    named = [roster.group(name, number) or frozenset() for name, number in listed if number is not None]
    return frozenset().union(*named)


def _name(member: str, roster: Roster) -> str:
    found = roster.member_table.get(member)
    return member if found is None else found.name
