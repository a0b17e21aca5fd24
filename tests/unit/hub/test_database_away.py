"""The database restarts or fails over under a running hub: nothing is lost, nothing ends, work goes on afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub.intake import Outcome
from port2port.database import sqlite_url
from tests.fakes.absent_store import AbsentDatabase, absent_store
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core
from tests.fakes.live_hub import until


def _story(tmp_path: Path, body) -> None:
    async def run() -> None:
        fed = Federation()
        store, database = absent_store(sqlite_url(tmp_path / "hub.db"))
        async with running_core(fed, "", store=store) as core, asyncio.timeout(30):
            await core.admit_all(fed.founding())
            await body(core, database)

    asyncio.run(run())


def test_the_feed_looks_again_when_the_database_is_back(tmp_path: Path) -> None:
    async def body(core: HubCore, database: AbsentDatabase) -> None:
        database.away = True
        core.feed.wake()
        await until(lambda: database.refused >= 2)
        database.away = False
        await core.admit_all([core.fed.publish("beanr")])
        await until(lambda: core.feed.next == 3)

    _story(tmp_path, body)


def test_what_is_handed_in_meanwhile_is_to_be_tried_again_and_then_accepted(tmp_path: Path) -> None:
    async def body(core: HubCore, database: AbsentDatabase) -> None:
        raw = core.fed.publish("beanr")
        database.away = True
        (result,) = await core.intake.submit("beanr", [raw])
        assert (result.outcome, result.code) == (Outcome.RETRY, "STORAGE")
        database.away = False
        (result,) = await core.intake.submit("beanr", [raw])
        assert result.outcome is Outcome.ACCEPTED

    _story(tmp_path, body)


def test_what_the_roster_refuses_is_not_final_while_the_newest_roster_cannot_be_read(tmp_path: Path) -> None:
    async def body(core: HubCore, database: AbsentDatabase) -> None:
        core.fed.join("bebru")
        raw = core.fed.publish("bebru")
        await until(lambda: core.feed.next == 2)
        database.leave_after = 1  # there when it is asked for a duplicate, gone when for the roster
        (result,) = await core.intake.submit("bebru", [raw])
        assert (result.outcome, database.refused) == (Outcome.RETRY, 1)
        database.away, database.leave_after = False, None
        (result,) = await core.intake.submit("bebru", [raw])
        assert result.outcome is Outcome.REFUSED

    _story(tmp_path, body)
