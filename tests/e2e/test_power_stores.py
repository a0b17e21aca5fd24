"""The power fails under the hub's log and under a node's outbox: what they promised is there afterwards.

With ``synchronous=NORMAL`` the same cut must lose something, or it would cut nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge, admit
from hub.store import open_store, read_head
from hub.tables import ENTRY, LEAF
from hub.transparency import Log
from node import store as node_store
from node.outbox import Outbox, SequenceFile, pending
from port2port import merkle
from port2port.database import sqlite_url
from port2port.merkle import Frontier
from tests.fakes import log_writer
from tests.fakes.powercut import PowerCutDisk, power_cut_disk

pytestmark = [pytest.mark.fault, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
CUTS = (10, 19, 27, 38)  # acknowledged before each cut
BEFORE_CHECKPOINT = 40  # NORMAL syncs when the write-ahead log is 4,000 pages long: stay well below


@pytest.fixture
def disk() -> Iterator[PowerCutDisk]:
    with power_cut_disk() as switched_on:
        yield switched_on


def _write_until_the_power_goes(disk: PowerCutDisk, what: str, where: str, synchronous: str, after: int) -> set[str]:
    """The digests promised by a writer before its disk loses power, once ``after`` of them have arrived."""
    command = [sys.executable, "-m", log_writer.__name__, what, where, synchronous]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        promised = {child.stdout.readline().strip() for _ in range(after)}
        disk.cut()
        _, errors = child.communicate(timeout=20)
    assert child.returncode == 1, f"the writer did not notice that its disk is gone: {errors}"
    assert "StorageError" in errors or "ConfigurationError" in errors, errors
    disk.restore()
    return promised


def _found_hub(disk: PowerCutDisk) -> str:
    url = sqlite_url(disk.mount / "hub.sqlite")
    store, fed = open_store(url), log_writer.federation()
    log = Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    checker = Checker(
        federation=fed.name, genesis_hash=fed.genesis_hash, log=log, validate=fed.validate, clock=fed.clock
    )
    for raw in fed.founding():
        admitted = admit(store=store, log=log, checker=checker, judge=IntakeJudge(Audiences()), raw=raw)
        assert admitted.outcome.name == "ACCEPTED", admitted
    store.close()
    return url


def _logged(url: str) -> set[str]:
    """Digests in the log, once it was seen to be whole."""
    store = open_store(url)
    head = store.database.read_now(read_head)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        leaves = connection.execute(sa.select(LEAF.c.index, LEAF.c.leaf_hash).order_by(LEAF.c.index)).all()
        digests = connection.scalars(sa.select(ENTRY.c.digest)).all()
    store.close()
    assert [index for index, _ in leaves] == list(range(head.next))
    assert Frontier().extend([bytes(leaf) for _, leaf in leaves]).root() == head.root
    assert head.root != merkle.EMPTY_ROOT
    assert len(digests) == len(set(digests)) == head.next
    return {bytes(digest).hex() for digest in digests}


def _found_node(disk: PowerCutDisk) -> str:
    node_store.open_store(sqlite_url(disk.mount / "node.db")).close()
    return str(disk.mount)


def _queued(where: str) -> set[str]:
    """Digests in the outbox, once it was seen that the key may go on signing with sequences it never used."""
    store, fed = node_store.open_store(sqlite_url(Path(where) / "node.db")), log_writer.federation()
    machine = fed.ports[log_writer.MEMBER].machine
    outbox = Outbox(machine, SequenceFile(Path(where) / "machine.key.seq", machine.key_id))
    rows = store.read_now(lambda c: pending(c, now_ms=2**60, limit=10**6, max_bytes=2**40))
    taken = store.read_now(outbox.require_current)
    store.close()
    assert len({row.seq for row in rows}) == len(rows)
    assert taken >= max((row.seq for row in rows), default=0)
    return {row.digest.hex() for row in rows}


PLACES: dict[str, tuple[Callable[[PowerCutDisk], str], Callable[[str], set[str]]]] = {
    "hub": (_found_hub, _logged),
    "outbox": (_found_node, _queued),
}


@pytest.mark.parametrize("what", PLACES)
def test_what_was_promised_outlives_the_power(disk: PowerCutDisk, what: str) -> None:
    found, stored = PLACES[what]
    where = found(disk)
    os.sync()
    promised: set[str] = set()
    for after in CUTS:
        promised |= _write_until_the_power_goes(disk, what, where, "FULL", after)
        assert promised <= stored(where), f"{len(promised - stored(where))} of {len(promised)} were lost"
    assert len(promised) == sum(CUTS)


@pytest.mark.parametrize("what", PLACES)
def test_with_normal_promises_are_lost_so_these_tests_can_see_a_loss(disk: PowerCutDisk, what: str) -> None:
    found, _ = PLACES[what]
    where = found(disk)
    os.sync()
    promised = _write_until_the_power_goes(disk, what, where, "NORMAL", BEFORE_CHECKPOINT)
    assert promised - _digests_left(what, where), "nothing was lost: this power cut cuts nothing"


def _digests_left(what: str, where: str) -> set[str]:
    """As read without asking whether the rest fits together, which it may not after such a loss."""
    file = sqlite_url(Path(where) / "node.db") if what == "outbox" else where
    engine = sa.create_engine(file)
    table = "outbox" if what == "outbox" else "log_entry"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT digest FROM {table}").scalars().all()
    engine.dispose()
    return {bytes(row).hex() for row in rows}
