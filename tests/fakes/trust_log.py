"""A log in memory: every entry verified by the numbered steps under the roster before it, as an honest hub does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from port2port import bundle, checkpoint, coordination, merkle, roster, verify
from port2port.bundle import Bundle, Part
from port2port.checkpoint import Checkpoint, SignedCheckpoint
from port2port.clock import to_ms
from port2port.roster import Roster
from port2port.statement import LogSeen
from port2port.verify import STEPS, Context, VerifiedEntry, Work
from tests.fakes.federation import Federation


@dataclass(slots=True)
class FakeLog:
    """The hub's side of a ``Federation``; ``append`` raises RefusedError like the hub refuses."""

    fed: Federation
    roster: Roster | None = None
    entries: list[VerifiedEntry] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=lambda: [merkle.EMPTY_ROOT])
    frontier: merkle.Frontier = merkle.EMPTY_FRONTIER
    last_seq: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def append(self, *raws: bytes) -> int:
        """The index of the last of them."""
        for raw in raws:
            self._append(raw)
        return len(self.raws) - 1

    def _append(self, raw: bytes) -> None:
        work = verify.run(STEPS, Work(raw=raw, context=self.context()))
        entry = verify.finish(work)
        if entry.statement.kind == "genesis":
            self.roster = roster.found(self.fed.roster.genesis, entry.digest)
        elif entry.statement.is_control and self.roster is not None:
            self.roster = verify.next_roster(self.roster, work)
        self.put(raw, entry)

    def put(self, raw: bytes, entry: VerifiedEntry) -> None:
        """Into the tree, whatever it is."""
        self.frontier = self.frontier.append(entry.leaf_hash)
        self.entries.append(entry)
        self.raws.append(raw)
        self.leaves.append(entry.leaf_hash)
        self.roots.append(self.frontier.root())
        self.last_seq[entry.statement.signer] = (entry.statement.seq, entry.digest)
        self.fed.seen = LogSeen(size=len(self.leaves), root=self.roots[-1])

    def context(self) -> Context:
        """What is known before the next entry."""
        return Context(
            federation=self.fed.name,
            genesis_hash=self.fed.genesis_hash,
            roster=self.roster,
            index=len(self.raws),
            received_ms=to_ms(self.fed.clock.now()),
            last_seq=self.last_seq.get,
            root_at=lambda size: self.roots[size] if size < len(self.roots) else None,
            validate=self.fed.validate,
        )

    def checkpoint(self, size: int | None = None, witnesses: Sequence[str] = ()) -> SignedCheckpoint:
        """The checkpoint of a size (of now unless told), with the cosignatures of these members."""
        at = len(self.leaves) if size is None else size
        signed = checkpoint.sign(Checkpoint(origin=self.fed.origin, size=at, root=self.roots[at]), self.fed.log_key)
        seconds = to_ms(self.fed.clock.now()) // 1_000
        lines = [
            checkpoint.cosign(signed.checkpoint, witness=name, key=self.fed.ports[name].witness, time=seconds)
            for name in witnesses
        ]
        return signed.with_signatures(lines)

    def part(self, index: int, size: int) -> Part:
        entry = self.entries[index]
        return bundle.make_part(
            index=index,
            received_ms=entry.received_ms,
            envelope=self.raws[index],
            seen=entry.statement.log_seen.size,
            leaves=lambda start, end: self.leaves[start:end],
            size=size,
        )

    def bundle(self, index: int, witnesses: Sequence[str] = ()) -> Bundle:
        """The proof bundle of an entry under the checkpoint of now."""
        size = len(self.leaves)
        control = [at for at, entry in enumerate(self.entries) if entry.statement.is_control]
        return Bundle(
            entry=self.part(index, size),
            control=tuple(self.part(at, size) for at in control),
            checkpoint=self.checkpoint(witnesses=witnesses),
        )

    def control_log(self) -> bytes:
        """The file with which coordinators catch up."""
        control = [
            (entry.index, entry.received_ms, self.raws[entry.index])
            for entry in self.entries
            if entry.statement.is_control
        ]
        return coordination.encode_control_log(control, self.checkpoint().note.decode())


def founded(**options: object) -> tuple[Federation, FakeLog]:
    """A federation whose genesis and members are logged."""
    fed = Federation(**options)  # type: ignore[arg-type]  # the options are those of Federation
    log = FakeLog(fed)
    log.append(*fed.founding())
    return fed, log
