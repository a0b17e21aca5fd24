"""The hub on PostgreSQL, with the server's processes killed under load: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store import open_store
from tests.fakes.hub_home import HubHome, make_hub_home
from tests.fakes.live_hub import until
from tests.fakes.nodes import make_node
from tests.fakes.postgres import PostgresCluster, postgres_cluster
from tests.fakes.publisher import Publisher, follow_into
from tests.fakes.whole import require_same_copy, require_whole

pytestmark = [pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(240)]
MEMBERS = ("beanr", "north-sea-port", "belgg")
KILLS = 3
DEADLINE_S = 90.0
EACH = 60  # acknowledgements between two kills


@pytest.fixture
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
def home(cluster: PostgresCluster, tmp_path: Path) -> Iterator[HubHome]:
    with cluster.server.database() as url:
        yield make_hub_home(tmp_path / "hub", members=MEMBERS, database=url)


async def _until(publisher: Publisher, acknowledged: int) -> None:
    """Talk, again and again if the hub breaks off, until so many things are acknowledged."""
    async with asyncio.timeout(DEADLINE_S):
        while len(publisher.acknowledged) < acknowledged:
            talking = asyncio.create_task(publisher.talk(for_ever=True))
            await until(
                lambda t=talking: t.done() or len(publisher.acknowledged) >= acknowledged, deadline_s=DEADLINE_S
            )
            talking.cancel()
            await asyncio.wait({talking})


async def _under_load(cluster: PostgresCluster, publishers: list[Publisher]) -> None:
    for number in range(1, KILLS + 1):
        talking = [asyncio.create_task(_until(item, number * EACH)) for item in publishers]
        await asyncio.wait(talking, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(cluster.kill9)
        await asyncio.to_thread(cluster.start)
        await asyncio.gather(*talking)


def test_what_was_acknowledged_outlives_the_database_server(
    cluster: PostgresCluster, home: HubHome, tmp_path: Path
) -> None:
    publishers = [Publisher(home, member, make=lambda m=member: home.fed.publish(m)) for member in MEMBERS[:2]]
    node = make_node(home.fed, MEMBERS[2], tmp_path / "node")

    async def story() -> None:
        await _under_load(cluster, publishers)
        for publisher in publishers:
            await _until(publisher, len(publisher.acknowledged))
            while publisher.waiting:
                await publisher.talk(for_ever=False)
        await follow_into(home, node, upto=2 + sum(len(item.said) for item in publishers))

    with home.serving() as process:
        asyncio.run(asyncio.wait_for(story(), 180))
        assert process.poll() is None, home.said()
    store = open_store(home.database)
    root = require_whole(store, publishers)
    store.close()
    require_same_copy(node, root)
    node.store.close()
    assert sum(item.outcomes["RETRY"] + item.outcomes["DUPLICATE"] for item in publishers) > 0, "no kill was felt"
