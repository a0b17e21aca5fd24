"""What each stage of intake costs: the hub's own functions on the same envelopes, in this process.

First the whole pipeline with its threads and its event loop, batches as in the measurement but without transport;
it also tells how large the groups become. Then the stages one by one, in one thread, in groups of that size. Each
figure is scaled by what a verification costs beside it against ``verify_us``, since the speed of a shared machine
changes from minute to minute. CPU microseconds per envelope, no profiler in between.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.parts.measures import verify_cost_s
from hub.audience import Audiences
from hub.intake import Checker, Intake, IntakeJudge
from hub.intake.results import of_outcome
from hub.keyring import Keyring
from hub.quota import Quotas
from hub.rpc.submit import reply_of
from hub.store import open_store
from hub.transparency import Candidate, Log, RosterAt, fold_roster
from port2port import merkle
from port2port.checkpoint import Checkpoint, sign
from port2port.clock import SystemClock
from port2port.limits import QUOTA
from port2port.merkle import EMPTY_FRONTIER
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from port2port.verify import STEPS, Work

COMMITTED: Final = {100: 1_600, 10: 1_000, 1: 500}  # batch size: envelopes through the pipeline, then one by one
ENVELOPES: Final = 2 * sum(COMMITTED.values())
_STAGES: Final = {
    "decode": ("SIZE", "ENCODING", "PAYLOAD_TYPE", "SIGNATURE_LIST"),
    "statement": ("STATEMENT_JSON", "STATEMENT_FIELDS", "UNDERSTOOD"),
    "issuer and keys": ("ISSUER", "KEYS"),
    "signatures": ("SIGNATURES",),
    "policy": ("AUTHORITY", "AUDIENCE", "TIME", "COMMITMENTS", "OWNERSHIP", "OBJECT_MARKING"),
    "object validation": ("OBJECTS",),
}
_TURN: Final = 50
_TIMED: Final = tuple(step for step in STEPS if any(step.name in names for names in _STAGES.values()))


class Stages:
    """The hub's parts over a copy of its database; ``close`` it."""

    def __init__(self, *, database: Path, keyring: Keyring, member: str, verify_us: float) -> None:
        self._store = open_store(f"sqlite:///{database}")
        self._at: RosterAt = self._store.database.read_now(fold_roster)
        if self._at.roster is None:
            raise SystemExit("this database has no genesis")
        genesis = self._at.roster.genesis
        self._verify_us = verify_us
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

    def _scale(self) -> float:
        """From what is measured now to a machine on which a verification costs ``verify_us``."""
        return self._verify_us / (verify_cost_s() * 1e6)

    async def pipeline(self, raws: Sequence[bytes], batch: int, in_flight: int) -> tuple[float, float]:
        """Microseconds of the whole intake without transport, and the mean size of the groups it made."""
        size = self._log.head().next
        groups: list[None] = []
        intake = Intake(
            store=self._store,
            log=self._log,
            checker=self._checker,
            judge=self._judge,
            quotas=Quotas(QUOTA, SystemClock()),
            clock=SystemClock(),
            committed=lambda: groups.append(None),
        )
        running = asyncio.create_task(intake.run())
        scale = self._scale()
        begun = time.process_time()
        waiting: deque[asyncio.Task[object]] = deque()
        for at in range(0, len(raws), batch):
            if len(waiting) >= in_flight:
                await waiting.popleft()
            waiting.append(asyncio.create_task(intake.submit(self._member, raws[at : at + batch])))
        await asyncio.gather(*waiting)
        spent = time.process_time() - begun
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if self._log.head().next - size != len(raws):
            raise SystemExit("the pipeline refused envelopes of the bench")
        return spent / len(raws) * 1e6 * (scale + self._scale()) / 2, len(raws) / len(groups)

    def close(self) -> None:
        """Let go of the copy."""
        self._store.close()

    def before_commit(self, raws: Sequence[bytes]) -> dict[str, float]:
        """Microseconds of each stage that runs in the pool; "context" is what is around the steps."""
        self._candidates(raws[:50])
        scale, whole = self._scale(), 0.0
        steps: Counter[str] = Counter()
        for at in range(0, len(raws), _TURN):  # in turns, since the speed of the machine changes
            some = raws[at : at + _TURN]
            begun = time.thread_time()
            self._candidates(some)
            whole += time.thread_time() - begun
            for raw in some:
                self._time_steps(raw, steps)
        scale = (scale + self._scale()) / 2
        stages = {stage: sum(steps[name] for name in names) / len(raws) / 1e3 for stage, names in _STAGES.items()}
        found = stages | {"context": max(0.0, whole / len(raws) * 1e6 - sum(stages.values()))}
        return {stage: cost * scale for stage, cost in found.items()}

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

    def commit(self, raws: Sequence[bytes], group: int, batch: int) -> dict[str, float]:
        """Microseconds of each stage that runs on the writer thread and after it, for groups of one size."""
        candidates = self._candidates(raws)
        groups = [candidates[at : at + group] for at in range(0, len(candidates), group)]
        scale = self._scale()
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
        replies = [one[at : at + batch] for one in results for at in range(0, len(one), batch)]
        found = {
            "SQLite, judge, rows": whole - sum(parts.values()),
            **parts,
            "acknowledgement": per_call_us(
                lambda: [reply_of(1, one, self._keyring.hub).SerializeToString() for one in replies], len(raws)
            ),
        }
        scale = (scale + self._scale()) / 2
        return {stage: cost * scale for stage, cost in found.items()}

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
