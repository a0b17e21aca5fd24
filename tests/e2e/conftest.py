"""A stage for each story: its own directory and ports, and no process left behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.fakes.warm import Warm, WarmStage, warmed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from port2port.stage import Stage


def _unruly(stage: Stage) -> dict[str, int]:
    """Who failed, or had to be killed. A process still starting when it is told to stop ends by that very signal."""
    return {name: code for name, code in stage.end().items() if code not in {0, -signal.SIGTERM}}


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """What every story's short commands are forked from."""
    with warmed() as made:
        yield made


@pytest.fixture
def stage(tmp_path: Path, warm: Warm) -> Iterator[Stage]:
    """A demo federation's stage, empty."""
    with WarmStage(root=tmp_path / "stage", warm=warm) as made:
        yield made
        assert _unruly(made) == {}


@pytest.fixture
def production(tmp_path: Path, warm: Warm) -> Iterator[Stage]:
    """The stage of a federation that two coordinators of different organisations found."""
    with WarmStage(root=tmp_path / "stage", warm=warm, coordinators=("ndc", "maritime-police")) as made:
        yield made
        assert _unruly(made) == {}
