"""What each stage of intake costs: the hub's own functions on the same envelopes, in this process, one by one.

CPU microseconds per envelope, no profiler in between. Waiting for the disk is not CPU and so not in here; the
transport is measured on the bare server.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge
from hub.intake.results import of_outcome
from hub.keyring import Keyring
from hub.rpc.submit import reply_of
from hub.store import open_store
from hub.transparency import Candidate, Log, RosterAt, fold_roster
from port2port import merkle
from port2port.checkpoint import Checkpoint, sign
from port2port.clock import SystemClock
from port2port.merkle import EMPTY_FRONTIER
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.verify import STEPS, Work

COMMITTED: Final = {100: 1_000, 10: 400, 1: 120}  # batch size: envelopes
ENVELOPES: Final = sum(COMMITTED.values())
_STAGES: Final = {
    "decode": ("SIZE", "ENCODING", "PAYLOAD_TYPE", "SIGNATURE_LIST"),
    "statement": ("STATEMENT_JSON", "STATEMENT_FIELDS", "UNDERSTOOD"),
    "issuer and keys": ("ISSUER", "KEYS"),
    "signatures": ("SIGNATURES",),
    "policy": ("AUTHORITY", "AUDIENCE", "TIME", "COMMITMENTS", "OWNERSHIP", "OBJECT_MARKING"),
    "object validation": ("OBJECTS",),
}
_TIMED: Final = tuple(step for step in STEPS if any(step.name in names for names in _STAGES.values()))


class Stages:
    """The hub's parts over a copy of its database; ``close`` it."""

    def __init__(self, *, database: Path, keyring: Keyring, member: str) -> None:
        self._store = open_store(f"sqlite:///{database}")
        self._at: RosterAt = self._store.database.read_now(fold_roster)
        if self._at.roster is None:
            raise SystemExit("this database has no genesis")
        genesis = self._at.roster.genesis
        self._keyring = keyring
        self._member = member
        self._log = Log(self._store, origin=genesis.origin, key=keyring.log, clock=SystemClock())
        self._judge = IntakeJudge(Audiences())
        self._checker = Checker(
            federation=genesis.federation,
            genesis_hash="",
            log=self._log,
            validate=StixValidator(TemplateCache()).validate,
            clock=SystemClock(),
        )

    def close(self) -> None:
        """Let go of the copy."""
        self._store.close()

    def before_commit(self, raws: Sequence[bytes]) -> dict[str, float]:
        """Microseconds of each stage that runs in the pool; "context" is what is around the steps."""
        self._candidates(raws[:50])
        begun = time.process_time()
        self._candidates(raws)
        whole = (time.process_time() - begun) / len(raws) * 1e6
        steps: Counter[str] = Counter()
        for raw in raws:
            self._time_steps(raw, steps)
        stages = {stage: sum(steps[name] for name in names) / len(raws) / 1e3 for stage, names in _STAGES.items()}
        return stages | {"context": max(0.0, whole - sum(stages.values()))}

    def _time_steps(self, raw: bytes, spent: Counter[str]) -> None:
        work = Work(raw=raw, context=self._checker.context(self._at))
        clock = time.thread_time_ns
        idle = clock()
        idle = clock() - idle  # what reading the clock costs itself
        for step in _TIMED:
            begun = clock()
            step.check(work)
            spent[step.name] += clock() - begun - idle

    def _candidates(self, raws: Sequence[bytes]) -> list[Candidate]:
        checked = [self._checker.check(raw, self._member, self._at) for raw in raws]
        refused = [item.result for item in checked if item.candidate is None]
        if refused:
            raise SystemExit(f"refused: {refused[0]}")
        return [item.candidate for item in checked if item.candidate is not None]

    def commit(self, raws: Sequence[bytes], group: int) -> dict[str, float]:
        """Microseconds of each stage that runs on the writer thread and after it, for groups of one size."""
        candidates = self._candidates(raws)
        groups = [candidates[at : at + group] for at in range(0, len(candidates), group)]
        begun = time.process_time()
        outcomes = [self._log.append(one, self._judge) for one in groups]
        whole = (time.process_time() - begun) / len(raws) * 1e6
        results = [
            [of_outcome(outcome, item.work.digest) for outcome, item in zip(got, one, strict=True)]
            for got, one in zip(outcomes, groups, strict=True)
        ]
        parts = {
            "leaf and Merkle": self._merkle_us(groups),
            "checkpoint signature": self._checkpoint_us(len(groups)) / group,
        }
        return {
            "SQLite, judge, rows": whole - sum(parts.values()),
            **parts,
            "acknowledgement": per_call_us(
                lambda: [reply_of(1, one, self._keyring.hub).SerializeToString() for one in results], len(raws)
            ),
        }

    def _merkle_us(self, groups: Sequence[Sequence[Candidate]]) -> float:
        def run() -> None:
            frontier = EMPTY_FRONTIER
            for group in groups:
                frontier, _ = merkle.extend_with_roots(frontier, [item.leaf_hash(1) for item in group])

        return per_call_us(run, sum(map(len, groups)))

    def _checkpoint_us(self, count: int) -> float:
        made = [Checkpoint(origin=self._log.origin, size=size, root=bytes(32)) for size in range(1, count + 1)]
        return per_call_us(lambda: [sign(one, self._keyring.log).note for one in made], count)


def per_call_us(run: Callable[[], object], count: int) -> float:
    """CPU microseconds of one of ``count`` calls on this thread."""
    begun = time.thread_time()
    run()
    return (time.thread_time() - begun) / count * 1e6
