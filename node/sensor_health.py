"""Whether the logs of network sensors are followed: one that fails, or falls silent, is told to a human.

A log fails while it cannot be read, is not there, or many of its lines are no records; rotation takes a log away for
a moment, so the first two count only after a while. It is silent when nothing new was read for longer than its
settings allow. Both alarms end by themselves once their cause is gone. What was counted goes to the metrics by the
kind of the log alone: a name of a sensor says where it stands.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy.engine import Connection

from node import alarms, tail_places
from node.alarms import Alarm, Code, RaisedAlarm
from node.store import NodeStore
from node.tail_places import Counted
from port2port.clock import Clock, to_ms, to_text
from port2port.errors import Port2PortError
from port2port.metrics import Metrics

logger = logging.getLogger(__name__)
CODES: Final = frozenset({Code.SENSOR_FAILED, Code.SENSOR_SILENT})
GRACE: Final = timedelta(minutes=1)
WINDOW: Final = timedelta(minutes=15)
BAD_LEAST: Final = 20  # lines within the window
BAD_SHARE: Final = 0.1  # of all new lines within it
CHECK_S: Final = 15.0
GONE: Final = "the log is not there"


class Log(Protocol):
    """What is asked of a source. ``silent_after`` None: it may say nothing for ever, as a finished log does."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def silent_after(self) -> timedelta | None: ...


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What is known of one log. ``recent``: when, how many new lines, and how many of them were no records."""

    log: Log
    heard_at: datetime
    gone_since: datetime | None = None
    failed_since: datetime | None = None
    why: str = ""
    recent: deque[tuple[datetime, int, int]] = field(default_factory=deque)


class SensorHealth:
    """The state of all logs of a node, kept by who reads them on one event loop."""

    def __init__(self, logs: Iterable[Log], clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._seen = {log.name: _Seen(log=log, heard_at=clock.now()) for log in logs}

    def begin(self, counted: Mapping[str, tuple[Counted, datetime]]) -> None:
        """Take up when each log was last read, by an earlier run too."""
        for name, (_, at) in counted.items():
            if name in self._seen:
                self._seen[name].heard_at = min(at, self._seen[name].heard_at)

    def looked(self, name: str, *, missing: bool) -> None:
        """A log was looked for, and was there or not."""
        seen = self._seen[name]
        seen.gone_since = (seen.gone_since or self._clock.now()) if missing else None

    def took(self, name: str, counted: Counted) -> None:
        """A batch was stored."""
        seen, now = self._seen[name], self._clock.now()
        for what, count in asdict(counted).items():
            if count:
                self._metrics.count(f"sensor_{what}", count, reason=seen.log.kind)
        if counted.lines or counted.too_long:
            seen.heard_at = now
            bad = counted.bad + counted.too_long
            seen.recent.append((now, counted.records + bad, bad))

    def failed(self, name: str, why: str) -> None:
        """A batch could not be read or stored."""
        seen = self._seen[name]
        seen.failed_since, seen.why = seen.failed_since or self._clock.now(), why
        self._metrics.count("sensor_failures", reason=seen.log.kind)

    def went_well(self, name: str) -> None:
        """A log was read, whether anything was new or not."""
        self._seen[name].failed_since = None

    def wrong(self, now: datetime) -> list[Alarm]:
        """What is to be told at this time, at most one alarm of each code for a log."""
        return [alarm for seen in self._seen.values() for alarm in _wrong(seen, now)]

    def settle(self, connection: Connection) -> None:
        """Raise what is wrong now, once; clear what is so no more, of logs that are followed no longer too."""
        now = self._clock.now()
        wrong = {(one.code, one.subject): one for one in self.wrong(now)}
        known = {(one.code, one.subject): one.text for one in standing(connection)}
        for code, subject in known.keys() - wrong.keys():
            alarms.clear_alarm(connection, code, subject, to_ms(now))
        for key, alarm in wrong.items():
            if known.get(key) != alarm.text:
                alarms.raise_alarm(connection, alarm, to_ms(now))
        for code in CODES:
            self._metrics.set(f"{code.value.lower()}", sum(one.code is code for one in wrong.values()))

    async def run(self, store: NodeStore) -> None:
        """Keep the alarms until cancelled. What was written while the node was down is read before the first."""
        while True:
            await self._clock.sleep(CHECK_S)
            try:
                await store.write(self.settle)
            except Port2PortError as error:  # the logs are followed all the same
                if not error.retryable:
                    raise
                logger.warning("the alarms over logs could not be kept", extra={"code": error.code})

    async def resume(self, store: NodeStore) -> None:
        """Begin where the last run ended."""
        self.begin(await store.read(tail_places.counted))


def standing(connection: Connection) -> list[RaisedAlarm]:
    """The alarms over logs that stand now."""
    return [one for one in alarms.standing(connection) if one.code in CODES]


def _wrong(seen: _Seen, now: datetime) -> Iterator[Alarm]:
    name, after = seen.log.name, seen.log.silent_after
    why = _fault(seen, now)
    if why:
        yield Alarm(code=Code.SENSOR_FAILED, subject=name, text=f"the log of {name} fails: {why}")
    if after is not None and now - seen.heard_at > after:
        text = f"nothing new in the log of {name} since {to_text(seen.heard_at)}"
        yield Alarm(code=Code.SENSOR_SILENT, subject=name, text=text)


def _fault(seen: _Seen, now: datetime) -> str:
    if seen.failed_since is not None and now - seen.failed_since >= GRACE:
        return seen.why
    if seen.gone_since is not None and now - seen.gone_since >= GRACE:
        return GONE
    while seen.recent and now - seen.recent[0][0] > WINDOW:
        seen.recent.popleft()
    lines, bad = sum(one[1] for one in seen.recent), sum(one[2] for one in seen.recent)
    is_much = bad >= BAD_LEAST and bad >= BAD_SHARE * lines
    return "many of its lines are no records; see: port2port-node sensors" if is_much else ""
