"""Hub and node together: an exercise runs beside the real thing, and neither touches the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.intake import Outcome
from node import indicators, sightings, store
from port2port.database import sqlite_url
from port2port.tlp import Tlp
from port2port.v1 import directory_pb2, directory_pb2_grpc
from tests.fakes.federation import Federation, refs_body, stix_id_of
from tests.fakes.hub_core import HubCore, running_core
from tests.fakes.live_hub import DEADLINE_S, LiveFederation, live_hub, run
from tests.fakes.nodes import TestNode, make_node
from tests.fakes.publisher import batch_of

AUTHOR, READER = "north-sea-port", "beanr"
EXERCISE = "exercise:storm-1"


@pytest.fixture
def fed() -> Federation:
    return Federation()


@pytest.fixture
def node(fed: Federation, tmp_path: Path) -> Iterator[TestNode]:
    handlers = (indicators.handle, sightings.handle_incoming(READER))
    made = make_node(fed, READER, tmp_path / "node", handlers=handlers)
    yield made
    made.store.close()


async def follow(core: HubCore, node: TestNode) -> None:
    for message in await core.take(READER, node.inbox.state.size, core.log.head().next):
        await node.inbox.receive(batch_of(message))


def matching(node: TestNode, *names: tuple[str, str]) -> list[bool]:
    found = [node.store.read_now(lambda c, n=name: indicators.get(c, (n[0], AUTHOR, n[1]))) for name in names]
    return [one is not None and one.may_match for one in found]


def test_an_exercise_beside_the_real_thing_changes_nothing_of_it(
    fed: Federation, node: TestNode, tmp_path: Path
) -> None:
    real, drill = fed.indicator(AUTHOR), fed.indicator(AUTHOR)
    names = ("real", stix_id_of(real)), (EXERCISE, stix_id_of(drill))

    async def story() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all(fed.founding())
            said = [
                fed.publish(AUTHOR, objects=[real]),
                fed.publish(AUTHOR, objects=[drill], realm=EXERCISE),
                fed.retract(AUTHOR, [names[0][1]], realm=EXERCISE),
                fed.retract(AUTHOR, [names[1][1]]),
                fed.content(AUTHOR, "note", tlp=Tlp.GREEN, realm=EXERCISE, body=refs_body([(AUTHOR, names[0][1])])),
                fed.retract(AUTHOR, [names[1][1]], realm=EXERCISE),
            ]
            results = await core.intake.submit(AUTHOR, said)
            refused = [item.code for item in results if item.outcome is Outcome.REFUSED]
            assert refused == ["OTHER_REALM"] * 3
            await follow(core, node)
            assert matching(node, *names) == [True, False]
            kept = node.store.read_now(lambda c: indicators.get(c, (EXERCISE, AUTHOR, names[1][1])))
            assert kept is not None
            assert kept.revoked
            await core.admit_all([fed.retract(AUTHOR, [names[0][1]])], AUTHOR)
            await follow(core, node)
            assert matching(node, *names) == [False, False]
            assert node.store.read_now(store.quarantined_count) == 0

    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_connected_node_that_is_too_old_is_named_in_the_hubs_log_and_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    live = LiveFederation.make()

    async def story() -> None:
        async with live_hub(tmp_path, live) as hub, hub.channel("beanr") as channel:
            await hub.admit(live.fed.control("roster", [{"op": "set-minimum-version", "minimum_version": "99.0.0"}]))
            stub = directory_pb2_grpc.DirectoryStub(channel)

            async def named() -> bool:
                request = directory_pb2.DescribeRequest(version="98.1.0")
                assert (await stub.Describe(request, timeout=DEADLINE_S)).member == "beanr"
                events = [(record.message, getattr(record, "version", "")) for record in caplog.records]
                return ("node is older than the minimum version", "98.1.0") in events

            async with asyncio.timeout(DEADLINE_S):
                while not await named():
                    pass
            assert "hub is older than the minimum version" in [record.message for record in caplog.records]

    run(story())
