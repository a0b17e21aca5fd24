"""A stage for each story: its own directory and ports, and no process left behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from port2port.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _unruly(stage: Stage) -> dict[str, int]:
    """Who failed, or had to be killed. A process still starting when it is told to stop ends by that very signal."""
    return {name: code for name, code in stage.end().items() if code not in {0, -signal.SIGTERM}}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A demo federation's stage, empty."""
    with Stage(root=tmp_path / "stage") as made:
        yield made
        assert _unruly(made) == {}


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Stage]:
    """The stage of a federation that two coordinators of different organisations found."""
    with Stage(root=tmp_path / "stage", coordinators=("ndc", "maritime-police")) as made:
        yield made
        assert _unruly(made) == {}
