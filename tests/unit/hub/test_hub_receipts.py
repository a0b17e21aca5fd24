"""Receipts on their way from the member that received to the one that published."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.audience import Audiences
from hub.receipts import PAYLOAD_TYPE, Receipts, SignedReceipt, parse
from port2port import canonical
from port2port.clock import to_text
from port2port.database import sqlite_url
from port2port.envelope import pae
from port2port.errors import MalformedError, NotFoundError, PolicyError
from port2port.keys import SignatureError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.hub_core import HubCore, running_core


def receipt(fed: Federation, by: str, entry: Any, /, *, key: Any = None, **changed: Any) -> SignedReceipt:
    data = {
        "at": to_text(fed.clock.now()),
        "digest": entry.digest.hex(),
        "index": entry.index,
        "member": by,
        "state": "delivered",
        "v": 1,
    }
    raw = canonical.dumps({**data, **changed})
    signer = key or fed.ports[by].machine
    return SignedReceipt(receipt=raw, key_id=signer.key_id, sig=signer.sign(pae(PAYLOAD_TYPE, raw)))


def with_entries(tmp_path: Path, story: Any) -> None:
    """``story`` gets the federation, the receipts, and entries: green (3) and for the seaports only (4), by beanr."""

    async def go() -> None:
        fed = Federation()
        async with running_core(fed, sqlite_url(tmp_path / "hub.db")) as core:
            await core.admit_all([*fed.founding(), fed.group("seaports", "beanr", "north-sea-port")])
            green = fed.content("beanr", "note", tlp=Tlp.GREEN)
            amber = fed.content("beanr", "note", tlp=Tlp.AMBER, groups=("seaports",))
            entries = await core.admit_all([green, amber])
            await core.feed.catch_up()
            await story(fed, receipts_of(core), entries)

    asyncio.run(asyncio.wait_for(go(), 60))


def receipts_of(core: HubCore) -> Receipts:
    return Receipts(store=core.store, audiences=Audiences(), roster=lambda: core.feed.at, clock=core.fed.clock)


def test_a_receipt_reaches_the_issuer_once_and_nobody_else(tmp_path: Path) -> None:
    async def story(fed: Federation, receipts: Receipts, entries: Any) -> None:
        mine = [receipt(fed, "belgg", entries[0]), receipt(fed, "belgg", entries[0], state="seen")]
        assert await receipts.exchange("belgg", mine, 0) == ([], 0)
        await receipts.exchange("belgg", mine[:1], 0)
        theirs, cursor = await receipts.exchange("beanr", [], 0)
        assert theirs == mine
        assert await receipts.exchange("beanr", [], cursor) == ([], cursor)
        assert await receipts.exchange("north-sea-port", [], 0) == ([], 0)
        more = [receipt(fed, "north-sea-port", entries[1])]
        await receipts.exchange("north-sea-port", more, 0)
        assert (await receipts.exchange("beanr", [], cursor))[0] == more

    with_entries(tmp_path, story)


def test_a_receipt_for_a_hidden_entry_and_for_none_answer_alike(tmp_path: Path) -> None:
    async def story(fed: Federation, receipts: Receipts, entries: Any) -> None:
        answers = set()
        for changed in ({}, {"index": 900}, {"digest": "00" * 32}):
            with pytest.raises(NotFoundError) as caught:
                await receipts.exchange("belgg", [receipt(fed, "belgg", entries[1], **changed)], 0)
            answers.add((caught.value.code, caught.value.text))
        assert len(answers) == 1

    with_entries(tmp_path, story)


@pytest.mark.parametrize(
    ("role", "changed", "error"),
    [
        pytest.param("officer", {}, PolicyError, id="an officer's key"),
        pytest.param("witness", {}, PolicyError, id="a key that is not in the roster"),
        pytest.param("machine", {"member": "beanr"}, PolicyError, id="in another member's name"),
        pytest.param("machine", {"state": "burned"}, MalformedError, id="an unknown state"),
        pytest.param("machine", {"v": 2}, MalformedError, id="another version"),
        pytest.param("machine", {"index": -1}, MalformedError, id="a negative index"),
        pytest.param("machine", {"more": 1}, MalformedError, id="an unknown field"),
        pytest.param("machine", {"at": "now"}, MalformedError, id="a time in another spelling"),
    ],
)
def test_receipts_that_are_not_what_they_should_be_are_refused(
    tmp_path: Path, role: str, changed: dict[str, Any], error: type[Exception]
) -> None:
    async def story(fed: Federation, receipts: Receipts, entries: Any) -> None:
        made = receipt(fed, "belgg", entries[0], key=getattr(fed.ports["belgg"], role), **changed)
        with pytest.raises(error):
            await receipts.exchange("belgg", [made], 0)
        assert await receipts.exchange("beanr", [], 0) == ([], 0)

    with_entries(tmp_path, story)


def test_a_changed_receipt_does_not_verify(tmp_path: Path) -> None:
    async def story(fed: Federation, receipts: Receipts, entries: Any) -> None:
        made, seen = receipt(fed, "belgg", entries[0]), receipt(fed, "belgg", entries[0], state="seen")
        mixed = SignedReceipt(receipt=seen.receipt, key_id=made.key_id, sig=made.sig)
        with pytest.raises(SignatureError):
            await receipts.exchange("belgg", [mixed], 0)

    with_entries(tmp_path, story)


_NAMES = ("at", "digest", "index", "member", "state", "v", "x")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(_NAMES), st.one_of(st.none(), st.integers(0, 9), st.text(alphabet="ab0", max_size=4))
        ).map(canonical.dumps),
    )
)
def test_whatever_the_bytes_parsing_a_receipt_gives_a_coded_error(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(raw)
