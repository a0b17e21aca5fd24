from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.visits import MemoryVisits
from tests.contract.visit_store_suite import VisitStoreSuite

if TYPE_CHECKING:
    from node.visits import VisitStore


class TestMemoryVisits(VisitStoreSuite):
    @pytest.fixture
    def store(self) -> VisitStore:
        return MemoryVisits()
