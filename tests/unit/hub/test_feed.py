"""What followers get: everything they may read, once, in order, and no trace of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.feed import LEAVES_PER_BATCH, FeedFilter, Leaf, plan
from port2port.checkpoint import SignedCheckpoint, log_key, verify_log
from port2port.database import sqlite_url
from port2port.errors import LogBehindError, NotFoundError, NotMemberError
from port2port.limits import LIMITS
from port2port.merkle import root_of
from port2port.tlp import Tlp
from port2port.v1 import exchange_pb2
from tests.fakes.absent_store import absent_store
from tests.fakes.federation import Federation, statement_of
from tests.fakes.hub_core import HubCore, make_core, running_core
from tests.fakes.live_hub import until

SEAPORTS = {"tlp": Tlp.AMBER, "groups": ("seaports",)}


@pytest.fixture
def fed() -> Federation:
    return Federation()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "hub.db")


def note(fed: Federation, member: str = "beanr", **more: Any) -> bytes:
    return fed.content(member, "note", **{"tlp": Tlp.GREEN, **more})


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def with_core(fed: Federation, url: str, story: Any, **more: Any) -> None:
    async def go() -> None:
        async with running_core(fed, url, **more) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            await core.feed.catch_up()
            await story(core)

    run(go())


def entries(batches: Sequence[exchange_pb2.FeedBatch]) -> list[int]:
    return [entry.index for batch in batches for entry in batch.entries]


def leaves(batches: Sequence[exchange_pb2.FeedBatch]) -> list[bytes]:
    joined = b"".join(batch.leaf_hashes for batch in batches)
    return [joined[at : at + 32] for at in range(0, len(joined), 32)]


def test_a_follower_gets_all_leaf_hashes_and_the_entries_it_may_read(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed, **SEAPORTS), note(fed), note(fed, tlp=None)])
        expected = {"beanr": range(6), "north-sea-port": range(5), "belgg": (0, 1, 2, 4)}
        for member, indices in expected.items():
            batches = await core.take(member, 0, 6)
            assert entries(batches) == list(indices)
            assert leaves(batches) == core.log.leaves(0, 10)

    with_core(fed, url, story)


def test_every_batch_ends_with_a_checkpoint_of_its_own_end(fed: Federation, url: str) -> None:
    verifier = log_key(fed.origin, fed.log_key.public)

    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed) for _ in range(5)])
        got: list[bytes] = []
        stream = core.feed.follow("beanr", 0)
        for count in (3, 2):
            await core.admit_all([note(fed) for _ in range(count)])
            await core.feed.catch_up()
            batch = exchange_pb2.FeedBatch.FromString(await anext(stream))
            got += leaves([batch])
            head = verify_log(SignedCheckpoint.parse(batch.checkpoint.encode()), verifier)
            assert (head.size, head.root) == (len(got), root_of(got))

    with_core(fed, url, story)


def test_catching_up_from_the_table_and_from_the_ring_give_the_same_bytes(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed), note(fed, **SEAPORTS), note(fed)])
        await core.feed.catch_up()
        other = make_core(fed, core.store)  # another process: its ring is empty
        await other.feed.catch_up()
        for member in fed.members:
            for cursor in range(6):
                here = await anext(core.feed.follow(member, cursor))
                there = await anext(other.feed.follow(member, cursor))
                assert here == there

    with_core(fed, url, story)


def test_a_live_follower_is_woken_by_each_commit(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        stream = core.feed.follow("belgg", 3)
        for expected in (3, 4):
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            assert not waiting.done()
            await core.admit_all([note(fed)])
            assert entries([exchange_pb2.FeedBatch.FromString(await waiting)]) == [expected]

    with_core(fed, url, story)


def test_what_another_process_appends_is_found_by_looking(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        async with running_core(fed, url) as other:
            waiting = asyncio.ensure_future(anext(core.feed.follow("belgg", 3)))
            await other.admit_all([note(fed)])
            assert entries([exchange_pb2.FeedBatch.FromString(await waiting)]) == [3]

    with_core(fed, url, story)


def test_control_entries_and_own_entries_ignore_filters(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed)])
        await core.admit_all([note(fed, "belgg")], "belgg")
        await core.feed.catch_up()
        for wanted, expected in (
            (FeedFilter(kinds=frozenset({"publish"})), [0, 1, 2, 3]),
            (FeedFilter(kinds=frozenset({"note"})), [0, 1, 2, 3, 4]),
            (FeedFilter(issuers=frozenset({"belgg"})), [0, 1, 2, 3, 4]),
            (FeedFilter(issuers=frozenset({"bebru"})), [0, 1, 2, 3]),
        ):
            raw = await anext(core.feed.follow("beanr", 0, wanted))
            batch = exchange_pb2.FeedBatch.FromString(raw)
            assert entries([batch]) == expected
            assert len(leaves([batch])) == 5

    with_core(fed, url, story)


def test_a_new_member_bootstraps_and_a_suspended_one_is_turned_away_until_it_is_reinstated(
    fed: Federation, url: str
) -> None:
    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed), fed.join("bebru"), fed.set_status("suspend-member", "belgg"), note(fed)])
        assert entries(await core.take("bebru", 0, 7)) == list(range(7))
        stream = core.feed.follow("belgg", 3)
        with pytest.raises(NotMemberError):
            await anext(stream)
        await core.admit_all([fed.set_status("reinstate-member", "belgg")])
        assert entries(await core.take("belgg", 3, 8)) == [3, 4, 5, 6, 7]

    with_core(fed, url, story)


def test_a_follower_that_loses_its_membership_gets_nothing_more(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        stream = core.feed.follow("belgg", 0)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await core.admit_all([fed.set_status("remove-member", "belgg")])
        with pytest.raises(NotMemberError):
            await waiting

    with_core(fed, url, story)


def test_a_cursor_beyond_the_log_says_that_the_log_is_behind(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        with pytest.raises(LogBehindError):
            await anext(core.feed.follow("beanr", 4))

    with_core(fed, url, story)


def test_fetching_a_hidden_entry_and_a_random_one_answer_alike(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        hidden = note(fed, **SEAPORTS)
        await core.admit_all([hidden])
        name = statement_of(hidden).id
        assert (await core.feed.fetch("north-sea-port", name)).envelope == hidden
        answers = set()
        for asked in (name, "urn:uuid:00000000-0000-4000-8000-000000000000"):
            with pytest.raises(NotFoundError) as caught:
                await core.feed.fetch("belgg", asked)
            answers.add((caught.value.code, caught.value.text, tuple(caught.value.facts)))
        assert len(answers) == 1

    with_core(fed, url, story)


def test_two_worlds_that_differ_in_what_a_reader_may_not_see_look_alike_to_it(tmp_path: Path) -> None:
    """Non-interference: equal bytes but for leaf hashes and the roots that depend on them."""

    async def world(name: str, hidden_text: str, hidden_to: str) -> list[exchange_pb2.FeedBatch]:
        fed = Federation()
        async with running_core(fed, sqlite_url(tmp_path / name)) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            visible = _fixed_notes(fed, 12)
            await core.admit_all(visible[:6])
            await core.admit_all([_big(fed, hidden_text, hidden_to)], "north-sea-port")
            await core.admit_all(visible[6:])
            await core.feed.catch_up()
            return await core.take("belgg", 0, 16)

    one = run(world("one.db", "x", "north-sea-port"))
    two = run(world("two.db", "y" * 9_000, "beanr"))
    assert [_without_hashes(batch) for batch in one] == [_without_hashes(batch) for batch in two]
    assert [batch.SerializeToString() for batch in one] != [batch.SerializeToString() for batch in two]


def _fixed_notes(fed: Federation, count: int) -> list[bytes]:
    ids = (f"urn:uuid:00000000-0000-4000-8000-{number:012d}" for number in range(count))
    return [note(fed, id=ident, body={"text": "z" * 500}) for ident in ids]


def _big(fed: Federation, text: str, recipient: str) -> bytes:
    return note(fed, "north-sea-port", tlp=Tlp.AMBER, recipients=(recipient,), body={"text": text})


def _without_hashes(batch: exchange_pb2.FeedBatch) -> tuple[Any, ...]:
    founding = 3  # entries with random ids
    shown = [(item.index, item.received_ms, item.envelope) for item in batch.entries if item.index >= founding]
    return batch.first_index, len(batch.leaf_hashes), shown, batch.checkpoint.split("\n")[1], batch.cosigned


def _leaf(index: int, size: int) -> Leaf:
    return Leaf(
        index=index,
        leaf_hash=bytes(32),
        root=bytes(32),
        kind="note",
        issuer="beanr",
        visibility=1,
        received_ms=0,
        size=size,
    )


@pytest.mark.parametrize(
    ("sizes", "hidden", "ends", "included"),
    [
        pytest.param([10] * 1_500, (), LEAVES_PER_BATCH, LEAVES_PER_BATCH, id="bounded by the number of leaves"),
        pytest.param([LIMITS.batch_bytes // 2] * 4, (), 1, 1, id="bounded by visible bytes, overhead counted"),
        pytest.param([LIMITS.batch_bytes // 3] * 4, (), 2, 2, id="as many visible entries as fit"),
        pytest.param([LIMITS.envelope_bytes * 2, 10], (), 1, 1, id="one entry always fits"),
        pytest.param([LIMITS.batch_bytes] * 40, range(39), 40, 1, id="hidden entries weigh nothing"),
        pytest.param([10, LIMITS.batch_bytes, 10], (1,), 3, 2, id="hidden entries between visible ones weigh nothing"),
        pytest.param([LIMITS.batch_bytes] * 40, range(40), 40, 0, id="nothing visible"),
    ],
)
def test_batches_are_bounded_by_leaves_and_by_visible_bytes_only(
    sizes: list[int], hidden: Sequence[int], ends: int, included: int
) -> None:
    items = [_leaf(index, size) for index, size in enumerate(sizes)]
    taken, got = plan(items, lambda leaf: leaf.index not in hidden)
    assert (len(taken), len(got)) == (ends, included)
    assert all(leaf.index not in hidden for leaf in got)


@pytest.mark.slow
def test_two_processes_on_postgresql_feed_each_others_entries(fed: Federation, postgres_url: str) -> None:
    async def story(core: HubCore) -> None:
        async with running_core(fed, postgres_url) as other:
            published = fed.publish("north-sea-port", **SEAPORTS)
            waiting = asyncio.ensure_future(anext(core.feed.follow("beanr", 3)))
            await other.admit_all([published], "north-sea-port")
            assert entries([exchange_pb2.FeedBatch.FromString(await waiting)]) == [3]
            of = ("north-sea-port", statement_of(published).objects[0].id)
            hidden = fed.sighting("belgg", of=of, **SEAPORTS)
            assert (await core.intake.submit("belgg", [hidden]))[0].code == "NOT_FOUND"
            await core.admit_all([fed.sighting("beanr", of=of, **SEAPORTS)])
            assert entries(await other.take("north-sea-port", 0, 5)) == [0, 1, 2, 3, 4]
            assert entries(await other.take("belgg", 0, 5)) == [0, 1, 2]

    with_core(fed, postgres_url, story)


def test_what_this_process_committed_reaches_its_ring_without_being_read_again(fed: Federation, url: str) -> None:
    store, database = absent_store(url)

    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed)])  # the table tells who reads this class
        await until(lambda: core.feed.next == 4)
        database.unread = True
        await core.admit_all([note(fed), note(fed)])
        await until(lambda: core.feed.next == 6)
        here = [await anext(core.feed.follow("beanr", cursor)) for cursor in range(3, 6)]
        database.unread = False
        other = make_core(fed, core.store)
        await other.feed.catch_up()
        assert here == [await anext(other.feed.follow("beanr", cursor)) for cursor in range(3, 6)]

    with_core(fed, "", story, store=store)


def test_what_another_process_committed_between_is_neither_lost_nor_overtaken(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        other = make_core(fed, core.store)
        intake = asyncio.create_task(other.intake.run())
        for turn in range(4):
            await (other if turn % 2 else core).admit_all([note(fed), note(fed)])
        await core.feed.catch_up()
        assert entries(await core.take("beanr", 0, 11)) == list(range(11))
        assert leaves(await core.take("beanr", 0, 11)) == core.log.leaves(0, 20)
        intake.cancel()
        await asyncio.gather(intake, return_exceptions=True)

    with_core(fed, url, story)


def test_a_group_that_was_not_committed_is_never_in_the_ring(fed: Federation, url: str) -> None:
    async def story(core: HubCore) -> None:
        await core.admit_all([note(fed)])
        await core.feed.catch_up()
        before = core.feed.next
        candidate = core.checker.check(note(fed), "beanr", core.judge.at).candidate
        assert candidate is not None

        def lost(connection: Any) -> None:
            core.log.write_in(connection, [candidate], core.judge)
            raise NotFoundError("the transaction is rolled back")

        with pytest.raises(NotFoundError):
            await core.store.database.write(lost)
        await core.feed.catch_up()
        assert core.feed.next == before
        assert core.log.kept_from(before) is None

    with_core(fed, url, story)
