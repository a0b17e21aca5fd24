"""What a lying hub can try, against nodes as they run: inbox, witness, uplink and receipts on a fake clock.

(a) it forks the log and relays the cosignatures of the other half: convicted by a file;
(b) it forks the log and keeps the halves apart: the minority says so within a minute, two exported checkpoints name it;
(c) one of three witnesses is off for a day: nobody is alarmed;
(d) it withholds one entry from one member: the author's node says so after a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from node import alarms, store
from node.alarms import Code, RaisedAlarm
from node.trusted_time import TrustedTime
from node.uplink import Uplink, UplinkParts
from node.witness import UNWITNESSED_S, Witness, WitnessWatch
from port2port import conflict, merkle
from port2port.checkpoint import SignedCheckpoint, log_key
from port2port.cli.checkpoint import AGREE, CONFLICT, NEEDS_PROOF, compare_files
from port2port.conflict import PrefixProof
from port2port.errors import SplitViewError
from port2port.metrics import Metrics
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.feed import FakeFeed, digest_in
from tests.fakes.hub import FakeHub
from tests.fakes.nodes import TestNode, make_node
from tests.fakes.settling import run_settling, settled

A, B, C = "beanr", "north-sea-port", "belgg"
HOUR_S = 3_600.0
LIMIT_S = 100.0


@dataclass(slots=True)
class Stage:
    """Nodes with running uplinks, each to the hub that it was given.

    Time moves only while something is awaited, in steps, each once all the nodes have done their work.
    """

    fed: Federation
    home: Path
    hub: FakeHub
    nodes: dict[str, TestNode] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, member: str, hub: FakeHub | None = None) -> TestNode:
        node, port, clock = make_node(self.fed, member, self.home / member), self.fed.ports[member], self.fed.clock
        talks_to = hub or self.hub
        parts = UplinkParts(
            store=node.store,
            inbox=node.inbox,
            witness=Witness(name=member, key=port.witness, clock=clock),
            watch=WitnessWatch(clock, size=node.inbox.state.size),
            time=TrustedTime(clock),
            machine=port.machine,
            clock=clock,
            metrics=Metrics("node"),
            connect=lambda: talks_to.connect(member),
            dice=random.Random(member),
        )
        self.nodes[member] = node
        self.tasks[member] = asyncio.create_task(Uplink(parts).run())
        return node

    def alarms(self, member: str) -> list[RaisedAlarm]:
        return self.nodes[member].store.read_now(alarms.standing)

    def codes(self, member: str) -> set[Code]:
        return {item.code for item in self.alarms(member)}

    def testimony(self, member: str) -> str | None:
        return self.nodes[member].store.read_now(lambda c: store.marked(c, "testimony"))

    async def until(self, what: Callable[[], bool], *, step_s: float = 0.25) -> None:
        """Let time pass in steps, and the nodes do their work between them, until it is so."""
        async with asyncio.timeout(LIMIT_S):
            await settled()
            while not what():
                self.fed.clock.advance(step_s)
                await asyncio.sleep(0.002)  # real time: the outbox is polled by it
                await settled()

    async def pass_time(self, seconds: float, *, step_s: float) -> None:
        end = self.fed.clock.monotonic() + seconds
        await self.until(lambda: self.fed.clock.monotonic() >= end, step_s=step_s)

    def all_have(self, *members: str) -> Callable[[], bool]:
        return lambda: all(self.nodes[who].inbox.state.size == len(self.hub.feed.leaves) for who in members)

    def export(self, member: str, path: Path) -> Path:
        """The newest checkpoint that a node has verified, as a file to hand to another port."""
        path.write_text(self.nodes[member].store.read_now(store.head).note)
        return path

    @property
    def vkey(self) -> str:
        return log_key(self.fed.origin, self.fed.log_key.public).to_text()


@asynccontextmanager
async def stage_in(home: Path) -> AsyncIterator[Stage]:
    """Three members, each a witness; the founding entries are logged."""
    fed = Federation(members=(A, B, C), witnesses=(A, B, C))
    stage = Stage(fed, home, FakeHub(FakeFeed(fed)))
    stage.hub.append(*fed.founding(), fed.group("seaports", A, B))
    try:
        yield stage
    finally:
        for task in stage.tasks.values():
            task.cancel()
        await asyncio.wait(stage.tasks.values())
        for node in stage.nodes.values():
            node.store.close()


async def _split(stage: Stage) -> FakeHub:
    """From here on C is shown another history than A and B."""
    for member in (A, B, C):
        stage.start(member)
    await stage.until(stage.all_have(A, B, C))
    stage.tasks[C].cancel()
    await asyncio.wait({stage.tasks[C]})
    stage.nodes[C].store.close()
    other = FakeHub(stage.hub.feed.fork())
    stage.start(C, other)
    return other


def test_a_forking_hub_that_relays_cosignatures_is_convicted_by_a_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            other = await _split(stage)
            other.append(stage.fed.publish(B))
            stage.hub.append(stage.fed.publish(A))
            await stage.until(lambda: bool(other.feed.cosignatures.get(4)))  # by C's own node, over what it was shown
            stage.hub.feed.relay = other.feed.cosigned(4)
            stage.hub.append(stage.fed.publish(A))
            await stage.until(lambda: stage.tasks[A].done() and stage.tasks[B].done())
            for member in (A, B):
                with pytest.raises(SplitViewError):
                    await stage.tasks[member]
                assert Code.SPLIT_VIEW in stage.codes(member)
                _require_conviction(stage, stage.nodes[member].home)

    run_settling(story(), deadline_s=LIMIT_S)


def _require_conviction(stage: Stage, home: Path) -> None:
    """The evidence file convicts, and the command for officers says the same of what is in it."""
    (file,) = (home / "evidence").iterdir()
    found = conflict.check_evidence(file.read_bytes(), log_key(stage.fed.origin, stage.fed.log_key.public))
    one, two = home / "one.checkpoint", home / "two.checkpoint"
    one.write_bytes(found.first.note)
    two.write_bytes(found.second.note)
    proof = None
    if found.proof is not None:
        proof = home / "prefix.proof"
        proof.write_bytes(found.proof.to_bytes())
    code, text = compare_files(one, two, stage.vkey, evidence_path=home / "again.json", proof_path=proof)
    assert code == CONFLICT, text
    assert stage.fed.origin in text
    assert found.first.checkpoint.root != found.second.checkpoint.root


def test_a_hub_that_keeps_the_halves_apart_is_noticed_by_the_minority_and_named_by_two_exported_files(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            other = await _split(stage)
            await stage.until(lambda: stage.testimony(A) == "witnessed" == stage.testimony(C))
            shown, hidden = stage.fed.publish(C), stage.fed.publish(C)
            stage.nodes[C].note_own(shown)
            other.append(shown)
            stage.hub.append(hidden)
            await stage.until(lambda: stage.nodes[C].inbox.state.size == 4)
            shown_at_s = stage.fed.clock.monotonic()
            await stage.until(lambda: Code.UNWITNESSED in stage.codes(C))
            waited_s = stage.fed.clock.monotonic() - shown_at_s
            assert UNWITNESSED_S - 5 < waited_s < UNWITNESSED_S + 5
            assert stage.testimony(C) == "unwitnessed"
            assert stage.codes(A) == stage.codes(B) == set(), "the majority has each other's word"
            _require_named(stage, tmp_path)

    run_settling(story(), deadline_s=LIMIT_S)


def _require_named(stage: Stage, directory: Path) -> None:
    ours, theirs = stage.export(A, directory / "a.txt"), stage.export(C, directory / "c.txt")
    evidence = directory / "evidence.json"
    code, text = compare_files(ours, theirs, stage.vkey, evidence_path=evidence)
    assert code == CONFLICT, text
    assert stage.fed.origin in text
    conflict.check_evidence(evidence.read_bytes(), log_key(stage.fed.origin, stage.fed.log_key.public))
    same = stage.export(B, directory / "b.txt")
    assert compare_files(ours, same, stage.vkey, evidence_path=directory / "none.json")[0] == AGREE


def test_exports_of_different_sizes_name_the_hub_with_the_larger_ports_prefix_proof(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            other = await _split(stage)
            other.append(stage.fed.publish(B))
            stage.hub.append(*(stage.fed.publish(A) for _ in range(4)))
            await stage.until(lambda: stage.nodes[C].inbox.state.size == 4 and stage.all_have(A)())
            files = stage.export(A, tmp_path / "a.txt"), stage.export(C, tmp_path / "c.txt")
            evidence, proof = tmp_path / "evidence.json", tmp_path / "prefix.proof"
            assert compare_files(*files, stage.vkey, evidence_path=evidence)[0] == NEEDS_PROOF
            proof.write_bytes(_prefix_proof(stage.nodes[A], 4).to_bytes())
            code, text = compare_files(*files, stage.vkey, evidence_path=evidence, proof_path=proof)
            assert (code, re.findall("CONFLICT", text)) == (CONFLICT, ["CONFLICT"])

    run_settling(story(), deadline_s=LIMIT_S)


def _prefix_proof(node: TestNode, first: int) -> PrefixProof:

    size = node.inbox.state.size

    def action(connection: Connection) -> PrefixProof:
        path = merkle.consistency_proof(
            lambda start, end: store.leaf_hashes(connection, start, end), first=first, second=size
        )
        root = store.root_at(connection, first)
        assert root is not None
        return PrefixProof(first=first, second=size, first_root=root, path=path)

    return node.store.read_now(action)


@pytest.mark.slow
def test_one_of_three_witnesses_off_for_a_day_alarms_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            stage.start(A)
            stage.start(B)
            await stage.until(stage.all_have(A, B))
            for _ in range(8):
                stage.hub.append(stage.fed.publish(A, tlp=Tlp.AMBER, groups=("seaports",), officer=False))
                stage.nodes[A].note_own(stage.hub.feed.entries[-1].raw)
                await stage.until(stage.all_have(A, B))
                await stage.until(lambda: bool(stage.hub.feed.cosignatures.get(len(stage.hub.feed.leaves))))
                await stage.pass_time(2 * UNWITNESSED_S, step_s=1.0)
                assert stage.alarms(A) == stage.alarms(B) == []
                await stage.pass_time(3 * HOUR_S - 2 * UNWITNESSED_S, step_s=120.0)
            assert stage.testimony(A) == stage.testimony(B) == "witnessed"
            assert stage.fed.clock.monotonic() >= 24 * HOUR_S

    run_settling(story(), deadline_s=LIMIT_S)


def test_two_of_three_witnesses_off_alarms_the_third_so_the_day_above_could_have_failed(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            stage.start(A)
            await stage.until(stage.all_have(A))
            await stage.until(lambda: Code.UNWITNESSED in stage.codes(A))
            stage.start(B)
            await stage.until(lambda: Code.UNWITNESSED not in stage.codes(A))

    run_settling(story(), deadline_s=LIMIT_S)


def test_an_entry_withheld_from_one_entitled_member_is_told_to_its_author(tmp_path: Path) -> None:
    async def story() -> None:
        async with stage_in(tmp_path) as stage:
            author = stage.start(A)
            stage.start(B)
            stage.start(C)
            await stage.until(stage.all_have(A, B, C))
            made, other = stage.fed.publish(A), stage.fed.publish(A)
            stage.hub.feed.withhold.add((C, digest_in(made)))
            author.note_own(made, other)
            await stage.until(lambda: len(stage.hub.feed.leaves) == 5)
            await stage.until(stage.all_have(A, B, C))
            await stage.pass_time(14 * 60, step_s=5.0)
            assert stage.alarms(A) == []
            await stage.until(lambda: Code.NOT_DELIVERED in stage.codes(A), step_s=5.0)
            assert [item.text for item in stage.alarms(A)] == [f"entry 3 was not delivered to {C} for 15 min"]
            assert SignedCheckpoint.parse(stage.nodes[C].inbox.state.note).checkpoint.size == 5

    run_settling(story(), deadline_s=LIMIT_S)
