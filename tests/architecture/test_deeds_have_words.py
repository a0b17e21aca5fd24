"""Every action that a screen or a decision writes into an audit trail has words in every language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from port2port.console.deeds import DEEDS, FAMILIES, deed, message_of
from port2port.console.words import load_words

ROOT = Path(__file__).parents[2]
# The functions that write a row, with the place of the action among their arguments.
WRITERS = {"note": 2, "looked_up": 2, "_confirmed": 2, "by_path": 0}


def actions() -> Iterator[tuple[str, str]]:
    """Place and code of each row that is written with its code in plain sight."""
    for room in ("node", "hub", "port2port/console"):
        for file in sorted((ROOT / room).rglob("*.py")):
            for made in ast.walk(ast.parse(file.read_text())):
                if isinstance(made, ast.Call):
                    place = f"{file.relative_to(ROOT)}:{made.lineno}"
                    yield from ((place, code) for value in _given(made) for code in _codes(value))


def _given(made: ast.Call) -> list[ast.expr]:
    name = made.func.attr if isinstance(made.func, ast.Attribute) else getattr(made.func, "id", "")
    at = WRITERS.get(name, 99)
    keyword = {"AuditLine": "action", "audit": "event", "record": "action"}.get(name)
    return made.args[at : at + 1] + [one.value for one in made.keywords if one.arg == keyword]


def _codes(value: ast.expr) -> list[str]:
    if isinstance(value, ast.IfExp):
        return _codes(value.body) + _codes(value.orelse)
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []


def test_every_action_that_is_written_has_words() -> None:
    found = list(actions())
    assert len(found) > 40
    assert {place: code for place, code in found if not message_of(code)} == {}


@pytest.mark.parametrize("language", ["nl", "fr", "de"])
def test_the_words_are_of_the_language(language: str) -> None:
    wording = load_words(["port2port.console"], [language], "Europe/Brussels").of(language)
    assert [code for code in DEEDS if deed(code, wording) == DEEDS[code]] == []
    assert deed("incident.contained", wording) == wording.text(FAMILIES["incident."])
    assert deed("nobody-knows-this", wording) == "nobody-knows-this"
