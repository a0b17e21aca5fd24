"""Whoever polls gets every object that it may read, whatever is added meanwhile, and nothing tells of hidden ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.taxii.dates import AHEAD_MOST, MILLISECOND, SMALL_STEP, moment_after, next_date
from hub.taxii.model import Filters, Item, Position
from tests.fakes.examples import many
from tests.fakes.taxii_world import World

READERS: Final = {"a": ("a",), "b": ("b",), "both": ("a", "b"), "nobody": ()}
ALL: Final = Filters()


@dataclass(slots=True)
class Client:
    """Somebody who polls. ``follow``: as TAXII says, by ``next``; else by the date of the last object, maybe cut."""

    name: str
    limit: int
    follow: bool
    unit: int
    since: int | None = None
    place: Position | None = None
    got: list[Item] = field(default_factory=list)

    def poll(self, world: World) -> None:
        """One request."""
        page = world.page(self.name, filters=Filters(added_after_us=self.since), after=self.place, limit=self.limit)
        self.got += page.items
        assert len(page.items) <= self.limit
        if page.items:
            last = page.items[-1].date_us // self.unit * self.unit
            self.since = last if not (self.follow and page.more) else self.since
        self.place = page.end if self.follow and page.more else None

    def finish(self, world: World) -> None:
        """Poll until a whole round, to the end of its pages, brings nothing new."""
        while True:
            before = len({item.stix_id for item in self.got})
            self.poll(world)
            while self.place is not None:
                self.poll(world)
            if len({item.stix_id for item in self.got}) == before:
                return


def clients(limit: int) -> list[Client]:
    return [
        Client(name, limit, follow=follow, unit=unit)
        for name in ("a", "b")
        for follow, unit in ((True, 1), (True, 1_000), (False, 1), (False, 1_000))
    ]


STEPS: Final = st.lists(
    st.one_of(
        st.tuples(
            st.just("fold"),
            st.lists(st.sampled_from(sorted(READERS)), max_size=6),
            st.integers(-3, 8),
        ),
        st.tuples(st.just("poll"), st.integers(0, 7), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=many(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(4, 7))
def test_every_client_gets_all_it_may_read_and_no_more(steps: list[tuple[str, object, int]], limit: int) -> None:
    world, number = World(), 0
    expected: dict[str, set[str]] = {"a": set(), "b": set()}
    polling = clients(limit)
    for what, given_, step in steps:
        if what == "poll":
            polling[int(str(given_))].poll(world)
            continue
        added = []
        for who in given_:  # type: ignore[attr-defined]  # the list of a fold
            number += 1
            added.append((READERS[who], f"indicator--{number}"))
            for reader in READERS[who]:
                expected[reader].add(f"indicator--{number}")
        world.now_ms += step
        world.fold(added)
    world.now_ms += 10_000
    world.fold([])
    for client in polling:
        client.finish(world)
        assert {item.stix_id for item in client.got} == expected[client.name]
        if client.follow and client.unit == 1:
            assert len(client.got) == len(expected[client.name]), "each once"
    world.close()


@settings(max_examples=many(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 5))
def test_what_a_reader_is_told_is_the_same_whether_or_not_hidden_entries_exist(
    steps: list[tuple[str, object, int]], limit: int
) -> None:
    told = []
    for hidden in (True, False):
        world, number, pages = World(), 0, []
        place: Position | None = None
        for what, given_, step in steps:
            if what == "poll":
                page = world.page("a", after=place, limit=limit)
                pages.append(page)
                place = page.end or place
                continue
            added = []
            for who in given_:  # type: ignore[attr-defined]  # the list of a fold
                number += 1
                if hidden or "a" in READERS[who]:
                    added.append((READERS[who], f"indicator--{number}"))
            world.now_ms += step
            world.fold(added)
        pages.append(world.page("a", limit=50))
        told.append(pages)
        world.close()
    assert told[0] == told[1]


def test_a_burst_takes_small_steps_and_is_read_by_clients_that_cut_to_milliseconds() -> None:
    world = World()
    world.fold([(("a",), f"indicator--{number}") for number in range(1_400)])
    assert len(world.names("a", limit=5_000)) == 1, "what is dated ahead of the fold is not served yet"
    for _ in range(4):
        world.now_ms += 400
        world.fold([])
    polling = [Client("a", 250, follow=False, unit=1_000), Client("a", 70, follow=True, unit=1_000)]
    for client in polling:
        client.finish(world)
        assert len({item.stix_id for item in client.got}) == 1_400
    dates = [item.date_us for item in world.page("a", limit=5_000).items]
    assert dates == sorted(set(dates))
    assert [date for date in dates[:1_000] if date % MILLISECOND] == []
    world.close()


def test_a_page_never_ends_within_a_millisecond_unless_it_holds_nothing_else() -> None:
    world = World()
    world.fold([((*readers, str(number)), f"indicator--{number}") for number, readers in enumerate([("a",)] * 3)])
    assert len(world.page("a", limit=2).items) == 2
    world.now_ms += 10
    world.fold([(("a", "x"), "indicator--late"), (("a", "y"), "indicator--later")])
    assert world.names("a", limit=4) == world.names("a", limit=3)
    world.close()


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_dates_only_go_forward(last_us: int, moment_us: int) -> None:
    moment = moment_us // MILLISECOND * MILLISECOND
    date = next_date(last_us, moment)
    assert date > last_us
    assert date >= moment
    ahead = last_us - moment > AHEAD_MOST
    assert (date - last_us == SMALL_STEP) if ahead else date % MILLISECOND == 0


@pytest.mark.parametrize(("now_ms", "expected"), [(5, 5_000), (3, 4_000), (2, 4_000)])
def test_a_moment_is_later_than_every_one_before(now_ms: int, expected: int) -> None:
    assert moment_after(3_500, now_ms) == max(expected, 4_000)
