"""The rota as a page: who is on duty, who is called, what was swapped, and words where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import duty
from port2port.console.people import Role
from tests.fakes.desk_console import DeskConsole, desk_console

ROTA = b"""
people = [{pseudonym = "o1", email = "o1@port.example"}, {pseudonym = "o2"}, {pseudonym = "b2"}]
[[shifts]]
name = "day"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "07:00"
until = "19:00"
people = ["o1", "o2"]
[[shifts]]
name = "night"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "19:00"
until = "07:00"
people = ["b2"]
[[swaps]]
first = {shift = "day", on = 2026-11-23, person = "o1"}
second = {shift = "night", on = 2026-11-23, person = "b2"}
"""


@pytest.fixture
def console(tmp_path: Path) -> Iterator[DeskConsole]:
    with desk_console(tmp_path) as made:
        yield made


def test_without_a_rota_the_page_says_that_nobody_is_called(console: DeskConsole) -> None:
    assert "No rota is set" in console.visitor().get("/duty").text


def test_the_rota_says_who_is_on_duty_and_what_was_swapped(console: DeskConsole) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    text = console.visitor().get("/duty").text
    now = text.index("On duty now")
    assert now < text.index("<li>o1</li>") < text.index("Called when nobody answers")
    assert "swapped; planned: o1, o2" in text
    assert "has no address" in text


def test_a_rota_that_cannot_be_read_is_said_loudly(console: DeskConsole) -> None:
    console.context = replace(console.context, rota=lambda: duty.parse(b"people = 3"))
    text = console.visitor().get("/duty").text
    assert "The rota cannot be read, so nobody can be called:" in text


def test_an_auditor_does_not_see_the_rota(console: DeskConsole) -> None:
    assert console.visitor("r5", Role.AUDITOR).get("/duty").status_code == 404
