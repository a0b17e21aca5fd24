"""The inbox believes nothing it has not recomputed, and one bad entry harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import alarms, receipts, store
from node.alarms import Code
from node.inbox import Batch, BatchError, InboxState, judge, load_state
from port2port import conflict
from port2port.checkpoint import log_key
from port2port.errors import InvariantError, Port2PortError, ProofError, RollbackError, SplitViewError
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from port2port.verify import UpgradeNeededError
from tests.fakes.examples import many
from tests.fakes.federation import Federation, statement_of
from tests.fakes.feed import FakeFeed, digest_in
from tests.fakes.nodes import TestNode, make_node

A, B, C = "beanr", "north-sea-port", "belgg"


@pytest.fixture
def fed() -> Federation:
    return Federation(members=(A, B, C), witnesses=(A, B, C))


@pytest.fixture
def feed(fed: Federation) -> FakeFeed:
    made = FakeFeed(fed)
    made.log(*fed.founding(), fed.group("seaports", A, B))
    return made


@pytest.fixture
def node(fed: Federation, tmp_path: Path) -> Iterator[TestNode]:
    made = make_node(fed, A, tmp_path / "a")
    yield made
    made.store.close()


def standing(node: TestNode) -> list[tuple[Code, str]]:
    return [(item.code, item.subject) for item in node.store.read_now(alarms.standing)]


@pytest.mark.parametrize("step", [None, 1, 2])
def test_a_node_bootstraps_to_the_root_of_the_log(node: TestNode, feed: FakeFeed, step: int | None) -> None:
    feed.log(feed.fed.publish(B), feed.fed.publish(C))
    asyncio.run(node.pull(feed, step=step))
    assert node.inbox.state.frontier.root() == feed.root_at(5)
    assert node.store.read_now(lambda c: store.root_at(c, 3)) == feed.root_at(3)
    assert [row.issuer for row in node.store.read_now(lambda c: store.entries_from(c, 3, limit=9))] == [B, C]
    assert not standing(node)


def test_the_state_after_a_restart_is_the_state_before(node: TestNode, feed: FakeFeed) -> None:
    feed.log(feed.fed.publish(B), feed.fed.rekey(C), feed.fed.publish(C))
    asyncio.run(node.pull(feed, step=2))
    again = node.store.read_now(
        lambda c: load_state(c, federation=feed.fed.name, genesis_hash=feed.fed.genesis_hash, member=A)
    )
    assert again == node.inbox.state
    assert again.roster == node.inbox.state.roster


def test_a_database_that_was_written_into_stops_the_node_at_start(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    node.store.write_now(lambda c: c.exec_driver_sql('DELETE FROM entry WHERE "index" = 1'))
    with pytest.raises(InvariantError):
        node.store.read_now(
            lambda c: load_state(c, federation=feed.fed.name, genesis_hash=feed.fed.genesis_hash, member=A)
        )


def test_another_federations_genesis_is_refused_and_nothing_is_stored(node: TestNode, tmp_path: Path) -> None:
    other = Federation(seed="other")
    feed = FakeFeed(other)
    feed.log(*other.founding())
    with pytest.raises(Port2PortError, match="not the genesis that was pinned"):
        asyncio.run(node.pull(feed))
    assert node.store.read_now(store.head).size == 0


def test_a_tampered_leaf_hash_refuses_the_batch_whole(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B), feed.fed.publish(B))
    feed.tamper = lambda batch: replace(batch, leaf_hashes=(bytes(32), *batch.leaf_hashes[1:]))
    with pytest.raises(ProofError):
        asyncio.run(node.pull(feed))
    assert node.store.read_now(store.head).size == 3
    feed.tamper = lambda batch: batch
    asyncio.run(node.pull(feed))
    assert node.inbox.state.size == 5


def test_a_checkpoint_by_another_key_is_refused(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B))
    feed.fed.log_key = feed.fed.key("thief")
    with pytest.raises(SignatureError):
        asyncio.run(node.pull(feed))


def test_a_swapped_entry_is_quarantined_and_its_neighbours_are_kept(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    forged = feed.fed.publish(C)
    feed.log(feed.fed.publish(B), feed.fed.publish(B), feed.fed.publish(C))

    def swap(batch: Batch) -> Batch:
        first, second, third = batch.entries
        return replace(batch, entries=(first, replace(second, raw=forged), third))

    feed.tamper = swap
    (got,) = asyncio.run(node.pull(feed))
    assert ([entry.index for entry in got.entries], got.refused) == ([3, 5], 1)
    (row,) = node.store.read_now(store.quarantined)
    assert (row["index"], row["step"]) == (4, 19)
    assert standing(node) == [(Code.QUARANTINED, "4")]


def test_garbage_in_place_of_an_entry_is_quarantined(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B))
    feed.tamper = lambda batch: replace(batch, entries=(replace(batch.entries[0], raw=b"\xff\x00"),))
    (got,) = asyncio.run(node.pull(feed))
    assert got.refused == 1
    assert node.inbox.state.size == 4


def test_a_forged_control_entry_changes_no_roster_and_raises_an_alarm(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    before = node.inbox.state.roster
    thief = feed.fed.key("thief")
    op = {"op": "remove-member", "member": B, "reason": "forged"}
    body = {"ops": [op], "prev": feed.fed.roster.prev, "version": feed.fed.roster.version + 1}
    feed.log(feed.fed.envelope("federation", "roster", signers=[thief], decided_by="coordinators", tlp=None, body=body))
    asyncio.run(node.pull(feed))
    assert node.inbox.state.roster == before
    assert standing(node) == [(Code.CONTROL_REFUSED, "3")]


def test_a_control_entry_beyond_this_version_stops_the_node(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    body = {"ops": [], "prev": feed.fed.roster.prev, "version": feed.fed.roster.version + 1}
    raw = feed.fed.envelope(
        "federation", "roster", signers=feed.fed.coordinator_keys, decided_by="coordinators", tlp=None, body=body, v=2
    )
    feed.log(raw)
    with pytest.raises(UpgradeNeededError):
        asyncio.run(node.pull(feed))
    assert node.inbox.state.size == 3


def test_an_unknown_kind_is_kept_as_not_understood(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.content(B, "weather", tlp=Tlp.GREEN))
    (got,) = asyncio.run(node.pull(feed))
    assert [entry.understood for entry in got.entries] == [False]


def test_received_times_that_decrease_refuse_the_batch(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.fed.clock.step(-60)
    feed.log(feed.fed.publish(B))
    with pytest.raises(BatchError):
        asyncio.run(node.pull(feed))


def test_a_batch_that_does_not_begin_at_the_cursor_is_refused(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B), feed.fed.publish(B))
    with pytest.raises(BatchError):
        asyncio.run(node.inbox.receive(feed.batch(4)))


def test_a_smaller_log_is_a_rollback(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    small = replace(feed.batch(3, 3), checkpoint=feed.checkpoint(2).note)
    with pytest.raises(RollbackError):
        asyncio.run(node.inbox.receive(small))


def test_handlers_run_in_the_transaction_and_their_failure_undoes_it(
    fed: Federation, feed: FakeFeed, tmp_path: Path
) -> None:
    seen = []

    def handler(_connection: object, entry: object, roster: object) -> None:
        seen.append((entry, roster))
        if len(seen) == 3:
            raise InvariantError("broken handler")

    node = make_node(fed, A, tmp_path / "a", handlers=[handler])
    with pytest.raises(InvariantError):
        asyncio.run(node.pull(feed))
    assert node.store.read_now(store.head).size == 0
    assert node.inbox.state.size == 0
    asyncio.run(node.pull(feed))
    assert node.inbox.state.size == 3
    node.store.close()


def test_a_cancelled_receive_leaves_memory_and_database_at_the_same_head(node: TestNode, feed: FakeFeed) -> None:
    async def cancelled_once() -> None:
        task = asyncio.create_task(node.inbox.receive(feed.batch(0)))
        while node.store.read_now(store.head).size == 0 and not task.done():
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert node.inbox.state.size == node.store.read_now(store.head).size
        await node.pull(feed)
        feed.log(feed.fed.publish(B))
        await node.pull(feed)

    asyncio.run(cancelled_once())
    assert node.inbox.state.size == 4


def test_an_entry_in_our_name_that_we_did_not_make_is_foreign(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    mine, stolen = feed.fed.publish(A), feed.fed.publish(A)
    node.note_own(mine)
    feed.log(mine, stolen)
    asyncio.run(node.pull(feed))
    assert standing(node) == [(Code.FOREIGN_SELF, "entry:4")]


def test_a_key_added_for_us_that_we_did_not_make_is_foreign(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    thief = feed.fed.key("thief")
    op = {
        "op": "add-key", "member": A, "key": thief.record("machine").to_json(), "pseudonym": None, "not_after_ms": 2**41
    }  # fmt: skip
    feed.log(feed.fed.control("roster", [op]))
    asyncio.run(node.pull(feed))
    assert standing(node) == [(Code.FOREIGN_SELF, f"key:{thief.key_id}")]


def test_a_key_that_another_process_of_this_node_made_meanwhile_is_not_foreign(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    fresh = feed.fed.key("fresh")
    node.store.write_now(lambda c: store.remember_own_key(c, fresh.key_id, "machine", at_ms=1))
    op = {
        "op": "add-key", "member": A, "key": fresh.record("machine").to_json(), "pseudonym": None, "not_after_ms": 2**41
    }  # fmt: skip
    feed.log(feed.fed.control("roster", [op]))
    asyncio.run(node.pull(feed))
    assert standing(node) == []


def test_our_own_leaf_clears_the_outbox_and_expects_the_entitled_readers(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    mine = feed.fed.publish(A, tlp=Tlp.AMBER, groups=("seaports",))
    node.note_own(mine)
    assert node.state_of(digest_in(mine)) == "queued"
    index = feed.log(mine)
    asyncio.run(node.pull(feed))
    assert node.state_of(digest_in(mine)) == "cleared"
    assert [row.member for row in node.store.read_now(lambda c: receipts.deliveries(c, index))] == [B]


def test_a_back_dated_revocation_disputes_later_entries_and_reaffirm_restores_them(
    node: TestNode, feed: FakeFeed
) -> None:
    fed = feed.fed
    early = fed.publish(B)
    feed.log(early)
    fed.clock.advance(600)
    since = fed.clock.now()
    late = fed.publish(B)
    feed.log(late)
    fed.clock.advance(600)
    old = fed.ports[B].machine
    feed.log(fed.rekey(B), fed.revoke_key(old.key_id, invalid_since=since))
    asyncio.run(node.pull(feed))
    flags = {row.digest: row.disputed for row in node.store.read_now(lambda c: store.entries_from(c, 3, limit=9))}
    assert (flags[digest_in(early)], flags[digest_in(late)]) == (False, True)
    feed.log(fed.content(B, "reaffirm", tlp=Tlp.GREEN, body={"digests": [digest_in(late).hex()]}))
    asyncio.run(node.pull(feed))
    row = node.store.read_now(lambda c: store.entry_by_statement(c, statement_of(late).id))
    assert row is not None
    assert (row.disputed, row.reaffirmed) == (False, True)


def test_another_port_cannot_reaffirm(node: TestNode, feed: FakeFeed) -> None:
    fed = feed.fed
    said = fed.publish(B)
    feed.log(said)
    old = fed.ports[B].machine
    feed.log(fed.rekey(B), fed.revoke_key(old.key_id, invalid_since=fed.clock.now()))
    feed.log(fed.content(C, "reaffirm", tlp=Tlp.GREEN, body={"digests": [digest_in(said).hex()]}))
    asyncio.run(node.pull(feed))
    row = node.store.read_now(lambda c: store.entry_by_statement(c, statement_of(said).id))
    assert row is not None
    assert row.disputed


def test_a_reused_sequence_with_other_content_is_equivocation(node: TestNode, feed: FakeFeed) -> None:
    fed = feed.fed
    feed.log(fed.publish(B, seq=50), fed.publish(B, seq=50))
    asyncio.run(node.pull(feed))
    assert standing(node) == [(Code.EQUIVOCATION, "4")]


# --- the attacks of a lying hub -------------------------------------------------------------------------------


def test_a_forking_hub_that_relays_cosignatures_is_convicted_by_an_evidence_file(
    node: TestNode, feed: FakeFeed
) -> None:
    asyncio.run(node.pull(feed))
    other = feed.fork()
    feed.log(feed.fed.publish(B), feed.fed.publish(B))
    other.log(feed.fed.publish(C))
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B))
    feed.relay = other.cosign(C)  # of size 4: not the size of any checkpoint that this node was given
    with pytest.raises(SplitViewError):
        asyncio.run(node.pull(feed))
    (file,) = (node.home / "evidence").iterdir()
    convicted = conflict.check_evidence(file.read_bytes(), log_key(feed.fed.origin, feed.fed.log_key.public))
    assert {convicted.first.checkpoint.size, convicted.second.checkpoint.size} == {4, 6}
    assert standing(node) == [(Code.SPLIT_VIEW, "4")]
    assert node.inbox.state.size == 5


def test_the_same_size_with_another_root_is_evidence(node: TestNode, feed: FakeFeed) -> None:
    other = feed.fork()
    feed.log(feed.fed.publish(B))
    other.log(feed.fed.publish(C))
    asyncio.run(node.pull(feed))
    with pytest.raises(SplitViewError):
        asyncio.run(node.inbox.receive(other.batch(4)))
    assert len(list((node.home / "evidence").iterdir())) == 1


def test_a_checkpoint_seen_ahead_is_remembered_and_convicts_when_its_size_is_reached(
    node: TestNode, feed: FakeFeed
) -> None:
    asyncio.run(node.pull(feed))
    other = feed.fork()
    other.log(feed.fed.publish(C), feed.fed.publish(C))
    asyncio.run(node.inbox.observe(other.cosign(C)))
    feed.log(feed.fed.publish(B), feed.fed.publish(B), feed.fed.publish(B))
    with pytest.raises(SplitViewError):
        asyncio.run(node.pull(feed))


def test_witnesses_of_a_tree_beyond_ours_say_nothing_of_ours(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    other = feed.fork()
    other.log(feed.fed.publish(C), feed.fed.publish(C))
    assert asyncio.run(node.inbox.observe(other.cosign(B, C))) == ()
    assert asyncio.run(node.inbox.observe(feed.cosign(B, C))) == ((3, frozenset({B, C})),)


def test_a_false_cosignature_raises_an_alarm_and_delivery_goes_on(node: TestNode, feed: FakeFeed) -> None:
    asyncio.run(node.pull(feed))
    feed.log(feed.fed.publish(B))
    honest = feed.cosign(B)
    broken = honest.decode().splitlines()
    broken[-1] = broken[-1][:-6] + ("AAAAAA" if not broken[-1].endswith("AAAAAA") else "BBBBBB")
    feed.relay = ("\n".join(broken) + "\n").encode()
    asyncio.run(node.pull(feed))
    assert standing(node) == [(Code.BAD_COSIGNATURE, "")]


_STATE = InboxState(federation="p2p.test", genesis_hash="0" * 64, member=A)


class _Nothing:
    def root_at(self, size: int, /) -> bytes | None:
        return None

    def last_sequence(self, key_id: str, /) -> None:
        return None

    def made_here(self, digest: bytes, /) -> bool:
        return False

    def own_key(self, key_id: str, /) -> bool:
        return False


@settings(max_examples=many(60), deadline=None)
@given(
    first=st.integers(0, 3),
    leaves=st.lists(st.binary(max_size=40), max_size=4),
    note=st.binary(max_size=200),
    entries=st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=60)), max_size=3),
)
def test_any_batch_is_judged_or_refused_by_an_error_of_ours(
    first: int, leaves: list[bytes], note: bytes, entries: list[tuple[int, bytes]]
) -> None:
    from node.inbox import BatchEntry

    batch = Batch(
        first_index=first,
        leaf_hashes=tuple(leaves),
        entries=tuple(BatchEntry(index=index, received_ms=1, raw=raw) for index, raw in entries),
        checkpoint=note,
    )
    with pytest.raises(Port2PortError):
        judge(batch, _STATE, _Nothing(), lambda raw: pytest.fail("never reached"))
