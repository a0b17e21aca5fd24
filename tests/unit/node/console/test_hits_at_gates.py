"""Where somebody looked for passed a gate, his officers read it at the hit, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from node import tables
from node.hits import Hit
from port2port.clock import to_ms
from port2port.console.roles import Role
from tests.fakes.desk_console import DeskConsole, desk_console
from tests.fakes.watching import a_hit


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def at_gate(console: DeskConsole, hit: Hit, *, checked: bool, place: str) -> None:
    table = tables.PassageRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
    values = {
        "at_ms": to_ms(hit.sighted.window.first_seen),
        "found": orjson.dumps([hit.indicator.key]),
        **dict.fromkeys(("slot", "until_ms"), 0),
        "gate": "gate-7",
        "kind": "container",
        "place": place,
        "passage": "lorry 7",
        "digest": b"x",
        "why": "",
    }
    row = sa.insert(table).values(checked=checked, listed=True, told=True, **values)
    console.do(lambda c: c.execute(row) and None)


def test_officers_read_at_which_gate_and_what_it_was_told_and_a_viewer_does_not(console: DeskConsole) -> None:
    hit = a_hit(console.harbour, console.desk)
    address = f"/watch/hits/{hit.id}"
    assert "At our gates" not in console.visitor().get(address).text
    at_gate(console, hit, checked=True, place="lane <2>")
    at_gate(console, hit, checked=False, place="lane 3")
    text = console.visitor().get(address).text
    for part in ("gate-7", "lane &lt;2&gt;", "lorry 7", "told to make a routine check", "let pass"):
        assert part in text, part
    assert "gate-7" not in console.visitor("v1", Role.VIEWER).get(address).text
