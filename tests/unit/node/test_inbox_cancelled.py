"""A session that ends while a batch is being stored must not leave the inbox behind its own database."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed
from tests.fakes.nodes import make_node


def test_an_inbox_whose_caller_was_cancelled_while_it_stored_a_batch_goes_on_where_the_database_is(
    tmp_path: Path,
) -> None:
    fed = Federation()
    feed = FakeFeed(fed)
    feed.log(*fed.founding(), fed.publish("north-sea-port"))
    storing, go_on = threading.Event(), threading.Event()

    def slow_disk(*_: object) -> None:
        storing.set()
        go_on.wait(timeout=10)

    node = make_node(fed, "beanr", tmp_path, handlers=[slow_disk])

    async def session_that_ends_too_early() -> None:
        receiving = asyncio.create_task(node.inbox.receive(feed.batch(0)))
        await asyncio.to_thread(storing.wait, 10)
        receiving.cancel()
        asyncio.get_running_loop().call_later(0.02, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await receiving
        feed.log(fed.publish("north-sea-port"))
        await node.pull(feed)

    asyncio.run(session_that_ends_too_early())
    assert node.inbox.state.size == 4
    node.store.close()


def test_a_checkpoint_observed_while_a_batch_is_stored_is_not_forgotten(tmp_path: Path) -> None:
    fed = Federation()
    feed = FakeFeed(fed)
    feed.log(*fed.founding())
    node = make_node(fed, "beanr", tmp_path)
    asyncio.run(node.pull(feed))
    feed.log(fed.publish("north-sea-port"))
    near = feed.batch(2)
    feed.log(fed.publish("north-sea-port"))
    ahead = feed.cosign("belgg")

    async def at_once() -> None:
        await asyncio.gather(node.inbox.receive(near), node.inbox.observe(ahead))

    asyncio.run(at_once())
    assert (node.inbox.state.size, node.inbox.state.ahead) == (3, ahead)
    node.store.close()
