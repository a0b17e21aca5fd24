"""A log of a network sensor that fails or falls silent is told of, once, and no longer than it does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from node import alarms, sensor_health, tail_places
from node.alarms import Level
from node.cyber import CyberFlow
from node.observations import SourceClass
from node.sensor_health import BAD_LEAST, CHECK_S, GRACE, WINDOW, SensorHealth
from node.sensors.logs import LogSource
from node.store import NodeStore, open_store
from node.tail_places import Counted, TailPosition
from port2port.console.told import told_text
from port2port.console.words import load_words
from port2port.database import sqlite_url
from port2port.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.fakes.cyber import NOW, zeek_dns
from tests.fakes.flaky_store import FlakyDatabase
from tests.fakes.followed_log import EmptyDesk
from tests.fakes.live_hub import until

HOUR = timedelta(hours=1)


@dataclass
class Post:
    """A node with one log, whose health is asked after each step."""

    store: NodeStore
    log: Path
    clock: FakeClock
    metrics: Metrics

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        source = LogSource("ids", "zeek", self.log, SourceClass.LOCAL, silent_after=HOUR)
        self.source = source
        self.flow = CyberFlow(self.store, EmptyDesk(self.store), [source], clock=self.clock, metrics=self.metrics)
        asyncio.run(self.flow.start())

    def write(self, *lines: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def read(self) -> None:
        """What the flow does again and again."""
        while asyncio.run(self.flow._tried(self.source)) is not None:  # one step of its loop
            pass

    def told(self, later: timedelta = timedelta()) -> list[str]:
        """The alarms that stand after this time."""
        self.clock.advance(later.total_seconds())
        self.read()
        self.store.write_now(self.flow.health.settle)
        return [one.text for one in self.store.read_now(sensor_health.standing)]

    def dns(self, query: str) -> bytes:
        return zeek_dns(query, at=self.clock.now())


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    store = open_store(sqlite_url(tmp_path / "node.db"))
    yield Post(store, tmp_path / "dns.log", FakeClock(NOW), Metrics("port2port_node"))
    store.close()


def test_a_log_that_is_not_there_is_told_of_until_it_is(post: Post) -> None:
    assert post.told() == []
    assert post.told(GRACE) == ["the log of ids fails: the log is not there"]
    assert post.told(GRACE) == ["the log of ids fails: the log is not there"]
    (alarm,) = post.store.read_now(alarms.standing)
    assert (alarm.times, alarm.level, alarm.subject) == (1, Level.WARNING, "ids")
    post.write(post.dns("a.example"))
    assert post.told() == []


def test_a_log_that_went_away_is_told_of_and_rotation_is_not(post: Post) -> None:
    post.write(post.dns("a.example"))
    assert post.told() == []
    post.log.rename(post.log.with_name("dns.2026-01-01.log"))
    assert post.told() == []
    post.write(post.dns("b.example"))
    assert post.told(GRACE) == []
    assert post.told(GRACE) == []
    post.log.unlink()
    assert post.told() == []
    assert post.told(GRACE) == ["the log of ids fails: the log is not there"]


def test_a_log_that_cannot_be_read_is_told_of_until_it_can(post: Post) -> None:
    os.mkfifo(post.log)
    assert post.told() == []
    assert post.told(GRACE) == ["the log of ids fails: the log is no regular file"]
    assert post.metrics.value("sensor_failures", reason="zeek") == 2
    assert post.metrics.value("sensor_failed") == 1
    post.log.unlink()
    post.write(post.dns("a.example"))
    assert post.told() == []
    assert post.metrics.value("sensor_failed") == 0


def test_many_lines_that_are_no_records_are_told_of_for_a_while(post: Post) -> None:
    post.write(*(b"no record %d" % number for number in range(BAD_LEAST - 1)))
    assert post.told() == []
    post.write(b"one too many")
    (told,) = post.told()
    assert told.startswith("the log of ids fails: many of its lines are no records")
    assert post.metrics.value("sensor_bad", reason="zeek") == BAD_LEAST
    assert post.told(WINDOW + timedelta(seconds=1)) == []


def test_few_among_many_lines_are_told_of_to_nobody(post: Post) -> None:
    post.write(*(post.dns(f"{number}.example") for number in range(BAD_LEAST * 10)))
    post.write(*(b"no record %d" % number for number in range(BAD_LEAST)))
    assert post.told() == []


def test_a_log_that_falls_silent_is_told_of_also_after_a_restart(post: Post) -> None:
    post.write(post.dns("a.example"))
    assert post.told() == []
    assert post.told(HOUR) == []
    post.restart()
    (told,) = post.told(timedelta(seconds=1))
    assert told.startswith("nothing new in the log of ids since 2")
    assert post.metrics.value("sensor_silent") == 1
    post.write(post.dns("b.example"))
    assert post.told() == []


def test_a_finished_log_may_be_silent_for_ever(post: Post) -> None:
    done = LogSource("old", "eve", post.log, SourceClass.LOCAL, follow=False, silent_after=HOUR)
    health = SensorHealth([done], post.clock, post.metrics)
    assert health.wrong(post.clock.now() + 100 * HOUR) == []


def test_alarms_over_a_log_that_is_followed_no_longer_end(post: Post) -> None:
    assert post.told(2 * HOUR)
    post.store.write_now(SensorHealth([], post.clock, post.metrics).settle)
    assert post.store.read_now(sensor_health.standing) == []


def test_a_log_that_was_last_read_by_an_earlier_run_has_been_silent_since(post: Post) -> None:
    earlier = post.clock.now() - 3 * HOUR
    place = TailPosition(device=1, inode=2)
    post.store.write_now(lambda c: tail_places.keep_place(c, "ids", place, Counted(lines=1), now=earlier))
    post.restart()
    assert len(post.told()) == 1


def test_what_is_told_of_a_log_is_told_in_every_language(post: Post) -> None:
    post.told()
    texts = post.told(2 * HOUR)
    os.mkfifo(post.log)
    post.told()
    texts += post.told(GRACE)
    post.log.unlink()
    post.write(*(b"no record %d" % number for number in range(BAD_LEAST)))
    texts += post.told(GRACE)
    assert len({text.partition(" since ")[0] for text in texts}) == 4
    words = load_words(["port2port.console"], ["en", "nl", "fr", "de"], "Europe/Brussels")
    for language in ("nl", "fr", "de"):
        said = [told_text(text, words.of(language)) for text in texts]
        assert not [one for one in said if "the log" in one or "lines" in one or "fails" in one]


def test_the_alarms_are_kept_while_logs_are_followed_and_a_lost_write_ends_nothing(post: Post) -> None:
    flaky = FlakyDatabase(post.store.database.engine)
    flaky.lose, post.store.database = 1, flaky

    async def follow() -> int:
        keeping = asyncio.create_task(post.flow.health.run(post.store))
        post.clock.advance(2 * HOUR.total_seconds())
        for _ in range(2):
            before = flaky.writes
            await until(lambda: post.clock.sleepers == 1)
            post.clock.advance(CHECK_S)
            await until(lambda seen=before: flaky.writes > seen)
        await until(lambda: post.clock.sleepers == 1)
        keeping.cancel()
        return len(post.store.read_now(sensor_health.standing))

    assert asyncio.run(follow()) == 1
    flaky.close()
