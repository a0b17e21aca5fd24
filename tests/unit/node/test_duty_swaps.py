"""What two officers agreed on holds for who is called, and never more than the rota file allows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from node import duty, duty_swaps
from node.duty import Turn
from node.duty_settings import DutySettings
from node.duty_swaps import NoSwapError, SwapError, Why
from node.notice_watch import NoticeWatch, RotaKeeper, rota_now
from node.notices import EMAIL
from tests.fakes.desks import B, Desk, Harbour

ROTA = b"""
people = [{pseudonym = "o1", email = "o1@port.example"}, {pseudonym = "o3", email = "o3@port.example"}]
[[shifts]]
name = "day"
from = "06:00"
until = "22:00"
people = ["o1"]
[[shifts]]
name = "night"
from = "22:00"
until = "06:00"
people = ["o3"]
"""
MONDAY = date(2026, 11, 23)
DAY, NIGHT = Turn(shift="day", on=MONDAY, person="o1"), Turn(shift="night", on=MONDAY, person="o3")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Harbour(tmp_path)
    yield made.desks[B]
    made.close()


def write(desk: Desk, action: Any, *given: Any) -> Any:
    return desk.node.store.write_now(lambda c: action(c, *given))


def test_who_agreed_to_stand_in_is_not_called_and_the_other_is(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "rota.toml").write_bytes(ROTA)
    settings, rota = DutySettings(rota=tmp_path / "rota.toml"), duty.parse(ROTA)
    called: list[str] = []

    class Sent:
        def send(self, _message: object, to: str, _now: object) -> None:
            called.append(to)

    watch = NoticeWatch(
        store=desk.node.store, clock=desk.fed.clock, keeper=RotaKeeper.open(settings), port="x", channels={EMAIL: Sent()}
    )  # fmt: skip

    async def six_minutes() -> None:
        for _ in range(13):
            await watch.sweep_once()
            await watch.send_once(EMAIL)
            desk.fed.clock.advance(30)

    ident = write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), desk.fed.clock.now())
    write(desk, duty_swaps.agree, rota, "o3", ident, desk.fed.clock.now())
    desk.fed.clock.advance(25 * 3_600)  # Monday, ten in the morning: o3 stands where o1 was planned
    assert [one.pseudonym for one in rota_now(settings, desk.node.store).on_duty(desk.fed.clock.now())] == ["o3"]
    desk.draft()
    asyncio.run(six_minutes())
    assert called == ["o1@port.example"]


def test_only_who_was_asked_agrees_and_only_in_time(desk: Desk) -> None:
    rota, now = duty.parse(ROTA), desk.fed.clock.now()
    ident = write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    with pytest.raises(NoSwapError):
        write(desk, duty_swaps.agree, rota, "o1", ident, now)
    desk.fed.clock.advance(25 * 3_600)
    with pytest.raises(SwapError) as late:
        write(desk, duty_swaps.agree, rota, "o3", ident, desk.fed.clock.now())
    assert late.value.why is Why.BEGUN
    assert desk.node.store.read_now(lambda c: duty_swaps.waiting(c, rota, desk.fed.clock.now())) == ()


def test_a_turn_that_the_file_gives_to_somebody_else_since_is_not_exchanged(desk: Desk) -> None:
    rota, now = duty.parse(ROTA), desk.fed.clock.now()
    ident = write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    write(desk, duty_swaps.agree, rota, "o3", ident, now)
    changed = duty.parse(ROTA.replace(b'people = ["o3"]', b'people = ["o1"]'))
    assert desk.node.store.read_now(lambda c: duty_swaps.applied(c, changed)).swaps == ()
    assert desk.node.store.read_now(lambda c: duty_swaps.applied(c, rota)).swaps == ((DAY, NIGHT),)
    with pytest.raises(SwapError) as again:
        write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    assert again.value.why is Why.NO_TURN


def test_one_officer_asks_for_so_many_and_no_more(desk: Desk) -> None:
    rota, now = duty.parse(ROTA), desk.fed.clock.now()
    for _ in range(duty_swaps.OPEN_MOST):
        write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    with pytest.raises(SwapError) as more:
        write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    assert more.value.why is Why.TOO_MANY


@pytest.mark.parametrize(
    ("day", "why"), [(date.max, Why.NO_TURN), (date.min, Why.BEGUN), (date(2027, 11, 22), Why.NO_TURN)]
)
def test_turns_of_no_near_day_are_not_exchanged(desk: Desk, day: date, why: Why) -> None:
    rota = duty.parse(ROTA)
    both = (Turn(shift="day", on=day, person="o1"), Turn(shift="night", on=day, person="o3"))
    with pytest.raises(SwapError) as refused:
        write(desk, duty_swaps.ask, rota, "o1", both, desk.fed.clock.now())
    assert refused.value.why is why


def test_a_question_is_answered_once_also_by_two_at_the_same_moment(desk: Desk) -> None:
    rota, now = duty.parse(ROTA), desk.fed.clock.now()
    ident = write(desk, duty_swaps.ask, rota, "o1", (DAY, NIGHT), now)
    (read_before,) = desk.node.store.read_now(lambda c: duty_swaps.waiting(c, rota, now))
    write(desk, duty_swaps.decline, "o1", ident, now)
    with pytest.raises(SwapError) as late:
        write(desk, duty_swaps._close, read_before, duty_swaps.AGREED, now)
    assert late.value.why is Why.CLOSED
