"""Failpoints kill where they are told to, and cost nothing where they are not."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.errors import ConfigurationError
from port2port.failpoints import VARIABLE, parse, reach

_CHILD = "from port2port.failpoints import reach\nfor _ in range(1000): reach('hub.before_commit')\nprint('alive')"


@pytest.mark.parametrize(
    ("setting", "dies"),
    [("hub.before_commit=1", True), ("hub.before_commit=0.05,seed=3", True), ("hub.after_commit=1", False)],
)
def test_a_process_dies_at_the_point_that_is_named_and_nowhere_else(setting: str, dies: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], env={VARIABLE: setting}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode == -signal.SIGKILL) is dies, done.stderr
    assert ("alive" in done.stdout) is not dies


def test_the_dice_repeat_with_their_seed() -> None:
    rolls = [[dice("p") for _ in range(100)] for dice in (parse("p=0.3,seed=7"), parse("p=0.3,seed=7"))]
    assert rolls[0] == rolls[1]
    assert 10 < sum(rolls[0]) < 60


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    reach("hub.before_commit")


@given(st.text(max_size=40))
def test_any_text_gives_dice_or_a_configuration_error(text: str) -> None:
    try:
        dice = parse(text)
    except ConfigurationError:
        return
    assert dice("no such point") is False
