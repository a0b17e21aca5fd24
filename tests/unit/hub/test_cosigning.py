"""Witness cosignatures: who may give one, over what, and what the feed shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub.transparency import Cosigning, WitnessError
from port2port.checkpoint import (
    Checkpoint,
    NoteSignature,
    SignedCheckpoint,
    cosign,
    sign,
    verify_cosignatures,
    witnessed,
)
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.genesis import to_b64
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from port2port.v1 import exchange_pb2
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core


def line(fed: Federation, signed: SignedCheckpoint, witness: str, *, time: int = 100, key: Any = None) -> bytes:
    made = cosign(signed.checkpoint, witness=witness, key=key or fed.ports[witness].witness, time=time)
    return signed.with_signatures([made]).note


def with_witnesses(tmp_path: Path, story: Any) -> None:
    async def go() -> None:
        fed = Federation(witnesses=("beanr", "belgg"))
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all(fed.founding())
            await core.feed.catch_up()
            await story(fed, core, cosigning_of(core))

    asyncio.run(asyncio.wait_for(go(), 60))


def cosigning_of(core: HubCore) -> Cosigning:
    return Cosigning(store=core.store, tree=core.log, roster=lambda: core.feed.at, changed=core.feed.wake)


def names(fed: Federation, note: bytes) -> list[str]:
    keys = {name: (port.witness.public,) for name, port in fed.ports.items()}
    return [item.witness for item in verify_cosignatures(SignedCheckpoint.parse(note), keys)]


def test_lines_of_several_witnesses_come_together_and_survive_a_restart(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        head = core.log.checkpoint()
        await cosigning.cosign("beanr", line(fed, head, "beanr"))
        assert names(fed, cosigning.newest()) == ["beanr"]
        await cosigning.cosign("belgg", line(fed, head, "belgg"))
        await cosigning.cosign("belgg", line(fed, head, "belgg", time=200))
        assert names(fed, cosigning.newest()) == ["beanr", "belgg"]
        assert (await cosigning.latest()).note == cosigning.newest()
        again = cosigning_of(core)
        await again.load()
        assert again.newest() == cosigning.newest()

    with_witnesses(tmp_path, story)


def test_after_a_restart_the_largest_witnessed_checkpoint_is_shown(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        for witness in ("beanr", "belgg"):
            await cosigning.cosign(witness, line(fed, core.log.checkpoint(2), witness))
        await core.admit_all([fed.content("beanr", "note", tlp=Tlp.GREEN)])
        await cosigning.cosign("beanr", line(fed, core.log.checkpoint(3), "beanr"))
        assert SignedCheckpoint.parse(cosigning.newest()).checkpoint.size == 3
        again = cosigning_of(core)
        await again.load()
        assert SignedCheckpoint.parse(again.newest()).checkpoint.size == 2

    with_witnesses(tmp_path, story)


def test_only_a_witness_gives_its_own_line_with_its_own_key(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        head = core.log.checkpoint()
        cases = (
            ("north-sea-port", line(fed, head, "north-sea-port")),
            ("beanr", line(fed, head, "belgg")),
            ("beanr", line(fed, head, "beanr", key=fed.ports["beanr"].machine)),
            ("beanr", head.note),
        )
        for member, note in cases:
            with pytest.raises((WitnessError, SignatureError)):
                await cosigning.cosign(member, note)
        assert cosigning.newest() == b""

    with_witnesses(tmp_path, story)


def test_a_checkpoint_that_is_not_of_this_log_is_not_kept(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        for size, root in ((2, bytes(32)), (90, bytes(32))):
            other = sign(Checkpoint(origin=fed.origin, size=size, root=root), fed.log_key)
            with pytest.raises(NotFoundError):
                await cosigning.cosign("beanr", line(fed, other, "beanr"))

    with_witnesses(tmp_path, story)


def test_a_follower_at_the_end_is_told_of_new_cosignatures(tmp_path: Path) -> None:
    async def go() -> None:
        fed = Federation(witnesses=("beanr",))
        shown: list[bytes] = [b""]
        async with running_core(fed, sqlite_url(tmp_path / "hub.db"), cosigned=lambda: shown[0]) as core:
            await core.admit_all(fed.founding())
            await core.feed.catch_up()
            cosigning = cosigning_of(core)
            waiting = asyncio.ensure_future(anext(core.feed.follow("belgg", 2)))
            await asyncio.sleep(0)
            await cosigning.cosign("beanr", line(fed, core.log.checkpoint(), "beanr"))
            shown[0] = cosigning.newest()
            core.feed.wake()
            batch = exchange_pb2.FeedBatch.FromString(await waiting)
            assert (batch.first_index, batch.leaf_hashes, len(batch.entries)) == (2, b"", 0)
            assert batch.cosigned.encode() == cosigning.newest()
            assert SignedCheckpoint.parse(batch.checkpoint.encode()).checkpoint.size == 2

    asyncio.run(asyncio.wait_for(go(), 60))


def test_only_the_line_that_was_verified_is_kept_and_shown(tmp_path: Path) -> None:
    """A second line under the same name, of another key and of any length, would make the note too long to read."""

    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        head = core.log.checkpoint()
        own = SignedCheckpoint.parse(line(fed, head, "beanr"))
        bogus = NoteSignature(name="beanr", key_hash=b"\xff" * 4, signature=b"\xff" * 11_000)
        await cosigning.cosign("beanr", own.with_signatures([bogus]).note)
        await cosigning.cosign("belgg", line(fed, head, "belgg"))
        assert names(fed, cosigning.newest()) == ["beanr", "belgg"]
        assert len(cosigning.newest()) < 1_000

    with_witnesses(tmp_path, story)


def test_a_witness_that_repeats_the_past_does_not_hide_what_is_witnessed(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        head = core.log.checkpoint()
        for witness in ("beanr", "belgg"):
            await cosigning.cosign(witness, line(fed, head, witness))
        shown = cosigning.newest()
        old = await cosigning.cosign("beanr", line(fed, core.log.checkpoint(1), "beanr", time=900))
        assert old.checkpoint.size == 1
        assert cosigning.newest() == shown
        again = cosigning_of(core)
        await again.load()
        await again.cosign("beanr", line(fed, core.log.checkpoint(1), "beanr", time=901))
        assert again.newest() == shown

    with_witnesses(tmp_path, story)


def test_either_node_of_a_member_co_signs_and_the_member_is_one_witness(tmp_path: Path) -> None:
    async def story(fed: Federation, core: HubCore, cosigning: Cosigning) -> None:
        second = fed.key("beanr's second node")
        added = {"op": "add-witness-key", "member": "beanr", "public": to_b64(second.public)}
        await core.admit_all([fed.control("roster", [added])])
        await core.feed.catch_up()
        head = core.log.checkpoint()
        await cosigning.cosign("beanr", line(fed, head, "beanr"))
        shown = await cosigning.cosign("beanr", line(fed, head, "beanr", key=second))
        roster = core.feed.at.roster
        assert roster is not None
        cosigners = [item.witness for item in verify_cosignatures(shown, roster.witness_keys())]
        assert cosigners == ["beanr"]
        assert not witnessed(cosigners, roster.witnesses()), "two nodes of one member are no majority of two members"
        await cosigning.cosign("belgg", line(fed, head, "belgg"))
        newest = verify_cosignatures(SignedCheckpoint.parse(cosigning.newest()), roster.witness_keys())
        assert witnessed([item.witness for item in newest], roster.witnesses())

    with_witnesses(tmp_path, story)
