"""The node follows its feeds by itself, each at its own pace, and lives through whatever they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from node import drafts
from node.foreign import keeping
from node.foreign.normalising import Normaliser
from node.imports.service import FeedService
from node.imports.session import GuardedSession
from node.settings import KeySettings, NodeSettings
from node.warning_lists.gate import Gate
from tests.fakes.desks import B, Desk, Harbour
from tests.fakes.foreign import an_indicator
from tests.fakes.taxii_feed import FakeTaxii, serving


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    harbour = Harbour(tmp_path)
    yield harbour.desks[B]
    harbour.close()


class Turns:
    """A clock whose sleeps are counted and end at once, until nobody is to go on."""

    def __init__(self, desk: Desk, enough: Callable[[], bool]) -> None:
        self._clock = desk.fed.clock
        self._enough = enough
        self.slept: list[float] = []

    def now(self) -> Any:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._enough() or len(self.slept) > 20:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


def service(desk: Desk, clock: Any, *servers: FakeTaxii) -> FeedService:
    feeds = [
        {"name": f"feed{number}", "url": server.url, "collection": "Maritime", "allow_private_addresses": True}
        for number, server in enumerate(servers)
    ]
    settings = NodeSettings.model_validate(
        {
            "federation": desk.fed.name, "genesis": desk.fed.genesis_hash, "member": B, "hub": "127.0.0.1:1",
            "enrolment": "127.0.0.1:2", "feeds": feeds,
        }
    )  # fmt: skip
    return FeedService(
        settings,
        desk.node.store,
        clock,
        defaults=desk.defaults,
        normaliser=Normaliser(desk.fed.validate),
        roster=lambda: desk.roster,
        gate=Gate(desk.node.home, ["domain:ours.example"]),
    )


def drafted(desk: Desk) -> int:
    return len(desk.node.store.read_now(drafts.listed))


def run(service: FeedService) -> None:
    """Until every feed's task was ended by its clock."""
    asyncio.run(asyncio.wait_for(service.run(), 30))


def test_a_feed_is_read_and_then_waited_for(desk: Desk) -> None:
    with serving(FakeTaxii()) as server:
        server.add(an_indicator())
        clock = Turns(desk, lambda: drafted(desk) == 1)
        run(service(desk, clock, server))
    assert clock.slept == [3600.0]


def test_what_may_not_go_out_lies_in_a_draft_apart_and_holds_no_neighbour_back(desk: Desk) -> None:
    with serving(FakeTaxii()) as server:
        server.add(an_indicator("evil.example"), an_indicator("ours.example"), an_indicator("worse.example"))
        run(service(desk, Turns(desk, lambda: drafted(desk) > 0), server))
    found = desk.node.store.read_now(drafts.listed)
    assert sorted(len(one.proposal.objects) for one in found) == [1, 2]
    (apart,) = (one for one in found if len(one.proposal.objects) == 1)
    assert b"ours.example" in apart.proposal.objects[0]


def test_a_feed_that_fails_costs_its_turn_and_nobody_elses(desk: Desk) -> None:
    def fail(_path: str, _query: dict[str, str]) -> Any:
        return 500, {}, b""

    with serving(FakeTaxii()) as bad, serving(FakeTaxii()) as good:
        bad.vice = fail
        good.add(an_indicator())
        clock = Turns(desk, lambda: drafted(desk) == 1 and len(desk.node.store.read_now(keeping.feeds)) == 2)
        run(service(desk, clock, bad, good))
    found = {one.name: one.facts.get("error") for one in desk.node.store.read_now(keeping.feeds)}
    assert found == {"feed0": "the feed answered with status 500", "feed1": ""}


def test_a_members_own_object_that_returns_makes_no_draft(desk: Desk) -> None:
    with serving(FakeTaxii()) as server:
        server.add(an_indicator(created_by_ref=desk.fed.identity("belgg")))
        run(service(desk, Turns(desk, lambda: bool(desk.node.store.read_now(keeping.feeds))), server))
    assert drafted(desk) == 0
    assert desk.node.store.read_now(keeping.outcomes) == {"feed0": {"own": 1}}


def test_the_intake_of_the_hub_is_read_with_this_nodes_own_certificate(desk: Desk) -> None:
    with serving(FakeTaxii()) as server:
        given = service(desk, Turns(desk, lambda: True), server)._settings.feeds[0]
        keys = KeySettings(certificate=Path("a/tls.pem"), tls=Path("a/tls.key"), ca=Path("a/ca.pem"))
        session = GuardedSession(given.model_copy(update={"hub": True}), keys)
    assert (session.verify, session.cert, session.auth) == ("a/ca.pem", ("a/tls.pem", "a/tls.key"), None)


def test_feeds_that_take_for_ever_take_no_thread_that_sensors_work_with(desk: Desk) -> None:
    over, asked = threading.Event(), threading.Semaphore(0)

    def wait(_path: str, _query: dict[str, str]) -> Any:
        asked.release()
        over.wait(20)
        return 500, {}, b""

    async def story(service: FeedService) -> int:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        following = asyncio.create_task(service.run())
        for _ in range(2):
            await asyncio.to_thread(asked.acquire, timeout=10)
        found = await asyncio.wait_for(asyncio.to_thread(drafted, desk), 10)
        following.cancel()
        await asyncio.wait({following})
        over.set()
        return found

    with serving(FakeTaxii()) as one, serving(FakeTaxii()) as other:
        one.vice = other.vice = wait
        assert asyncio.run(story(service(desk, Turns(desk, lambda: False), one, other))) == 0
