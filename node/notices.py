"""Notices: what is sent when nobody acknowledges what waits at the desk, and how storms of it are folded.

Items of one cause are one notice, which counts them. Five minutes after it opened, somebody who is not at the desk is
called, and the next ones five minutes later each; a webhook and a syslog server are told once. So a notice makes at
most ``MESSAGES_MOST`` messages, however many findings are behind it; critical items are a notice apart. A receiver
gets at most ``PER_HOUR`` messages an hour; more are held back and counted, critical ones never.
What is sent says nothing but that something waits. Whoever can write here can keep officers from being called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import alarms, store, tables
from node.alarms import Alarm, Code
from node.desk_items import SEVERITIES, Item
from node.duty import Person
from node.store import AuditLine
from port2port import canonical
from port2port.clock import from_ms, to_ms, to_text

_NOTICE: Final = tables.NoticeRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_DELIVERY: Final = tables.NoticeDeliveryRow.__table__  # type: ignore[attr-defined]  # as above
EVERY: Final = timedelta(minutes=5)
RUNGS: Final = 3
MESSAGES_MOST: Final = RUNGS + 2  # and one each to webhook and syslog
PER_HOUR: Final = 12
HOUR_MS: Final = 3_600_000
ATTEMPTS: Final = 12
HISTORY: Final = 50
RETRY_LONGEST_S: Final = 300
CRITICAL: Final = "critical"
EMAIL, WEBHOOK, SYSLOG = "e-mail", "webhook", "syslog"
QUEUED, SENT, FAILED, HELD, OVER = "queued", "sent", "failed", "held", "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """All that leaves: no marking, no identity, no title. ``port`` is the port's own name."""

    id: str
    port: str
    severity: str
    since: datetime
    zone: ZoneInfo

    @property
    def text(self) -> str:
        """One line."""
        since = self.since.astimezone(self.zone)
        return f"Port 2 Port: an item waits at {self.port} since {since:%H:%M}, severity {self.severity}, open the desk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way; ``receiver`` is a pseudonym for e-mail, else empty."""

    id: int
    notice: int
    channel: str
    receiver: str
    severity: str
    opened_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One open cause, for the screen."""

    id: int
    cause: str
    severity: str
    opened_at: datetime
    items: int
    rung: int
    sent: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One message, as it stands: ``at`` is when it left, was given up or held back; None while it is on its way."""

    channel: str
    receiver: str
    severity: str
    made_at: datetime
    at: datetime | None
    attempts: int
    state: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One notice with its messages; ``closed_at`` is when the last of its items was acknowledged."""

    id: int
    kind: str
    severity: str
    opened_at: datetime
    closed_at: datetime | None
    items: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is called, in this order, and which channels there are."""

    called: tuple[Person, ...]
    channels: frozenset[str]


def fold(items: Iterable[Item]) -> dict[str, tuple[str, int]]:
    """By cause, of what nobody acknowledged: the worst severity and how many. Critical ones are apart."""
    found: dict[str, tuple[str, int]] = {}
    for item in items:
        if not item.sounds:
            continue
        cause = f"{item.cause}!" if item.severity == CRITICAL else item.cause
        worst, count = found.get(cause, (item.severity, 0))
        found[cause] = (max(worst, item.severity, key=SEVERITIES.index), count + 1)
    return found


def sweep(connection: Connection, waiting: Sequence[Item], plan: Plan, now: datetime) -> None:
    """Open, count, escalate and close notices. Called every few seconds; doing it twice changes nothing."""
    folded, now_ms = fold(waiting), to_ms(now)
    standing = {row.cause: row for row in connection.execute(sa.select(_NOTICE).where(_NOTICE.c.closed_ms.is_(None)))}
    for cause in standing.keys() - folded.keys():
        _close(connection, standing[cause].id, now_ms)
    for cause, (severity, count) in folded.items():
        row = standing.get(cause)
        if row is None:
            values = {"cause": cause, "severity": severity, "opened_ms": now_ms, "items": count, "rung": 0}
            connection.execute(sa.insert(_NOTICE).values(**values))
        else:
            _escalate(connection, row, (severity, count), plan, now_ms)
    _note_empty_rota(connection, plan, now_ms)


def _close(connection: Connection, notice: int, now_ms: int) -> None:
    connection.execute(sa.update(_NOTICE).where(_NOTICE.c.id == notice).values(closed_ms=now_ms))
    mine = (_DELIVERY.c.notice == notice, _DELIVERY.c.state == QUEUED)
    connection.execute(sa.update(_DELIVERY).where(*mine).values(state=OVER, done_ms=now_ms))


def _escalate(connection: Connection, row: Row[Any], found: tuple[str, int], plan: Plan, now_ms: int) -> None:
    severity, count = found
    worst = max(row.severity, severity, key=SEVERITIES.index)
    due = min(RUNGS, (now_ms - row.opened_ms) // (1_000 * int(EVERY.total_seconds())))
    changed = {"items": max(row.items, count), "severity": worst, "rung": max(row.rung, due)}
    if changed == {"items": row.items, "severity": row.severity, "rung": row.rung}:
        return
    connection.execute(sa.update(_NOTICE).where(_NOTICE.c.id == row.id).values(**changed))
    for rung in range(row.rung, due):
        for channel, receiver in _receivers(connection, row.id, rung, plan):
            _queue(connection, row.id, (channel, receiver), worst, now_ms)


def _receivers(connection: Connection, notice: int, rung: int, plan: Plan) -> list[tuple[str, str]]:
    """Who is told at a rung, each once a notice."""
    told = set(connection.scalars(sa.select(_DELIVERY.c.receiver).where(_DELIVERY.c.notice == notice)))
    found = [(channel, "") for channel in (WEBHOOK, SYSLOG) if rung == 0 and channel in plan.channels]
    if EMAIL in plan.channels:
        reachable = [person.pseudonym for person in plan.called if person.email and person.pseudonym not in told]
        found += [(EMAIL, name) for name in reachable[:1]]
    return found


def _queue(connection: Connection, notice: int, to: tuple[str, str], severity: str, now_ms: int) -> None:
    channel, receiver = to
    held = severity != CRITICAL and _spent(connection, channel, receiver, now_ms) >= PER_HOUR
    if held:
        text = f"more than {PER_HOUR} messages an hour by {channel} to {receiver or 'the receiver'}: the rest is held"
        alarms.raise_alarm(
            connection, Alarm(code=Code.NOTICES_HELD, subject=f"{channel}:{receiver}", text=text), now_ms
        )
    connection.execute(
        sa.insert(_DELIVERY).values(
            notice=notice,
            channel=channel,
            receiver=receiver,
            severity=severity,
            made_ms=now_ms,
            not_before_ms=now_ms,
            attempts=0,
            state=HELD if held else QUEUED,
            done_ms=now_ms if held else None,
            code="",
        )
    )


def _spent(connection: Connection, channel: str, receiver: str, now_ms: int) -> int:
    """How many messages went to a receiver in the last hour, critical ones aside."""
    query = sa.select(sa.func.count()).where(
        _DELIVERY.c.channel == channel,
        _DELIVERY.c.receiver == receiver,
        _DELIVERY.c.made_ms > now_ms - HOUR_MS,
        _DELIVERY.c.severity != CRITICAL,
        _DELIVERY.c.state != HELD,
    )
    return connection.scalar(query) or 0


def _note_empty_rota(connection: Connection, plan: Plan, now_ms: int) -> None:
    if EMAIL not in plan.channels or any(person.email for person in plan.called):
        alarms.clear_alarm(connection, Code.NOBODY_ON_DUTY, "", now_ms)
        return
    text = "the rota names nobody who can be called now"
    if not _stands(connection, Code.NOBODY_ON_DUTY):
        alarms.raise_alarm(connection, Alarm(code=Code.NOBODY_ON_DUTY, text=text), now_ms)


def _stands(connection: Connection, code: Code) -> bool:
    return any(alarm.code is code for alarm in alarms.standing(connection))


# --- deliveries ---------------------------------------------------------------------------------------------------


def due(connection: Connection, channel: str, now: datetime, *, limit: int = 10) -> list[Delivery]:
    """What is to be tried now, critical messages first."""
    query = (
        sa.select(_DELIVERY, _NOTICE.c.opened_ms)
        .join(_NOTICE, _NOTICE.c.id == _DELIVERY.c.notice)
        .where(_DELIVERY.c.channel == channel, _DELIVERY.c.state == QUEUED, _DELIVERY.c.not_before_ms <= to_ms(now))
        .order_by((_DELIVERY.c.severity != CRITICAL), _DELIVERY.c.not_before_ms, _DELIVERY.c.id)
        .limit(limit)
    )
    return [
        Delivery(
            id=row.id,
            notice=row.notice,
            channel=row.channel,
            receiver=row.receiver,
            severity=row.severity,
            opened_at=from_ms(row.opened_ms),
            attempts=row.attempts,
        )
        for row in connection.execute(query)
    ]


def delivered(connection: Connection, delivery: Delivery, now: datetime) -> None:
    """It went out: an audit line, and the channel's alarm ends."""
    values = {"state": SENT, "done_ms": to_ms(now), "attempts": delivery.attempts + 1, "code": ""}
    connection.execute(sa.update(_DELIVERY).where(_DELIVERY.c.id == delivery.id).values(**values))
    alarms.clear_alarm(connection, Code.NOTICE_FAILED, delivery.channel, to_ms(now))
    facts = {
        "at": to_text(now),
        "channel": delivery.channel,
        "receiver": delivery.receiver,
        "severity": delivery.severity,
        "since": to_text(delivery.opened_at),
    }
    subject = f"notice:{delivery.notice}"
    line = AuditLine(
        at_ms=to_ms(now), officer="", action="notice-sent", subject=subject, facts=canonical.dumps({**facts})
    )
    store.audit(connection, line)


def failed(connection: Connection, delivery: Delivery, code: str, now: datetime) -> None:
    """It did not: an alarm that everybody sees, and another try after a while, twelve times in all."""
    attempts = delivery.attempts + 1
    wait_ms = 1_000 * min(RETRY_LONGEST_S, 5 * 2 ** min(attempts, 10))
    over = attempts >= ATTEMPTS
    values = {"attempts": attempts, "code": code, "not_before_ms": to_ms(now) + wait_ms}
    values |= {"state": FAILED, "done_ms": to_ms(now)} if over else {}
    mine = (_DELIVERY.c.id == delivery.id, _DELIVERY.c.state == QUEUED)
    connection.execute(sa.update(_DELIVERY).where(*mine).values(**values))
    text = f"officers cannot be called by {delivery.channel}: tried {attempts} times"
    alarms.raise_alarm(connection, Alarm(code=Code.NOTICE_FAILED, subject=delivery.channel, text=text), to_ms(now))


def listed(connection: Connection) -> list[Notice]:
    """The notices that are open, the oldest first, with what was sent and held back."""
    rows = connection.execute(sa.select(_NOTICE).where(_NOTICE.c.closed_ms.is_(None)).order_by(_NOTICE.c.id)).all()
    return [
        Notice(
            id=row.id,
            cause=row.cause,
            severity=row.severity,
            opened_at=from_ms(row.opened_ms),
            items=row.items,
            rung=row.rung,
            sent=_count(connection, row.id, SENT),
            held=_count(connection, row.id, HELD),
        )
        for row in rows
    ]


def history(connection: Connection, *, limit: int = HISTORY) -> list[Told]:
    """The notices with what was sent of them to whom, the newest first: those that sent nothing are left out."""
    told = sa.exists().where(_DELIVERY.c.notice == _NOTICE.c.id)
    rows = connection.execute(sa.select(_NOTICE).where(told).order_by(_NOTICE.c.id.desc()).limit(limit)).all()
    sent = sa.select(_DELIVERY).where(_DELIVERY.c.notice.in_([row.id for row in rows])).order_by(_DELIVERY.c.id)
    attempts: dict[int, list[Attempt]] = {}
    for row in connection.execute(sent):
        attempts.setdefault(row.notice, []).append(_attempt(row))
    return [
        Told(
            id=row.id,
            kind=row.cause.partition(":")[0],
            severity=row.severity,
            opened_at=from_ms(row.opened_ms),
            closed_at=None if row.closed_ms is None else from_ms(row.closed_ms),
            items=row.items,
            attempts=tuple(attempts[row.id]),
        )
        for row in rows
    ]


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        channel=row.channel,
        receiver=row.receiver,
        severity=row.severity,
        made_at=from_ms(row.made_ms),
        at=None if row.done_ms is None else from_ms(row.done_ms),
        attempts=row.attempts,
        state=row.state,
        code=row.code,
    )


def _count(connection: Connection, notice: int, state: str) -> int:
    mine = (_DELIVERY.c.notice == notice, _DELIVERY.c.state == state)
    return connection.scalar(sa.select(sa.func.count()).where(*mine)) or 0
