"""What somebody who was not let in yet calls himself, on every engine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import consumers
from port2port.database import Database, sqlite_url
from port2port.errors import NotFoundError
from tests.fakes.prepared import hub_store

ODD = ("a\0b", "\0", "", "A B", "\udc80", "\U0001f6a2", "x" * 100_000)


class NameSuite:
    @pytest.fixture
    def database(self, url: str) -> Iterator[Database]:
        store = hub_store(url)
        yield store.database
        store.close()

    @pytest.mark.parametrize("name", ODD, ids=ascii)
    def test_a_name_that_none_can_have_is_nobodys(self, database: Database, name: str) -> None:
        here = ipaddress.ip_address("192.0.2.1")

        def ask(name: str) -> object:
            return database.read_now(lambda c: consumers.admit(c, name=name, secret="s", address=here, now_ms=0))

        assert ask(name) is None
        with pytest.raises(NotFoundError):
            database.read_now(lambda c: consumers.find(c, name))


class TestOnSqlite(NameSuite):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return sqlite_url(tmp_path / "hub.db")


@pytest.mark.slow
class TestOnPostgres(NameSuite):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
