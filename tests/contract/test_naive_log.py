"""The benchmark's naive log keeps the contract of the log, so that comparing the two is fair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.parts.naive_log import NaiveLog
from hub.store import Store, audit_rows
from port2port.database import sqlite_url
from port2port.verify import EquivocationError
from tests.contract.log_store_suite import LogStoreSuite, append
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store


class TestNaiveLog(LogStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        opened = hub_store(sqlite_url(tmp_path / "hub.db"))
        yield opened
        opened.close()

    @pytest.fixture
    def log(self, store: Store, fed: Federation) -> NaiveLog:
        return NaiveLog(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)

    def test_equivocation_is_written_down(self, store: Store, log: NaiveLog, fed: Federation) -> None:
        append(log, [fed.content("beanr", "note", seq=5)])
        append(log, [fed.content("beanr", "note", seq=5)])
        rows = store.database.read_now(lambda connection: audit_rows(connection, EquivocationError.code))
        assert [row["member"] for row in rows] == ["beanr"]
