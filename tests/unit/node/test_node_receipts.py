"""Receipts are signed by whoever received, and silence is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import alarms, receipts
from node.alarms import Code
from node.receipts import Receipt, ReceiptError
from port2port.clock import to_ms
from port2port.tlp import Tlp
from tests.fakes.examples import many
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed, digest_in
from tests.fakes.nodes import TestNode, make_node

A, B, C = "beanr", "north-sea-port", "belgg"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[TestNode]:
    fed = Federation(members=(A, B, C))
    made = make_node(fed, A, tmp_path / "a")
    feed = FakeFeed(fed)
    feed.log(*fed.founding(), fed.group("seaports", A, B))
    mine = fed.publish(A, tlp=Tlp.AMBER, groups=("seaports",))
    made.note_own(mine)
    feed.log(mine, fed.publish(C))
    asyncio.run(made.pull(feed))
    made.home.joinpath("digest").write_bytes(digest_in(mine))
    yield made
    made.store.close()


def of(node: TestNode, member: str = B, **more: object) -> Receipt:
    digest = node.home.joinpath("digest").read_bytes()
    made = Receipt(index=3, digest=digest, member=member, state="delivered", at_ms=to_ms(node.fed.clock.now()))
    return replace(made, **more)  # type: ignore[arg-type]


def overdue(node: TestNode, after_s: float) -> list[str]:
    now_ms = to_ms(node.fed.clock.now()) + int(after_s * 1000)
    return [
        alarm.subject for alarm in node.store.write_now(lambda c: receipts.raise_overdue(c, node.fed.roster, now_ms))
    ]


def test_silence_of_an_entitled_member_is_an_alarm_after_fifteen_minutes(node: TestNode) -> None:
    assert overdue(node, 899) == []
    assert overdue(node, 900) == [f"3:{B}"]
    assert overdue(node, 901) == []


def test_a_receipt_in_time_prevents_the_alarm_and_a_late_one_clears_it(node: TestNode) -> None:
    overdue(node, 900)
    assert node.store.write_now(lambda c: receipts.take(c, [of(node)], node.fed.roster, 1)) == 1
    assert node.store.read_now(alarms.standing) == []
    assert overdue(node, 9_000) == []
    (row,) = node.store.read_now(lambda c: receipts.deliveries(c, 3))
    assert (row.member, row.delivered_ms, row.seen_ms) == (B, of(node).at_ms, None)


@pytest.mark.parametrize("operation", ["remove-member", "suspend-member"])
def test_of_who_is_no_member_now_nothing_is_expected_and_its_alarm_ends(node: TestNode, operation: str) -> None:
    assert overdue(node, 900) == [f"3:{B}"]
    node.fed.set_status(operation, B)
    assert overdue(node, 901) == []
    assert node.store.read_now(alarms.standing) == []
    assert overdue(node, 9_000) == []


def test_a_member_that_is_reinstated_has_its_quarter_of_an_hour_again(node: TestNode) -> None:
    node.fed.set_status("suspend-member", B)
    assert overdue(node, 901) == []
    node.fed.set_status("reinstate-member", B)
    assert overdue(node, 1_800) == []
    assert overdue(node, 1_801) == [f"3:{B}"]


def test_a_newer_version_of_a_group_without_a_member_ends_no_right_to_what_was_said_before(node: TestNode) -> None:
    node.fed.group("seaports", A)
    assert overdue(node, 900) == [f"3:{B}"]


def test_the_first_receipt_of_a_state_counts(node: TestNode) -> None:
    later = of(node, at_ms=of(node).at_ms + 5)
    node.store.write_now(lambda c: receipts.take(c, [of(node), later, of(node, state="seen")], node.fed.roster, 1))
    (row,) = node.store.read_now(lambda c: receipts.deliveries(c, 3))
    assert (row.delivered_ms, row.seen_ms) == (of(node).at_ms, of(node).at_ms)


@pytest.mark.parametrize("change", [{"digest": bytes(32)}, {"index": 4}, {"member": C}])
def test_a_receipt_about_something_else_changes_nothing(node: TestNode, change: dict[str, object]) -> None:
    overdue(node, 900)
    assert node.store.write_now(lambda c: receipts.take(c, [of(node, **change)], node.fed.roster, 1)) == 0
    assert [item.code for item in node.store.read_now(alarms.standing)] == [Code.NOT_DELIVERED]


def test_only_a_machine_key_of_the_named_member_signs_a_receipt(node: TestNode) -> None:
    ports, roster = node.fed.ports, node.fed.roster
    good = receipts.sign(of(node), ports[B].machine)
    assert receipts.check(good, roster) == of(node)
    wrong = (
        receipts.sign(of(node), ports[C].machine),
        receipts.sign(of(node), ports[B].officer),
        receipts.sign(of(node), node.fed.key("stranger")),
        replace(good, receipt=of(node, index=9).to_bytes()),
        replace(good, sig=bytes(64)),
    )
    for signed in wrong:
        with pytest.raises(ReceiptError):
            receipts.check(signed, roster)


def test_what_others_published_is_owed_once_and_handed_in_once(node: TestNode) -> None:
    (mine,) = node.store.read_now(lambda c: receipts.owed(c, A, limit=10))
    assert (mine.index, mine.member, mine.state) == (4, A, "delivered")
    node.store.write_now(lambda c: receipts.owe(c, [(4, mine.digest)], "delivered", 1))
    node.store.write_now(lambda c: receipts.handed_in(c, [mine]))
    assert node.store.read_now(lambda c: receipts.owed(c, A, limit=10)) == []
    node.store.write_now(lambda c: receipts.owe(c, [(4, mine.digest)], "seen", 1))
    assert [item.state for item in node.store.read_now(lambda c: receipts.owed(c, A, limit=10))] == ["seen"]


@settings(max_examples=many(200), deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_receipt_is_read_or_refused(raw: bytes) -> None:
    with pytest.raises(ReceiptError):
        receipts.parse(raw)


@settings(max_examples=many(100), deadline=None)
@given(index=st.integers(0, 2**40), digest=st.binary(min_size=32, max_size=32), at=st.integers(0, 2**42))
def test_a_receipt_comes_back_as_it_was(index: int, digest: bytes, at: int) -> None:
    made = Receipt(index=index, digest=digest, member=A, state="seen", at_ms=at)
    assert receipts.parse(made.to_bytes()) == made
