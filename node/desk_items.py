"""What waits at the desk: what needs a decision, and what an officer should only know; the worst and oldest first.

Drafts, acts that wait for a second officer or a second check, alarms, what the hub returned, hits whose author asks to
act or to call first, what others ask and nobody here has read, and changes of the security level said by others. Each
says who is looking at it (a lock that lapses and can be taken over) and who acknowledged it. Nothing can be snoozed: it
is decided, or it waits.
Whoever can write here can quieten the desk's sound; he cannot decide, and what he acknowledges stays in the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import act_store, alarms, desk_news, drafts, hits, receipts, review, store, tables, unseen
from node.act_store import Prepared
from node.alarms import Code, Level, RaisedAlarm
from node.desk_news import SeenElsewhere
from node.drafts import Draft
from node.hits import Hit
from node.store import AuditLine
from node.unseen import Received
from node.watch import Handling
from port2port import canonical
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import ConflictError, NotFoundError

_TABLE: Final = tables.DeskItemRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # as above
SEVERITIES: Final = ("low", "medium", "high", "critical")
LOOKING_FOR: Final = timedelta(minutes=10)
LEVELS_SHOWN: Final = 50
DRAFT, HIT, ALARM, SECOND, CHECK, RETURNED, LEVEL = "draft", "hit", "alarm", "second", "check", "returned", "level"
NEWS, RECEIVED = "news", "received"


class NoItemError(NotFoundError):
    """Nothing of this id waits at the desk."""

    code = "NO_ITEM"


class ItemTakenError(ConflictError):
    """Another officer is looking at it; it can be taken over."""

    code = "ITEM_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row. ``id`` stays the same for as long as it waits; ``cause`` is the same for items of one cause.

    Of news, ``by`` is the member who saw what we published.
    Of an act, ``act`` is its kind, and ``until`` when it goes back or its second check is late.
    ``entry`` is (log index, digest) of what was received and is acknowledged to its author, if anything.
    """

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    since: datetime
    cause: str
    decide: bool = True
    entry: tuple[int, bytes] | None = None
    looking: str = ""
    looking_since: datetime | None = None
    seen_by: str = ""
    seen_at: datetime | None = None
    by: str = ""
    act: str = ""
    until: datetime | None = None

    @property
    def sounds(self) -> bool:
        """Whether the desk repeats its sound for it."""
        return self.decide and not self.seen_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """Both classes, each in the order in which they are read."""

    needs_decision: tuple[Item, ...]
    for_information: tuple[Item, ...]

    def get(self, item_id: str) -> Item:
        """Raises NoItemError."""
        every = (*self.needs_decision, *self.for_information)
        for item in every:
            if item.id == item_id:
                return item
        raise NoItemError("nothing of this id waits at the desk")


def items(connection: Connection, now: datetime) -> Items:
    """All that waits, as it stands."""
    known = {row.id: row for row in connection.execute(sa.select(_TABLE))}
    found = [_noted(item, known.get(item.id), now) for item in _all(connection, now)]
    ordered = sorted(found, key=lambda item: (-SEVERITIES.index(item.severity), item.since, item.id))
    return Items(
        needs_decision=tuple(item for item in ordered if item.decide),
        for_information=tuple(item for item in ordered if not item.decide),
    )


def look(connection: Connection, item_id: str, officer: str, now: datetime, *, take_over: bool = False) -> Item:
    """Note that an officer is looking, for ten minutes. Raises NoItemError, or ItemTakenError without take-over."""
    item = items(connection, now).get(item_id)
    if item.looking not in {"", officer} and not take_over:
        raise ItemTakenError(f"{item.looking} is looking at this", officer=item.looking)
    _put(connection, item_id, {"looking": officer, "looking_ms": to_ms(now)})
    if item.looking not in {"", officer}:
        _audit(connection, officer, "take-over", item, now)
    return replace(item, looking=officer, looking_since=now)


def let_go(connection: Connection, item_id: str, officer: str) -> None:
    """Stop looking; nothing happens where another officer has taken it over."""
    mine = (_TABLE.c.id == item_id, _TABLE.c.looking == officer)
    connection.execute(sa.update(_TABLE).where(*mine).values(looking="", looking_ms=None))


def acknowledge(connection: Connection, item_id: str, officer: str, now: datetime) -> Item:
    """Note that an officer has seen it: the sound ends, and the author of what was received is told that it was seen.

    The first one counts. Raises NoItemError.
    """
    item = items(connection, now).get(item_id)
    if item.seen_by:
        return item
    _put(connection, item_id, {"seen_by": officer, "seen_ms": to_ms(now)})
    if item.kind in {ALARM, RETURNED}:
        alarms.acknowledge(connection, int(item.subject), officer)
    if item.entry is not None:
        receipts.owe(connection, [item.entry], "seen", to_ms(now))
    _audit(connection, officer, "acknowledge", item, now)
    return replace(item, seen_by=officer, seen_at=now)


def take_back(connection: Connection, item_id: str, officer: str, now: datetime) -> Item:
    """Undo an acknowledgement: it sounds again. What another port was told of stays. Raises NoItemError."""
    item = items(connection, now).get(item_id)
    if item.entry is not None or not item.seen_by:
        return item
    _put(connection, item_id, {"seen_by": "", "seen_ms": None})
    if item.kind in {ALARM, RETURNED}:
        alarms.acknowledge(connection, int(item.subject), "")
    _audit(connection, officer, "acknowledge-undone", item, now)
    return replace(item, seen_by="", seen_at=None)


# --- what waits -----------------------------------------------------------------------------------------------------


def _all(connection: Connection, now: datetime) -> Iterator[Item]:
    waiting = act_store.listed(connection)
    busy = {name for act in waiting for name in act_store.subjects(act)}
    yield from (_of_draft(one) for one in drafts.listed(connection) if one.id not in busy)
    yield from (_of_act(act) for act in waiting)
    yield from (_of_check(act) for act in act_store.unchecked(connection))
    yield from (_of_alarm(one) for one in alarms.standing(connection))
    yield from (_of_hit(connection, one) for one in hits.undecided(connection, now))
    yield from (_of_received(one) for one in unseen.received(connection, now))
    yield from _levels(connection)
    yield from (_of_news(one) for one in desk_news.seen_elsewhere(connection, now))
    yield from (
        replace(_of_hit(connection, one), severity="low", decide=False, entry=None)
        for one in desk_news.quiet_hits(connection, now)
    )


def _of_draft(draft: Draft) -> Item:
    said = str(draft.why.get("severity", "medium"))
    detector, _, rest = draft.source.partition("/")
    parts = rest.split("/")
    folded = f"{detector}/{parts[0]}/{parts[2]}" if len(parts) == 3 else draft.id  # without its subject
    return Item(
        id=f"draft-{draft.id}",
        kind=DRAFT,
        subject=draft.id,
        title=review.headline(draft),
        severity=said if said in SEVERITIES else "low",
        since=draft.made_at,
        cause=f"draft:{folded}",
    )


def _of_act(act: Prepared) -> Item:
    return Item(
        id=f"act-{act.id}",
        kind=SECOND,
        subject=act.subject,
        title=f"{act.kind} {act.subject}",
        severity="high",
        since=act.made_at,
        cause=f"act:{act.id}",
        act=act.kind,
        until=act.closes_at,
    )


def _of_check(act: Prepared) -> Item:
    return Item(
        id=f"check-{act.id}",
        kind=CHECK,
        subject=act.id,
        title=f"{act.kind} {act.subject}",
        severity="critical",
        since=act.closed_at or act.made_at,
        cause=f"check:{act.id}",
        act=act.kind,
        until=act.check_by,
    )


def _of_alarm(alarm: RaisedAlarm) -> Item:
    """An alarm raised anew is another item, which sounds again."""
    critical, returned = alarm.level is Level.CRITICAL, alarm.code is Code.RETURNED
    return Item(
        id=f"alarm-{alarm.id}-{alarm.raised_ms}",
        kind=RETURNED if returned else ALARM,
        subject=str(alarm.id),
        title=alarm.text,
        severity="critical" if critical else "high" if returned else "medium",
        since=from_ms(alarm.raised_ms),
        cause=f"alarm:{alarm.code.value}",
        decide=(critical or returned) and not alarm.seen_by,
        seen_by=alarm.seen_by,
    )


def _of_hit(connection: Connection, hit: Hit) -> Item:
    entry = store.entry_at(connection, hit.indicator.index)
    return Item(
        id=f"hit-{hit.id}",
        kind=HIT,
        subject=hit.id,
        title=hit.title,
        severity="critical" if hit.handling == Handling.ACT.value else "high",
        since=hit.sighted.window.first_seen,
        cause="hit:" + "/".join(hit.indicator.key),
        entry=None if entry is None else (entry.index, entry.digest),
    )


def _of_received(one: Received) -> Item:
    """It is read, and then it is known: the watch goes on by itself."""
    return Item(
        id=f"received-{one.index}",
        kind=RECEIVED,
        subject=f"{one.issuer}/{one.stix_id}",
        title=one.title,
        severity="high" if one.handling == Handling.ACT.value else "medium",
        since=one.at,
        cause=f"received:{one.issuer}",
        entry=(one.index, one.digest),
        decide=not one.seen,
    )


def _of_news(seen: SeenElsewhere) -> Item:
    return Item(
        id=f"news-{seen.id}",
        kind=NEWS,
        subject=seen.stix_id,
        title=seen.title,
        severity="low",
        since=seen.at,
        cause=f"news:{seen.stix_id}",
        decide=False,
        by=seen.by,
    )


def _levels(connection: Connection) -> Iterator[Item]:
    """Changes of the security level that others said: each is to be acknowledged here, and then it is known."""
    query = sa.select(_ENTRY).where(_ENTRY.c.kind == "level", ~_ENTRY.c.own, _ENTRY.c.understood)
    newest = query.order_by(_ENTRY.c.index.desc()).limit(LEVELS_SHOWN)
    for row in connection.execute(newest):
        facts = row._mapping  # noqa: SLF001  # a row's own ``index`` is the tuple method
        yield Item(
            id=f"level-{facts['index']}",
            kind=LEVEL,
            subject=row.statement_id,
            title=row.issuer,
            severity="high" if row.realm == "real" else "low",
            since=from_ms(row.received_ms),
            cause=f"level:{row.issuer}",
            entry=(facts["index"], row.digest),
            decide=row.realm == "real",
        )


def _noted(item: Item, row: Row[Any] | None, now: datetime) -> Item:
    if row is None:
        return item
    since = None if row.looking_ms is None else from_ms(row.looking_ms)
    looks = since is not None and now < since + LOOKING_FOR
    seen_by = item.seen_by or row.seen_by
    return replace(
        item,
        looking=row.looking if looks else "",
        looking_since=since if looks else None,
        seen_by=seen_by,
        seen_at=None if row.seen_ms is None else from_ms(row.seen_ms),
        decide=item.decide and not (item.kind in {LEVEL, RECEIVED} and seen_by),
    )


def _put(connection: Connection, item_id: str, values: dict[str, Any]) -> None:
    if not connection.execute(sa.update(_TABLE).where(_TABLE.c.id == item_id).values(**values)).rowcount:
        blank = {"looking": "", "looking_ms": None, "seen_by": "", "seen_ms": None}
        connection.execute(sa.insert(_TABLE).values(id=item_id, **(blank | values)))


def _audit(connection: Connection, officer: str, action: str, item: Item, now: datetime) -> None:
    facts = canonical.dumps({"at": to_text(now), "kind": item.kind, "looking": item.looking, "severity": item.severity})
    line = AuditLine(at_ms=to_ms(now), officer=officer, action=action, subject=item.id, facts=facts)
    store.audit(connection, line)
