"""The log as pages show it: a hidden row is an index and a hash, and what can be taken away verifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import log_pages
from hub.log_pages import Search
from port2port import bundle, merkle
from port2port.checkpoint import Checkpoint, sign
from port2port.conflict import Verdict
from port2port.database import sqlite_url
from port2port.errors import NotFoundError
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, stix_id_of
from tests.fakes.picture import PictureDesk, picture_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PictureDesk]:
    made = picture_desk(Federation(), sqlite_url(tmp_path / "hub.db"))
    yield made
    made.store.close()


def found(desk: PictureDesk, reader: str, **wanted: Any) -> list[int]:
    return [row.index for row in desk.ask(reader, log_pages.search, Search(**wanted)).rows]


def test_a_row_that_a_reader_may_not_read_shows_index_and_hash_only(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    own = desk.ask("beanr", log_pages.search, Search()).rows[0]
    other = desk.ask("belgg", log_pages.search, Search()).rows[0]
    assert (own.index, own.leaf_hash) == (other.index, other.leaf_hash) == (a, own.leaf_hash)
    assert own.entry is not None
    assert own.entry.member == "beanr"
    assert other.entry is None


def test_a_search_by_content_finds_readable_rows_only(desk: PictureDesk) -> None:
    fed = desk.fed
    indicator = fed.indicator("beanr", tlp=Tlp.AMBER)
    (a,) = desk.admit([fed.publish("beanr", objects=[indicator], tlp=Tlp.AMBER)])
    (b,) = desk.admit([fed.publish("beanr")])
    assert found(desk, "beanr", member="beanr", kind="publish") == [b, a]
    assert found(desk, "belgg", member="beanr", kind="publish") == [b]
    assert found(desk, "beanr", indicator=stix_id_of(indicator)) == [a]
    assert found(desk, "belgg", indicator=stix_id_of(indicator)) == []
    assert found(desk, "belgg", start=fed.clock.now(), kind="publish") == [b]
    assert found(desk, "belgg", leaf=a) == [a]


def test_pages_of_rows_join_without_a_gap(desk: PictureDesk) -> None:
    desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER) for _ in range(3)])
    first = desk.ask("belgg", log_pages.search, Search(), limit=3)
    second = desk.ask("belgg", log_pages.search, Search(before=first.cursor), limit=3)
    assert [row.index for row in (*first.rows, *second.rows)] == [4, 3, 2, 1, 0]
    assert (second.cursor, second.size) == (None, 5)


def test_the_proof_of_a_leaf_holds_for_who_may_not_read_it_too(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    desk.admit([desk.fed.publish("beanr")])
    for member, reads in (("beanr", True), ("belgg", False)):
        made = desk.ask(member, log_pages.proof, desk.log, a)
        assert (made.envelope is not None) is reads
        merkle.verify_inclusion(
            bytes.fromhex(made.row.leaf_hash),
            index=a,
            size=made.size,
            proof=[bytes.fromhex(item) for item in made.path],
            root=bytes.fromhex(made.root),
        )
    with pytest.raises(NotFoundError):
        desk.ask("beanr", log_pages.proof, desk.log, 99)


def test_two_checkpoints_of_one_history_are_consistent_and_a_forged_one_is_not(desk: PictureDesk) -> None:
    early = desk.log.checkpoint().note
    desk.admit([desk.fed.publish("beanr")])
    late = desk.log.checkpoint().note
    fork = sign(Checkpoint(origin=desk.fed.origin, size=2, root=b"f" * 32), desk.fed.log_key).note
    for pair, verdict in (
        ((early, late), Verdict.CONSISTENT),
        ((late, early), Verdict.CONSISTENT),
        ((early, early), Verdict.SAME),
        ((early, fork), Verdict.CONFLICT),
        ((fork, late), Verdict.CONFLICT),
    ):
        assert desk.ask("belgg", lambda _, reading, pair=pair: log_pages.compare(reading, desk.log, *pair)) is verdict


def test_a_bundle_verifies_with_the_genesis_hash_alone_and_only_of_what_one_may_read(desk: PictureDesk) -> None:
    (a,) = desk.admit([desk.fed.publish("beanr", tlp=Tlp.AMBER)])
    signed = desk.log.checkpoint()
    raw = desk.ask("beanr", log_pages.bundle_of, signed, a)
    report = bundle.check(raw, desk.fed.genesis_hash, desk.fed.validate)
    assert report.entry.index == a
    with pytest.raises(NotFoundError):
        desk.ask("belgg", log_pages.bundle_of, signed, a)
    assert desk.fed.genesis_hash in log_pages.verify_command(desk.fed.genesis_hash)
