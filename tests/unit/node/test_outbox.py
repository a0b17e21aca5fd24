"""The outbox promises nothing before it is on disk, keeps order per key, and never uses a sequence twice."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import alarms, outbox, store
from node.alarms import Code
from node.outbox import Outbox, Queued, Rekey, SequenceBehindError, SequenceFile
from port2port.errors import ConfigurationError, InvariantError, NotFoundError
from port2port.statement import Statement
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.examples import many
from tests.fakes.federation import Federation, statement_of
from tests.fakes.feed import FakeFeed
from tests.fakes.nodes import TestNode, make_node

A = "beanr"


@pytest.fixture
def fed() -> Federation:
    return Federation(members=(A, "belgg"))


@pytest.fixture
def node(fed: Federation, tmp_path: Path) -> Iterator[TestNode]:
    made = make_node(fed, A, tmp_path / "a")
    yield made
    made.store.close()


def draft(fed: Federation, **more: Any) -> Statement:
    given: dict[str, Any] = {
        "kind": "publish",
        "issuer": A,
        "signer": "0" * 64,
        "seq": 1,
        "id": f"urn:uuid:{uuid.uuid4()}",
        "issued": fed.clock.now(),
        "log_seen": fed.seen,
        "decided_by": "rule:test@1",
        "tlp": Tlp.GREEN,
    }
    return Statement(**{**given, **more})


def sign(node: TestNode, **more: Any) -> Queued:
    made = draft(node.fed, **more)
    return node.store.write_now(lambda c: node.outbox.sign(c, made, at_ms=1_000))


def waiting(node: TestNode, **more: Any) -> list[int]:
    given: dict[str, Any] = {"now_ms": 1_000, "limit": 10, **more}
    return [row.seq for row in node.store.read_now(lambda c: outbox.pending(c, **given))]


def test_what_is_signed_is_queued_with_the_next_sequence_and_verifies(node: TestNode) -> None:
    first, second = sign(node), sign(node)
    assert (first.seq, second.seq, first.state) == (1, 2, "queued")
    said = statement_of(second.envelope)
    assert (said.seq, said.signer) == (2, node.outbox.key_id)
    feed = FakeFeed(node.fed)
    feed.log(*node.fed.founding(), first.envelope, second.envelope)
    got = asyncio.run(node.pull(feed))
    assert got[0].refused == 0
    assert node.state_of(second.digest) == "cleared"


def test_the_officers_signature_is_added(node: TestNode) -> None:
    officer = node.fed.ports[A].officer
    made = draft(node.fed, decided_by="officer:o1")
    row = node.store.write_now(lambda c: node.outbox.sign(c, made, officers=[officer], at_ms=1))
    ids = {item.key_id for item in decode_envelope(row.envelope).signatures}
    assert ids == {officer.key_id, node.outbox.key_id}


def test_a_transaction_that_fails_queues_nothing_and_leaves_a_gap(node: TestNode) -> None:
    def broken(connection: Any) -> None:
        node.outbox.sign(connection, draft(node.fed), at_ms=1)
        raise InvariantError("after signing, before commit")

    with pytest.raises(InvariantError):
        node.store.write_now(broken)
    assert waiting(node) == []
    assert sign(node).seq == 2


def test_a_transaction_with_several_statements_that_fails_leaves_a_gap_and_the_key_goes_on(node: TestNode) -> None:
    sign(node)

    def broken(connection: Any) -> None:
        for _ in range(3):
            node.outbox.sign(connection, draft(node.fed), at_ms=1)
        raise InvariantError("after signing, before commit")

    for _ in range(2):
        with pytest.raises(InvariantError):
            node.store.write_now(broken)
    assert waiting(node) == [1]
    assert sign(node).seq == 8
    assert sign(node).seq == 9


def test_statements_in_savepoints_that_are_undone_leave_gaps_alone(node: TestNode) -> None:
    def some(connection: Any) -> None:
        for number in range(4):
            with suppress(InvariantError), connection.begin_nested():
                node.outbox.sign(connection, draft(node.fed), at_ms=1)
                if number % 2:
                    raise InvariantError("this one cannot be sent")

    node.store.write_now(some)
    assert waiting(node) == [1, 3]
    assert sign(node).seq == 5


def test_a_database_from_before_a_transaction_with_several_statements_refuses_to_sign(
    node: TestNode, fed: Federation, tmp_path: Path
) -> None:
    sign(node)
    node.store.close()
    shutil.copy(node.home / "node.db", tmp_path / "yesterday.db")
    today = make_node(fed, A, tmp_path / "a")
    today.store.write_now(lambda c: [today.outbox.sign(c, draft(fed), at_ms=1) for _ in range(3)])
    sign(today)
    today.store.close()
    for leftover in today.home.glob("node.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "yesterday.db", today.home / "node.db")
    restored = make_node(fed, A, tmp_path / "a")
    with pytest.raises(SequenceBehindError):
        sign(restored)
    restored.store.close()


def test_a_restored_database_refuses_to_sign(node: TestNode, fed: Federation, tmp_path: Path) -> None:
    sign(node)
    node.store.close()
    shutil.copy(node.home / "node.db", tmp_path / "yesterday.db")
    today = make_node(fed, A, tmp_path / "a")
    sign(today)
    sign(today)
    today.store.close()
    for leftover in today.home.glob("node.db*"):
        leftover.unlink()
    shutil.copy(tmp_path / "yesterday.db", today.home / "node.db")
    restored = make_node(fed, A, tmp_path / "a")
    with pytest.raises(SequenceBehindError, match="make a new one"):
        sign(restored)
    assert waiting(restored) == [1]
    restored.store.close()


def test_a_database_copied_without_the_file_beside_the_key_refuses_to_sign(node: TestNode) -> None:
    sign(node)
    (node.home / "machine.key.seq").unlink()
    with pytest.raises(SequenceBehindError):
        sign(node)


def test_a_new_database_beside_an_old_key_refuses_to_sign(fed: Federation, node: TestNode, tmp_path: Path) -> None:
    sign(node)
    sign(node)
    fresh = make_node(fed, A, tmp_path / "fresh")
    shutil.copy(node.home / "machine.key.seq", fresh.home / "machine.key.seq")
    with pytest.raises(SequenceBehindError):
        sign(fresh)
    fresh.store.close()


def test_a_sequence_seen_in_the_log_that_we_did_not_take_stops_signing(node: TestNode) -> None:
    feed = FakeFeed(node.fed)
    feed.log(*node.fed.founding(), node.fed.publish(A, officer=False, seq=7))
    asyncio.run(node.pull(feed))
    with pytest.raises(SequenceBehindError, match="another node uses a copy"):
        sign(node)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"high":1,"key_id":"x","taken":2}', b'{"high":"1"}'])
def test_a_damaged_sequence_file_is_a_configuration_error(node: TestNode, content: bytes) -> None:
    (node.home / "machine.key.seq").write_bytes(content)
    with pytest.raises(ConfigurationError):
        sign(node)


@settings(max_examples=many(50), deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_sequence_file_is_read_or_refused(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("seq") / "key.seq"
    path.write_bytes(raw)
    with pytest.raises(ConfigurationError):
        SequenceFile(path, "0" * 64).read()


def test_a_delayed_row_holds_back_the_later_ones_of_its_key_alone(node: TestNode) -> None:
    first = sign(node)
    sign(node)
    other = Outbox(
        node.fed.ports["belgg"].machine, SequenceFile(node.home / "other.seq", node.fed.ports["belgg"].machine.key_id)
    )
    node.store.write_now(lambda c: other.sign(c, draft(node.fed), at_ms=1))
    node.store.write_now(
        lambda c: outbox.retry_after(c, first.digest, not_before_ms=5_000, code="BACKPRESSURE", text="slow down")
    )
    now = node.store.read_now(lambda c: outbox.pending(c, now_ms=4_999, limit=10))
    assert [row.signer for row in now] == [other.key_id]
    assert waiting(node, now_ms=5_000) == [1, 2, 1]


def test_a_batch_is_bounded_by_rows_and_bytes_and_skips_what_is_in_flight(node: TestNode) -> None:
    rows = [sign(node) for _ in range(4)]
    assert waiting(node, limit=2) == [1, 2]
    assert waiting(node, max_bytes=len(rows[0].envelope) + 1) == [1]
    assert waiting(node, max_bytes=1) == [1]
    assert waiting(node, in_flight=frozenset({rows[0].digest})) == [2, 3, 4]


def test_accepted_rows_are_not_sent_again_and_come_back_when_the_hub_lost_them(node: TestNode) -> None:
    row = sign(node)
    node.store.write_now(lambda c: outbox.accepted(c, row.digest, index=9, received_ms=5))
    assert waiting(node) == []
    assert node.store.read_now(outbox.counts) == {"accepted": 1}
    assert node.store.write_now(lambda c: outbox.reopen_accepted(c, from_index=10)) == 0
    assert node.store.write_now(lambda c: outbox.reopen_accepted(c, from_index=9)) == 1
    assert waiting(node) == [1]


def test_a_refusal_returns_to_the_officer_with_the_reason_once(node: TestNode) -> None:
    row = sign(node)
    say = {"code": "POLICY", "text": "issued more than 90 days ago", "step": 14}
    assert node.store.write_now(lambda c: outbox.refused(c, row.digest, **say))
    assert not node.store.write_now(lambda c: outbox.refused(c, row.digest, **say))
    (back,) = node.store.read_now(outbox.returned)
    assert (back.code, back.text, back.step, back.state) == ("POLICY", say["text"], 14, "refused")


def test_our_leaf_under_a_verified_checkpoint_clears_even_a_claimed_refusal(node: TestNode) -> None:
    row = sign(node)
    node.store.write_now(lambda c: outbox.refused(c, row.digest, code="POLICY", text="no"))
    assert node.store.write_now(lambda c: outbox.cleared(c, row.digest, index=1, received_ms=1))
    assert not node.store.write_now(lambda c: outbox.cleared(c, row.digest, index=1, received_ms=1))
    assert node.state_of(row.digest) == "cleared"


def test_an_unknown_digest_is_not_found(node: TestNode) -> None:
    with pytest.raises(NotFoundError):
        node.store.read_now(lambda c: outbox.by_digest(c, bytes(32)))


def test_a_key_in_doubt_may_still_sign_its_own_replacement(node: TestNode) -> None:
    feed = FakeFeed(node.fed)
    feed.log(*node.fed.founding())
    asyncio.run(node.pull(feed))
    sign(node)
    (node.home / "machine.key.seq").unlink()
    fresh = node.fed.key("fresh")
    now = node.fed.clock.now()
    rekeying = Rekey(member=A, issued=now, not_after=now + timedelta(days=300), log_seen=node.fed.seen)
    row = node.store.write_now(lambda c: node.outbox.rekey(c, fresh, rekeying, at_ms=1))
    assert row.seq > 1_000_000
    node.store.write_now(lambda c: store.remember_own_key(c, fresh.key_id, "machine", at_ms=1))
    feed.log(row.envelope)
    asyncio.run(node.pull(feed))
    roster = node.inbox.state.roster
    assert roster is not None
    assert [key.public.key_id for key in roster.keys_of(A, "machine")] == [fresh.key_id]
    assert node.state_of(row.digest) == "cleared"


def test_a_promise_is_kept_by_our_leaf_even_where_the_entry_was_filtered_away(node: TestNode) -> None:
    feed = FakeFeed(node.fed)
    feed.log(*node.fed.founding())
    asyncio.run(node.pull(feed))
    row = sign(node)
    index = feed.log(row.envelope)
    promised = feed.entries[index].received_ms
    node.store.write_now(lambda c: outbox.accepted(c, row.digest, index=index, received_ms=promised))
    asyncio.run(node.inbox.receive(feed.batch(index, kinds=["sighting"])))
    assert node.state_of(row.digest) == "cleared"


def test_a_broken_promise_is_handed_in_again_with_an_alarm(node: TestNode) -> None:
    feed = FakeFeed(node.fed)
    feed.log(*node.fed.founding())
    asyncio.run(node.pull(feed))
    row = sign(node)
    node.store.write_now(lambda c: outbox.accepted(c, row.digest, index=2, received_ms=5))
    feed.log(node.fed.publish("belgg"))
    asyncio.run(node.pull(feed))
    assert node.state_of(row.digest) == "queued"
    assert [item.code for item in node.store.read_now(alarms.standing)] == [Code.PROMISE]
