"""The rota says who is on duty at every instant of a year, without a gap or a double, also when clocks change."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import duty
from node.duty import ZONE, Person, Replacement, Rota, RotaError, Shift, Turn, instant_of
from tests.fakes.examples import many

WEEK = 7 * 24 * 60
SPRING = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)  # 02:00 becomes 03:00
AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 03:00 becomes 02:00
FILE = b"""
[[people]]
pseudonym = "o1"
email = "o1@port.example"
[[people]]
pseudonym = "o2"
[[people]]
pseudonym = "o3"
[[shifts]]
name = "day"
from = "06:00"
until = "22:00"
people = ["o1", "o2"]
[[shifts]]
name = "night"
from = "22:00"
until = "06:00"
people = ["o3"]
[[swaps]]
first = { shift = "day", on = 2026-11-23, person = "o1" }
second = { shift = "night", on = 2026-11-23, person = "o3" }
[[replacements]]
absent = "o3"
stands_in = "o2"
from = 2026-12-24T23:00:00
until = 2026-12-25T01:00:00+01:00
"""


def wall(text: str) -> datetime:
    """An instant by the port's wall."""
    return instant_of(datetime.fromisoformat(text), ZONE)


def names(people: tuple[Person, ...]) -> list[str]:
    return [person.pseudonym for person in people]


def of_minutes(cuts: list[int]) -> Rota:
    """One shift from each cut of the week to the next: exactly one is on at any time."""
    shifts = []
    for number, cut in enumerate(cuts):
        day, minute = divmod(cut, 1_440)
        starts, ends = (time(*divmod(value % 1_440, 60)) for value in (minute, cuts[(number + 1) % len(cuts)]))
        shifts.append(Shift(name=f"s{number}", days=frozenset({day}), starts=starts, ends=ends, people=(f"p{number}",)))
    people = {f"p{number}": Person(pseudonym=f"p{number}") for number in range(len(cuts))}
    return Rota(people=people, shifts=tuple(shifts))


def expected(cuts: list[int], at: datetime) -> str:
    """Worked out another way: a clock on the wall that stands still while the others repeat an hour."""
    local = at.astimezone(ZONE)
    minute = local.weekday() * 1_440 + local.hour * 60 + local.minute
    if local.fold:
        minute = local.weekday() * 1_440 + 2 * 60 + 59
    begun = [number for number, cut in enumerate(cuts) if cut <= minute]
    return f"p{begun[-1] if begun else len(cuts) - 1}"


@st.composite
def cut_weeks(draw: st.DrawFn) -> list[int]:
    """A week cut at least once a day, so that no shift is longer than a day; often in the hour that clocks change."""
    sunday = 6 * 1_440
    daily = {day * 1_440 + draw(st.integers(0, 1_439)) for day in range(7)}
    daily |= {day * 1_440 for day in range(7)}
    near = draw(st.sets(st.integers(sunday + 60, sunday + 240), max_size=4))
    return sorted(daily | near)


@settings(max_examples=many(100), deadline=None)
@given(cuts=cut_weeks(), hours=st.lists(st.integers(0, 365 * 24 * 60), min_size=40, max_size=40))
def test_every_instant_of_a_year_has_exactly_whom_the_rota_says(cuts: list[int], hours: list[int]) -> None:
    rota, begin = of_minutes(cuts), datetime(2026, 6, 1, tzinfo=UTC)
    near = [change + timedelta(minutes=m, seconds=s) for change in (SPRING, AUTUMN) for m in range(-130, 131, 13)
            for s in (-1, 0)]  # fmt: skip
    for at in [*near, *(begin + timedelta(minutes=minute) for minute in hours)]:
        assert names(rota.on_duty(at)) == [expected(cuts, at)], at


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_every_second_around_a_change_of_clocks_has_one_watch(change: datetime) -> None:
    cuts = sorted(
        {*(day * 1_440 for day in range(7)), *(6 * 1_440 + minute for minute in (90, 120, 150, 179, 180, 210))}
    )
    rota = of_minutes(cuts)
    for minute in range(-180, 181):
        for second in (0, 59):
            at = change + timedelta(minutes=minute, seconds=second)
            assert names(rota.on_duty(at)) == [expected(cuts, at)], at


def test_a_wall_time_that_is_skipped_is_the_change_itself() -> None:
    for minute in (0, 1, 30, 59):
        assert wall(f"2027-03-28T02:{minute:02}") == SPRING
    assert wall("2026-10-25T02:30") == AUTUMN - timedelta(minutes=30)
    assert wall("2026-10-25T03:00") == AUTUMN + timedelta(hours=1)


def test_nights_last_nine_hours_once_a_year_and_seven_once() -> None:
    rota = duty.parse(FILE)
    lengths = {
        day: next(w.ends_at - w.starts_at for w in rota.starting_on(day) if w.shift == "night")
        for day in (date(2026, 10, 24), date(2026, 11, 22), date(2027, 3, 27))
    }
    assert [length / timedelta(hours=1) for length in lengths.values()] == [9, 8, 7]


def test_who_is_on_duty_and_who_is_called() -> None:
    rota = duty.parse(FILE)
    assert names(rota.on_duty(wall("2026-11-22T21:59"))) == ["o1", "o2"]
    assert names(rota.called(wall("2026-11-22T21:59"))) == ["o2", "o3", "o1"]
    assert names(rota.on_duty(wall("2026-11-22T22:00"))) == ["o3"]
    assert rota.people["o1"].email == "o1@port.example"


def test_a_swap_exchanges_two_turns_and_no_others() -> None:
    rota = duty.parse(FILE)
    assert names(rota.on_duty(wall("2026-11-23T12:00"))) == ["o3", "o2"]
    assert names(rota.on_duty(wall("2026-11-23T23:00"))) == ["o1"]
    assert names(rota.on_duty(wall("2026-11-24T05:59"))) == ["o1"]
    assert names(rota.on_duty(wall("2026-11-24T12:00"))) == ["o1", "o2"]


def test_a_replacement_holds_from_to_and_names_nobody_twice() -> None:
    rota = duty.parse(FILE)
    assert names(rota.on_duty(wall("2026-12-24T22:59"))) == ["o3"]
    assert names(rota.on_duty(wall("2026-12-24T23:00"))) == ["o2"]
    assert names(rota.on_duty(wall("2026-12-25T01:00"))) == ["o3"]


def test_stand_ins_are_replaced_in_turn_and_a_circle_is_nobody() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    plain = of_minutes([day * 1_440 for day in range(7)])
    spell = {"starts_at": now, "ends_at": now + timedelta(hours=1)}
    chain = (
        Replacement(absent="p6", stands_in="p1", **spell),
        Replacement(absent="p1", stands_in="p2", **spell),
    )
    rota = Rota(people=plain.people, shifts=plain.shifts, replacements=chain)
    assert names(rota.on_duty(now)) == ["p2"]
    ring = (*chain, Replacement(absent="p2", stands_in="p6", **spell))
    assert names(Rota(people=plain.people, shifts=plain.shifts, replacements=ring).on_duty(now)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'people = ["o3"]', b'people = ["o9"]'),
        (b'name = "night"', b'name = "day"'),
        (b'"22:00"', b'"24:00"'),
        (b"2026-11-23, person", b"2026-13-23, person"),
        (b'stands_in = "o2"', b'stands_in = "o3"'),
        (b'person = "o1" }', b'person = "o3" }'),
        (b"o1@port.example", b"o1@port.example\\nBcc: x@y.example"),
        (b"2026-12-25T01:00:00+01:00", b"2026-12-24T01:00:00+01:00"),
        (b"[[people]]", b"[[persons]]"),
        (b"[[people]]", b"\xff"),
    ],
)
def test_a_wrong_rota_is_refused(before: bytes, after: bytes) -> None:
    assert before in FILE
    with pytest.raises(RotaError):
        duty.parse(FILE.replace(before, after, 1))


@settings(max_examples=many(300), deadline=None)
@given(raw=st.binary(max_size=200), cut=st.integers(0, len(FILE)), length=st.integers(0, 60))
def test_whatever_the_bytes_a_rota_is_read_or_refused(raw: bytes, cut: int, length: int) -> None:
    for given_bytes in (raw, FILE[:cut] + raw + FILE[cut + length :]):
        with contextlib.suppress(RotaError):
            duty.parse(given_bytes).called(SPRING)


def test_a_turn_is_swapped_once() -> None:
    turn = Turn(shift="day", on=date(2026, 11, 23), person="o1")
    assert duty.parse(FILE).swaps[0][0] == turn
    again = FILE + FILE[FILE.index(b"[[swaps]]") : FILE.index(b"[[replacements]]")]
    with pytest.raises(RotaError, match="twice"):
        duty.parse(again)
