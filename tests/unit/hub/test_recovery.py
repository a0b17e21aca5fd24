"""A hub whose database went backwards, and how its members make it whole."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hub.intake import IntakeJudge, admit
from hub.recovery import (
    Admission,
    State,
    TamperedError,
    WaitingError,
    is_open,
)
from hub.store import audit_rows, open_store
from port2port import wire
from port2port.checkpoint import Checkpoint, log_key, sign
from port2port.clock import to_ms
from port2port.conflict import check_evidence
from port2port.database import sqlite_url
from port2port.errors import LogBehindError, MalformedError, SplitViewError
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core
from tests.fakes.hub_recovery import Copy, copy_of, give, recovery_of

WITNESSES = ("beanr", "north-sea-port", "belgg")


@pytest.fixture
def fed() -> Federation:
    return Federation(witnesses=WITNESSES)


def note(fed: Federation, member: str = "beanr", **more: Any) -> bytes:
    return fed.content(member, "note", **{"tlp": Tlp.GREEN, **more})


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A hub restored from yesterday, and what its members hold."""

    url: str
    root: bytes
    size: int
    copies: dict[str, Copy]


async def lose_a_day(fed: Federation, tmp_path: Path) -> Loss:
    """A log of 12 entries, of which the restored database has 5. Some entries are for some members only."""
    url = sqlite_url(tmp_path / "hub.db")
    async with running_core(fed, url) as core:
        await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
        await core.admit_all([note(fed), fed.publish("beanr")])
    shutil.copy(tmp_path / "hub.db", tmp_path / "yesterday.db")
    async with running_core(fed, url) as core:
        fed.clock.advance(3_600)
        await core.admit_all([note(fed), fed.join("bebru"), note(fed, tlp=Tlp.AMBER, groups=("seaports",))])
        await core.admit_all([note(fed, "belgg", tlp=None), note(fed, "belgg")], "belgg")
        fed.clock.advance(3_600)
        await core.admit_all([fed.publish("beanr"), note(fed)])
        head = core.log.head()
        copies = {member: await copy_of(core, member, head.next) for member in WITNESSES}
    return Loss(url=sqlite_url(tmp_path / "yesterday.db"), root=head.root, size=head.next, copies=copies)


def test_after_a_start_nothing_is_accepted_before_a_majority_of_the_witnesses_was_heard(
    fed: Federation, tmp_path: Path
) -> None:
    async def go() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            recovery.gate()  # a log without witnesses waits for nobody
            await core.admit_all(fed.founding())
            again = recovery_of(core, tmp_path)
            await again.start()
            with pytest.raises(WaitingError):
                again.gate()
            again.require_whole()  # following is how they are heard
            await again.present("beanr", core.log.checkpoint().note)
            with pytest.raises(WaitingError):
                again.gate()
            await again.present("belgg", b"")
            again.gate()

    run(go())


def test_where_no_witness_is_named_a_majority_of_the_members_is_heard(tmp_path: Path) -> None:
    async def go() -> None:
        fed = Federation()
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            genesis, members = fed.founding()
            await core.admit_all([genesis])
            new = recovery_of(core, tmp_path)
            await new.start()
            new.gate()  # a federation without members waits for nobody
            await core.admit_all([members])
            again = recovery_of(core, tmp_path)
            await again.start()
            await again.present("a-stranger", b"")
            await again.present(fed.members[0], core.log.checkpoint().note)
            with pytest.raises(WaitingError):
                again.gate()
            await again.present(fed.members[1], b"")
            again.gate()

    run(go())


def test_an_operator_who_has_compared_opens_a_hub_and_what_he_shows_must_lie_within_the_log(
    fed: Federation, tmp_path: Path
) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        newest = loss.copies["beanr"].checkpoint
        async with running_core(fed, loss.url) as core:
            size = core.log.head().next
            other = sign(Checkpoint(origin=fed.origin, size=size, root=bytes(32)), fed.log_key).note
            foreign = sign(Checkpoint(origin=fed.origin, size=size, root=core.log.head().root), fed.hub_key).note
            empty = sign(Checkpoint(origin=fed.origin, size=0, root=core.log.root_at(0) or b""), fed.log_key).note
            wrong = ((newest, LogBehindError), (other, SplitViewError), (foreign, SignatureError))
            for note, error in (*wrong, (empty, MalformedError), (b"no note", MalformedError)):
                with pytest.raises(error):
                    await recovery_of(core, tmp_path).start(note)
            recovery = recovery_of(core, tmp_path)
            await recovery.start(core.log.checkpoint().note)
            recovery.gate()
            rows = await core.store.database.read(lambda connection: audit_rows(connection, "compared"))
            assert [row["facts"] for row in rows] == [f'{{"size":{size}}}']

    run(go())


def test_a_hub_that_went_on_without_what_it_lost_ends_in_conflict_with_evidence(
    fed: Federation, tmp_path: Path
) -> None:
    """However few entries it has added: a member's whole copy convicts it, and no member is accused."""

    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        copy = loss.copies["north-sea-port"]
        async with running_core(fed, loss.url) as core:
            recovery = recovery_of(core, tmp_path / "evidence")
            await recovery.start(core.log.checkpoint().note)
            fed.clock.advance(86_400)
            await core.admit_all([note(fed, seq=1_000)])
            assert core.log.head().next < loss.size
            with pytest.raises(LogBehindError):
                await recovery.present(copy.member, copy.checkpoint)
            with pytest.raises(SplitViewError):
                await give(recovery, copy)
            assert recovery.state is State.CONFLICT
            (file,) = (tmp_path / "evidence").iterdir()
            check_evidence(file.read_bytes(), log_key(fed.origin, fed.log_key.public))
            rows = await core.store.database.read(lambda connection: audit_rows(connection, TamperedError.code))
            assert list(rows) == []

    run(go())


def test_a_hub_whose_log_grew_past_what_it_lost_does_not_recover_for_ever(fed: Federation, tmp_path: Path) -> None:
    """Another process wrote meanwhile: the same entries, or others."""

    async def go(*, others: bool) -> None:
        place = tmp_path / str(others)
        place.mkdir()
        again = Federation(witnesses=WITNESSES)
        loss = await lose_a_day(again, place)
        first, last = loss.copies["belgg"], loss.copies["beanr"]
        async with running_core(again, loss.url) as core:
            recovery = recovery_of(core, place / "evidence")
            await recovery.start()
            with pytest.raises(LogBehindError):
                await recovery.present(first.member, first.checkpoint)
            assert recovery.state is State.RECOVERING
            if others:
                again.clock.advance(86_400)
                await core.admit_all([note(again, seq=1_000 + count) for count in range(8)])
                await give(recovery, last)
                with pytest.raises(SplitViewError):
                    recovery.require_whole()
                assert recovery.state is State.CONFLICT
                return
            elsewhere = recovery_of(core, place)
            await elsewhere.start()
            for copy in (first, last):
                await give(elsewhere, copy)
            await recovery.present(first.member, first.checkpoint)
            await recovery.present(last.member, last.checkpoint)
            recovery.gate()

    run(go(others=False))
    run(go(others=True))


async def leased(core: HubCore) -> bool:
    now_ms = to_ms(core.fed.clock.now())
    return await core.store.database.read(lambda connection: is_open(connection, now_ms))


def test_only_an_open_hub_lets_another_process_write_and_only_for_seconds(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        async with running_core(fed, loss.url) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            assert not await leased(core)
            for member in WITNESSES[:2]:
                await recovery.present(member, b"")
            assert await leased(core)
            fed.clock.advance(16)
            assert not await leased(core)
            await recovery.tell()
            assert await leased(core)
            fed.clock.advance(-3_600)
            assert not await leased(core), "a lease from a future that this clock does not know"
            fed.clock.advance(3_600)
            with pytest.raises(LogBehindError):
                await recovery.present("belgg", loss.copies["belgg"].checkpoint)
            assert not await leased(core)
            for member in ("belgg", "beanr"):
                await give(recovery, loss.copies[member])
            assert await leased(core)
            await recovery.stop()
            assert not await leased(core)

    run(go())


def admitted(core: HubCore, raw: bytes, *, compared: bool = False) -> str:
    """What ``port2port-hub admit`` would say."""
    judge = Admission(IntakeJudge(core.audiences), core.fed.clock, compared=compared)
    result = admit(store=core.store, log=core.log, checker=core.checker, judge=judge, raw=raw)
    return result.code or result.outcome.name


def test_admit_writes_only_to_a_log_that_cannot_have_lost_anything(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            first, second = fed.founding()
            assert admitted(core, first) == "ACCEPTED"
            assert admitted(core, second) == "ACCEPTED", "there were no members yet"
            third = fed.group("seaports", "beanr")
            assert admitted(core, third) == "HUB_NOT_OPEN"
            assert admitted(core, second) == "DUPLICATE"
            assert core.log.head().next == 2
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            assert admitted(core, third) == "HUB_NOT_OPEN"
            for member in WITNESSES[:2]:
                await recovery.present(member, b"")
            assert admitted(core, third) == "ACCEPTED"
            await recovery.stop()
            fourth = fed.group("seaports", "beanr", "belgg")
            assert admitted(core, fourth) == "HUB_NOT_OPEN"
            assert admitted(core, fourth, compared=True) == "ACCEPTED"

    run(go())


def test_a_hub_restored_from_yesterday_refuses_and_recovers_the_same_root(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        async with running_core(fed, loss.url) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            for copy in loss.copies.values():
                with pytest.raises(LogBehindError):
                    await recovery.present(copy.member, copy.checkpoint)
            with pytest.raises(LogBehindError):
                recovery.gate()
            assert recovery.state is State.RECOVERING
            first = await give(recovery, loss.copies["north-sea-port"])
            assert (first.size, first.wanted) == (8, loss.size), "an entry that only its issuer reads is missing"
            assert recovery.missing == 1
            last = await give(recovery, loss.copies["belgg"], first=first.size)
            assert (last.size, last.wanted) == (loss.size, loss.size)
            assert core.log.head().root == loss.root
            recovery.gate()
            await core.feed.catch_up()
            assert (await copy_of(core, "beanr", loss.size)).entries == loss.copies["beanr"].entries
            more = await core.intake.submit("beanr", [loss.copies["beanr"].entries[-1].envelope, note(fed)])
            assert [item.outcome.name for item in more] == ["DUPLICATE", "ACCEPTED"]

    run(go())


def tampered_envelope(copy: Copy, at: int) -> Copy:
    entries = list(copy.entries)
    other = copy.entries[at - 1].envelope
    entries[at] = replace(entries[at], envelope=other)
    return replace(copy, entries=entries)


def tampered_time(copy: Copy, at: int) -> Copy:
    entries = list(copy.entries)
    entries[at] = replace(entries[at], received_ms=entries[at].received_ms + 1)
    return replace(copy, entries=entries)


def tampered_leaf(copy: Copy, at: int) -> Copy:
    return replace(copy, leaves=[*copy.leaves[:at], bytes(32), *copy.leaves[at + 1 :]])


def garbage(copy: Copy, at: int) -> Copy:
    entries = list(copy.entries)
    entries[at] = replace(entries[at], envelope=b"\xff\x01")
    return replace(copy, entries=entries)


def stripped(copy: Copy, _at: int) -> Copy:
    """The leaf covers the statement alone: without its objects an entry would still be the one logged."""
    bare = [
        replace(item, envelope=wire.encode_envelope(wire.decode_envelope(item.envelope).signed, ()))
        for item in copy.entries
    ]
    return replace(copy, entries=bare)


@pytest.mark.parametrize("tamper", [tampered_envelope, tampered_time, tampered_leaf, garbage, stripped])
def test_a_tampered_copy_is_detected_named_and_does_no_harm(fed: Federation, tmp_path: Path, tamper: Any) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        async with running_core(fed, loss.url) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            with pytest.raises(TamperedError):
                await give(recovery, tamper(loss.copies["beanr"], 6), step=100)
            rows = await core.store.database.read(lambda connection: audit_rows(connection, TamperedError.code))
            assert [row["member"] for row in rows] == ["beanr"]
            for member in ("north-sea-port", "belgg"):
                await give(recovery, loss.copies[member])
            assert core.log.head().root == loss.root

    run(go())


def test_two_histories_of_one_size_are_evidence_and_end_all_service(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all(fed.founding())
            recovery = recovery_of(core, tmp_path / "evidence")
            await recovery.start()
            other = sign(Checkpoint(origin=fed.origin, size=2, root=bytes(32)), fed.log_key).note
            with pytest.raises(SplitViewError):
                await recovery.present("beanr", other)
            for refused in (recovery.gate, recovery.require_whole):
                with pytest.raises(SplitViewError):
                    refused()
            (file,) = (tmp_path / "evidence").iterdir()
            check_evidence(file.read_bytes(), log_key(fed.origin, fed.log_key.public))

    run(go())


def test_a_checkpoint_that_this_log_never_signed_changes_nothing(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all(fed.founding())
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            forged = sign(Checkpoint(origin=fed.origin, size=99, root=bytes(32)), fed.hub_key).note
            with pytest.raises(SignatureError):
                await recovery.present("beanr", forged)
            assert recovery.state is State.WAITING

    run(go())


def test_a_recovered_log_folds_the_same_roster(fed: Federation, tmp_path: Path) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        store = open_store(loss.url)
        async with running_core(fed, loss.url, store=store) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            for member in ("belgg", "beanr"):
                await give(recovery, loss.copies[member])
            await core.feed.catch_up()
            assert core.feed.at.roster is not None
            assert core.feed.at.roster.members() == fed.roster.members()

    run(go())


def copies_in(order: Sequence[str], loss: Loss) -> list[Copy]:
    return [loss.copies[member] for member in order]


@pytest.mark.parametrize("order", [("belgg", "beanr"), ("beanr", "belgg"), ("belgg", "north-sea-port", "beanr")])
def test_members_may_give_in_any_order(fed: Federation, tmp_path: Path, order: Sequence[str]) -> None:
    async def go() -> None:
        loss = await lose_a_day(fed, tmp_path)
        async with running_core(fed, loss.url) as core:
            recovery = recovery_of(core, tmp_path)
            await recovery.start()
            for copy in copies_in(order, loss):
                await give(recovery, copy)
            assert core.log.head().root == loss.root

    run(go())
