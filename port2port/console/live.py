"""The live stream: one connection for each browser carries everything that changes, as server-sent events.

Two kinds of events, one rule each:
- **alerts** (everything without ``newest_wins_key``) lie in a ring that all readers share. A reader is a place in the
  ring, so a slow one costs nothing and misses nothing while the ring remembers; who comes back later is told
  ``resync`` and reads its page again.
- **positions** (with a key) are a table of the newest value for each key. A reader gets what changed since it last
  looked, at most twice a second; what was overtaken meanwhile is never sent.

Every event is encoded once. Ids are random, and whether a hidden event happened changes no byte for a reader who may
not see it. Nothing here is trusted: the stream carries what pages show, computed for the same reader.

A session and a person have so many streams and no more: a further one ends the oldest, which says so. A session that
ends is told to ``revoke``, and hears nothing from that moment on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import orjson

from port2port.clock import Clock, to_text
from port2port.console.people import Person

Predicate = Callable[[Person], bool]
Valid = Callable[[], Awaitable[bool]]

RESYNC: Final = b"event: resync\ndata: {}\n\n"
SIGNED_OUT: Final = b"event: signed-out\ndata: {}\n\n"
TOO_MANY: Final = b"event: too-many\ndata: {}\n\n"
BEAT: Final = "beat"
RETRY_MS: Final = 2_000
_EVERYBODY: Final = ""  # topic of the signs of life
_BATCHES_KEPT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """How much the stream remembers and how often it speaks. Seconds and counts."""

    ring_s: float = 900.0
    ring_events: int = 20_000
    keys: int = 20_000  # positions kept for each topic
    interval_s: float = 0.5
    heartbeat_s: float = 10.0
    recheck_s: float = 60.0
    session_streams: int = 6
    person_streams: int = 12
    person_open: int = 24  # with those that were told to end and whose browser does not take it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alert:
    number: int
    id: str
    topic: str
    wire: bytes
    to: Predicate | None
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latest:
    version: int
    wire: bytes  # "key":value
    to: Predicate | None


class _Positions:
    """The newest value for each key of one (topic, kind), least recently changed first."""

    def __init__(self, topic: str, kind: str) -> None:
        names = b'{"topic":' + orjson.dumps(topic) + b',"kind":' + orjson.dumps(kind)
        self._head = b"event: positions\ndata: " + names + b',"items":{'
        self._items: OrderedDict[str, _Latest] = OrderedDict()
        self._batches: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._private = 0

    def put(self, key: str, item: _Latest, limit: int) -> None:
        before = self._items.pop(key, None)
        self._items[key] = item
        self._private += (item.to is not None) - (before is not None and before.to is not None)
        if len(self._items) > limit:
            _, gone = self._items.popitem(last=False)
            self._private -= gone.to is not None

    def since(self, version: int, newest: int, reader: Person) -> bytes:
        """What changed after ``version`` for ``reader``, as one event; nothing if nothing did."""
        if self._private:
            return self._joined(item for item in self._after(version) if item.to is None or item.to(reader))
        place = (version, newest)
        if place not in self._batches:
            self._batches[place] = self._joined(self._after(version))
            while len(self._batches) > _BATCHES_KEPT:
                self._batches.popitem(last=False)
        return self._batches[place]

    def _after(self, version: int) -> list[_Latest]:
        """Oldest first; only what changed is looked at."""
        found = list(takewhile(lambda item: item.version > version, reversed(self._items.values())))
        found.reverse()
        return found

    def _joined(self, items: Iterable[_Latest]) -> bytes:
        body = b",".join(item.wire for item in items)
        return self._head + body + b"}}\n\n" if body else b""


class Live:
    """The stream of one process. Use it on the event loop; ``run`` it as a service beside the server."""

    def __init__(self, clock: Clock, limits: LiveLimits | None = None) -> None:
        self._clock = clock
        self._limits = limits or LiveLimits()
        self._ring: deque[_Alert] = deque()
        self._numbers: dict[str, int] = {}
        self._marks: dict[str, OrderedDict[str, int]] = {}  # by account: ids of greetings, and where they stood
        self._places: dict[str, list[_Place]] = {}  # by account, oldest first
        self._next = 1
        self._positions: dict[tuple[str, str], _Positions] = {}
        self._version = 0
        self._told = 0
        self._wake = asyncio.Event()
        self._closed = False
        self.readers = 0

    def publish(
        self,
        topic: str,
        kind: str,
        data: object,
        *,
        to: Predicate | None = None,
        newest_wins_key: str | None = None,
    ) -> None:
        """Tell every reader of ``topic`` that ``to`` allows (everybody without it).

        With ``newest_wins_key`` it is a position: the page gets ``{"topic", "kind", "items": {key: data}}``, and
        ``None`` says that the key is gone. Without, it is an alert: ``{"topic", "kind", "data"}``. JSON that is
        encoded already goes in as ``orjson.Fragment(bytes)``.
        """
        if newest_wins_key is None:
            self._alert(topic, "alert", orjson.dumps({"topic": topic, "kind": kind, "data": data}), to)
            return
        self._version += 1
        wire = orjson.dumps(newest_wins_key) + b":" + orjson.dumps(data)
        table = self._positions.setdefault((topic, kind), _Positions(topic, kind))
        table.put(newest_wins_key, _Latest(version=self._version, wire=wire, to=to), self._limits.keys)

    def _alert(self, topic: str, event: str, payload: bytes, to: Predicate | None) -> None:
        id_ = _new_id()
        whole = b"id: " + id_.encode() + b"\nevent: " + event.encode() + b"\ndata: " + payload + b"\n\n"
        now = self._clock.monotonic()
        self._ring.append(_Alert(number=self._next, id=id_, topic=topic, wire=whole, to=to, at=now))
        self._numbers[id_] = self._next
        self._next += 1
        if len(self._ring) > self._limits.ring_events:
            self._drop_oldest()
        self._tell()

    def _beat(self) -> None:
        """A sign of life with an id: who only ever hears these still resumes where it was.

        Only here is the ring forgotten by age, so that a hidden event is no reason to forget.
        """
        oldest = self._clock.monotonic() - self._limits.ring_s
        while self._ring and self._ring[0].at < oldest:
            self._drop_oldest()
        self._alert(_EVERYBODY, BEAT, self._at(), None)

    def _at(self) -> bytes:
        return orjson.dumps({"at": to_text(self._clock.now())})

    def _drop_oldest(self) -> None:
        del self._numbers[self._ring.popleft().id]

    def _tell(self) -> None:
        """Wake every reader: those who wait hold the old event."""
        self._wake.set()
        self._wake = asyncio.Event()

    def revoke(self, sessions: Iterable[str]) -> None:
        """These sessions, by name, have ended: their streams say so and end, whatever comes next."""
        gone = frozenset(sessions)
        for place in [one for places in self._places.values() for one in places if one.reader.session in gone]:
            place.farewell = SIGNED_OUT
        self._tell()

    def close(self) -> None:
        """End every stream: the server is going to stop."""
        self._closed = True
        self._tell()

    async def run(self) -> None:
        """Pass on positions and signs of life until closed."""
        beat_at = self._clock.monotonic() + self._limits.heartbeat_s
        while not self._closed:
            await self._clock.sleep(self._limits.interval_s)
            if self._told != self._version:
                self._told = self._version
                self._tell()
            if self._clock.monotonic() >= beat_at:
                beat_at = self._clock.monotonic() + self._limits.heartbeat_s
                self._beat()

    async def stream(
        self, reader: Person, topics: Iterable[str], *, last: str = "", valid: Valid
    ) -> AsyncIterator[bytes]:
        """The events for ``reader`` from after the alert ``last``; ends when closed or no longer ``valid``."""
        place = _Place(reader=reader, topics=frozenset(topics) | {_EVERYBODY})
        if not self._enter(place):
            yield TOO_MANY
            return
        checked_at = self._clock.monotonic()
        try:
            yield self._resume(place, last)
            while not self._closed and not place.farewell:
                wake = self._wake
                if self._clock.monotonic() - checked_at >= self._limits.recheck_s:
                    checked_at = self._clock.monotonic()
                    if not await valid():
                        place.farewell = SIGNED_OUT
                elif part := self._news(place):
                    yield part
                else:
                    await wake.wait()
            if place.farewell:
                yield place.farewell
        finally:
            self._leave(place)

    def _enter(self, place: _Place) -> bool:
        """Room for one more stream of a person; the oldest beyond the bounds is told to end.

        False where even those that were told have not ended: whoever takes nothing gets nothing more.
        """
        mine = self._places.setdefault(place.reader.account, [])
        if len(mine) >= self._limits.person_open:
            return False
        mine.append(place)
        self.readers += 1
        session = [one for one in mine if one.reader.session == place.reader.session]
        for places, most in ((session, self._limits.session_streams), (mine, self._limits.person_streams)):
            listening = [one for one in places if not one.farewell]
            for one in listening[: max(0, len(listening) - most)]:
                one.farewell = TOO_MANY
                self._tell()
        return True

    def _leave(self, place: _Place) -> None:
        account = place.reader.account
        self._places[account] = [one for one in self._places[account] if one is not place]
        if not self._places[account]:
            del self._places[account]
        self.readers -= 1

    def _resume(self, place: _Place, last: str) -> bytes:
        """Put a reader where it was, or at the end; it gets all positions in any case.

        The greeting has an id of its own, so that even who has heard nothing yet can come back to where it was.
        """
        mine = self._marks.setdefault(place.reader.account, OrderedDict())
        known = self._numbers.get(last, mine.get(last))
        place.number = self._next - 1 if known is None else known
        lost = RESYNC if last and known is None else b""
        missed = self._alerts(place)
        mark = _new_id()
        mine[mark] = place.number
        while len(mine) > self._limits.person_open:
            mine.popitem(last=False)
        hello = f"retry: {RETRY_MS}\nid: {mark}\nevent: hello\ndata: ".encode() + self._at() + b"\n\n"
        return lost + missed + hello + self._changed(place)

    def _news(self, place: _Place) -> bytes:
        """What a reader has not got yet. Positions go by the ticks of ``run`` alone, whatever alerts come between."""
        return self._alerts(place) + (self._changed(place) if place.told != self._told else b"")

    def _alerts(self, place: _Place) -> bytes:
        overtaken = place.number < (self._ring[0].number if self._ring else self._next) - 1
        found: list[bytes] = []
        for alert in reversed(self._ring):
            if alert.number <= place.number:
                break
            if alert.topic in place.topics and (alert.to is None or alert.to(place.reader)):
                found.append(alert.wire)
        place.number = self._next - 1
        return (RESYNC if overtaken else b"") + b"".join(reversed(found))

    def _changed(self, place: _Place) -> bytes:
        before, place.version, place.told = place.version, self._version, self._told
        return b"".join(
            table.since(before, place.version, place.reader)
            for (topic, _), table in self._positions.items()
            if topic in place.topics
        )


@dataclass(slots=True, kw_only=True)
class _Place:
    """How far one reader has read."""

    reader: Person
    topics: frozenset[str]
    number: int = 0
    version: int = 0
    told: int = 0
    farewell: bytes = b""  # why it ends, once it does


def _new_id() -> str:
    """Sixteen characters that say nothing."""
    return secrets.token_urlsafe(12)
