"""Two worlds that differ in one entry a reader may not see look alike to that reader, on every outlet there is.

Both worlds are real hubs over real mutual TLS, with the same keys, clock and envelopes; only the hidden entry is
another one. Compared are bytes, order, cursors, counts and error codes. What must differ is named once, in
``_note`` and ``_path``: leaf hashes, and the roots, proofs and signatures that follow from them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from hub.app import Foundation, Hub
from hub.cli.desk import founded
from hub.rpc.errors import CODE_KEY, ID_KEY, RETRY_KEY
from hub.rpc.server import BoundPorts
from hub.settings import HubSettings
from hub.store import open_store
from hub.transparency import Tree
from node import explain, receipts
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import to_ms
from port2port.database import sqlite_url
from port2port.errors import BackpressureError
from port2port.limits import QUOTA
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from port2port.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    exchange_pb2,
    exchange_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)
from tests.fakes import taxii_worlds
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation, statement_of
from tests.fakes.feed import digest_in
from tests.fakes.hub_core import running_core
from tests.fakes.hub_home import HubHome, make_hub_home
from tests.fakes.interference import AUTHOR, FRIEND, LURE, READER, SEQ, Script
from tests.fakes.live_hub import until
from tests.fakes.nodes import make_node
from tests.fakes.publisher import batch_of
from tests.fakes.taxii_worlds import Asker, Observed, is_folded

DEADLINE_S = 20.0


@dataclass(slots=True)
class World:
    """One running hub and the channels of three members."""

    hub: Hub
    script: Script
    channels: dict[str, grpc.aio.Channel]
    home: HubHome

    async def a_second_later(self) -> None:
        """Once all that was logged is served; so each entry has a moment of its own, the same in all worlds."""
        await until(lambda: is_folded(self.hub._base.store.database, self.hub.feed.next))
        self.script.fed.clock.advance(1)

    async def taxii(self, ask: Callable[[Asker], Observed]) -> Observed:
        """What the reader is told by both listeners."""
        hub, script = self.hub, self.script
        assert hub.taxii is not None
        given = (hub.taxii.member_port, hub.taxii.consumer_port)
        assert given[0] is not None
        assert given[1] is not None
        member = Asker.member(self.home, READER, given[0], script.words)
        siem = Asker.consumer(self.home, script.key, given[1], script.words)
        return [*await asyncio.to_thread(ask, member), *await asyncio.to_thread(ask, siem)]

    def exchange(self, member: str) -> exchange_pb2_grpc.ExchangeStub:
        return exchange_pb2_grpc.ExchangeStub(self.channels[member])

    async def submit(self, member: str, raw: bytes) -> exchange_pb2.SubmitReply:
        call = self.exchange(member).Submit(timeout=DEADLINE_S)
        await call.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=[raw]))
        await call.done_writing()
        return await call.read()

    async def admit(self, member: str, raw: bytes) -> int:
        reply = await self.submit(member, raw)
        assert reply.results[0].outcome == exchange_pb2.SubmitResult.ACCEPTED, reply
        return int(reply.results[0].index)

    async def receipt(self, member: str, index: int, raw: bytes) -> exchange_pb2.ReceiptsReply:
        """``member`` says that it has got an entry."""
        port, now_ms = self.script.fed.ports[member], to_ms(self.script.fed.clock.now())
        said = receipts.Receipt(index=index, digest=digest_in(raw), member=member, state="delivered", at_ms=now_ms)
        signed = receipts.sign(said, port.machine)
        mine = exchange_pb2.SignedReceipt(receipt=signed.receipt, keyid=bytes.fromhex(signed.key_id), sig=signed.sig)
        return await self.exchange(member).Receipts(exchange_pb2.ReceiptsRequest(mine=[mine]), timeout=DEADLINE_S)


@asynccontextmanager
async def running(home: HubHome, script: Script) -> AsyncIterator[World]:
    fed = script.fed
    store = open_store(home.database)
    known = store.database.read_now(founded)
    assert known is not None
    settings = HubSettings(
        federation=fed.name,
        listen="127.0.0.1:0",
        enrolment_listen="127.0.0.1:0",
        data_dir=home.directory,
        stop_grace_s=0.2,
        taxii=taxii_worlds.settings(home.directory),
    )
    base = Foundation(
        settings=settings,
        keyring=home.keyring,
        store=store,
        genesis=known[0],
        genesis_hash=known[1],
        clock=fed.clock,
        compared=Tree(store, origin=fed.origin, key=fed.log_key).checkpoint().note,
    )
    hub, stop = Hub(base), asyncio.Event()
    ready: asyncio.Future[BoundPorts] = asyncio.get_running_loop().create_future()
    done = asyncio.create_task(hub.run(stop, ready.set_result))
    try:
        home.address = f"127.0.0.1:{(await asyncio.wait_for(ready, DEADLINE_S)).mutual}"
        channels = {member: home.channel(member) for member in (READER, AUTHOR, FRIEND)}
        yield World(hub, script, channels, home)
        for channel in channels.values():
            await channel.close()
    finally:
        stop.set()
        await asyncio.wait_for(done, DEADLINE_S)
        store.close()


async def live(world: World, hidden: bytes) -> tuple[Observed, int]:
    """The reader follows while everything is said; what it saw, batch by batch, and the hidden index."""
    seen: Observed = []
    follow = world.exchange(READER).Follow(exchange_pb2.FollowRequest(cursor=0))
    cursor, at = 0, -1

    async def heard(upto: int) -> None:
        nonlocal cursor
        while cursor < upto:
            batch = await asyncio.wait_for(follow.read(), DEADLINE_S)
            cursor = batch.first_index + len(batch.leaf_hashes) // 32
            seen.append(("live", _batch(batch)))

    script = world.script
    said = [*script.early, hidden, *script.late]
    await heard(world.hub.feed.next)
    for raw in said:
        issuer = statement_of(raw).issuer
        index = await world.admit(issuer, raw)
        at = index if raw is hidden else at
        await heard(index + 1)
        await world.a_second_later()
        seen += await world.taxii(Asker.news)
    follow.cancel()
    return seen, at


async def everything(world: World, at: int, hidden: bytes) -> Observed:
    """Every outlet, asked by the reader."""
    stub, script = world.exchange(READER), world.script
    found = await world.taxii(lambda asker: asker.everything("before"))
    script.fed.clock.advance(60)
    for cursor in (0, at, at + 1):
        for kinds, issuers in (((), ()), (("publish",), ()), ((), (AUTHOR,)), (("note", "sighting"), (FRIEND,))):
            wanted = exchange_pb2.FollowRequest(
                cursor=cursor, filter=exchange_pb2.FeedFilter(kinds=kinds, issuers=issuers)
            )
            follow = stub.Follow(wanted)
            found.append(
                (f"follow {cursor} {kinds} {issuers}", _batch(await asyncio.wait_for(follow.read(), DEADLINE_S)))
            )
            follow.cancel()
    for name in (statement_of(hidden).id, statement_of(script.early[0]).id, f"urn:uuid:{uuid.uuid4()}"):
        found.append(("fetch", await _answer(stub.Fetch(exchange_pb2.FetchRequest(id=name), timeout=DEADLINE_S))))
    for name, raw in script.asked:
        reply = await world.submit(READER, raw)
        found.append((f"submit {name}", reply.SerializeToString()))
        await world.a_second_later()
    found += await world.taxii(lambda asker: asker.everything("after"))
    found += await _receipts(world, at, hidden)
    found += await _tree(world, at)
    directory = directory_pb2_grpc.DirectoryStub(world.channels[READER])
    said = await directory.Describe(directory_pb2.DescribeRequest(version="1"), timeout=DEADLINE_S)
    found.append(("describe", said.SerializeToString()))
    return found


async def _receipts(world: World, at: int, hidden: bytes) -> Observed:
    """A friend confirms the hidden entry and one of the reader's; the reader tries to confirm the hidden one."""
    if FRIEND in statement_of(hidden).recipients:
        await world.receipt(FRIEND, at, hidden)
    own = world.script.early[2]
    await world.receipt(FRIEND, at - 1, own)
    found: Observed = [("receipts", (await world.receipt(READER, at + 1, world.script.late[0])).SerializeToString())]
    for index, raw in ((at, hidden), (at, own), (at + 1_000, own)):
        found.append(("receipt for what is hidden", await _answer(world.receipt(READER, index, raw))))
    return found


async def _tree(world: World, at: int) -> Observed:
    stub = transparency_pb2_grpc.TransparencyStub(world.channels[READER])
    newest = await stub.GetCheckpoint(transparency_pb2.GetCheckpointRequest(), timeout=DEADLINE_S)
    found: Observed = [("checkpoint", _note(newest.note))]
    size = SignedCheckpoint.parse(newest.note.encode()).checkpoint.size
    for index in (at, at + 1, size, size + 5):
        call = stub.GetInclusion(transparency_pb2.InclusionRequest(index=index, size=size), timeout=DEADLINE_S)
        found.append((f"inclusion {index}", await _answer(call, _path)))
    beyond = transparency_pb2.InclusionRequest(index=at, size=size + 5)
    found.append(("inclusion beyond", await _answer(stub.GetInclusion(beyond, timeout=DEADLINE_S), _path)))
    wanted = transparency_pb2.ConsistencyRequest(old_size=at, new_size=size)
    found.append(("consistency", await _answer(stub.GetConsistency(wanted, timeout=DEADLINE_S), _path)))
    for start, count in ((0, 100), (at, 1), (size, 1), (0, 0)):
        call = stub.GetLeaves(transparency_pb2.LeavesRequest(start=start, count=count), timeout=DEADLINE_S)
        found.append((f"leaves {start} {count}", await _answer(call, lambda reply: len(reply.leaf_hashes))))
    return found


async def _answer(
    call: Awaitable[Any], look: Callable[[Any], object] = lambda reply: reply.SerializeToString()
) -> object:
    """A reply, or all that an error tells but its random id."""
    try:
        return look(await call)
    except grpc.aio.AioRpcError as error:
        trailing = dict(error.trailing_metadata() or ())
        told = (error.code().name, error.details(), trailing.get(CODE_KEY), trailing.get(RETRY_KEY), ID_KEY in trailing)
        return told, sorted(trailing)


def _batch(batch: exchange_pb2.FeedBatch) -> tuple[object, ...]:
    entries = tuple((item.index, item.received_ms, item.envelope) for item in batch.entries)
    size = len(batch.SerializeToString())
    return batch.first_index, len(batch.leaf_hashes), entries, _note(batch.checkpoint), _note(batch.cosigned), size


def _note(note: str) -> object:
    """A checkpoint but for its root and signatures."""
    if not note:
        return None
    signed = SignedCheckpoint.parse(note.encode())
    return signed.checkpoint.origin, signed.checkpoint.size, [line.name for line in signed.signatures]


def _path(reply: transparency_pb2.ProofReply) -> object:
    return [len(item) for item in reply.path]


async def at_the_node(world: World, script: Script, hidden: bytes, directory: Path) -> Observed:
    """What the reader's own node says of ids that it has never heard of."""
    node = make_node(script.fed, READER, directory)
    try:
        node.note_own(script.early[2])
        follow = world.exchange(READER).Follow(exchange_pb2.FollowRequest(cursor=0))
        while node.inbox.state.size < world.hub.feed.next:
            await node.inbox.receive(batch_of(await asyncio.wait_for(follow.read(), DEADLINE_S)))
        follow.cancel()
        roster = node.inbox.state.roster
        assert roster is not None
        found: Observed = []
        for ident in (
            statement_of(hidden).id,
            f"urn:uuid:{uuid.uuid4()}",
            script.secret_id,
            f"indicator--{uuid.uuid4()}",
        ):
            told = node.store.read_now(lambda c, i=ident: explain.explain(c, READER, i, roster))
            found.append(("explain", (explain.lines(told), explain.to_json(told))))
        assert all(answer == found[0] for answer in found), "a hidden id and a random one are answered differently"
        mine = node.store.read_now(lambda c: explain.explain(c, READER, statement_of(script.early[2]).id, roster))
        assert mine, "nothing would be explained at all"
        return found
    finally:
        node.store.close()


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[HubHome, Script]:
    home = make_hub_home(tmp_path_factory.mktemp("founded"), members=(READER, AUTHOR, FRIEND))
    home.admit([home.fed.group("seaports", AUTHOR, FRIEND)])
    return home, Script(home.fed, taxii_worlds.furnish(home, READER))


def world_of(founded_home: HubHome, script: Script, name: str, directory: Path) -> Observed:
    """Everything the reader learns in the world whose hidden entry is ``name``."""
    import shutil

    shutil.copytree(founded_home.directory, directory / "hub")
    home = HubHome(
        fed=founded_home.fed,
        ca=founded_home.ca,
        directory=directory / "hub",
        address="",
        enrolment="",
        database=f"sqlite:///{directory / 'hub' / 'hub.sqlite'}",
    )

    async def story() -> Observed:
        script.fed.clock = FakeClock(script.begin)
        hidden = script.hidden(name)
        async with running(home, script) as world:
            seen, at = await live(world, hidden)
            return [
                *seen,
                *await everything(world, at, hidden),
                *await at_the_node(world, script, hidden, directory / "node"),
            ]

    return asyncio.run(asyncio.wait_for(story(), 100))


VARIANTS = (
    "another indicator",
    "twenty large ones",
    "for the issuer alone",
    "for a group",
    "an exercise",
    "a note",
    "a retraction",
    "a sighting",
)


@pytest.fixture(scope="module")
def base(script: tuple[HubHome, Script], tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return world_of(*script, "an indicator", tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_reader_cannot_tell_two_worlds_apart_that_differ_in_what_it_may_not_see(
    script: tuple[HubHome, Script], base: Observed, name: str, tmp_path: Path
) -> None:
    other = world_of(*script, name, tmp_path)
    assert [place for place, _ in other] == [place for place, _ in base]
    for one, two in zip(base, other, strict=True):
        assert one == two


@pytest.mark.parametrize("about", ["sighting of", "retract", "reaffirm"])
def test_a_reference_to_a_hidden_object_and_to_a_random_one_are_answered_alike(base: Observed, about: str) -> None:
    answers = []
    for which in ("hidden", "random"):
        (raw,) = [raw for place, raw in base if place == f"submit {about} {which}"]
        assert isinstance(raw, bytes)
        (result,) = exchange_pb2.SubmitReply.FromString(raw).results
        assert result.outcome == exchange_pb2.SubmitResult.REFUSED
        result.digest = b""
        answers.append(result.SerializeToString())
    assert answers[0] == answers[1]


def test_a_hidden_id_and_a_random_one_are_fetched_alike_and_a_visible_one_is_not(base: Observed) -> None:
    hidden, visible, random = [answer for place, answer in base if place == "fetch"]
    assert hidden == random != visible


def test_a_receipt_for_a_hidden_entry_and_for_none_are_refused_alike(base: Observed) -> None:
    answers = [answer for place, answer in base if place == "receipt for what is hidden"]
    assert answers[0] == answers[1] == answers[2]
    assert "NOT_FOUND" in str(answers[0])


def test_the_comparison_would_notice_an_entry_that_the_reader_may_see(
    script: tuple[HubHome, Script], base: Observed, tmp_path: Path
) -> None:
    home, made = script
    lure = made.fed.indicator(AUTHOR, tlp=Tlp.AMBER, pattern=LURE)
    shown = made.fed.publish(AUTHOR, objects=[lure], tlp=Tlp.AMBER, recipients=(FRIEND, READER), seq=SEQ)

    class Shown(Script):
        def hidden(self, name: str) -> bytes:
            return shown

    leaky = Shown.__new__(Shown)
    for slot in fields(Script):
        setattr(leaky, slot.name, getattr(made, slot.name))
    other = world_of(home, leaky, "shown", tmp_path)
    assert other != base
    assert taxii_of(other, "member") != taxii_of(base, "member")
    assert taxii_of(other, "consumer") == taxii_of(base, "consumer"), "it is above what a SIEM may read"


def test_an_object_that_is_hidden_and_one_that_is_nowhere_are_answered_alike_by_taxii(base: Observed) -> None:
    told = {place: answer for place, answer in base if place.startswith("taxii before")}
    hidden = [place for place in told if "hidden" in place and "shown" not in place]
    assert len(hidden) >= 20
    for place in hidden:
        assert told[place] == told[place.replace("hidden", "random")], place
        assert (
            "versions" in place
            or "delete" in place
            or "?" in place
            or told[place] != told.get(place.replace("hidden", "shown"))
        )


def taxii_of(observed: Observed, listener: str) -> Observed:
    return [(place, answer) for place, answer in observed if place.startswith("taxii") and f" {listener} " in place]


def test_how_far_a_reader_may_go_with_new_patterns_tells_nothing_of_hidden_ones(tmp_path: Path) -> None:
    """The shared cache of pattern templates is warmed by hidden entries; the reader's quota must not show it."""

    def shape(terms: int) -> str:
        return "[" + " OR ".join(f"vessel:mmsi = '20512340{number}'" for number in range(terms)) + "]"

    async def world(name: str, terms: int) -> list[tuple[str, str]]:
        fed = Federation()
        fed._validator = StixValidator(TemplateCache())  # a cache of this world alone
        quota = replace(QUOTA, pattern_misses_per_minute=3)
        async with running_core(fed, sqlite_url(tmp_path / name), quota=quota) as core:
            await core.admit_all(fed.founding())
            made = fed.indicator(AUTHOR, tlp=Tlp.AMBER, pattern=shape(terms))
            await core.admit_all([fed.publish(AUTHOR, objects=[made], tlp=Tlp.AMBER)], AUTHOR)
            told = []
            for number in range(2, 7):
                raw = fed.publish(READER, objects=[fed.indicator(READER, pattern=shape(number))])
                try:
                    (result,) = await core.intake.submit(READER, [raw])
                    told.append((result.outcome.name, result.code))
                except BackpressureError as error:
                    told.append((error.code, str(error.delay_ms)))
            return told

    one, two = asyncio.run(world("one.db", 1)), asyncio.run(world("two.db", 2))
    assert one == two
    assert "QUOTA" in {code for code, _ in one}
