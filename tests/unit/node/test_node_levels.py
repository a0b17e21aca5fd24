"""The security levels at a node: in force, and waiting for the duty officer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from node import levels, receipts, tables
from node.store import NodeStore
from port2port.clock import to_ms
from port2port.envelope import digest_of
from port2port.errors import NotFoundError
from port2port.levels import Level
from port2port.tlp import Tlp
from port2port.wire import decode_envelope
from tests.fakes.federation import Federation, statement_of
from tests.fakes.prepared import node_store

FED = Federation(members=("beanr", "belgg"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NodeStore]:
    made = node_store(tmp_path / "node.db")
    yield made
    made.close()


def log(store: NodeStore, index: int, number: int, *, hours: int = 0, **more: Any) -> None:
    """As the inbox would keep a level change that passed every step."""
    effective = FED.clock.now() + timedelta(hours=hours)
    body = Level(locode="BEANR", level=number, effective=effective, reason="test").to_body()
    raw = FED.content("beanr", "level", two_officers=True, tlp=Tlp.GREEN, body=body)
    said, now_ms = statement_of(raw), to_ms(FED.clock.now())
    row = {
        "index": index,
        "digest": digest_of(decode_envelope(raw).statement),
        "statement_id": said.id,
        "kind": said.kind,
        "issuer": said.issuer,
        "signer": said.signer,
        "seq": said.seq,
        "realm": said.realm,
        "issued_ms": now_ms,
        "received_ms": now_ms,
        "envelope": raw,
        "control": False,
        "understood": True,
        "late": False,
        "machine_only": False,
        "own": False,
        "disputed": False,
        "reaffirmed": False,
        **more,
    }
    entry = tables.NodeRow.metadata.tables[tables.Entry.__tablename__]
    store.write_now(lambda c: c.execute(sa.insert(entry), [row]))


def test_the_change_in_effect_that_was_logged_last_is_in_force(store: NodeStore) -> None:
    log(store, 1, 2)
    log(store, 2, 3, hours=1)
    log(store, 3, 3, disputed=True)
    now = FED.clock.now()
    assert store.read_now(lambda c: levels.current(c, now))["BEANR"].level.level == 2
    later = now + timedelta(hours=1)
    assert store.read_now(lambda c: levels.current(c, later))["BEANR"].index == 2


def test_a_change_waits_for_the_duty_officer_until_he_acknowledges_it(store: NodeStore) -> None:
    log(store, 1, 2)
    log(store, 2, 1, own=True)
    now = FED.clock.now()
    assert [one.index for one in store.read_now(lambda c: levels.unacknowledged(c, now))] == [1]
    store.write_now(lambda c: levels.acknowledge(c, 1, now))
    assert store.read_now(lambda c: levels.unacknowledged(c, now)) == ()
    with pytest.raises(NotFoundError):
        store.write_now(lambda c: levels.acknowledge(c, 99, now))


def test_each_officer_reads_for_himself_and_the_authority_is_told_once(store: NodeStore) -> None:
    log(store, 1, 2)
    log(store, 2, 3, hours=2)
    log(store, 3, 1, hours=1)
    now = FED.clock.now()
    assert store.write_now(lambda c: levels.read(c, [1, 1], "o1", now)) == [1]
    assert store.write_now(lambda c: levels.read(c, [1, 3], "o2", now)) == [1, 3]
    assert store.write_now(lambda c: levels.read(c, [1], "o1", now)) == []
    found = store.read_now(lambda c: levels.changes(c, now))
    known = store.read_now(lambda c: levels.readings(c, found, FED.roster))
    assert [one.officer for one in known[1]] == ["o1", "o2"]
    assert [one.index for one in levels.unread(found, known, "o1")] == [3], "the second is replaced before it comes"
    assert levels.unread(found, known, "o2") == ()
    owed = store.read_now(lambda c: receipts.owed(c, "belgg", limit=9))
    assert [(one.index, one.state) for one in owed] == [(1, "seen"), (3, "seen")]
    with pytest.raises(NotFoundError):
        store.write_now(lambda c: levels.read(c, [99], "o1", now))


def test_who_signed_a_change_has_read_it_and_the_authority_tells_itself_nothing(store: NodeStore) -> None:
    FED.founding()
    log(store, 1, 2, own=True)
    now = FED.clock.now()
    found = store.read_now(lambda c: levels.changes(c, now))
    known = store.read_now(lambda c: levels.readings(c, found, FED.roster))
    assert {(one.officer, one.signed) for one in known[1]} == {("o1", True), ("o2", True)}
    assert store.write_now(lambda c: levels.read(c, [1], "o3", now)) == [1]
    assert store.read_now(lambda c: receipts.owed(c, "beanr", limit=9)) == []


def test_the_places_of_an_authority_are_those_the_roster_gives_it() -> None:
    roster = replace(FED.roster, level_authorities={"BEGNE": "beanr", "BEANR": "beanr", "BELGG": "belgg"})
    assert levels.places_of(roster, "beanr") == ("BEANR", "BEGNE")
    assert levels.places_of(roster, "police") == ()
