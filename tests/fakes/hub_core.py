"""The hub's core without its wire: store, log, intake and feed on one database, as ``hub.app`` puts them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hub.audience import Audiences
from hub.feed import Feed
from hub.intake import Checker, Intake, IntakeJudge, IntakeLimits, Result
from hub.quota import Quotas
from hub.store import Store
from hub.transparency import Log
from port2port.limits import QUOTA, MemberQuota
from port2port.v1 import exchange_pb2
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store


@dataclass(slots=True, kw_only=True)
class HubCore:
    """Everything of one hub process that does not speak gRPC."""

    fed: Federation
    store: Store
    log: Log
    checker: Checker
    judge: IntakeJudge
    intake: Intake
    feed: Feed
    audiences: Audiences

    async def admit_all(self, raws: Sequence[bytes], member: str = "beanr") -> list[Result]:
        """Hand in one after the other; every one must be accepted."""
        results = [result for raw in raws for result in await self.intake.submit(member, [raw])]
        assert all(result.outcome.name == "ACCEPTED" for result in results), results
        return results

    async def take(self, member: str, cursor: int, upto: int) -> list[exchange_pb2.FeedBatch]:
        """The feed of a member from ``cursor`` until it has ``upto`` leaves."""
        await self.feed.catch_up()
        batches = []
        async for raw in self.feed.follow(member, cursor):
            batches.append(exchange_pb2.FeedBatch.FromString(raw))
            if batches[-1].first_index + len(batches[-1].leaf_hashes) // 32 >= upto:
                return batches
        raise AssertionError("the feed ended")


def make_core(
    fed: Federation,
    store: Store,
    *,
    quota: MemberQuota = QUOTA,
    limits: IntakeLimits | None = None,
    gate: Callable[[], None] = lambda: None,
    cosigned: Callable[[], bytes] = lambda: b"",
) -> HubCore:
    """The parts of one process, not started."""
    audiences = Audiences()
    log = Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    checker = Checker(
        federation=fed.name, genesis_hash=fed.genesis_hash, log=log, validate=fed.validate, clock=fed.clock
    )
    judge = IntakeJudge(Audiences())
    feed = Feed(store=store, log=log, audiences=audiences, cosigned=cosigned)
    intake = Intake(
        store=store,
        log=log,
        checker=checker,
        judge=judge,
        quotas=Quotas(quota, fed.clock),
        clock=fed.clock,
        gate=gate,
        committed=feed.wake,
        limits=limits,
    )
    return HubCore(
        fed=fed,
        store=store,
        log=log,
        checker=checker,
        judge=judge,
        intake=intake,
        feed=feed,
        audiences=audiences,
    )


@asynccontextmanager
async def running_core(
    fed: Federation,
    url: str,
    *,
    quota: MemberQuota = QUOTA,
    limits: IntakeLimits | None = None,
    gate: Callable[[], None] = lambda: None,
    store: Store | None = None,
    cosigned: Callable[[], bytes] = lambda: b"",
) -> AsyncIterator[HubCore]:
    """A running core; stopped and closed afterwards."""
    opened = store or hub_store(url)
    core = make_core(fed, opened, quota=quota, limits=limits, gate=gate, cosigned=cosigned)
    tasks = [asyncio.create_task(core.feed.run()), asyncio.create_task(core.intake.run())]
    try:
        await core.feed.catch_up()
        yield core
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        opened.close()
