"""The contract of receipts, cosignatures and recovery on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from port2port.database import sqlite_url
from tests.contract.hub_records_suite import CosigningSuite, ReceiptsSuite, RecoverySuite, SnapshotSuite
from tests.fakes.postgres import PostgresServer


class _OnSqlite:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "hub.db")

    @pytest.fixture
    def second_url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "restored.db")


class _OnPostgres:
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def second_url(self, postgres_server: PostgresServer) -> Iterator[str]:
        with postgres_server.database() as made:
            yield made


class TestSqliteSnapshots(_OnSqlite, SnapshotSuite):
    pass


class TestSqliteReceipts(_OnSqlite, ReceiptsSuite):
    pass


class TestSqliteCosigning(_OnSqlite, CosigningSuite):
    pass


class TestSqliteRecovery(_OnSqlite, RecoverySuite):
    pass


@pytest.mark.slow
class TestPostgresSnapshots(_OnPostgres, SnapshotSuite):
    pass


@pytest.mark.slow
class TestPostgresReceipts(_OnPostgres, ReceiptsSuite):
    pass


@pytest.mark.slow
class TestPostgresCosigning(_OnPostgres, CosigningSuite):
    pass


@pytest.mark.slow
class TestPostgresRecovery(_OnPostgres, RecoverySuite):
    pass
