"""Whoever learns ten thousand answers is right about those looked for at most one time in four.

The guesser here has the answers of all gates, chooses what he asks and in which order, and knows the rules. The
ledger is the one of memory in ``tests/fakes/passages.py``, which ``test_ledger.py`` holds to the one of SQL.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest

from node.passages.draw import COVER, DAY_MS, HOUR_MS, LISTED, Gate
from tests.fakes.passages import MemoryLedger, container

ANSWERS = 10_000
START_MS = 20_000 * DAY_MS
FLOOR = 0.05
Asked = tuple[str, str, int]  # gate, number, when


def right(ledger: MemoryLedger, accused: Iterable[str]) -> tuple[int, int]:
    """(right, accused) of a guesser's list."""
    named = set(accused)
    return len(named & ledger.listed), len(named)


def ask(ledger: MemoryLedger, questions: Iterable[Asked]) -> set[str]:
    """Who was checked, at whatever gate."""
    return {number for gate, number, at_ms in questions if ledger.ask(gate, number, at_ms)}


def spread(numbers: Sequence[str], *, days: int = 5, gates: Sequence[str] = ("gate",)) -> list[Asked]:
    step = days * DAY_MS // len(numbers)
    return [(gates[i % len(gates)], number, START_MS + i * step) for i, number in enumerate(numbers)]


def shuffled(seed: int, held: int, others: int) -> tuple[list[str], set[str]]:
    numbers = [container(n) for n in range(held + others)]
    listed = set(numbers[:held])
    random.Random(seed).shuffle(numbers)
    return numbers, listed


@pytest.mark.parametrize("held", [1, 20, 200, 1_000, 3_000])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_who_accuses_everybody_checked_is_right_at_most_one_time_in_four(held: int, seed: int) -> None:
    numbers, listed = shuffled(seed, held, ANSWERS - held)
    ledger = MemoryLedger(listed, floor=FLOOR, key=bytes([seed]) * 32)
    hits, accused = right(ledger, ask(ledger, spread(numbers)))
    assert accused > 100
    assert 4 * hits <= accused


def test_those_looked_for_are_checked_all_where_they_are_few() -> None:
    numbers, listed = shuffled(1, 20, ANSWERS - 20)
    fillers, rest = [n for n in numbers if n not in listed][:500], numbers
    ledger = MemoryLedger(listed, floor=FLOOR)
    ask(ledger, spread(fillers, days=1))
    later = [(gate, number, at_ms + DAY_MS) for gate, number, at_ms in spread(rest)]
    assert listed <= ask(ledger, later)


def test_who_watches_the_order_of_checks_gains_nothing() -> None:
    """The check after three random ones is no likelier to be meant: he accuses by place since the last hit he knows."""
    numbers, listed = shuffled(5, 3_000, ANSWERS - 3_000)
    ledger = MemoryLedger(listed, floor=FLOOR)
    since, by_place = 0, dict[int, list[bool]]()
    for gate, number, at_ms in spread(numbers):
        if ledger.ask(gate, number, at_ms):
            by_place.setdefault(min(since, 8), []).append(number in listed)
            since = 0 if number in listed else since + 1
    enough = [found for found in by_place.values() if len(found) >= 100]
    assert enough
    assert all(sum(found) / len(found) <= 0.30 for found in enough)  # a quarter, and what chance adds


def test_a_check_lasts_for_two_weeks_and_is_over_after_four_whoever_it_is_of() -> None:
    numbers, listed = shuffled(15, 5, 1_995)
    ledger = MemoryLedger(listed, floor=FLOOR)
    ask(ledger, spread([container(n, "TGHU") for n in range(1_000)], days=1))
    first = [(gate, number, at_ms + DAY_MS) for gate, number, at_ms in spread(numbers, days=1)]
    checked = ask(ledger, first)
    again = [one for one in first if one[1] in checked]
    assert listed <= checked
    assert ask(ledger, [(gate, number, at_ms + 13 * DAY_MS) for gate, number, at_ms in again]) == checked
    later = ask(ledger, [(gate, number, at_ms + 29 * DAY_MS) for gate, number, at_ms in again])
    assert len(later) < len(checked) / 3


def test_who_lulls_a_gate_first_and_then_asks_about_those_he_suspects_is_right_one_time_in_four() -> None:
    """Eight thousand strangers, then two thousand of whom half are looked for; he accuses among these alone."""
    suspects, listed = shuffled(13, 1_000, 1_000)
    ledger = MemoryLedger(listed, floor=FLOOR)
    ask(ledger, spread([container(n, "TGHU") for n in range(8_000)], days=4))
    accused = ask(ledger, [(gate, number, at_ms + 4 * DAY_MS) for gate, number, at_ms in spread(suspects, days=1)])
    hits, named = right(ledger, accused)
    assert named >= 20
    assert 4 * hits <= named, (hits, named)


def test_asking_again_for_months_tells_no_more_than_once() -> None:
    numbers, listed = shuffled(7, 10, 190)
    ledger = MemoryLedger(listed, floor=FLOOR)
    counts: dict[str, int] = dict.fromkeys(numbers, 0)
    for day in range(50):
        for gate, number, at_ms in spread(numbers, days=1):
            counts[number] += ledger.ask(gate, number, at_ms + day * DAY_MS)
    for enough in range(1, 51):
        hits, accused = right(ledger, [number for number, count in counts.items() if count >= enough])
        assert 4 * hits <= accused or accused < 12, (enough, hits, accused)


def test_many_numbers_around_one_that_is_looked_for_hide_it() -> None:
    one = container(5_000)
    ledger = MemoryLedger({one}, floor=FLOOR)
    accused = ask(ledger, spread([container(n) for n in range(ANSWERS)], days=2))
    near = [number for number in accused if abs(int(number[4:10]) - int(one[4:10])) <= 100]
    assert one in accused
    assert 4 * len({one} & set(near)) <= len(near)


def test_gates_together_know_no_more_than_one() -> None:
    """Two gates in turn, then every number again at the other one: no sum and no difference tells."""
    numbers, listed = shuffled(9, 50, 4_950)
    ledger = MemoryLedger(listed, floor=FLOOR)
    first = spread(numbers, gates=("a", "b", "c"))
    second = [({"a": "b", "b": "c", "c": "a"}[gate], number, at_ms + HOUR_MS) for gate, number, at_ms in first]
    one, two = ask(ledger, first), ask(ledger, second)
    for accused in (one, two, one & two, one - two, one | two):
        hits, named = right(ledger, accused)
        assert 4 * hits <= named or named < 12, (hits, named)


def test_for_any_gates_together_three_random_ones_stand_behind_each_that_was_shown() -> None:
    numbers, listed = shuffled(11, 800, 3_200)
    ledger = MemoryLedger(listed, floor=FLOOR)
    gates = ("a", "b", "c", "d")
    for turn in range(4):  # the same numbers at every gate, so that the gates share their random ones
        ask(ledger, [(gates[(i + turn) % 4], n, START_MS + turn * DAY_MS + i * 20_000) for i, n in enumerate(numbers)])
    for mask in range(1, 16):
        some = {gate for place, gate in enumerate(gates) if mask >> place & 1}
        seen = {(number, why) for gate, number, why in ledger.shown if gate in some}
        meant = {number for number, why in seen if why == LISTED}
        assert len(seen) >= (COVER + 1) * len(meant), some


def test_each_gate_checks_somebody_at_random_every_day() -> None:
    ledger = MemoryLedger(set(), floor=0.005)
    for day in range(20):
        asked = [("gate", container(day * 40 + n), START_MS + day * DAY_MS + n * 30 * 60_000) for n in range(40)]
        assert ask(ledger, asked), day


def test_a_new_gate_shows_nobody_before_it_has_cover() -> None:
    listed = {container(n) for n in range(50)}
    ledger = MemoryLedger(listed, floor=FLOOR)
    assert ask(ledger, spread(sorted(listed), days=1)) == set()


def test_a_gate_that_asks_about_many_who_are_looked_for_shows_few() -> None:
    few, many = Gate(questions=10_000, listed=5, random=600), Gate(questions=10_000, listed=4_000, random=600)
    assert few.shows(FLOOR) == 1.0
    assert many.shows(FLOOR) * many.believed <= many.share(FLOOR) * (1 - many.believed) / COVER
    assert few.share(FLOOR) == FLOOR < many.share(FLOOR)


def test_what_somebody_believed_before_grows_by_no_more_than_the_share_allows() -> None:
    """Of a set in which one in sixty is looked for, known to the guesser, the checked are meant one time in four."""
    prior = FLOOR / (FLOOR + COVER)
    gate = Gate(questions=10_000, listed=1, random=600)
    meant = prior * gate.shows(FLOOR)
    assert meant / (meant + (1 - prior) * gate.share(FLOOR)) <= 0.25 + 1e-9
