"""The uplink loses nothing when connections break, keeps order, and stops for good when the hub lies."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from node import alarms, outbox, receipts, store
from node.alarms import Code
from node.inbox import Batch
from node.status import CONNECTION, TESTIMONY
from node.trusted_time import TrustedTime
from node.uplink import Uplink, UplinkParts
from node.uplink.grpc_hub import HubRefusedError, batch_of, error_of, recover_request
from node.uplink.hub import RecoverPart
from node.witness import Witness, WitnessWatch
from port2port.errors import BackpressureError, LogBehindError, NotMemberError, SplitViewError, UnavailableError
from port2port.metrics import Metrics
from port2port.v1 import exchange_pb2
from tests.fakes.federation import Federation, statement_of
from tests.fakes.feed import FakeFeed, digest_in
from tests.fakes.hub import FakeHub
from tests.fakes.nodes import TestNode, make_node
from tests.fakes.settling import run_settling, settled

A, B, C = "beanr", "north-sea-port", "belgg"
WAIT_S = 30


def story(body: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """An async test in a loop of its own, which must end within a minute."""

    def run(tmp_path: Path) -> None:
        run_settling(body(tmp_path), deadline_s=60)

    return run


class Rig:
    """A hub, and nodes with running uplinks.

    While something is waited for, time moves in small steps, each once all the nodes have done their work.
    """

    def __init__(self, fed: Federation, home: Path) -> None:
        self.fed, self.home = fed, home
        self.hub = FakeHub(FakeFeed(fed))
        self.nodes: dict[str, TestNode] = {}
        self.uplinks: dict[str, Uplink] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, member: str) -> TestNode:
        node = make_node(self.fed, member, self.home / member)
        port = self.fed.ports[member]
        parts = UplinkParts(
            store=node.store,
            inbox=node.inbox,
            witness=Witness(name=member, key=port.witness, clock=self.fed.clock),
            watch=WitnessWatch(self.fed.clock, size=0),
            time=TrustedTime(self.fed.clock),
            machine=port.machine,
            clock=self.fed.clock,
            metrics=Metrics("node"),
            connect=lambda: self.hub.connect(member),
            dice=random.Random(1),
        )
        self.nodes[member], self.uplinks[member] = node, Uplink(parts)
        self.tasks[member] = asyncio.create_task(self.uplinks[member].run())
        return node

    async def until(self, what: Callable[[], bool], *, step_s: float = 0.2) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await settled()
                while not what():
                    await self.pass_time(step_s)
        except TimeoutError:
            pytest.fail("waited in vain")

    async def pass_time(self, seconds: float) -> None:
        """Some real time too: the outbox is polled by it."""
        self.fed.clock.advance(seconds)
        await asyncio.sleep(0.004)
        await settled()

    async def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.wait(self.tasks.values())
        for node in self.nodes.values():
            node.store.close()


@asynccontextmanager
async def rig_in(home: Path, *, witnesses: tuple[str, ...] = ()) -> AsyncIterator[Rig]:
    rig = Rig(Federation(members=(A, B, C), witnesses=witnesses), home)
    rig.hub.append(*rig.fed.founding(), rig.fed.group("seaports", A, B))
    try:
        yield rig
    finally:
        await rig.stop()


def queue(rig: Rig, member: str, count: int) -> list[bytes]:
    made = [rig.fed.publish(member) for _ in range(count)]
    rig.nodes[member].note_own(*made)
    return made


def states(rig: Rig, member: str, raws: list[bytes]) -> set[str]:
    digests = [digest_in(raw) for raw in raws]
    store = rig.nodes[member].store
    return store.read_now(lambda c: {outbox.by_digest(c, digest).state for digest in digests})


def logged(rig: Rig, member: str) -> list[int]:
    said = [statement_of(entry.raw) for entry in rig.hub.feed.entries]
    return [one.seq for one in said if one.issuer == member]


def standing(node: TestNode) -> set[Code]:
    return {item.code for item in node.store.read_now(alarms.standing)}


@story
async def test_queued_statements_are_cleared_and_others_receive_them(home: Path) -> None:
    async with rig_in(home) as rig:
        rig.start(A)
        other = rig.start(B)
        made = queue(rig, A, 250)
        await rig.until(lambda: states(rig, A, made) == {"cleared"})
        await rig.until(lambda: other.inbox.state.size == len(rig.hub.feed.leaves))
        assert logged(rig, A) == sorted(logged(rig, A))
        assert len(logged(rig, A)) == 250


@story
async def test_a_lost_answer_is_asked_again_and_answered_duplicate(home: Path) -> None:
    async with rig_in(home) as rig:
        rig.hub.lose_answers = 2
        rig.start(A)
        made = queue(rig, A, 5)
        await rig.until(lambda: states(rig, A, made) == {"cleared"})
        assert len(rig.hub.submitted) > 5
        assert len(logged(rig, A)) == 5


@story
async def test_a_refusal_concerns_one_envelope_and_comes_back_with_the_reason(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        made = [rig.fed.publish(A) for _ in range(3)]
        rig.hub.refuse[statement_of(made[1]).id] = "not like this"
        node.note_own(*made)
        await rig.until(lambda: [states(rig, A, [raw]) for raw in made] == [{"cleared"}, {"refused"}, {"cleared"}])
        assert standing(node) == {Code.RETURNED}


@story
async def test_retry_waits_for_its_delay(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        (made,) = [rig.fed.publish(A)]
        rig.hub.retry[statement_of(made).id] = 2
        node.note_own(made)
        await rig.until(lambda: states(rig, A, [made]) == {"cleared"})
        assert len(rig.hub.submitted) == 3


@story
async def test_receipts_arrive_at_the_author(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        rig.start(B)
        rig.start(C)
        (made,) = queue(rig, A, 1)
        await rig.until(lambda: states(rig, A, [made]) == {"cleared"})

        def delivered() -> bool:
            rows = node.store.read_now(lambda c: receipts.deliveries(c, 3))
            return {row.member for row in rows if row.delivered_ms} == {B, C}

        await rig.until(delivered)
        assert standing(node) == set()


def delivered_to(node: TestNode, index: int) -> set[str]:
    rows = node.store.read_now(lambda c: receipts.deliveries(c, index))
    return {row.member for row in rows if row.delivered_ms}


@story
async def test_a_node_told_to_stop_stops_even_where_the_hub_goes_away_at_that_moment(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)
        rig.hub.behind = True
        rig.hub.wake()
        rig.tasks[A].cancel()
        await rig.until(rig.tasks[A].done)
        assert rig.tasks[A].cancelled()


@story
async def test_receipts_that_come_before_our_own_leaf_are_asked_for_again(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        rig.start(B)
        await rig.until(lambda: node.inbox.state.size == 3)
        rig.hub.feed_held.add(A)
        (made,) = queue(rig, A, 1)
        await rig.until(lambda: rig.hub.receipts != [])
        for _ in range(50):
            await rig.pass_time(0.2)
        assert states(rig, A, [made]) == {"accepted"}
        rig.hub.feed_held.clear()
        rig.hub.wake()
        await rig.until(lambda: delivered_to(node, 3) == {B})


@story
async def test_receipts_for_what_we_may_not_see_any_more_hold_nothing_up(home: Path) -> None:
    async with rig_in(home) as rig:
        rig.hub.append(*(rig.fed.publish(B) for _ in range(5)))
        rig.hub.hidden = {(A, 4), (A, 6)}
        node = rig.start(A)
        await rig.until(lambda: {receipts.parse(one.receipt).index for one in rig.hub.receipts} == {3, 5, 7})
        await rig.until(lambda: node.store.read_now(lambda c: receipts.owed(c, A, limit=10)) == [])
        assert rig.hub.connections == 1


@story
async def test_a_node_whose_key_was_replaced_goes_on_and_keeps_its_receipts_for_the_new_one(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)
        rig.hub.append(rig.fed.revoke_key(rig.fed.ports[A].machine.key_id))
        await rig.until(lambda: node.inbox.state.size == 4)
        rig.hub.append(rig.fed.publish(B))
        await rig.until(lambda: node.inbox.state.size == 5)
        for _ in range(50):
            await rig.pass_time(0.2)
        assert rig.hub.connections == 1
        assert len(node.store.read_now(lambda c: receipts.owed(c, A, limit=9))) == 1


def test_a_node_that_waits_for_approval_says_so_once_and_leaves_no_error_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with rig_in(tmp_path) as rig:
            rig.hub.unapproved = {A}
            node = rig.start(A)
            await rig.until(lambda: rig.hub.connections == 12)
            rig.hub.unapproved = set()
            await rig.until(lambda: node.inbox.state.size == 3)
        gc.collect()

    caplog.set_level(logging.INFO)
    run_settling(body(), deadline_s=60)
    ours = [record.message for record in caplog.records if record.name in {"node.uplink.uplink", "asyncio"}]
    assert ours == ["connected", "disconnected", "following"]


@story
async def test_whoever_joins_later_and_may_read_is_counted_once_it_has_received(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        (for_all,) = queue(rig, A, 1)
        await rig.until(lambda: states(rig, A, [for_all]) == {"cleared"})
        rig.hub.append(rig.fed.join("bebru"))
        rig.start("bebru")
        await rig.until(lambda: delivered_to(node, 3) == {"bebru"})


@story
async def test_an_entry_withheld_from_one_member_is_reported_after_fifteen_minutes(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        rig.start(B)
        rig.start(C)
        made = rig.fed.publish(A)
        rig.hub.feed.withhold.add((B, digest_in(made)))
        node.note_own(made)
        await rig.until(lambda: states(rig, A, [made]) == {"cleared"})
        await rig.pass_time(14 * 60)
        assert Code.NOT_DELIVERED not in standing(node)
        await rig.until(lambda: Code.NOT_DELIVERED in standing(node), step_s=5)
        told = [item.text for item in node.store.read_now(alarms.standing)]
        assert told == [f"entry 3 was not delivered to {B} for 15 min"]


def away(days: float) -> Callable[[Path], Coroutine[Any, Any, None]]:
    async def body(home: Path) -> None:
        async with rig_in(home) as rig:
            rig.hub.verifying = True
            node = rig.start(A)
            await rig.until(lambda: node.inbox.state.size == 3)
            rig.tasks[A].cancel()
            await asyncio.wait({rig.tasks[A]})
            node.store.close()
            again = make_node(rig.fed, A, rig.home / A)
            rig.nodes[A] = again
            made = queue(rig, A, 10)
            again.store.close()
            rig.fed.clock.advance(days * 86_400)
            rig.start(A)
            expected = {"cleared"} if days < 90 else {"refused"}
            await rig.until(lambda: states(rig, A, made) == expected)
            rows = rig.nodes[A].store.read_now(lambda c: store.entries_from(c, 3, limit=20))
            assert [row.late for row in rows] == [True] * (10 if days < 90 else 0)
            back = rig.nodes[A].store.read_now(outbox.returned)
            assert {row.text for row in back} <= {"issued more than 90 days ago: look at it again before it goes out"}

    return body


test_ten_queued_statements_arrive_late_after_three_days = story(away(3))
test_ten_queued_statements_arrive_late_after_forty_days = story(away(40))
test_ten_queued_statements_return_with_a_reason_after_ninety_one_days = story(away(91))


@story
async def test_a_hub_that_is_behind_gets_the_log_back(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        rig.hub.append(rig.fed.publish(B), rig.fed.publish(C))
        await rig.until(lambda: node.inbox.state.size == 5)
        root = rig.hub.feed.root_at(5)
        del rig.hub.feed.leaves[3:], rig.hub.feed.entries[3:]
        rig.hub.behind = True
        rig.uplinks[A].renewed()
        await rig.until(lambda: len(rig.hub.feed.leaves) == 5 and not rig.hub.behind)
        assert rig.hub.feed.root_at(5) == root
        assert rig.hub.recovered[0].checkpoint == node.inbox.state.note


@story
async def test_a_renewed_certificate_connects_before_the_old_session_ends(home: Path) -> None:
    async with rig_in(home) as rig:
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)
        rig.uplinks[A].renewed()
        await rig.until(lambda: rig.hub.connections == 2)
        rig.hub.append(rig.fed.publish(B))
        await rig.until(lambda: node.inbox.state.size == 4)
        assert node.store.read_now(lambda c: store.marked(c, CONNECTION)) == "connected"


@story
async def test_connections_are_tried_again_until_one_succeeds(home: Path) -> None:
    async with rig_in(home) as rig:
        rig.hub.refuse_connections = 5
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)


@story
async def test_a_split_view_ends_the_uplink_for_good(home: Path) -> None:
    async with rig_in(home, witnesses=(A, B, C)) as rig:
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)
        other = rig.hub.feed.fork()
        other.log(rig.fed.publish(C))
        rig.hub.feed.relay = other.cosign(C)
        rig.hub.append(rig.fed.publish(B))
        await rig.until(rig.tasks[A].done)
        with pytest.raises(SplitViewError):
            await rig.tasks[A]
        assert Code.SPLIT_VIEW in standing(node)


@story
async def test_three_witnesses_make_entries_witnessed(home: Path) -> None:
    async with rig_in(home, witnesses=(A, B, C)) as rig:
        node = rig.start(A)
        rig.start(B)
        await rig.until(lambda: node.inbox.state.size == 3)
        await rig.until(lambda: node.store.read_now(lambda c: store.marked(c, TESTIMONY)) == "witnessed")
        assert standing(node) == set()


@story
async def test_the_minority_of_a_split_says_unwitnessed_within_a_minute(home: Path) -> None:
    async with rig_in(home, witnesses=(A, B, C)) as rig:
        node = rig.start(A)
        await rig.until(lambda: node.inbox.state.size == 3)
        before = rig.fed.clock.monotonic()
        await rig.until(lambda: Code.UNWITNESSED in standing(node), step_s=0.5)
        assert rig.fed.clock.monotonic() - before < 70
        rig.start(B)
        await rig.until(lambda: Code.UNWITNESSED not in standing(node))


@pytest.mark.parametrize(
    ("status", "code", "delay", "expected"),
    [
        ("RESOURCE_EXHAUSTED", "BACKPRESSURE", 700, BackpressureError),
        ("UNAVAILABLE", "LOG_BEHIND", None, LogBehindError),
        ("PERMISSION_DENIED", "PEER_CERTIFICATE", None, NotMemberError),
        ("PERMISSION_DENIED", "", None, NotMemberError),
        ("INVALID_ARGUMENT", "REQUEST", None, HubRefusedError),
        ("INTERNAL", "INTERNAL", None, UnavailableError),
        ("DEADLINE_EXCEEDED", "", None, UnavailableError),
    ],
)
def test_the_hubs_codes_become_errors_of_ours(status: str, code: str, delay: int | None, expected: type) -> None:
    made = error_of(grpc.StatusCode[status], "text", code, delay)
    assert type(made) is expected
    assert getattr(made, "delay_ms", 700) == 700


def test_a_feed_batch_is_read_without_losing_an_incomplete_hash() -> None:
    message = exchange_pb2.FeedBatch(first_index=4, leaf_hashes=bytes(40), checkpoint="c", cosigned="d")
    message.entries.add(index=4, received_ms=7, envelope=b"e")
    batch = batch_of(message)
    assert isinstance(batch, Batch)
    assert [len(leaf) for leaf in batch.leaf_hashes] == [32, 8]
    assert (batch.entries[0].received_ms, batch.checkpoint, batch.cosigned) == (7, b"c", b"d")


def test_a_recovered_stretch_keeps_its_bytes() -> None:
    part = RecoverPart(first_index=2, leaf_hashes=(bytes(32),), entries=(), checkpoint=b"note")
    message = recover_request(part)
    assert (message.first_index, message.leaf_hashes, message.checkpoint) == (2, bytes(32), "note")
    with suppress(StopIteration):
        next(iter(message.entries))
