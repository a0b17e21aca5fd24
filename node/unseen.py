"""What we said and another port's officers have not seen for ten minutes: "not seen by North Sea Port".

Only what asks to act or to call first, and is real. After a day the alarm ends: it has then been read or telephoned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import alarms, store, tables
from node.alarms import Alarm, Code
from node.store import NodeStore
from port2port import statement
from port2port.clock import Clock, to_ms
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.wire import decode_envelope

_DELIVERY: Final = tables.Delivery.__table__  # type: ignore[attr-defined]  # SQLModel adds it
AFTER_MS: Final = 10 * 60 * 1_000
LONGEST_MS: Final = 24 * 3_600 * 1_000
WATCH_S: Final = 15.0
_ASKS: Final = frozenset({"act", "call_first"})


def not_seen(connection: Connection, roster: Roster, now_ms: int) -> dict[int, list[str]]:
    """By log index of own entries: the members who should have seen them by now and have not."""
    query = sa.select(_DELIVERY.c.index, _DELIVERY.c.member).where(
        _DELIVERY.c.seen_ms.is_(None),
        _DELIVERY.c.retracted_ms.is_(None),
        _DELIVERY.c.expected_ms <= now_ms - AFTER_MS,
        _DELIVERY.c.expected_ms > now_ms - LONGEST_MS,
    )
    found: dict[int, list[str]] = {}
    for index, member in connection.execute(query.order_by(_DELIVERY.c.index, _DELIVERY.c.member)).all():
        if member in roster.members():
            found.setdefault(index, []).append(member)
    return {index: members for index, members in found.items() if _asks(connection, index)}


def raise_unseen(connection: Connection, roster: Roster, now_ms: int) -> list[Alarm]:
    """One alarm for each entry, naming who has not seen it; those newly raised. Alarms over others end."""
    waiting = not_seen(connection, roster, now_ms)
    known = {alarm.subject: alarm.text for alarm in alarms.standing(connection) if alarm.code is Code.NOT_SEEN}
    for subject in known.keys() - {str(index) for index in waiting}:
        alarms.clear_alarm(connection, Code.NOT_SEEN, subject, now_ms)
    new = []
    for index, members in waiting.items():
        text = f"entry {index} not seen by {', '.join(members)} for 10 min"[:500]
        alarm = Alarm(code=Code.NOT_SEEN, subject=str(index), text=text)
        if known.get(alarm.subject) != text and alarms.raise_alarm(connection, alarm, now_ms):
            new.append(alarm)
    return new


def _asks(connection: Connection, index: int) -> bool:
    entry = store.entry_at(connection, index)
    if entry is None or entry.control or entry.realm != "real":
        return False
    said: Statement = statement.decode(decode_envelope(entry.envelope).statement)
    return said.handling in _ASKS and said.kind in {"publish", "level"}


async def watch(opened: NodeStore, clock: Clock, roster: Callable[[], Roster | None]) -> None:
    """Keep these alarms until cancelled."""
    while True:
        current = roster()
        if current is not None:
            await opened.write(partial(raise_unseen, roster=current, now_ms=to_ms(clock.now())))
        await clock.sleep(WATCH_S)
