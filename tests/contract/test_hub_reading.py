"""The contract of the hub's read models on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from port2port.database import sqlite_url
from tests.contract.hub_reading_suite import (
    BriefingSuite,
    ContactsSuite,
    CorrelationSuite,
    IncidentSuite,
    PictureSuite,
)


class _OnSqlite:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "hub.db")


class _OnPostgres:
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


class TestSqlitePicture(_OnSqlite, PictureSuite):
    pass


class TestSqliteIncidents(_OnSqlite, IncidentSuite):
    pass


class TestSqliteCorrelation(_OnSqlite, CorrelationSuite):
    pass


class TestSqliteBriefing(_OnSqlite, BriefingSuite):
    pass


class TestSqliteContacts(_OnSqlite, ContactsSuite):
    pass


@pytest.mark.slow
class TestPostgresPicture(_OnPostgres, PictureSuite):
    pass


@pytest.mark.slow
class TestPostgresIncidents(_OnPostgres, IncidentSuite):
    pass


@pytest.mark.slow
class TestPostgresCorrelation(_OnPostgres, CorrelationSuite):
    pass


@pytest.mark.slow
class TestPostgresBriefing(_OnPostgres, BriefingSuite):
    pass


@pytest.mark.slow
class TestPostgresContacts(_OnPostgres, ContactsSuite):
    pass
