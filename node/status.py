"""Health in one value: connected or since when not, what waits, how old the picture is, days left on keys.

``status`` reads the database alone, so that it works while the node runs, and also while it does not. Levels are
those of monitoring plug-ins: 0 well, 1 look soon, 2 look now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import alarms, outbox, store
from node.alarms import Level, RaisedAlarm
from node.foreign import keeping
from node.settings import AlarmSettings
from port2port.clock import from_ms, to_ms, to_text
from port2port.roster import Roster

HEARTBEAT: Final = "heartbeat"
CONNECTION: Final = "connection"
TESTIMONY: Final = "testimony"
CONNECTED: Final = "connected"
DEAD_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Something that runs out. ``left_days`` is negative once it has."""

    what: str
    not_after: datetime
    left_days: float
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One judged fact."""

    name: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything ``port2port-node status`` prints. Times are aware UTC, None where there is none yet."""

    member: str
    running: bool
    connected: bool
    since: datetime | None
    size: int
    roster_version: int
    picture_at: datetime | None
    testimony: str
    waiting: int
    waiting_since: datetime | None
    returned: int
    quarantined: int
    expiries: tuple[Expiry, ...]
    standing: tuple[RaisedAlarm, ...]
    lines: tuple[Line, ...]
    demo: bool

    @property
    def level(self) -> Level:
        """The worst of all lines."""
        return max((line.level for line in self.lines), key=lambda level: level.exit_code, default=Level.OK)

    def to_json(self) -> dict[str, object]:
        """For ``--json``; times in the one form of ``clock.to_text``."""
        return {
            "member": self.member,
            "level": self.level.value,
            "running": self.running,
            "connected": self.connected,
            "since": _text(self.since),
            "size": self.size,
            "roster_version": self.roster_version,
            "picture_at": _text(self.picture_at),
            "testimony": self.testimony,
            "waiting": self.waiting,
            "waiting_since": _text(self.waiting_since),
            "returned": self.returned,
            "quarantined": self.quarantined,
            "demo": self.demo,
            "expiries": [
                {"what": item.what, "not_after": _text(item.not_after), "left_days": round(item.left_days, 2)}
                for item in self.expiries
            ],
            "alarms": [
                {"code": item.code.value, "subject": item.subject, "level": item.level.value, "text": item.text}
                for item in self.standing
            ],
            "lines": [{"name": item.name, "level": item.level.value, "text": item.text} for item in self.lines],
        }


def status(
    connection: Connection,
    *,
    member: str,
    roster: Roster | None,
    own_keys: frozenset[str],
    certificate_not_after: datetime | None,
    limits: AlarmSettings,
    now: datetime,
) -> Status:
    """The health of this node at ``now``, from its database and what its files say."""
    now_ms = to_ms(now)
    head = store.head(connection)
    beat = store.marked_at(connection, HEARTBEAT)
    running = beat is not None and now_ms - beat < DEAD_MS
    connected = running and store.marked(connection, CONNECTION) == CONNECTED
    since_ms = store.marked_at(connection, CONNECTION) if running else beat
    waiting = outbox.counts(connection)
    oldest_ms = outbox.oldest_waiting_ms(connection)
    expiries = _expiries(roster, own_keys, certificate_not_after, limits, now_ms)
    standing = tuple(alarms.standing(connection))
    picture_ms = beat if connected else head.verified_at_ms or None
    lines = (
        _running_line(running, beat, now_ms),
        _connection_line(connected, since_ms, now_ms, limits),
        *(Line(name=item.what, level=item.level, text=_left(item)) for item in expiries),
        *(Line(name=item.code.value, level=item.level, text=item.text) for item in standing),
        *_outside(connection),
    )
    return Status(
        member=member,
        running=running,
        connected=connected,
        since=None if since_ms is None else from_ms(since_ms),
        size=head.size,
        roster_version=0 if roster is None else roster.version,
        picture_at=None if picture_ms is None else from_ms(picture_ms),
        testimony=store.marked(connection, TESTIMONY) or "unknown",
        waiting=waiting.get(outbox.QUEUED, 0),
        waiting_since=None if oldest_ms is None else from_ms(oldest_ms),
        returned=waiting.get(outbox.REFUSED, 0),
        quarantined=store.quarantined_count(connection),
        expiries=expiries,
        standing=standing,
        lines=lines,
        demo=roster is not None and roster.genesis.demo,
    )


def _outside(connection: Connection) -> list[Line]:
    """What came from outside: feeds that did not answer as they must, and how much of them was set apart."""
    lines = [
        Line(name=f"feed {one.name}", level=Level.WARNING, text=str(one.facts["error"]))
        for one in keeping.feeds(connection)
        if one.kind == "taxii" and one.facts.get("error")
    ]
    apart = keeping.apart_count(connection)
    text = f"{apart} objects from outside are set apart; see: port2port-node imports"
    return [*lines, Line(name="imports", level=Level.OK, text=text)] if apart else lines


def _running_line(running: bool, beat: int | None, now_ms: int) -> Line:
    if running:
        return Line(name="process", level=Level.OK, text="running")
    text = "never ran" if beat is None else f"not running for {_ago(now_ms - beat)}"
    return Line(name="process", level=Level.CRITICAL, text=text)


def _connection_line(connected: bool, since_ms: int | None, now_ms: int, limits: AlarmSettings) -> Line:
    if since_ms is None:
        return Line(name="hub", level=Level.WARNING, text="never connected")
    if connected:
        return Line(name="hub", level=Level.OK, text=f"connected for {_ago(now_ms - since_ms)}")
    away_ms = now_ms - since_ms
    level = Level.CRITICAL if away_ms > limits.stale_minutes * 60_000 else Level.WARNING
    return Line(name="hub", level=level, text=f"not connected for {_ago(away_ms)}")


def _expiries(
    roster: Roster | None,
    own_keys: frozenset[str],
    certificate_not_after: datetime | None,
    limits: AlarmSettings,
    now_ms: int,
) -> tuple[Expiry, ...]:
    found = []
    if certificate_not_after is not None:
        limit_ms = limits.certificate_hours * _HOUR_MS
        found.append(_expiry("TLS certificate", to_ms(certificate_not_after), limit_ms, now_ms))
    for key_id in sorted(own_keys):
        key = None if roster is None else roster.keys.get(key_id)
        if key is not None and key.revoked_index is None:
            what = f"{key.public.key_class} key {key_id[:8]}" + (f" ({key.pseudonym})" if key.pseudonym else "")
            found.append(_expiry(what, key.not_after_ms, limits.key_days * _DAY_MS, now_ms))
    return tuple(found)


def _expiry(what: str, not_after_ms: int, limit_ms: float, now_ms: int) -> Expiry:
    left_ms = not_after_ms - now_ms
    level = Level.CRITICAL if left_ms < limit_ms else Level.OK
    return Expiry(what=what, not_after=from_ms(not_after_ms), left_days=left_ms / _DAY_MS, level=level)


def _left(item: Expiry) -> str:
    if item.left_days < 0:
        return f"ran out {_ago(int(-item.left_days * _DAY_MS))} ago"
    return f"{_ago(int(item.left_days * _DAY_MS))} left"


def _ago(span_ms: int) -> str:
    """A span as a person says it."""
    for unit, size_ms in (("days", _DAY_MS), ("h", _HOUR_MS), ("min", 60_000)):
        if span_ms >= 2 * size_ms:
            return f"{span_ms // size_ms} {unit}"
    return f"{max(span_ms, 0) // 1000} s"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
