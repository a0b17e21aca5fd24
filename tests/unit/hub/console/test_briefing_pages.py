"""Levels and briefings: read-only, as far as their reader may read, and a briefing's address is that briefing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from port2port.console.roles import Role
from port2port.tlp import Tlp
from tests.fakes.picture_console import PictureConsole, picture_console

PERIOD = "first=2026-11-16&last=2026-11-22"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[PictureConsole]:
    with picture_console(tmp_path) as made:
        yield made


def article(text: str) -> str:
    """The briefing without the frame, whose nonces differ each time."""
    found = re.search(r"<article.*</article>", text, re.DOTALL)
    assert found is not None
    return found.group(0)


def test_a_briefing_names_its_checkpoint_and_comes_out_the_same_later(console: PictureConsole) -> None:
    desk, visitor = console.desk, console.visitor()
    desk.admit([desk.fed.publish("beanr", handling="act")])
    moved = visitor.get(f"/briefing?{PERIOD}")
    assert moved.headers["location"] == f"/briefing?{PERIOD}&size=3"
    before = article(visitor.get(moved.headers["location"]).text)
    assert "cloned identity" in before
    assert "1 statement<" in before
    desk.admit([desk.fed.publish("beanr")])
    assert article(visitor.get(moved.headers["location"]).text) == before


def test_a_briefing_tells_nothing_that_its_reader_may_not_read(console: PictureConsole) -> None:
    desk = console.desk
    desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    address = f"/briefing?{PERIOD}&size=3"
    assert "cloned identity" in console.visitor("belgg").get(address).text
    outside = console.visitor("north-sea-port").get(address).text
    assert "cloned identity" not in outside
    assert "0 statements" in outside
    assert "TLP:AMBER" not in outside


def test_who_belongs_no_more_reads_no_briefing_of_the_time_when_he_did(console: PictureConsole) -> None:
    desk, visitor, address = console.desk, console.visitor("belgg"), f"/briefing?{PERIOD}&size=3"
    desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER, recipients=("belgg",))])
    assert "cloned identity" in visitor.get(address).text
    desk.admit([desk.fed.set_status("suspend-member", "belgg")])
    answer = visitor.get(address)
    assert "cloned identity" not in answer.text
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("first=yesterday&last=2026-11-22", "Write a day as 2026-11-22."),
        ("first=2026-11-22&last=2026-11-21", "The last day comes before the first."),
        ("first=2025-11-22&last=2026-11-21", "A briefing covers at most 92 days."),
        (f"{PERIOD}&size=9999", "The log is not that long, or this is no number."),
        (f"{PERIOD}&size=x", "The log is not that long, or this is no number."),
    ],
)
def test_a_wrong_period_is_told_beside_the_form(console: PictureConsole, query: str, words: str) -> None:
    answer = console.visitor().get(f"/briefing?{query}")
    assert answer.status_code == 400
    assert words in answer.text


@pytest.mark.parametrize("path", ["/levels", "/briefing"])
def test_who_is_given_no_content_sees_neither(console: PictureConsole, path: str) -> None:
    assert console.visitor("beanr", Role.VIEWER).get(path).status_code == 200
    assert console.visitor("beanr", Role.ADMIN).get(path).status_code == 404
    assert console.stranger().get(path).headers["location"].startswith("/sign-in")
