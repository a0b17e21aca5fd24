"""Verifying subscribers, a process of their own: ``python -m benchmarks.parts.followers CONFIG_JSON``.

Each connects as a bench port, takes all leaf hashes so far, and follows from there. Of every batch it recomputes the
root from all leaves, verifies the log's signature over the checkpoint, and runs every numbered step over every entry:
what a node does before it stores. On a line of standard input the arrivals so far are printed and forgotten.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.parts.drive import channel_to
from benchmarks.parts.ports import TlsFiles
from port2port import checkpoint, merkle, verify
from port2port.coordination import ControlLog, read_control_log
from port2port.merkle import EMPTY_FRONTIER, Frontier
from port2port.patterns import TemplateCache
from port2port.roster import Roster
from port2port.stix.validate import StixValidator
from port2port.v1 import exchange_pb2, transparency_pb2
from port2port.verify import Context

LEAVES: Final = 10_000
_FOLLOW: Final = "/port2port.v1.Exchange/Follow"
_LEAVES: Final = "/port2port.v1.Transparency/GetLeaves"
_CHECKPOINT: Final = "/port2port.v1.Transparency/GetCheckpoint"


@dataclass(slots=True, kw_only=True)
class Follower:
    """One subscriber. ``roots`` by tree size; ``arrivals`` are (index, monotonic seconds) once verified."""

    files: TlsFiles
    roster: Roster
    validator: StixValidator
    genesis: str
    frontier: Frontier = EMPTY_FRONTIER
    roots: dict[int, bytes] = field(default_factory=dict)
    arrivals: list[tuple[int, float]] = field(default_factory=list)

    async def run(self, ready: asyncio.Event) -> None:
        """Bootstrap, then follow until cancelled."""
        async with channel_to(self.files) as channel:
            note = await self._bootstrap(channel)
            request = exchange_pb2.FollowRequest(cursor=self.frontier.size, checkpoint=note)
            call = channel.unary_stream(_FOLLOW, response_deserializer=exchange_pb2.FeedBatch.FromString)(
                request.SerializeToString()
            )
            ready.set()
            async for batch in call:
                self._take(batch)

    async def _bootstrap(self, channel: Any) -> str:
        newest = channel.unary_unary(_CHECKPOINT, response_deserializer=transparency_pb2.CheckpointReply.FromString)
        note = str((await newest(transparency_pb2.GetCheckpointRequest().SerializeToString())).note)
        signed = checkpoint.SignedCheckpoint.parse(note.encode())
        get = channel.unary_unary(_LEAVES, response_deserializer=transparency_pb2.LeavesReply.FromString)
        while self.frontier.size < signed.checkpoint.size:
            count = min(LEAVES, signed.checkpoint.size - self.frontier.size)
            request = transparency_pb2.LeavesRequest(start=self.frontier.size, count=count)
            self._extend((await get(request.SerializeToString())).leaf_hashes)
        self._require_root(signed)
        return note

    def _extend(self, raw: bytes) -> list[bytes]:
        hashes = [raw[at : at + merkle.HASH_BYTES] for at in range(0, len(raw), merkle.HASH_BYTES)]
        size = self.frontier.size
        self.frontier, roots = merkle.extend_with_roots(self.frontier, hashes)
        self.roots.update(enumerate(roots, start=size + 1))
        return hashes

    def _require_root(self, signed: checkpoint.SignedCheckpoint) -> None:
        founding = self.roster.genesis
        found = checkpoint.verify_log(signed, checkpoint.log_key(founding.origin, founding.log_key))
        if (found.size, found.root) != (self.frontier.size, self.frontier.root()):
            raise SystemExit("the checkpoint is not of these leaves")

    def _take(self, batch: exchange_pb2.FeedBatch) -> None:
        leaves = self._extend(batch.leaf_hashes)
        self._require_root(checkpoint.SignedCheckpoint.parse(batch.checkpoint.encode()))
        for entry in batch.entries:
            found = verify.verify(entry.envelope, self._context(entry))
            if found.leaf_hash != leaves[entry.index - batch.first_index]:
                raise SystemExit("an entry is not behind its leaf")
            self.arrivals.append((entry.index, time.monotonic()))

    def _context(self, entry: exchange_pb2.FeedEntry) -> Context:
        return Context(
            federation=self.roster.genesis.federation,
            genesis_hash=self.genesis,
            roster=self.roster,
            index=entry.index,
            received_ms=entry.received_ms,
            last_seq=lambda _signer: None,
            root_at=self.roots.get,
            validate=self.validator.validate,
        )


def read_followers(config: Path) -> list[Follower]:
    """Those whom the bench described in a file."""
    given = json.loads(config.read_text())
    control: ControlLog = read_control_log(Path(given["control"]).read_bytes(), given["genesis"])
    validator = StixValidator(TemplateCache())
    return [
        Follower(
            files=TlsFiles(
                address=item["address"],
                ca=Path(item["ca"]),
                certificate=Path(item["certificate"]),
                key=Path(item["key"]),
            ),
            roster=control.roster,
            validator=validator,
            genesis=given["genesis"],
        )
        for item in given["followers"]
    ]


async def main(followers: list[Follower]) -> None:
    """Follow and answer lines until standard input ends."""
    async with asyncio.TaskGroup() as tasks:
        ready = [asyncio.Event() for _ in followers]
        running = [tasks.create_task(one.run(event)) for one, event in zip(followers, ready, strict=True)]
        await asyncio.gather(*(event.wait() for event in ready))
        print("following", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps([one.arrivals for one in followers]), flush=True)
            for one in followers:
                one.arrivals = []
        for task in running:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(read_followers(Path(sys.argv[1]))))
