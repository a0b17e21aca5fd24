"""Health says what an officer must know, in words and in exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from node import alarms, outbox, store
from node.alarms import LEVELS, Alarm, Code, Level
from node.settings import AlarmSettings
from node.status import CONNECTED, CONNECTION, HEARTBEAT, Status, status
from node.trusted_time import TrustedTime
from port2port.clock import to_ms
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed, digest_in
from tests.fakes.nodes import TestNode, make_node

A = "beanr"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[TestNode]:
    fed = Federation(members=(A, "belgg"))
    made = make_node(fed, A, tmp_path / "a")
    feed = FakeFeed(fed)
    feed.log(*fed.founding())
    asyncio.run(made.pull(feed))
    yield made
    made.store.close()


def look(node: TestNode, **more: Any) -> Status:
    given: dict[str, Any] = {
        "member": A,
        "roster": node.inbox.state.roster,
        "own_keys": node.store.read_now(store.own_keys),
        "certificate_not_after": node.fed.clock.now() + timedelta(hours=20),
        "limits": AlarmSettings(),
        "now": node.fed.clock.now(),
    }
    return node.store.read_now(lambda c: status(c, **{**given, **more}))


def mark(node: TestNode, name: str, value: str = "", *, ago_s: float = 0) -> None:
    at_ms = to_ms(node.fed.clock.now()) - int(ago_s * 1000)
    node.store.write_now(lambda c: store.mark(c, name, value, at_ms))


def test_a_running_connected_node_is_well(node: TestNode) -> None:
    mark(node, HEARTBEAT)
    mark(node, CONNECTION, CONNECTED, ago_s=7200)
    found = look(node)
    assert (found.level, found.level.exit_code, found.connected) == (Level.OK, 0, True)
    assert "connected for 2 h" in [line.text for line in found.lines]
    assert found.size == 2
    assert found.demo
    assert orjson.loads(orjson.dumps(found.to_json()))["level"] == "ok"


@pytest.mark.parametrize(("away_s", "level"), [(60, Level.WARNING), (301, Level.CRITICAL)])
def test_a_node_without_its_hub_says_since_when(node: TestNode, away_s: float, level: Level) -> None:
    mark(node, HEARTBEAT)
    mark(node, CONNECTION, "UNAVAILABLE", ago_s=away_s)
    found = look(node)
    assert (found.level, found.connected) == (level, False)
    assert found.since == node.fed.clock.now() - timedelta(seconds=away_s)
    assert found.picture_at == node.fed.clock.now()


def test_a_process_without_a_sign_of_life_is_not_running(node: TestNode) -> None:
    mark(node, CONNECTION, CONNECTED, ago_s=900)
    mark(node, HEARTBEAT, ago_s=61)
    found = look(node)
    assert (found.running, found.connected, found.level.exit_code) == (False, False, 2)


@pytest.mark.parametrize(("hours", "level"), [(6.1, Level.OK), (5.9, Level.CRITICAL), (-1, Level.CRITICAL)])
def test_a_certificate_close_to_expiry_turns_health_red(node: TestNode, hours: float, level: Level) -> None:
    mark(node, HEARTBEAT)
    mark(node, CONNECTION, CONNECTED)
    assert look(node, certificate_not_after=node.fed.clock.now() + timedelta(hours=hours)).level is level


def test_a_signing_key_close_to_expiry_turns_health_red(node: TestNode) -> None:
    mark(node, HEARTBEAT)
    mark(node, CONNECTION, CONNECTED)
    node.fed.clock.advance((365 - 13) * 86_400)
    found = look(node)
    red = sorted(line.name.split()[0] for line in found.lines if line.level is Level.CRITICAL and "key" in line.name)
    assert red == ["machine", "officer", "officer"]


def test_what_waits_and_what_came_back_is_counted(node: TestNode) -> None:
    mine = [node.fed.publish(A), node.fed.publish(A)]
    node.note_own(*mine)
    node.store.write_now(lambda c: outbox.refused(c, digest_in(mine[1]), code="POLICY", text="no"))
    found = look(node)
    assert (found.waiting, found.returned, found.waiting_since) == (1, 1, node.fed.clock.now())


def test_alarms_stand_until_cleared_and_count_repetitions(node: TestNode) -> None:
    alarm = Alarm(code=Code.FOREIGN_SELF, subject="entry:4", text="not ours")
    raised = [node.store.write_now(lambda c, at=at: alarms.raise_alarm(c, alarm, at)) for at in (1, 2)]
    (one,) = node.store.read_now(alarms.standing)
    assert (raised, one.times, one.raised_ms, one.last_ms) == ([True, False], 2, 1, 2)
    assert look(node).level is Level.CRITICAL
    assert node.store.write_now(lambda c: alarms.acknowledge(c, one.id, "o1"))
    assert node.store.write_now(lambda c: alarms.clear_alarm(c, alarm.code, alarm.subject, 3))
    assert not node.store.write_now(lambda c: alarms.clear_alarm(c, alarm.code, alarm.subject, 3))
    assert node.store.read_now(alarms.standing) == []
    assert node.store.write_now(lambda c: alarms.raise_alarm(c, alarm, 9))
    (again,) = node.store.read_now(alarms.standing)
    assert (again.raised_ms, again.seen_by, again.times) == (9, "", 3)


def test_every_alarm_has_a_level_and_none_is_fine() -> None:
    assert set(LEVELS) == set(Code)
    assert Level.OK not in LEVELS.values()


def test_trusted_time_goes_on_monotonically_whatever_the_system_clock_does() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    start = time.now_ms()
    clock.step(30 * 86_400)
    assert time.now_ms() == start
    clock.step(-60 * 86_400)
    clock.advance(10)
    assert time.now_ms() == start + 10_000


def test_trusted_time_follows_the_log_forward_only() -> None:
    clock = FakeClock()
    time = TrustedTime(clock, floor_ms=to_ms(clock.now()) + 3_600_000)
    start = time.now_ms()
    assert start == to_ms(clock.now()) + 3_600_000
    time.proved(start - 5)
    assert time.now_ms() == start
    time.proved(start + 5)
    assert time.now_ms() == start + 5


def test_a_hubs_clock_corrects_ours_but_never_to_before_the_log() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    now = time.now_ms()
    assert time.compare_hub(now + 60_000) == -60_000
    assert time.now_ms() == now
    time.compare_hub(now + 600_000)
    assert time.now_ms() == now + 600_000
    time.proved(now + 700_000)
    time.compare_hub(now - 86_400_000)
    assert time.now_ms() == now + 700_000
