"""The database of the hub: its migrations make exactly the tables, and opening it twice changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hub.store import Announcements, audit, audit_rows, open_store, read_head
from hub.tables import HubRow
from hub.transparency import Log
from node.tables import NodeRow
from port2port.console.tables import console_metadata
from port2port.database import sqlite_url
from port2port.merkle import EMPTY_ROOT
from tests.contract.log_store_suite import append, notes
from tests.fakes.federation import Federation
from tests.fakes.live_hub import until


def differences(connection: sa.Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), [HubRow.metadata, console_metadata]))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "hub.db")


def check(url: str, look: Callable[[sa.Connection], Any]) -> Any:
    store = open_store(url)
    try:
        return store.database.read_now(look)
    finally:
        store.close()


def test_the_migrations_make_the_tables_on_sqlite(url: str) -> None:
    assert check(url, differences) == []


@pytest.mark.slow
def test_the_migrations_make_the_tables_on_postgresql(postgres_url: str) -> None:
    assert check(postgres_url, differences) == []


def test_opening_again_keeps_what_is_there(url: str) -> None:
    store = open_store(url)
    store.database.write_now(lambda it: audit(it, at_ms=7, event="TEST", member="beanr", facts={"a": 1}))
    store.close()
    rows = check(url, lambda connection: [dict(row) for row in audit_rows(connection, "TEST")])
    assert [(row["at_ms"], row["member"], row["facts"]) for row in rows] == [(7, "beanr", '{"a":1}')]
    head = check(url, read_head)
    assert (head.next, head.root, head.roster_version) == (0, EMPTY_ROOT, 0)


def terminate_listeners(connection: sa.Connection) -> int:
    """End every session of this database that listens; how many there were."""
    query = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    return int(connection.execute(query).scalar_one())


@pytest.mark.slow
def test_an_append_of_another_process_rings_on_postgresql_also_after_the_connection_was_lost(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hub.store")

    async def go() -> None:
        fed, rung = Federation(), asyncio.Event()
        here, there = open_store(postgres_url), open_store(postgres_url)
        log = Log(there, origin=fed.origin, key=fed.log_key, clock=fed.clock)
        async with Announcements(here, rung.set):
            for times in (1, 2):
                rung.clear()
                await asyncio.to_thread(append, log, notes(fed, 2))
                await asyncio.wait_for(rung.wait(), 10)
                assert await there.database.write(terminate_listeners) == 1
                await until(lambda times=times: caplog.text.count("listening for announcements again") == times)
                assert rung.is_set(), "what was announced meanwhile is looked for"
            rung.clear()
            await asyncio.to_thread(append, log, notes(fed, 2))
            await asyncio.wait_for(rung.wait(), 10)
            assert await there.database.write(terminate_listeners) == 1
        here.close()
        there.close()

    asyncio.run(asyncio.wait_for(go(), 60))


def test_hub_and_node_share_no_metadata() -> None:
    assert HubRow.metadata is not NodeRow.metadata
