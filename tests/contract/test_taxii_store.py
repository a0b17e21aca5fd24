"""The contract of the TAXII collections on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from port2port.database import sqlite_url
from tests.contract.taxii_store_suite import FoldSuite, IntakeSuite, PageSuite


class _OnSqlite:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "hub.db")


class _OnPostgres:
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


class TestSqliteFold(_OnSqlite, FoldSuite):
    pass


class TestSqlitePage(_OnSqlite, PageSuite):
    pass


class TestSqliteIntake(_OnSqlite, IntakeSuite):
    pass


@pytest.mark.slow
class TestPostgresFold(_OnPostgres, FoldSuite):
    pass


@pytest.mark.slow
class TestPostgresPage(_OnPostgres, PageSuite):
    pass


@pytest.mark.slow
class TestPostgresIntake(_OnPostgres, IntakeSuite):
    pass
