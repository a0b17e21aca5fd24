"""The rota as a page: who is on duty, who is called, what was swapped, and words where there is none."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from node import duty, notices
from node.desk_items import Item
from node.duty import Person
from node.notices import EMAIL, SYSLOG, Plan
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
    assert now < text.index("<li>o1</li>") < text.index("Next on duty") < text.index("Called when nobody answers")
    assert "swapped; planned: o1, o2" in text
    assert "has no address" in text


def test_a_rota_that_cannot_be_read_is_said_loudly(console: DeskConsole) -> None:
    console.context = replace(console.context, rota=lambda: duty.parse(b"people = 3"))
    text = console.visitor().get("/duty").text
    assert "The rota cannot be read, so nobody can be called:" in text


def test_an_auditor_does_not_see_the_rota(console: DeskConsole) -> None:
    assert console.visitor("r5", Role.AUDITOR).get("/duty").status_code == 404


def words(text: str) -> str:
    main = text[text.index("<main") :] if "<main" in text else text
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", main)))


def test_two_officers_exchange_turns_and_both_acts_are_audited(console: DeskConsole) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    asks, agrees, other = console.visitor("o1"), console.visitor("b2"), console.visitor("o2")
    mine, theirs = "2026-11-25 day o1", "2026-11-26 night b2"
    assert f'value="{mine}"' in asks.get("/duty").text
    assert asks.send("/duty/swaps", "/duty", mine=mine, theirs=theirs).status_code == 303
    assert "waits for b2" in words(other.get("/duty").text)
    assert "I agree" not in other.get("/duty").text
    assert other.send("/duty/swaps/1/agree", "/duty").status_code == 404
    assert asks.send("/duty/swaps/1/agree", "/duty").status_code == 404
    assert agrees.send("/duty/swaps/1/agree", "/duty").status_code == 303
    assert words(asks.get("/duty/now").text).count("swapped; planned:") == 4, "those of the file, and these"
    assert console.audit()[-2:] == ["swap-asked", "swap-agreed"]
    late = agrees.send("/duty/swaps/1/agree", "/duty")
    assert late.status_code == 409
    assert "answered or taken back already" in late.text


def test_an_exchange_may_be_declined_or_taken_back_and_nothing_changes(console: DeskConsole) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    asks, asked = console.visitor("o1"), console.visitor("b2")
    for who in (asks, asked):
        asks.send("/duty/swaps", "/duty", mine="2026-11-25 day o1", theirs="2026-11-26 night b2")
        number = re.findall(r"/duty/swaps/(\d+)/decline", who.get("/duty").text)[0]
        assert who.send(f"/duty/swaps/{number}/decline", "/duty").status_code == 303
        assert "waits for" not in words(who.get("/duty").text)
    assert words(asks.get("/duty/now").text).count("swapped; planned:") == 2


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        ("2026-11-25 day o2", "2026-11-26 night b2", "one of your own turns"),
        ("2026-11-25 day o1", "2026-11-25 day o2", "the same watch twice"),
        ("2026-11-22 day o1", "2026-11-26 night b2", "has begun"),
        ("2026-11-23 day o1", "2026-11-26 night b2", "exchanged already"),
    ],
)
def test_what_cannot_be_exchanged_is_said(console: DeskConsole, mine: str, theirs: str, said: str) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    answer = console.visitor("o1").send("/duty/swaps", "/duty", mine=mine, theirs=theirs)
    assert answer.status_code == 409
    assert said in answer.text


def test_no_viewer_asks_and_nonsense_is_refused(console: DeskConsole) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    assert console.visitor("v1", Role.VIEWER).send("/duty/swaps", "/duty", mine="x", theirs="y").status_code == 404
    assert console.visitor("o1").send("/duty/swaps", "/duty", mine="x", theirs="y").status_code == 404
    assert console.visitor("o1").send("/duty/swaps/x/agree", "/duty").status_code == 404
    assert console.visitor("o1").send("/duty/swaps/9/agree", "/duty").status_code == 404


@pytest.mark.parametrize(
    ("before", "night", "hours", "zones"),
    [
        ("2026-10-24T18:00:00Z", "clocks go back", "13", ("CEST", "CET")),
        ("2027-03-27T18:30:00Z", "clocks go forward", "11", ("CET", "CEST")),
    ],
)
def test_a_watch_over_a_change_of_clocks_says_how_long_it_is(
    console: DeskConsole, before: str, night: str, hours: str, zones: tuple[str, str]
) -> None:
    rota = duty.parse(ROTA)
    console.context = replace(console.context, rota=lambda: rota)
    console.fed.clock.step((datetime.fromisoformat(before) - console.fed.clock.now()).total_seconds())
    text = words(console.visitor("o1").get("/duty").text)
    begins, ends = zones
    assert re.search(rf"19:00 {begins} [^:]*07:00 {ends} {hours} {night} night", text)
    assert text.count(night) == 1


def item(number: int, severity: str = "high") -> Item:
    since = datetime.fromisoformat("2026-11-22T08:00:00Z")
    return Item(
        id=f"draft-{number}", kind="draft", subject=str(number), title="SECRET NAME", severity=severity, since=since,
        cause="draft:ais",
    )  # fmt: skip


def test_what_was_sent_to_whom_stands_below_for_approvers_and_admins(console: DeskConsole) -> None:
    plan = Plan(called=(Person(pseudonym="o2", email="o2@port.example"),), channels=frozenset({EMAIL, SYSLOG}))
    storm = [item(number) for number in range(3)]
    for _ in range(2):
        now = console.context.now
        console.do(lambda c, now=now: notices.sweep(c, storm, plan, now))  # type: ignore[misc]  # a default binds it
        console.fed.clock.advance(301)
    now = console.context.now
    (mail,) = console.do(lambda c: notices.due(c, EMAIL, now))
    (line,) = console.do(lambda c: notices.due(c, SYSLOG, now))
    console.do(lambda c: notices.failed(c, mail, "NOTICE_DELIVERY", now))
    console.do(lambda c: notices.delivered(c, line, now))
    text = console.visitor("o1").get("/duty/notices").text
    assert "SECRET" not in text
    assert "High a finding or report, 3 items of one cause" in words(text)
    assert "e-mail o2 on its way tried 1 time: the other side did not take it" in words(text)
    assert re.search(r"syslog . sent", words(text))
    assert "still waits" in words(text)
    console.do(lambda c: notices.sweep(c, [], plan, now))
    assert "acknowledged" in words(console.visitor("d1", Role.ADMIN).get("/duty/notices").text)
    assert console.visitor("b2", Role.OFFICER).get("/duty/notices").status_code == 404
    assert "/duty/notices" not in console.visitor("b2", Role.OFFICER).get("/duty").text
