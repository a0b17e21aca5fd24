"""Visits in the node's database keep the contract of every VisitStore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store import open_store
from node.visit_store import SqlVisits
from node.visits import VisitStore
from port2port.database import sqlite_url
from tests.contract.visit_store_suite import VisitStoreSuite


class TestSqlVisits(VisitStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[VisitStore]:
        opened = open_store(sqlite_url(tmp_path / "node.db"))
        yield SqlVisits(opened)
        opened.close()
