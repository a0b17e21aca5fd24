"""Visits in the node's database keep the contract of every VisitStore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.visit_store import SqlVisits
from node.visits import VisitStore
from tests.contract.visit_store_suite import VisitStoreSuite
from tests.fakes.prepared import node_store


class TestSqlVisits(VisitStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[VisitStore]:
        opened = node_store(tmp_path / "node.db")
        yield SqlVisits(opened)
        opened.close()
