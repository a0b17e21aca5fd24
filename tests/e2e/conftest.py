"""A stage for each story: its own directory and ports, and no process left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from port2port.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A demo federation's stage, empty."""
    with Stage(root=tmp_path / "stage") as made:
        yield made
        assert {name: code for name, code in made.end().items() if code} == {}


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Stage]:
    """The stage of a federation that two coordinators of different organisations found."""
    with Stage(root=tmp_path / "stage", coordinators=("ndc", "maritime-police")) as made:
        yield made
        assert {name: code for name, code in made.end().items() if code} == {}
