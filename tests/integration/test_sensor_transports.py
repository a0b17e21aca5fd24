"""Transports over loopback and from files."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from node.sensors.parsers.ais import line_time
from node.sensors.transports.file import FileReplay, RecordingError
from node.sensors.transports.lines import LINE_BYTES, LineQueue, LineSplitter, ReceivedLine
from node.sensors.transports.tcp import TcpClient
from node.sensors.transports.udp import ListenError, UdpListener
from node.simulate import ANTWERP, Simulation, send_udp, traffic
from port2port.clock import SystemClock
from port2port.errors import ConfigurationError
from tests.fakes.ais import NOON

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

DEADLINE_S = 10.0
Result = TypeVar("Result")


class SteppingClock:
    """A clock that stands still and is moved by whoever sleeps on it."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.ninth_sleep = asyncio.Event()
        self._elapsed = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 9:
            self.ninth_sleep.set()
        self._elapsed += seconds
        await asyncio.sleep(0)


def run(story: Coroutine[object, object, Result]) -> Result:
    async def limited() -> Result:
        async with asyncio.timeout(DEADLINE_S):
            return await story

    return asyncio.run(limited())


async def take(queue: LineQueue, count: int) -> list[ReceivedLine]:
    taken: list[ReceivedLine] = []
    while len(taken) < count:
        taken += await queue.batch()
    return taken


def tagged_at(second: int) -> bytes:
    content = b"c:%d" % int((NOON + timedelta(seconds=second)).timestamp())
    check = 0
    for byte in content:
        check ^= byte
    return b"\\%s*%02X\\!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23" % (content, check)


def replay(path: Path, queue: LineQueue, clock: SteppingClock, speed: float | None) -> FileReplay:
    return FileReplay("file", path, queue, clock=clock, stamp=line_time, speed=speed)


@pytest.mark.parametrize("name", ["a.nmea", "a.nmea.gz"])
def test_a_recording_is_replayed_by_its_own_clock(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b"# no time yet\r\n" + tagged_at(100) + b"\n\n" + b"no time\n" + tagged_at(160)
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    queue, clock = LineQueue(), SteppingClock()
    transport = replay(path, queue, clock, None)

    async def story() -> list[ReceivedLine]:
        await transport.run()
        return await queue.batch()

    lines = run(story())
    assert [line.received_at for line in lines] == [NOON, *[NOON + timedelta(seconds=s) for s in (100, 100, 160)]]
    assert [line.data for line in lines] == [b"# no time yet", tagged_at(100), b"no time", tagged_at(160)]
    assert clock.slept == []
    assert transport.counters().lines == 4


@pytest.mark.parametrize(("speed", "waits"), [(1.0, [10.0, 50.0]), (10.0, [1.0, 5.0])])
def test_a_replay_keeps_the_chosen_speed(tmp_path: Path, speed: float, waits: list[float]) -> None:
    path = tmp_path / "a.nmea"
    path.write_bytes(b"\n".join(tagged_at(second) for second in (0, 10, 5, 60)))
    clock = SteppingClock()
    run(replay(path, LineQueue(), clock, speed).run())
    assert clock.slept == pytest.approx(waits)


def test_a_replay_waits_for_room_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.nmea"
    path.write_bytes(b"\n".join(b"line %d" % number for number in range(1000)))
    queue = LineQueue(limit=10)

    async def story() -> list[ReceivedLine]:
        async with asyncio.TaskGroup() as group:
            group.create_task(replay(path, queue, SteppingClock(), None).run())
            return await take(queue, 1000)

    assert [line.data for line in run(story())] == [b"line %d" % number for number in range(1000)]
    assert queue.overflowed == 0


def test_a_missing_recording_and_a_broken_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError):
        run(replay(tmp_path / "none", LineQueue(), SteppingClock(), None).run())
    broken = tmp_path / "b.gz"
    broken.write_bytes(gzip.compress(b"line\n" * 1000)[:30])
    with pytest.raises(RecordingError):
        run(replay(broken, LineQueue(), SteppingClock(), None).run())
    broken.write_bytes(b"no gzip at all")
    with pytest.raises(RecordingError):
        run(replay(broken, LineQueue(), SteppingClock(), None).run())


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_none_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(ConfigurationError):
        replay(tmp_path / "a", LineQueue(), SteppingClock(), speed)


def test_datagrams_without_line_ends_stay_apart_and_senders_too() -> None:
    queue = LineQueue()
    listener = UdpListener("radio", "127.0.0.1", 0, queue, clock=SystemClock())

    async def story() -> tuple[list[ReceivedLine], list[int]]:
        task = asyncio.create_task(listener.run())
        address = await listener.bound()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            one.sendto(b"first", address)
            two.sendto(b"second\r\nthird\n", address)
            one.sendto(b"x" * (LINE_BYTES + 1), address)
            one.sendto(b"last", address)
            lines = await take(queue, 4)
            ports = [one.getsockname()[1], two.getsockname()[1]]
        task.cancel()
        return lines, ports

    lines, (one, two) = run(story())
    assert [(line.source, line.data) for line in lines] == [
        (f"radio/127.0.0.1:{one}", b"first"),
        (f"radio/127.0.0.1:{two}", b"second"),
        (f"radio/127.0.0.1:{two}", b"third"),
        (f"radio/127.0.0.1:{one}", b"last"),
    ]
    counters = listener.counters()
    assert (counters.lines, counters.too_long, counters.overflowed) == (4, 1, 0)


def test_a_full_queue_drops_the_oldest_and_counts_it() -> None:
    async def story() -> tuple[LineQueue, list[ReceivedLine]]:
        queue = LineQueue(limit=3)
        for number in range(5):
            queue.offer(ReceivedLine("s", NOON, b"%d" % number))
        return queue, await queue.batch()

    queue, lines = run(story())
    assert [line.data for line in lines] == [b"2", b"3", b"4"]
    assert queue.overflowed == 2


def test_a_closed_queue_gives_what_is_left_and_then_nothing() -> None:
    async def story() -> tuple[list[ReceivedLine], list[ReceivedLine]]:
        queue = LineQueue()
        queue.offer(ReceivedLine("s", NOON, b"x"))
        queue.close()
        return await queue.batch(), await queue.batch()

    first, second = run(story())
    assert (len(first), second) == (1, [])


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ListenError):
            run(UdpListener("radio", "127.0.0.1", port, LineQueue(), clock=SystemClock()).run())


def test_a_lost_connection_is_made_again_and_halves_do_not_join() -> None:
    queue = LineQueue()
    clock = SteppingClock()

    async def story() -> tuple[list[ReceivedLine], TcpClient]:
        served = 0

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            served += 1
            writer.write(b"whole %d\nhalf" % served)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = TcpClient("feed", "127.0.0.1", port, queue, clock=clock, jitter=random.Random(1))
        task = asyncio.create_task(client.run())
        lines = await take(queue, 3)
        task.cancel()
        server.close()
        return lines, client

    lines, client = run(story())
    assert [(line.source, line.data) for line in lines[:3]] == [
        ("feed/1", b"whole 1"),
        ("feed/2", b"whole 2"),
        ("feed/3", b"whole 3"),
    ]
    assert client.counters().connections >= 3
    assert all(0.25 <= wait <= 0.5 for wait in clock.slept)


def test_an_absent_server_is_asked_less_and_less_often() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    clock = SteppingClock()

    async def story() -> None:
        client = TcpClient("feed", "127.0.0.1", port, LineQueue(), clock=clock, jitter=random.Random(1))
        task = asyncio.create_task(client.run())
        await clock.ninth_sleep.wait()
        task.cancel()

    run(story())
    assert clock.slept[0] <= 1.0 < 10.0 <= clock.slept[7] <= 30.0


def test_simulated_traffic_arrives_over_udp() -> None:
    queue = LineQueue()
    listener = UdpListener("radio", "127.0.0.1", 0, queue, clock=SystemClock())
    simulation = Simulation(start=datetime(2026, 11, 22, tzinfo=UTC), duration_s=60.0, ships=10)
    expected = [sentence for _, sentence in traffic(simulation, ANTWERP)]

    async def story() -> list[ReceivedLine]:
        task = asyncio.create_task(listener.run())
        host, port = await listener.bound()
        sender = SteppingClock()
        assert await send_udp(host, port, traffic(simulation, ANTWERP), clock=sender, speed=10.0) == len(expected)
        assert sum(sender.slept) == pytest.approx(6.0, abs=1.0)
        lines = await take(queue, len(expected))
        task.cancel()
        return lines

    assert [line.data for line in run(story())] == expected


def test_a_line_that_never_ends_is_dropped_whole() -> None:
    splitter = LineSplitter(limit=10)
    found = [line for chunk in (b"ok\nxxxxxx", b"x" * 50, b"tail\nnext\n") for line in splitter.feed(chunk)]
    assert found == [b"ok", b"next"]
    assert splitter.too_long == 1
