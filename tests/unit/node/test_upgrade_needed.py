"""A node that is too old for its federation says so, in red and in words, until it is upgraded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node import alarms, app, identity
from node.alarms import Alarm, Code, Level
from node.settings import AlarmSettings, NodeSettings
from node.status import status
from node.uplink.faults import alarm_of
from port2port.clock import to_ms
from port2port.settings import load
from port2port.verify import UpgradeNeededError
from tests.fakes.enrolment import FakeEnrolment
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed
from tests.fakes.nodes import TestNode, make_node

A = "beanr"
WORDS = "this software is 1.1.9, the federation asks for 1.2.0 or newer: upgrade this node"


@pytest.fixture
def feed() -> FakeFeed:
    fed = Federation(members=(A, "belgg"))
    made = FakeFeed(fed)
    made.log(*fed.founding())
    return made


@pytest.fixture
def open_as(feed: FakeFeed, tmp_path: Path) -> Iterator[Callable[[str], TestNode]]:
    opened: list[TestNode] = []

    def make(version: str) -> TestNode:
        if opened:
            opened[-1].store.close()
        opened.append(make_node(feed.fed, A, tmp_path / "a", version=version))
        return opened[-1]

    yield make
    opened[-1].store.close()


def ask_for(feed: FakeFeed, version: str) -> None:
    feed.log(feed.fed.control("roster", [{"op": "set-minimum-version", "minimum_version": version}]))


def standing(node: TestNode) -> list[tuple[Code, str]]:
    return [(item.code, item.text) for item in node.store.read_now(alarms.standing)]


def test_a_node_older_than_the_roster_asks_for_turns_red_and_says_what_to_do(
    feed: FakeFeed, open_as: Callable[[str], TestNode]
) -> None:
    node = open_as("1.1.9")
    asyncio.run(node.pull(feed))
    assert standing(node) == []
    ask_for(feed, "1.2.0")
    asyncio.run(node.pull(feed))
    assert standing(node) == [(Code.UPGRADE_NEEDED, WORDS)]
    found = node.store.read_now(
        lambda c: status(
            c,
            member=A,
            roster=node.inbox.state.roster,
            own_keys=frozenset(),
            certificate_not_after=None,
            limits=AlarmSettings(),
            now=feed.fed.clock.now(),
        )
    )
    assert found.level is Level.CRITICAL
    assert ("UPGRADE_NEEDED", Level.CRITICAL, WORDS) in [(line.name, line.level, line.text) for line in found.lines]


@pytest.mark.parametrize("version", ["1.2.0", "1.2.0.dev3", "1.10.0", "2.0.0"])
def test_a_node_that_is_new_enough_says_nothing(
    feed: FakeFeed, open_as: Callable[[str], TestNode], version: str
) -> None:
    ask_for(feed, "1.2.0")
    node = open_as(version)
    asyncio.run(node.pull(feed))
    assert standing(node) == []


def test_an_upgrade_ends_the_alarm_at_the_next_start(feed: FakeFeed, open_as: Callable[[str], TestNode]) -> None:
    ask_for(feed, "1.2.0")
    asyncio.run(open_as("1.1.9").pull(feed))
    node = open_as("1.2.0")
    assert standing(node) == [(Code.UPGRADE_NEEDED, WORDS)]
    roster = node.inbox.state.roster
    assert roster is not None
    node.store.write_now(lambda c: alarms.compare_version(c, roster, "1.2.0", to_ms(feed.fed.clock.now())))
    assert standing(node) == []


def test_a_lower_minimum_ends_the_alarm(feed: FakeFeed, open_as: Callable[[str], TestNode]) -> None:
    node = open_as("1.1.9")
    for minimum in ("1.2.0", "1.1.0"):
        ask_for(feed, minimum)
        asyncio.run(node.pull(feed))
    assert standing(node) == []


def test_the_alarm_over_a_control_entry_ends_once_the_entry_is_understood(
    feed: FakeFeed, open_as: Callable[[str], TestNode]
) -> None:
    node = open_as("1.0.0")
    asyncio.run(node.pull(feed))
    alarm = alarm_of(UpgradeNeededError("a control entry needs a newer version of this software: upgrade"))
    assert alarm is not None
    assert alarm.code is Code.UPGRADE_NEEDED
    node.store.write_now(lambda c: alarms.raise_alarm(c, alarm, 1))
    ask_for(feed, "0.5.0")
    asyncio.run(node.pull(feed))
    assert standing(node) == []


def test_a_node_compares_itself_with_its_roster_at_every_start(tmp_path: Path) -> None:
    hub = FakeEnrolment(Federation(members=(A, "belgg")))
    raw = hub.invitation(A).to_bytes()
    joined = identity.join(raw, tmp_path / "n", enrolment=hub, clock=hub.fed.clock, officer=None)
    settings, feed = load(joined.settings, NodeSettings), FakeFeed(hub.fed)
    feed.log(*hub.fed.founding())
    ask_for(feed, "99.0.0")
    first = app.open_node(settings, clock=hub.fed.clock)
    asyncio.run(first.inbox.receive(feed.batch(0, 3)))
    first.store.write_now(lambda c: alarms.clear_alarm(c, Code.UPGRADE_NEEDED, alarms.MINIMUM_VERSION, 1))
    first.store.write_now(lambda c: alarms.raise_alarm(c, Alarm(code=Code.UPGRADE_NEEDED, text="not understood"), 1))
    first.close()
    again = app.open_node(settings, clock=hub.fed.clock)
    found = [item for item in again.store.read_now(alarms.standing) if item.code is Code.UPGRADE_NEEDED]
    again.close()
    assert [item.subject for item in found] == [alarms.MINIMUM_VERSION]
    assert found[0].text.endswith("the federation asks for 99.0.0 or newer: upgrade this node")
