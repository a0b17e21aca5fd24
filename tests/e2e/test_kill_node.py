"""A node is killed again and again while its officers publish and others' entries come in.

before_commit: an own statement or a verified batch is written, not committed. after_commit: durable, and nobody was
told. before_receipt: receipts are signed and not handed in. What an officer was promised must reach the log, once;
what was verified must not be lost or stored twice; every receipt must arrive in the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.store import Store, open_store, read_head
from hub.tables import ENTRY, RECEIPT
from node import alarms, outbox
from node import store as node_store
from node.store import NodeStore
from port2port.database import sqlite_url
from port2port.stage import free_port
from tests.fakes import busy_node
from tests.fakes.hub_home import HubHome, end, make_hub_home, make_node_home, metric
from tests.fakes.publisher import Publisher
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
MEMBER, OTHER = "beanr", "belgg"
POINTS = {"node.before_commit": 0.06, "node.after_commit": 0.06, "node.before_receipt": 0.7}
KILLS = 10
EVERY_MS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyNode:
    """The node that is killed; what it promised lies outside of its reach."""

    config: Path
    output: Path

    def start(self, *, failpoints: str = "", every_ms: int = EVERY_MS) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "P2P_FAILPOINTS": failpoints}
        with self.output.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", busy_node.__name__, str(self.config), str(every_ms)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=ROOT,
            )

    def promised(self) -> list[bytes]:
        """Digests of what was durable before its promise was printed, in order."""
        lines = [line.split() for line in self.output.read_text(errors="replace").splitlines()]
        return [bytes.fromhex(line[1]) for line in lines if len(line) == 2 and line[0] == "promised"]

    def store(self) -> NodeStore:
        return node_store.open_store(sqlite_url(self.config.parent / "node.db"))


@pytest.fixture
def metrics_address() -> str:
    return f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"


@pytest.fixture
def home(tmp_path: Path, metrics_address: str) -> Iterator[HubHome]:
    made = make_hub_home(tmp_path / "hub", members=(MEMBER, OTHER), settings={"metrics_listen": metrics_address})
    with made.serving():
        yield made


@pytest.fixture
def busy(home: HubHome, tmp_path: Path) -> BusyNode:
    return BusyNode(config=make_node_home(home, MEMBER, tmp_path / MEMBER), output=tmp_path / "promises.txt")


async def _under_load(home: HubHome, busy: BusyNode, point: str, other: Publisher) -> None:
    """Ten lives, each ended at the failpoint, while another port publishes to the node."""
    talking = asyncio.create_task(other.talk(for_ever=True))
    try:
        for seed in range(KILLS):
            process = busy.start(failpoints=f"{point}={POINTS[point]},seed={seed}")
            try:
                async with asyncio.timeout(60):
                    await asyncio.to_thread(process.wait)
            finally:
                code = end(process, signal.SIGABRT)
            assert code == -signal.SIGKILL, busy.output.read_text()[-3000:]
            assert not talking.done(), other.outcomes
    finally:
        talking.cancel()
        await asyncio.wait({talking})
    await other.talk(for_ever=False)


@pytest.mark.parametrize("point", POINTS)
def test_what_an_officer_was_promised_reaches_the_log_once_through_ten_kills_of_the_node(
    home: HubHome, busy: BusyNode, metrics_address: str, point: str
) -> None:
    other = Publisher(home, OTHER, make=lambda: home.fed.publish(OTHER), window=1, batch=3, pause_s=0.15)
    asyncio.run(_under_load(home, busy, point, other))
    _settle(home, busy)
    log = open_store(home.database)
    _require_in_log_once(log, busy.promised())
    own = busy.store()
    _require_same_copy(log, own)
    _require_every_receipt(log)
    log.close()
    own.close()
    assert len(busy.promised()) > KILLS
    if point == "node.before_commit":
        assert metric(metrics_address, "p2p_hub_envelopes_total", "DUPLICATE") > 0, "no retry was ever recognised"


def _settle(home: HubHome, busy: BusyNode) -> None:
    """The node lives on quietly until everything is done."""
    process, own, log = busy.start(every_ms=0), busy.store(), open_store(home.database)

    def settled() -> bool:
        waiting = own.read_now(outbox.counts)
        size = log.database.read_now(read_head).next
        ended = process.poll() is not None
        owed = own.read_now(lambda c: node_store.head(c).size == size and _owed(c) == 0)
        return ended or (owed and set(waiting) <= {outbox.CLEARED})

    try:
        wait_until(settled, what="the outbox is cleared and all receipts are handed in", deadline_s=60)
        assert process.poll() is None, busy.output.read_text()[-3000:]
    finally:
        end(process)
        own.close()
        log.close()


def _owed(connection: sa.Connection) -> int:
    from node import receipts

    return len(receipts.owed(connection, MEMBER, limit=10))


def _require_in_log_once(log: Store, promised: list[bytes]) -> None:
    with log.engine.connect() as connection:
        rows = connection.execute(sa.select(ENTRY.c.digest, ENTRY.c.issuer).order_by(ENTRY.c.index)).all()
    logged = Counter(bytes(digest) for digest, _ in rows)
    assert max(logged.values()) == 1
    assert set(promised) <= set(logged), "promised to an officer, and lost"
    order = [bytes(digest) for digest, issuer in rows if issuer == MEMBER]
    assert [digest for digest in order if digest in set(promised)] == promised, "logged in another order"


def _require_same_copy(log: Store, own: NodeStore) -> None:
    head = log.database.read_now(read_head)
    copy = own.read_now(node_store.head)
    assert (copy.size, copy.frontier.root()) == (head.next, head.root)
    held = own.read_now(lambda c: node_store.entries_from(c, 0, limit=10**6))
    assert [entry.index for entry in held] == list(range(head.next))
    assert own.read_now(node_store.quarantined_count) == 0
    assert own.read_now(alarms.standing) == []


def _require_every_receipt(log: Store) -> None:
    """One "delivered" by the killed node for each entry of the other port, and no second one."""
    with log.engine.connect() as connection:
        there = connection.scalars(sa.select(ENTRY.c.index).where(ENTRY.c.issuer == OTHER)).all()
        told = connection.scalars(sa.select(RECEIPT.c.index).where(RECEIPT.c.member == MEMBER)).all()
    assert sorted(told) == sorted(there)
