"""The live stream: alerts are kept, positions overtake, and a hidden event changes no byte."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from port2port.console.live import Live, LiveLimits
from port2port.console.people import Person
from port2port.console.roles import Role
from tests.fakes.clock import FakeClock
from tests.fakes.console import OFFICER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

LIMITS = LiveLimits(ring_s=900, ring_events=100, keys=5, session_streams=6, person_streams=8, person_open=10)
VIEWER = replace(OFFICER, account="9", roles=frozenset({Role.VIEWER}))


def officers_only(reader: Person) -> bool:
    return reader.has(Role.OFFICER)


async def _valid() -> bool:
    return True


class Reader:
    """One open stream, read as far as it goes."""

    def __init__(
        self, live: Live, *, topics: str = "queue", last: str = "", who: Person = OFFICER, valid: object = _valid
    ) -> None:
        self.raw = b""
        self.ended = False
        self._stream = live.stream(who, topics.split(","), last=last, valid=valid)
        self._task: asyncio.Task[bytes] | None = None

    async def read(self) -> list[tuple[str, object]]:
        """Everything that can be had now; signs of life and greetings left out."""
        new = b""
        while True:
            self._task = self._task or asyncio.ensure_future(anext(self._stream))
            for _ in range(8):
                await asyncio.sleep(0)
            if not self._task.done():
                break
            task, self._task = self._task, None
            try:
                new += task.result()
            except StopAsyncIteration:
                self.ended = True
                break
        self.raw += new
        return [event for event in _events(new) if event[0] not in {"hello", "beat"}]

    def last_id(self) -> str:
        return [line[4:] for line in self.raw.decode().splitlines() if line.startswith("id: ")][-1]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._stream.aclose()


def _events(raw: bytes) -> list[tuple[str, object]]:
    found = []
    for block in raw.decode().split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines())
        if "event" in fields:
            payload = json.loads(fields["data"])
            found.append((payload.get("kind", fields["event"]), payload.get("items", payload.get("data"))))
    return found


@asynccontextmanager
async def running(live: Live, clock: FakeClock) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """``live.run`` in the background; gives a function that lets seconds pass."""
    task = asyncio.create_task(live.run())

    async def passes(seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            for _ in range(4):
                await asyncio.sleep(0)
            clock.advance(0.5)
            for _ in range(4):
                await asyncio.sleep(0)

    try:
        yield passes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _play(story: Callable[[Live, FakeClock], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = FakeClock()
        await story(Live(clock, LIMITS), clock)

    asyncio.run(whole())


def test_every_reader_of_a_topic_gets_an_alert_and_no_other() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        one, two, other = Reader(live), Reader(live), Reader(live, topics="watch")
        for reader in (one, two, other):
            assert await reader.read() == []
        live.publish("queue", "changed", {"id": 7})
        assert await one.read() == await two.read() == [("changed", {"id": 7})]
        assert await other.read() == []
        for reader in (one, two, other):
            await reader.close()

    _play(story)


def test_who_comes_back_gets_what_it_missed_and_nothing_twice() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        first = Reader(live)
        await first.read()
        live.publish("queue", "changed", 1)
        await first.read()
        await first.close()
        for n in (2, 3, 4):
            live.publish("queue", "changed", n)
        back = Reader(live, last=first.last_id())
        assert await back.read() == [("changed", 2), ("changed", 3), ("changed", 4)]
        await back.close()

    _play(story)


def test_who_had_heard_nothing_but_the_greeting_comes_back_to_it() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        first = Reader(live)
        await first.read()
        await first.close()
        live.publish("queue", "changed", 1)
        back = Reader(live, last=first.last_id())
        assert await back.read() == [("changed", 1)]
        await back.close()

    _play(story)


@pytest.mark.parametrize("last", ["never-heard-of", "x" * 60])
def test_who_was_away_too_long_is_told_to_read_again(last: str) -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        live.publish("queue", "changed", 1)
        back = Reader(live, last=last)
        assert await back.read() == [("resync", None)]
        await back.close()

    _play(story)


def test_a_slow_reader_loses_no_alert_while_the_ring_remembers() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        slow = Reader(live)
        await slow.read()
        for n in range(90):
            live.publish("queue", "changed", n)
        assert await slow.read() == [("changed", n) for n in range(90)]
        for n in range(150):
            live.publish("queue", "changed", n)
        assert (await slow.read())[0] == ("resync", None)
        await slow.close()

    _play(story)


def test_the_newest_position_wins_and_what_was_overtaken_is_never_sent() -> None:
    async def story(live: Live, clock: FakeClock) -> None:
        async with running(live, clock) as passes:
            reader = Reader(live, topics="traffic")
            await reader.read()
            for n in range(50):
                live.publish("traffic", "vessels", [n], newest_wins_key="205000412")
            live.publish("traffic", "vessels", [1], newest_wins_key="244000001")
            assert await reader.read() == []
            await passes(1)
            assert await reader.read() == [("vessels", {"205000412": [49], "244000001": [1]})]
            live.publish("traffic", "vessels", None, newest_wins_key="244000001")
            await passes(1)
            assert await reader.read() == [("vessels", {"244000001": None})]
            await reader.close()

    _play(story)


def test_who_connects_gets_all_positions_and_the_oldest_beyond_the_bound_are_forgotten() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        for n in range(8):
            live.publish("traffic", "vessels", n, newest_wins_key=str(n))
        reader = Reader(live, topics="traffic")
        assert await reader.read() == [("vessels", {str(n): n for n in range(3, 8)})]
        await reader.close()

    _play(story)


def test_an_alert_does_not_wait_for_positions_nor_carry_them() -> None:
    async def story(live: Live, clock: FakeClock) -> None:
        async with running(live, clock) as passes:
            reader = Reader(live, topics="traffic,queue")
            await reader.read()
            live.publish("traffic", "vessels", 1, newest_wins_key="1")
            live.publish("queue", "changed", 2)
            assert await reader.read() == [("changed", 2)]
            await passes(0.5)
            assert await reader.read() == [("vessels", {"1": 1})]
            await reader.close()

    _play(story)


def test_a_hidden_event_changes_no_byte_for_who_may_not_see_it() -> None:
    async def heard(*, hidden: bool) -> list[str]:
        clock = FakeClock()
        live = Live(clock, LIMITS)
        async with running(live, clock) as passes:
            reader = Reader(live, topics="queue,traffic", who=VIEWER)
            parts = [await reader.read()]
            for n in range(6):
                live.publish("queue", "changed", n)
                if hidden:
                    live.publish("queue", "changed", "secret", to=officers_only)
                    live.publish("traffic", "vessels", "secret", newest_wins_key=f"s{n}", to=officers_only)
                live.publish("traffic", "vessels", n, newest_wins_key="1")
                parts.append(await reader.read())
                await passes(3)
                parts.append(await reader.read())
            lines = [line for line in reader.raw.decode().splitlines() if not line.startswith("id: ")]
            await reader.close()
            return [*lines, str(parts)]

    assert asyncio.run(heard(hidden=True)) == asyncio.run(heard(hidden=False))


def test_ids_say_nothing_about_how_much_happened() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        reader = Reader(live)
        live.publish("queue", "changed", 1)
        await reader.read()
        live.publish("queue", "changed", 1)
        await reader.read()
        ids = [line[4:] for line in reader.raw.decode().splitlines() if line.startswith("id: ")]
        assert len(set(ids)) == len(ids)
        assert all(len(id_) == 16 for id_ in ids)
        await reader.close()

    _play(story)


def test_an_event_is_encoded_once_however_many_read_it() -> None:
    encoded = []

    class Counted:
        """Encoded through orjson's default hook, which counts."""

    def fragment(_value: object) -> orjson.Fragment:
        encoded.append(1)
        return orjson.Fragment(b'{"n":1}')

    async def story(live: Live, clock: FakeClock) -> None:
        async with running(live, clock) as passes:
            people = [replace(OFFICER, account=str(n)) for n in range(20)]
            readers = [Reader(live, topics="queue,traffic", who=person) for person in people]
            for reader in readers:
                await reader.read()
            live.publish("queue", "changed", fragment(Counted()))
            live.publish("traffic", "vessels", fragment(Counted()), newest_wins_key="1")
            await passes(1)
            for reader in readers:
                assert await reader.read() == [("changed", {"n": 1}), ("vessels", {"1": {"n": 1}})]
            batches = {id(part) for part in live._positions["traffic", "vessels"]._batches.values()}
            assert len(batches) <= 2
            for reader in readers:
                await reader.close()

    _play(story)
    assert len(encoded) == 2


def test_a_sign_of_life_comes_every_ten_seconds_and_keeps_the_place() -> None:
    async def story(live: Live, clock: FakeClock) -> None:
        async with running(live, clock) as passes:
            reader = Reader(live)
            await reader.read()
            for _ in range(3):
                await passes(10.5)
                await reader.read()
            assert reader.raw.count(b"event: beat") == 3
            last = reader.last_id()
            await reader.close()
            await passes(600)
            live.publish("queue", "changed", 1)
            back = Reader(live, last=last)
            assert await back.read() == [("changed", 1)]
            await back.close()
            await passes(1000)
            late = Reader(live, last=last)
            assert await late.read() == [("resync", None)]
            await late.close()

    _play(story)


def test_a_stream_ends_within_a_minute_of_its_session() -> None:
    async def story(live: Live, clock: FakeClock) -> None:
        signed_in = True

        async def valid() -> bool:
            return signed_in

        async with running(live, clock) as passes:
            reader = Reader(live, valid=valid)
            await reader.read()
            await passes(70)
            await reader.read()
            assert not reader.ended
            signed_in = False
            await passes(70)
            assert await reader.read() == [("signed-out", None)]
            assert reader.ended
            assert live.readers == 0

    _play(story)


def test_closing_ends_every_stream_and_counts_them_off() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        readers = [Reader(live) for _ in range(5)]
        for reader in readers:
            await reader.read()
        assert live.readers == 5
        live.close()
        for reader in readers:
            await reader.read()
            assert reader.ended
        assert live.readers == 0

    _play(story)


def test_a_seventh_stream_of_a_session_ends_the_oldest_and_says_so() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        tabs = [Reader(live) for _ in range(7)]
        other = Reader(live, who=replace(OFFICER, account="2", session="s2"))
        for tab in (*tabs, other):
            await tab.read()
        assert await tabs[0].read() == [("too-many", None)]
        assert tabs[0].ended
        live.publish("queue", "changed", 1)
        for tab in (*tabs[1:], other):
            assert await tab.read() == [("changed", 1)]
        assert live.readers == 7
        for tab in (*tabs, other):
            await tab.close()
        assert live.readers == 0
        assert live._places == {}

    _play(story)


def test_a_person_has_so_many_streams_however_many_sessions() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        tabs = [Reader(live, who=replace(OFFICER, session=f"s{n}")) for n in range(9)]
        for tab in tabs:
            await tab.read()
        assert await tabs[0].read() == [("too-many", None)]
        assert await tabs[1].read() == []
        for tab in tabs:
            await tab.close()

    _play(story)


def test_who_takes_nothing_gets_no_stream_beyond_the_last_bound() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        streams = [live.stream(OFFICER, ["queue"], valid=_valid) for _ in range(11)]
        first = [await anext(stream) for stream in streams]  # and nobody reads on
        assert [b"too-many" in part for part in first] == [False] * 10 + [True]
        assert live.readers == 10
        for stream in streams:
            await stream.aclose()
        assert live.readers == 0

    _play(story)


def test_coming_back_again_and_again_costs_nobody_else_an_alert() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        away = Reader(live, who=VIEWER)
        await away.read()
        await away.close()
        live.publish("queue", "changed", 1)
        for _ in range(500):
            restless = Reader(live)
            await restless.read()
            await restless.close()
        assert len(live._ring) == 1
        assert all(len(marks) <= LIMITS.person_open for marks in live._marks.values())
        back = Reader(live, who=VIEWER, last=away.last_id())
        assert await back.read() == [("changed", 1)]
        await back.close()

    _play(story)


def test_nobody_comes_back_to_the_place_of_another() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        first = Reader(live)
        await first.read()
        await first.close()
        live.publish("queue", "changed", 1)
        thief = Reader(live, who=VIEWER, last=first.last_id())
        assert await thief.read() == [("resync", None)]
        await thief.close()

    _play(story)


def test_a_revoked_session_hears_nothing_more_and_others_go_on() -> None:
    async def story(live: Live, _clock: FakeClock) -> None:
        gone, stays = Reader(live, who=replace(OFFICER, session="s1")), Reader(live, who=replace(OFFICER, session="s2"))
        for reader in (gone, stays):
            await reader.read()
        live.revoke({"s1"})
        live.publish("queue", "changed", "after")
        assert await gone.read() == [("signed-out", None)]
        assert gone.ended
        assert await stays.read() == [("changed", "after")]
        await stays.close()

    _play(story)
