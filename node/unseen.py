"""What asks for action and has not been seen: by another port's officers of ours ("not seen by North Sea Port", after
ten minutes), and by our own officers of what others ask.

Only what asks to act or to call first, and is real. After a day it ends: it has then been read or telephoned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import alarms, indicators, store, tables
from node.alarms import Alarm, Code
from node.store import NodeStore
from port2port import statement
from port2port.clock import Clock, from_ms, to_ms
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.wire import decode_envelope

_DELIVERY: Final = tables.Delivery.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # as above
_INDICATOR: Final = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # as above
_RECEIPT: Final = tables.Receipt.__table__  # type: ignore[attr-defined]  # as above
_SIGHTING: Final = tables.SightingRow.__table__  # type: ignore[attr-defined]  # as above
RECEIVED_OF_ONE: Final = 50  # entries of one member: whoever says much hides nothing that others say
AFTER_MS: Final = 10 * 60 * 1_000
LONGEST_MS: Final = 24 * 3_600 * 1_000
WATCH_S: Final = 15.0
_ASKS: Final = frozenset({"act", "call_first"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What another port asks to look for, as it stands in the log at ``index``. ``seen``: its author was told so."""

    index: int
    digest: bytes
    issuer: str
    stix_id: str
    title: str
    handling: str
    at: datetime
    seen: bool


def received(connection: Connection, now: datetime) -> list[Received]:
    """What others asked of us within a day and is in force; what was seen here is a hit, and waits as such."""
    told = sa.exists().where(_RECEIPT.c.index == _ENTRY.c.index, _RECEIPT.c.state == "seen")
    hit = sa.exists().where(_SIGHTING.c.issuer == _INDICATOR.c.issuer, _SIGHTING.c.stix_id == _INDICATOR.c.stix_id)
    entry = (_ENTRY.c.index, _ENTRY.c.digest, _ENTRY.c.received_ms, _INDICATOR.c.issuer)
    asked = (
        sa.select(*entry, sa.func.min(_INDICATOR.c.stix_id).label("stix_id"), told.label("told"))
        .join(_INDICATOR, _INDICATOR.c.index == _ENTRY.c.index)
        .where(_INDICATOR.c.realm == indicators.REAL, _INDICATOR.c.handling.in_(sorted(_ASKS)))
        .where(~_INDICATOR.c.revoked, ~_INDICATOR.c.suspended, ~_INDICATOR.c.disputed, ~_ENTRY.c.own, ~hit)
        .where(_ENTRY.c.kind.in_(sorted(indicators.CARRIERS)), _ENTRY.c.received_ms > to_ms(now) - LONGEST_MS)
        .where(sa.or_(_INDICATOR.c.valid_until_ms.is_(None), _INDICATOR.c.valid_until_ms > to_ms(now)))
        .group_by(*entry)
        .subquery()
    )
    unread_first = sa.func.row_number().over(partition_by=asked.c.issuer, order_by=(asked.c.told, asked.c.index.desc()))
    ranked = sa.select(asked, unread_first.label("rank")).subquery()
    query = sa.select(ranked).where(ranked.c.rank <= RECEIVED_OF_ONE).order_by(ranked.c.index.desc())
    found: dict[int, Received] = {}
    for index, digest, received_ms, issuer, stix_id, seen, _rank in connection.execute(query).all():
        one = indicators.get(connection, (indicators.REAL, issuer, stix_id))
        if one is None or index in found:
            continue
        found[index] = Received(
            index=index,
            digest=digest,
            issuer=issuer,
            stix_id=stix_id,
            title=str(orjson.loads(one.stix).get("name") or stix_id) if one.stix else stix_id,
            handling=one.handling,
            at=from_ms(received_ms),
            seen=bool(seen),
        )
    return list(found.values())


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
