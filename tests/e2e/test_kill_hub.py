"""The hub is killed again and again under load, at each of the three places that matter.

before_commit: written, not committed. after_commit: durable, and nobody was told. before_reply: the answer is ready
and never sent. Whatever was acknowledged must be there, once, where it was said to be; the senders hand in again
what was not, and the hub must recognise what it has.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store import open_store
from tests.fakes.hub_home import HubHome, end, make_hub_home
from tests.fakes.nodes import TestNode, make_node
from tests.fakes.publisher import Publisher, follow_into
from tests.fakes.waiting import wait_until
from tests.fakes.whole import require_same_copy, require_whole

pytestmark = [pytest.mark.fault, pytest.mark.timeout(180)]
MEMBERS = ("beanr", "north-sea-port", "belgg", "bebru")
POINTS = ("hub.before_commit", "hub.after_commit", "hub.before_reply")
KILLS = 10


@pytest.fixture
def home(tmp_path: Path) -> HubHome:
    return make_hub_home(tmp_path / "hub", members=MEMBERS)


@pytest.fixture
def nodes(home: HubHome, tmp_path: Path) -> Iterator[list[TestNode]]:
    made = [make_node(home.fed, member, tmp_path / member) for member in ("belgg", "bebru")]
    yield made
    for node in made:
        node.store.close()


def _publisher(home: HubHome, member: str) -> Publisher:
    return Publisher(home, member, make=lambda: home.fed.publish(member))


async def _until_killed(home: HubHome, failpoints: str, publishers: list[Publisher], nodes: list[TestNode]) -> int:
    """One life of the hub under load; its exit code."""
    process = home.start(failpoints)
    try:
        async with asyncio.timeout(60):
            await asyncio.to_thread(wait_until, home.ready, what="the hub serves", deadline_s=30)
            work = [publisher.talk(for_ever=True) for publisher in publishers]
            work += [follow_into(home, node) for node in nodes]
            tasks = [asyncio.create_task(item) for item in work]
            await asyncio.to_thread(process.wait)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for item in ended:
                if isinstance(item, BaseException) and not isinstance(item, asyncio.CancelledError):
                    raise item
    finally:
        code = end(process, signal.SIGKILL)
    return code


async def _settle(home: HubHome, publishers: list[Publisher], nodes: list[TestNode]) -> None:
    """Everything that still waits is handed in to a hub that lives, and both copies are completed."""
    async with asyncio.timeout(60):
        for publisher in publishers:
            await publisher.talk(for_ever=False)
            assert not publisher.waiting, publisher.outcomes
        size = 2 + sum(len(publisher.said) for publisher in publishers)
        for node in nodes:
            await follow_into(home, node, upto=size)


@pytest.mark.parametrize("point", POINTS)
def test_nothing_acknowledged_is_lost_or_stored_twice_by_ten_kills_under_load(
    home: HubHome, nodes: list[TestNode], point: str
) -> None:
    publishers = [_publisher(home, "beanr"), _publisher(home, "north-sea-port")]
    for seed in range(KILLS):
        code = asyncio.run(_until_killed(home, f"{point}=0.2,seed={seed}", publishers, nodes))
        assert code == -signal.SIGKILL, home.said()
    with home.serving():
        asyncio.run(_settle(home, publishers, nodes))
    store = open_store(home.database)
    root = require_whole(store, publishers)
    store.close()
    for node in nodes:
        require_same_copy(node, root)
    outcomes = sum((publisher.outcomes for publisher in publishers), Counter[str]())
    assert outcomes["ACCEPTED"] > KILLS, outcomes
    if point != "hub.before_commit":
        assert outcomes["DUPLICATE"] > 0, f"no retry was ever recognised, so nothing was tested: {outcomes}"
