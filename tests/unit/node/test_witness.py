"""Witnesses sign what they verified, not too often, not on a hub's false clock; and notice when alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.alarms import Code
from node.witness import Witness, WitnessWatch
from port2port import checkpoint as cp
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import to_ms
from port2port.genesis import to_b64
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed

A, B, C = "beanr", "north-sea-port", "belgg"
ORGANISATIONS = {A: "org-a", B: "org-b", C: "org-c"}


@pytest.fixture
def feed() -> FakeFeed:
    made = FakeFeed(Federation(members=(A, B, C), witnesses=(A, B, C)))
    made.log(*made.fed.founding())
    return made


def witness(feed: FakeFeed) -> Witness:
    return Witness(name=A, key=feed.fed.ports[A].witness, clock=feed.fed.clock)


def test_a_verified_checkpoint_is_cosigned_once(feed: FakeFeed) -> None:
    one = witness(feed)
    assert one.wait_s() is None
    assert one.offer(feed.checkpoint().note, [to_ms(feed.fed.clock.now())])
    note = one.line(feed.fed.roster)
    assert note is not None
    found = cp.verify_cosignatures(SignedCheckpoint.parse(note), feed.fed.roster.witness_keys())
    assert [item.witness for item in found] == [A]
    assert one.line(feed.fed.roster) is None


def test_at_most_every_five_seconds_and_then_the_newest(feed: FakeFeed) -> None:
    one, clock = witness(feed), feed.fed.clock
    one.offer(feed.checkpoint().note, [])
    assert one.line(feed.fed.roster)
    for _ in range(3):
        clock.advance(1)
        feed.log(feed.fed.publish(B))
        one.offer(feed.checkpoint().note, [to_ms(clock.now())])
        assert one.line(feed.fed.roster) is None
    clock.advance(2)
    note = one.line(feed.fed.roster)
    assert note is not None
    assert SignedCheckpoint.parse(note).checkpoint.size == 5


@pytest.mark.parametrize("off_s", [-121, 121])
def test_leaf_times_far_off_our_clock_are_not_cosigned(feed: FakeFeed, off_s: int) -> None:
    one = witness(feed)
    assert not one.offer(feed.checkpoint().note, [to_ms(feed.fed.clock.now()) + off_s * 1000])
    assert one.line(feed.fed.roster) is None
    assert one.offer(feed.checkpoint().note, [to_ms(feed.fed.clock.now()) + off_s * 1000 * 119 // 121])


def test_only_the_key_that_the_roster_names_signs(feed: FakeFeed) -> None:
    one = Witness(name=A, key=feed.fed.key("other"), clock=feed.fed.clock)
    one.offer(feed.checkpoint().note, [])
    assert one.line(feed.fed.roster) is None
    assert witness(feed).line(None) is None


def test_a_majority_of_organisations_witnesses_and_one_that_is_off_raises_no_alarm(feed: FakeFeed) -> None:
    clock = feed.fed.clock
    watch = WitnessWatch(clock)
    for size in range(1, 1_441):  # a day with an entry a minute, the third witness off
        watch.arrived(size)
        clock.advance(5)
        watch.heard(size, {A}, ORGANISATIONS)
        watch.heard(size, {B}, ORGANISATIONS)
        clock.advance(55)
        assert watch.alarm(ORGANISATIONS) is None
        assert watch.testimony().witnessed


def test_a_minority_says_unwitnessed_after_a_minute_and_not_before(feed: FakeFeed) -> None:
    clock = feed.fed.clock
    watch = WitnessWatch(clock)
    watch.arrived(3)
    watch.heard(3, {A}, ORGANISATIONS)
    clock.advance(59)
    watch.arrived(4)
    assert watch.alarm(ORGANISATIONS) is None
    clock.advance(1)
    alarm = watch.alarm(ORGANISATIONS)
    assert alarm is not None
    assert alarm.code is Code.UNWITNESSED
    watch.heard(4, {B, C}, ORGANISATIONS)
    assert watch.alarm(ORGANISATIONS) is None


def test_two_witnesses_of_one_organisation_are_one(feed: FakeFeed) -> None:
    watch = WitnessWatch(feed.fed.clock)
    watch.arrived(1)
    watch.heard(1, {A, B}, {A: "org", B: "org", C: "org-c", "d": "org-d"})
    assert not watch.testimony().witnessed


def test_without_named_witnesses_there_is_no_alarm(feed: FakeFeed) -> None:
    watch = WitnessWatch(feed.fed.clock)
    watch.arrived(1)
    feed.fed.clock.advance(600)
    assert watch.alarm({}) is None
    assert replace(watch.testimony(), since_s=None).size == 0


def test_witnesses_need_not_meet_at_one_size(feed: FakeFeed) -> None:
    watch = WitnessWatch(feed.fed.clock)
    for size in (3, 5, 7, 9):
        watch.arrived(size)
    watch.heard(9, {A}, ORGANISATIONS)
    watch.heard(5, {B}, ORGANISATIONS)
    assert watch.testimony().size == 5
    watch.heard(7, {C}, ORGANISATIONS)
    assert (watch.testimony().size, watch.testimony().witnessed) == (7, False)
    watch.heard(9, {B}, ORGANISATIONS)
    assert watch.testimony().witnessed


def test_the_second_node_of_a_member_co_signs_with_its_own_key(feed: FakeFeed) -> None:
    key = feed.fed.key("a second node")
    second = Witness(name=A, key=key, clock=feed.fed.clock)
    second.offer(feed.checkpoint().note, [])
    assert second.line(feed.fed.roster) is None
    feed.log(feed.fed.control("roster", [{"op": "add-witness-key", "member": A, "public": to_b64(key.public)}]))
    for one in (second, witness(feed)):
        one.offer(feed.checkpoint().note, [])
        assert one.line(feed.fed.roster) is not None
