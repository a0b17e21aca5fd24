"""What waits sounds until an officer says that he has it, and only what he saw falls silent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from port2port.console.people import Role
from tests.fakes.desk_console import DeskConsole, DeskVisitor, desk_console
from tests.fakes.watching import a_hit


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def loud(visitor: DeskVisitor) -> list[str]:
    return re.findall(r'name="item" value="([^"]+)"', visitor.get("/alarm").text)


def test_nothing_waits_and_nothing_sounds(console: DeskConsole) -> None:
    assert "data-alarm" not in console.visitor().get("/alarm").text


def test_drafts_and_hits_sound_until_somebody_has_them(console: DeskConsole) -> None:
    console.draft()
    hit = a_hit(console.harbour, console.desk)
    visitor = console.visitor()
    assert set(loud(visitor)) == {"draft-D1", f"hit-{hit.id}"}
    assert 'data-alarm="2"' in visitor.get("/alarm").text
    answer = visitor.send("/alarm/seen", "/watch", item=["draft-D1", "nonsense"], next="/watch")
    assert (answer.status_code, answer.headers["location"]) == (303, "/watch")
    assert loud(visitor) == [f"hit-{hit.id}"]
    visitor.send("/alarm/seen", "/watch", item=f"hit-{hit.id}")
    assert "2 items wait, acknowledged" in visitor.get("/alarm").text
    assert console.audit()[-1] == "alarm-acknowledged"


def test_what_comes_later_sounds_again(console: DeskConsole) -> None:
    console.draft()
    visitor = console.visitor()
    visitor.send("/alarm/seen", "/watch", item="draft-D1")
    hit = a_hit(console.harbour, console.desk)
    assert loud(visitor) == [f"hit-{hit.id}"]


def test_a_viewer_hears_and_cannot_silence(console: DeskConsole) -> None:
    console.draft()
    viewer = console.visitor("v1", Role.VIEWER)
    text = viewer.get("/alarm").text
    assert 'data-alarm="1"' in text
    assert "I have it" not in text
    assert viewer.send("/alarm/seen", "/watch", item="draft-D1").status_code == 404


def test_an_admin_neither_sees_nor_hears(console: DeskConsole) -> None:
    assert console.visitor("d1", Role.ADMIN).get("/alarm").status_code == 404
