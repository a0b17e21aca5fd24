"""What the demo leaves on its screens: found by what commands and pages say, and refused where they say no."""

from __future__ import annotations

import socket

import pytest

from port2port.cli import demo_work
from port2port.stage import StageError


@pytest.mark.parametrize(
    ("state", "index"),
    [("in the log at index 6, verified by us", 6), ("accepted by the hub", None), ("", None)],
    ids=["logged", "on its way", "nothing said"],
)
def test_the_entry_is_found_in_what_explain_says(state: str, index: int | None) -> None:
    assert demo_work.index_of(state) == index


def test_an_incident_that_cannot_be_opened_is_said() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers
        origin = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(StageError, match="does not answer"):
            demo_work.open_incident(origin, 6, "note")
