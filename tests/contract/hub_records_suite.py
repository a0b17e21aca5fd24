"""What receipts, cosignatures and recovery must do on every engine. Subclasses give ``url`` and ``second_url``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.receipts import PAYLOAD_TYPE, Receipts, SignedReceipt
from hub.recovery import Recovery, State, TamperedError, WaitingError, is_open
from hub.store import audit_rows, open_store, read_head
from hub.transparency import Cosigning, Log, leaf_hashes
from port2port import canonical
from port2port.checkpoint import SignedCheckpoint, cosign, log_key, verify_cosignatures
from port2port.clock import to_ms, to_text
from port2port.conflict import check_evidence
from port2port.envelope import pae
from port2port.errors import LogBehindError, NotFoundError, SplitViewError
from port2port.tlp import Tlp
from tests.contract.log_store_suite import append
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core
from tests.fakes.hub_recovery import Copy, copy_beginning, copy_of, give, recovery_of

WITNESSES = ("beanr", "north-sea-port", "belgg")
Story = Callable[[Federation, HubCore], Awaitable[None]]


def told(url: str, story: Story) -> None:
    """Tell a story on a founded federation whose seaports are beanr and north-sea-port."""

    async def go() -> None:
        fed = Federation(witnesses=WITNESSES)
        async with running_core(fed, url) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            await core.feed.catch_up()
            await story(fed, core)

    asyncio.run(asyncio.wait_for(go(), 120))


def note(fed: Federation, member: str = "beanr", **more: Any) -> bytes:
    return fed.content(member, "note", **{"tlp": Tlp.GREEN, **more})


def receipt(fed: Federation, by: str, entry: Any, /, **changed: Any) -> SignedReceipt:
    said = {"at": to_text(fed.clock.now()), "digest": entry.digest.hex(), "index": entry.index, "member": by}
    raw = canonical.dumps({**said, "state": "delivered", "v": 1, **changed})
    signer = fed.ports[by].machine
    return SignedReceipt(receipt=raw, key_id=signer.key_id, sig=signer.sign(pae(PAYLOAD_TYPE, raw)))


def receipts_of(core: HubCore) -> Receipts:
    return Receipts(store=core.store, audiences=Audiences(), roster=lambda: core.feed.at, clock=core.fed.clock)


class SnapshotSuite:
    def test_what_one_reading_transaction_sees_is_of_one_moment(self, url: str) -> None:
        """Else the tail of the log and the head before it disagree, and a checkpoint is signed that never was."""

        async def story(fed: Federation, core: HubCore) -> None:
            other = open_store(url)
            log = Log(other, origin=fed.origin, key=fed.log_key, clock=fed.clock)

            def look(connection: Connection) -> tuple[int, int]:
                head = read_head(connection)
                append(log, [note(fed)])
                return head.next, len(leaf_hashes(connection, 0, 100))

            seen = await core.store.database.read(look)
            assert seen == (3, 3)
            assert log.head().next == 4
            other.close()

        told(url, story)


class ReceiptsSuite:
    def test_a_receipt_reaches_its_issuer_once_in_order_and_nobody_else(self, url: str) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            entries = await core.admit_all([note(fed), note(fed)])
            receipts = receipts_of(core)
            first = [receipt(fed, "belgg", entries[0]), receipt(fed, "belgg", entries[0], state="seen")]
            assert await receipts.exchange("belgg", first, 0) == ([], 0)
            theirs, cursor = await receipts.exchange("beanr", [], 0)
            assert theirs == first
            later = [receipt(fed, "north-sea-port", entries[1]), first[0]]
            await receipts.exchange("north-sea-port", later[:1], 0)
            await receipts.exchange("belgg", later[1:], 0)
            assert (await receipts.exchange("beanr", [], cursor))[0] == later[:1]
            assert await receipts.exchange("belgg", [], 0) == ([], 0)

        told(url, story)

    def test_two_processes_that_are_given_the_same_receipts_keep_each_once(self, url: str) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            entries = await core.admit_all([note(fed) for _ in range(4)])
            mine = [receipt(fed, by, entry) for by in ("belgg", "north-sea-port") for entry in entries]
            other = open_store(url)
            elsewhere = Receipts(store=other, audiences=Audiences(), roster=lambda: core.feed.at, clock=core.fed.clock)
            both = (receipts_of(core), elsewhere)
            await asyncio.gather(
                *(
                    one.exchange(by, mine[at : at + 4], 0)
                    for one in both
                    for at, by in ((0, "belgg"), (4, "north-sea-port"))
                )
            )
            theirs, cursor = await elsewhere.exchange("beanr", [], 0)
            assert sorted(item.receipt for item in theirs) == sorted(item.receipt for item in mine)
            assert await receipts_of(core).exchange("beanr", [], cursor) == ([], cursor)
            other.close()

        told(url, story)

    def test_a_receipt_for_a_hidden_entry_and_for_none_answer_alike(self, url: str) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            (entry,) = await core.admit_all([note(fed, tlp=Tlp.AMBER, groups=("seaports",))])
            answers = set()
            for changed in ({}, {"index": 900}, {"digest": "00" * 32}):
                with pytest.raises(NotFoundError) as caught:
                    await receipts_of(core).exchange("belgg", [receipt(fed, "belgg", entry, **changed)], 0)
                answers.add((caught.value.code, caught.value.text))
            assert len(answers) == 1

        told(url, story)


def line(fed: Federation, signed: SignedCheckpoint, witness: str, *, time: int = 100) -> bytes:
    made = cosign(signed.checkpoint, witness=witness, key=fed.ports[witness].witness, time=time)
    return signed.with_signatures([made]).note


def cosigning_of(core: HubCore) -> Cosigning:
    return Cosigning(store=core.store, tree=core.log, roster=lambda: core.feed.at)


def shown(fed: Federation, note_: bytes) -> tuple[int, list[str]]:
    signed = SignedCheckpoint.parse(note_)
    found = verify_cosignatures(signed, fed.roster.witness_keys())
    return signed.checkpoint.size, [item.witness for item in found]


class CosigningSuite:
    def test_lines_come_together_a_newer_one_of_the_same_witness_counts_and_a_restart_keeps_them(
        self, url: str
    ) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            cosigning, head = cosigning_of(core), core.log.checkpoint()
            for witness, time in (("belgg", 100), ("beanr", 100), ("belgg", 200)):
                await cosigning.cosign(witness, line(fed, head, witness, time=time))
            assert shown(fed, cosigning.newest()) == (3, ["beanr", "belgg"])
            again = cosigning_of(core)
            await again.load()
            assert again.newest() == cosigning.newest()
            found = verify_cosignatures(SignedCheckpoint.parse(again.newest()), fed.roster.witness_keys())
            assert [item.time for item in found] == [100, 200]

        told(url, story)

    def test_the_largest_witnessed_checkpoint_outlives_a_restart_and_what_is_below_it_is_forgotten(
        self, url: str
    ) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            cosigning, old = cosigning_of(core), core.log.checkpoint(2)
            await cosigning.cosign("beanr", line(fed, old, "beanr"))
            for witness in ("beanr", "belgg"):
                await cosigning.cosign(witness, line(fed, core.log.checkpoint(3), witness))
            await core.admit_all([note(fed)])
            await cosigning.cosign("beanr", line(fed, core.log.checkpoint(4), "beanr"))
            again = cosigning_of(core)
            await again.load()
            assert shown(fed, again.newest()) == (3, ["beanr", "belgg"])
            late = await again.cosign("belgg", line(fed, old, "belgg"))
            assert shown(fed, late.note) == (2, ["belgg"])
            assert shown(fed, again.newest())[0] == 3

        told(url, story)

    def test_two_processes_that_take_lines_at_once_lose_none(self, url: str) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            other = open_store(url)
            elsewhere = Cosigning(store=other, tree=core.log, roster=lambda: core.feed.at)
            head = core.log.checkpoint()
            await asyncio.gather(
                *(
                    one.cosign(witness, line(fed, head, witness))
                    for one, witness in zip((cosigning_of(core), elsewhere, elsewhere), WITNESSES, strict=True)
                )
            )
            assert shown(fed, (await elsewhere.latest()).note) == (3, sorted(WITNESSES))
            other.close()

        told(url, story)


async def lose_a_day(fed: Federation, url: str, second_url: str) -> tuple[dict[str, Copy], bytes]:
    """A log of 10 entries, of which the database at ``second_url`` has 5; what members hold, and the last root."""
    async with running_core(fed, url) as core:
        await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
        await core.admit_all([note(fed), fed.publish("beanr")])
        fed.clock.advance(3_600)
        await core.admit_all([fed.join("bebru"), note(fed, tlp=Tlp.AMBER, groups=("seaports",)), note(fed)])
        await core.admit_all([note(fed, "belgg", tlp=None), note(fed, "belgg")], "belgg")
        copies = {member: await copy_of(core, member, 10) for member in WITNESSES}
        restored = open_store(second_url)
        copy_beginning(core.store, restored, fed, 5)
        restored.close()
        return copies, core.log.head().root


async def refuse(recovery: Recovery, copy: Copy) -> None:
    with pytest.raises(LogBehindError):
        await recovery.present(copy.member, copy.checkpoint)


class RecoverySuite:
    def test_a_restored_hub_refuses_recovers_the_same_root_and_goes_on(
        self, url: str, second_url: str, tmp_path: Path
    ) -> None:
        async def go() -> None:
            fed = Federation(witnesses=WITNESSES)
            copies, root = await lose_a_day(fed, url, second_url)
            async with running_core(fed, second_url) as core:
                recovery = recovery_of(core, tmp_path)
                await recovery.start()
                with pytest.raises(WaitingError):
                    recovery.gate()
                for copy in copies.values():
                    await refuse(recovery, copy)
                tampered = Copy(
                    member="beanr",
                    leaves=[*copies["beanr"].leaves[:6], bytes(32), *copies["beanr"].leaves[7:]],
                    entries=copies["beanr"].entries,
                    checkpoint=copies["beanr"].checkpoint,
                )
                with pytest.raises(TamperedError):
                    await give(recovery, tampered)
                for member in ("north-sea-port", "belgg"):
                    await give(recovery, copies[member])
                assert (core.log.head().next, core.log.head().root) == (10, root)
                recovery.gate()
                await core.feed.catch_up()
                more = await core.intake.submit("belgg", [copies["belgg"].entries[-1].envelope, note(fed, "belgg")])
                assert [item.outcome.name for item in more] == ["DUPLICATE", "ACCEPTED"]
                rows = await core.store.database.read(lambda it: audit_rows(it, TamperedError.code))
                assert [row["member"] for row in rows] == ["beanr"]

        asyncio.run(asyncio.wait_for(go(), 120))

    def test_a_hub_that_went_on_keeps_evidence_against_itself(self, url: str, second_url: str, tmp_path: Path) -> None:
        async def go() -> None:
            fed = Federation(witnesses=WITNESSES)
            copies, _ = await lose_a_day(fed, url, second_url)
            async with running_core(fed, second_url) as core:
                recovery = recovery_of(core, tmp_path / "evidence")
                await recovery.start(core.log.checkpoint().note)
                await core.admit_all([note(fed, seq=1_000)])
                await refuse(recovery, copies["belgg"])
                with pytest.raises(SplitViewError):
                    await give(recovery, copies["belgg"])
                assert recovery.state is State.CONFLICT
                (file,) = (tmp_path / "evidence").iterdir()
                check_evidence(file.read_bytes(), log_key(fed.origin, fed.log_key.public))

        asyncio.run(asyncio.wait_for(go(), 120))

    def test_an_open_hub_says_so_to_other_processes_while_it_lasts(self, url: str, tmp_path: Path) -> None:
        async def story(fed: Federation, core: HubCore) -> None:
            other = open_store(url)

            async def seen() -> bool:
                now_ms = to_ms(fed.clock.now())
                return await other.database.read(lambda connection: is_open(connection, now_ms))

            first, second = recovery_of(core, tmp_path), recovery_of(core, tmp_path)
            for one in (first, second):
                await one.start()
            assert not await seen()
            for one in (first, second):
                for member in WITNESSES[:2]:
                    await one.present(member, b"")
            assert await seen()
            await first.stop()
            assert await seen(), "the other still serves"
            fed.clock.advance(16)
            assert not await seen()
            await second.tell()
            assert await seen()
            await second.stop()
            assert not await seen()
            other.close()

        told(url, story)
