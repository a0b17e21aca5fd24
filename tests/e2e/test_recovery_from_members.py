"""The hub's database is lost and an older copy put in its place: it must not serve before it has everything again.

Real processes: one hub, three nodes, each with a copy of what it may read. One entry is known to one node alone, and
one node's copy has been tampered with.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

from hub.store import Head, audit_rows, open_store, read_head
from hub.tables import ENTRY
from node import store as node_store
from port2port.database import sqlite_url
from port2port.tlp import Tlp
from tests.fakes import busy_node
from tests.fakes.hub_home import HubHome, end, make_hub_home, make_node_home
from tests.fakes.publisher import Publisher
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
NODES = ("beanr", "belgg", "north-sea-port")
AUTHOR = "bebru"
TAMPERED = "belgg"
DEADLINE_S = 60.0


@dataclass(slots=True)
class Scene:
    """The hub's home, the running processes, and what was said before it was lost."""

    home: HubHome
    root: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    author: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.author = Publisher(self.home, AUTHOR, make=lambda: self.home.fed.publish(AUTHOR))

    def start_node(self, member: str) -> None:
        config = make_node_home(self.home, member, self.root / member)
        with (self.root / f"{member}.txt").open("wb") as file:
            command = [sys.executable, "-m", busy_node.__name__, str(config), "0"]
            self.processes[member] = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT
            )

    def say(self, *more: Callable[[], bytes]) -> None:
        """Hand in ten entries for all, and what ``more`` makes, and wait for the acknowledgements."""
        self.author.think(10)
        for make in more:
            self.author.make, plain = make, self.author.make
            self.author.think(1)
            self.author.make = plain
        wait_until(self._said, what="the author's entries are accepted", deadline_s=DEADLINE_S)
        assert self.author.contradictions == []

    def _said(self) -> bool:
        asyncio.run(self.author.talk(for_ever=False))
        return not self.author.waiting

    def head(self) -> Head:
        store = open_store(self.home.database)
        try:
            return store.database.read_now(read_head)
        finally:
            store.close()

    def copies(self) -> set[tuple[int, bytes]]:
        """(size, root) of every node's copy."""
        found = set()
        for member in NODES:
            opened = node_store.open_store(sqlite_url(self.root / member / "node.db"))
            head = opened.read_now(node_store.head)
            found.add((head.size, head.frontier.root()))
            opened.close()
        return found

    def all_have(self, head: Head) -> None:
        wait_until(lambda: self.copies() == {head.stamp}, what="every node has everything", deadline_s=DEADLINE_S)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    members = (*NODES, AUTHOR)
    made = Scene(make_hub_home(tmp_path / "hub", members=members, witnesses=NODES), tmp_path)
    yield made
    for process in made.processes.values():
        process.send_signal(signal.SIGCONT)
        end(process)


def test_a_hub_restored_from_an_old_copy_refuses_and_recovers_all_from_its_members(scene: Scene) -> None:
    home, database = scene.home, Path(scene.home.database.removeprefix("sqlite:///"))
    fed = home.fed
    for member in NODES:
        scene.start_node(member)
    with home.serving():
        scene.say()
        _backup(database, scene.root / "yesterday.sqlite")
        scene.say(
            lambda: fed.publish(AUTHOR, tlp=Tlp.AMBER, recipients=("north-sea-port",)),
            lambda: fed.publish(AUTHOR, tlp=Tlp.AMBER, recipients=("beanr",)),
        )
        lost = scene.head()
        scene.all_have(lost)
    _restore(scene.root / "yesterday.sqlite", database)
    tampered = scene.head().next + 3
    _tamper(scene.root / TAMPERED / "node.db", tampered)
    assert scene.head().next < lost.next

    asleep = [scene.processes[member] for member in NODES if member != TAMPERED]
    for process in asleep:
        process.send_signal(signal.SIGSTOP)
    with home.serving():
        _require_refusal(scene, lost)
        wait_until(lambda: _named(scene), what="the tampered copy is noticed", deadline_s=DEADLINE_S)
        for process in asleep:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda: scene.head().stamp == lost.stamp, what="the hub has recovered", deadline_s=DEADLINE_S)
        wait_until(lambda: _refusal(scene) is None, what="the hub serves again", deadline_s=DEADLINE_S)
        said = {**scene.author.acknowledged}
        scene.say()
        assert said.items() <= scene.author.acknowledged.items()
        scene.all_have(scene.head())
    _require_everything(scene)
    assert _named(scene) == {(TAMPERED, tampered)}


def _backup(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as two:
        one.backup(two)


def _restore(copy: Path, database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    copy.rename(database)


def _tamper(file: Path, index: int) -> None:
    """Exchange one byte of one entry in a node's copy, as somebody would who can write there."""
    with closing(sqlite3.connect(file)) as connection, connection:
        (raw,) = connection.execute('SELECT envelope FROM entry WHERE "index" = ?', (index,)).fetchone()
        bent = raw[:-1] + bytes([raw[-1] ^ 1])
        connection.execute('UPDATE entry SET envelope = ? WHERE "index" = ?', (bent, index))


def _require_refusal(scene: Scene, lost: Head) -> None:
    """As soon as one member has shown what it remembers, nobody is served."""
    wait_until(lambda: _refusal(scene) == "LOG_BEHIND", what="the hub refuses to serve", deadline_s=DEADLINE_S)
    assert scene.head().next < lost.next


def _named(scene: Scene) -> set[tuple[str, int]]:
    """(member, index) of the copies in which the hub found something that was never logged."""
    store = open_store(scene.home.database)
    try:
        rows = store.database.read_now(lambda connection: audit_rows(connection, "TAMPERED_COPY"))
        return {(row["member"], json.loads(row["facts"])["index"]) for row in rows}
    finally:
        store.close()


def _refusal(scene: Scene) -> str | None:
    """The code with which a publishing member is turned away, None where it is not."""

    async def ask() -> str | None:
        async with scene.home.channel(AUTHOR) as channel:
            call = channel.stream_stream("/port2port.v1.Exchange/Submit")(timeout=10)
            try:
                await call.write(_again(scene))
                await call.done_writing()
                await call.read()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                trailing = dict(await call.trailing_metadata())
                return str(trailing.get("p2p-code"))
        return None

    return asyncio.run(ask())


def _again(scene: Scene) -> bytes:
    """A request with an entry that was logged long ago: harmless if it is taken."""
    from port2port.v1 import exchange_pb2

    return exchange_pb2.SubmitRequest(batch_id=1, envelopes=[scene.home.fed.genesis_envelope]).SerializeToString()


def _require_everything(scene: Scene) -> None:
    store = open_store(scene.home.database)
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(ENTRY.c.digest, ENTRY.c.index, ENTRY.c.received_ms)).all()
    store.close()
    stored = {bytes(digest): (index, received_ms) for digest, index, received_ms in rows}
    assert scene.author.acknowledged.items() <= stored.items(), "acknowledged and lost, or moved"
    assert len(stored) == scene.head().next == 2 + len(scene.author.acknowledged)
