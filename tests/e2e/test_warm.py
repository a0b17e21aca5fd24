"""A command that is forked from a process which has loaded everything answers as one that loads by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from port2port.stage import Stage
from tests.fakes.warm import Warm, WarmStage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
COMMANDS = {
    "done": ("port2port", "coordinator", "init", "--help"),
    "refused by us": ("node", "status", "--config", "nowhere.toml"),
    "refused by the parser": ("hub", "fly"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_it_says_the_same_and_ends_the_same(command: tuple[str, ...], tmp_path: Path, warm: Warm) -> None:
    cold, hot = Stage(root=tmp_path).attempt(*command), WarmStage(root=tmp_path, warm=warm).attempt(*command)
    assert hot == cold


def test_nothing_of_one_is_left_to_the_next(tmp_path: Path, warm: Warm) -> None:
    nowhere = ("status", "--config", "nowhere.toml")
    first, second = (WarmStage(root=tmp_path, warm=warm).attempt("node", *nowhere) for _ in range(2))
    assert first == second
    assert warm.run("port2port", ["verify"], {}).code == 2
    assert WarmStage(root=tmp_path, warm=warm, environment={"COLUMNS": "40"}).attempt("hub", "--help") != WarmStage(
        root=tmp_path, warm=warm, environment={"COLUMNS": "200"}
    ).attempt("hub", "--help")
