"""From received bytes to durable results: check in parallel, keep the order, commit in groups.

    submit -> line of the node -> checked in the thread pool -> (in order) ready queue -> one committer -> results

* Each node has a line. Its envelopes are checked in any order and logged in the order in which they came, because
  a signing key's sequence only rises: an envelope that overtook its forerunner would shut it out for ever.
* For the same reason a line is held from the first envelope that must be tried again: everything behind it is
  answered RETRY too, until that very envelope comes back (or half a minute has passed).
* Checking takes from the lines in turn, a few envelopes at a time, and each member has its own bounds: a member
  that floods waits for itself.
* The committer takes what is ready, at most ``group`` envelopes, for one transaction: the busier, the larger.

All state here belongs to the event loop; the pool and the writer thread get values and give values back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import IntegrityError

from hub.intake.checks import Checked, Checker
from hub.intake.judging import IntakeJudge
from hub.intake.results import Outcome, Result, of_error, of_outcome
from hub.quota import QuotaError, Quotas
from hub.store import Store
from hub.transparency import NO_ROSTER, Judge, Log, RosterAt, fold_roster
from port2port.clock import Clock
from port2port.database import StorageError
from port2port.errors import BackpressureError, InvariantError, Port2PortError, TooLargeError, UnavailableError
from port2port.failpoints import reach
from port2port.limits import LIMITS, MIB

logger = logging.getLogger(__name__)
HOLD_S: Final = 30.0
FULL_DELAY_MS: Final = 200


class HeldError(UnavailableError):
    """An earlier envelope of this node must be tried again first."""

    code = "HELD"


class StoppedError(UnavailableError):
    """The hub stops; nobody knows whether the envelope was logged."""

    code = "STOPPING"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """Envelopes and bytes inside the pipeline, of all members and of one; sizes of chunks and groups."""

    inside: int = 8_192
    inside_per_member: int = 2_048
    bytes_per_member: int = 16 * MIB
    chunk: int = 32
    group: int = 256
    workers: int = 2


@dataclass(slots=True, eq=False)
class _Batch:
    line: _Line
    raws: Sequence[bytes]
    done: asyncio.Future[list[Result]]
    checked: list[Checked | None]
    results: list[Result | None]
    unchecked: int
    unanswered: int
    stale: bool = False
    next_check: int = 0


@dataclass(slots=True, eq=False)
class _Line:
    """What one node has inside. ``held`` is the envelope that must come back first."""

    member: str
    batches: deque[_Batch] = field(default_factory=deque)
    unsent: deque[_Batch] = field(default_factory=deque)
    held: bytes | None = None
    held_until: float = 0.0


@dataclass(slots=True, eq=False)
class _Usage:
    envelopes: int = 0
    size: int = 0


_Job = tuple[_Batch, int]


class Intake:
    """The pipeline of one process. ``run`` works until it is cancelled; ``submit`` is called by the rpc layer."""

    def __init__(
        self,
        *,
        store: Store,
        log: Log,
        checker: Checker,
        judge: IntakeJudge,
        quotas: Quotas,
        clock: Clock,
        gate: Callable[[], None] = lambda: None,
        committed: Callable[[], None] = lambda: None,
        limits: IntakeLimits | None = None,
    ) -> None:
        """``gate`` raises while the hub must not accept; ``committed`` is called after each commit."""
        self._store = store
        self._log = log
        self._checker = checker
        self._judge = judge
        self._quotas = quotas
        self._clock = clock
        self._gate = gate
        self._committed = committed
        self._limits = limits or IntakeLimits()
        self._at = NO_ROSTER
        self._lines: dict[tuple[str, int], _Line] = {}
        self._turns: deque[_Line] = deque()
        self._ready: deque[_Job] = deque()
        self._inside = 0
        self._usage: dict[str, _Usage] = {}
        self._work = asyncio.Event()
        self._commit = asyncio.Event()

    async def run(self) -> None:
        """Check and commit until cancelled. Raises InvariantError if the log cannot be what it says it is."""
        limits = self._limits
        self._at = await self._store.database.read(fold_roster)
        try:
            with ThreadPoolExecutor(limits.workers, thread_name_prefix="check") as pool:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(limits.workers):
                        tasks.create_task(self._check_forever(pool))
                    tasks.create_task(self._commit_forever())
        finally:
            self._give_up()

    async def submit(self, member: str, raws: Sequence[bytes], *, node: int = 1) -> list[Result]:
        """One result for each envelope, in order, once all of them are decided and durable.

        ``member`` and ``node`` are those of the connection. Raises what ``gate`` raises; QuotaError and
        BackpressureError where too much is inside, which holds the line as a RETRY of the first envelope does;
        TooLargeError for more envelopes or bytes than a batch may have.
        """
        size = sum(map(len, raws))
        if not 1 <= len(raws) <= LIMITS.envelopes_per_batch or size > LIMITS.batch_bytes + LIMITS.envelope_bytes:
            raise TooLargeError(f"a batch has 1 to {LIMITS.envelopes_per_batch} envelopes of at most 1 MiB together")
        line = self._lines.setdefault((member, node), _Line(member))
        try:
            self._gate()
            self._quotas.admit(member, envelopes=len(raws), size=size)
            self._require_room(member, len(raws), size)
        except UnavailableError:
            if line.held is None:
                line.held, line.held_until = raws[0], self._clock.monotonic() + HOLD_S
            raise
        if self._is_held(line, raws):
            return [_retry(HeldError("an earlier envelope must be tried again first"))] * len(raws)
        return await self._enter(line, raws, size)

    async def _enter(self, line: _Line, raws: Sequence[bytes], size: int) -> list[Result]:
        batch = _Batch(
            line=line,
            raws=raws,
            done=asyncio.get_running_loop().create_future(),
            checked=[None] * len(raws),
            results=[None] * len(raws),
            unchecked=len(raws),
            unanswered=len(raws),
        )
        self._count(line.member, len(raws), size)
        batch.done.add_done_callback(lambda _: self._count(line.member, -len(raws), -size))
        line.batches.append(batch)
        line.unsent.append(batch)
        if len(line.unsent) == 1:
            self._turns.append(line)
        self._work.set()
        return await asyncio.shield(batch.done)

    def _count(self, member: str, envelopes: int, size: int) -> None:
        usage = self._usage.setdefault(member, _Usage())
        self._inside += envelopes
        usage.envelopes += envelopes
        usage.size += size

    def _require_room(self, member: str, envelopes: int, size: int) -> None:
        usage, limits = self._usage.get(member) or _Usage(), self._limits
        full = self._inside + envelopes > limits.inside
        own = usage.envelopes + envelopes > limits.inside_per_member or usage.size + size > limits.bytes_per_member
        if full or (own and usage.envelopes):
            raise BackpressureError("too much is waiting already; try again later", delay_ms=FULL_DELAY_MS)

    # --- holding a line -------------------------------------------------------------------------------------------

    def _hold(self, line: _Line, raw: bytes) -> None:
        """Hold at an envelope inside: whatever held the line before came later."""
        line.held, line.held_until = raw, self._clock.monotonic() + HOLD_S
        for batch in line.batches:
            batch.stale = True

    def _is_held(self, line: _Line, raws: Sequence[bytes]) -> bool:
        if line.held is None:
            return False
        if line.held in raws or self._clock.monotonic() >= line.held_until:
            line.held = None
            return False
        return True

    # --- checking -------------------------------------------------------------------------------------------------

    async def _check_forever(self, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            jobs = self._take_chunk()
            if not jobs:
                self._work.clear()
                continue
            found = await loop.run_in_executor(pool, self._check_all, jobs, self._at)
            self._take_checked(jobs, found)

    def _take_chunk(self) -> list[_Job]:
        """The next few envelopes, of the line whose turn it is; small lines together fill one chunk."""
        jobs: list[_Job] = []
        while self._turns and len(jobs) < self._limits.chunk:
            line = self._turns.popleft()
            batch = line.unsent[0]
            end = min(len(batch.raws), batch.next_check + self._limits.chunk - len(jobs))
            jobs += [(batch, number) for number in range(batch.next_check, end)]
            batch.next_check = end
            if end == len(batch.raws):
                line.unsent.popleft()
            if line.unsent:
                self._turns.append(line)
        return jobs

    def _check_all(self, jobs: Sequence[_Job], at: RosterAt) -> list[Checked]:
        """In the pool. What the roster refused is judged again if another process has changed it meanwhile."""
        check, context = self._checker.check_in, self._checker.context(at)
        found = [check(batch.raws[number], batch.line.member, at, context) for batch, number in jobs]
        if not any(item.stale for item in found):
            return found
        try:
            newer = self._store.database.read_now(lambda connection: fold_roster(connection, at))
        except StorageError as error:
            return [Checked(result=of_error(error)) if item.stale else item for item in found]
        if newer.digest == at.digest:
            return found
        context = self._checker.context(newer)
        return [
            check(batch.raws[number], batch.line.member, newer, context) if item.stale else item
            for (batch, number), item in zip(jobs, found, strict=True)
        ]

    def _take_checked(self, jobs: Iterable[_Job], found: Iterable[Checked]) -> None:
        lines: dict[_Line, None] = {}
        for (batch, number), item in zip(jobs, found, strict=True):
            batch.checked[number] = item
            batch.unchecked -= 1
            lines[batch.line] = None
        for line in lines:
            while line.batches and not line.batches[0].unchecked:
                self._sequence(line, line.batches.popleft())

    def _sequence(self, line: _Line, batch: _Batch) -> None:
        """The batch's turn has come: refusals are answered, the rest goes to the committer in its order."""
        for number, item in enumerate(batch.checked):
            if item is None:
                raise InvariantError("an envelope was sequenced before it was checked")
            if batch.stale:
                self._answer(batch, number, _retry(HeldError("an earlier envelope must be tried again first")))
                continue
            result = self._charge(line, item)
            if result is None:
                self._ready.append((batch, number))
                continue
            if result.outcome is Outcome.RETRY:
                self._hold(line, batch.raws[number])
                batch.stale = True
            self._answer(batch, number, result)
        self._commit.set()

    def _charge(self, line: _Line, item: Checked) -> Result | None:
        if item.templates:
            self._quotas.charge_templates(line.member, item.templates)
        if item.candidate is None:
            return item.result
        try:
            if item.candidate.work.said.kind == "rekey":
                self._quotas.charge_rekey(line.member)
            elif item.machine_only and not item.candidate.work.said.is_control:
                self._quotas.charge_machine_only(line.member)
        except QuotaError as error:
            return of_error(error, item.candidate.work.digest)
        return None

    # --- committing -----------------------------------------------------------------------------------------------

    async def _commit_forever(self) -> None:
        while True:
            await self._commit.wait()
            if not self._ready:
                self._commit.clear()
                continue
            group = [self._ready.popleft() for _ in range(min(len(self._ready), self._limits.group))]
            await self._commit_group(group)

    async def _commit_group(self, group: Sequence[_Job]) -> None:
        candidates = [item.candidate for item in map(_checked, group) if item.candidate is not None]
        try:
            outcomes, written = await self._store.database.write(
                lambda connection: self._log.write_in(connection, candidates, self._judge)
            )
        except StorageError as error:
            logger.warning("group not stored", extra={"envelopes": len(group), "cause": repr(error.__cause__)})
            self._hold_all(group, error)
            return
        except IntegrityError:
            await self._commit_apart(group)
            return
        reach("hub.after_commit")
        self._at = self._judge.at
        self._log.keep(written, self._at)
        self._committed()
        for (batch, number), candidate, outcome in zip(group, candidates, outcomes, strict=True):
            self._answer(batch, number, of_outcome(outcome, candidate.work.digest))

    async def _commit_apart(self, group: Sequence[_Job]) -> None:
        """The database refused a row that the judge let pass: find the envelope, so that it harms no other."""
        if len(group) > 1:
            await self._commit_singly(group)
            return
        logger.error("the database contradicts the judge", extra={"digest": _digest(group[0]).hex()})
        batch, number = group[0]
        error = InvariantError("the envelope contradicts what is stored")
        self._answer(batch, number, of_error(error, _digest(group[0])))

    async def _commit_singly(self, group: Sequence[_Job]) -> None:
        stopped: dict[_Line, None] = {}
        for batch, number in group:
            if batch.line in stopped:
                self._answer(batch, number, _retry(HeldError("an earlier envelope must be tried again first")))
                continue
            await self._commit_group([(batch, number)])
            result = batch.results[number]
            if result is not None and result.outcome is Outcome.RETRY:
                stopped[batch.line] = None

    def _hold_all(self, group: Iterable[_Job], error: Port2PortError) -> None:
        """Nobody knows whether the group was stored: all of it is to be tried again, with all that is behind it."""
        lines: dict[_Line, None] = {}
        for batch, number in group:
            if batch.line not in lines:
                lines[batch.line] = None
                self._hold(batch.line, batch.raws[number])
            self._answer(batch, number, of_error(error, _digest((batch, number))))
        behind, self._ready = self._ready, deque()
        for batch, number in behind:
            if batch.line in lines:
                self._answer(batch, number, of_error(error, _digest((batch, number))))
            else:
                self._ready.append((batch, number))

    def _answer(self, batch: _Batch, number: int, result: Result) -> None:
        batch.results[number] = result
        batch.unanswered -= 1
        if not batch.unanswered and not batch.done.done():
            batch.done.set_result([item for item in batch.results if item is not None])

    def _give_up(self) -> None:
        """The pipeline has stopped: whoever waits is told to try again."""
        stopped = _retry(StoppedError("the hub is stopping"))
        waiting = [batch for line in self._lines.values() for batch in line.batches]
        for batch in {*waiting, *(batch for batch, _ in self._ready)}:
            if not batch.done.done():
                batch.done.set_result([item or stopped for item in batch.results])
        self._lines.clear()
        self._turns.clear()
        self._ready.clear()


def admit(*, store: Store, log: Log, checker: Checker, judge: Judge, raw: bytes) -> Result:
    """Log one envelope that coordinators signed, on the spot, from the hub's command line.

    Safe while a hub serves the same database: the head's lock orders the two. Raises StorageError.
    """
    at = store.database.read_now(fold_roster)
    checked = checker.check(raw, None, at)
    if checked.candidate is None:
        return checked.result or _retry(InvariantError("an envelope was checked without a result"))
    outcome = log.append([checked.candidate], judge)[0]
    return of_outcome(outcome, checked.candidate.work.digest)


def _checked(job: _Job) -> Checked:
    batch, number = job
    found = batch.checked[number]
    if found is None:
        raise InvariantError("an envelope reached the committer before it was checked")
    return found


def _digest(job: _Job) -> bytes:
    candidate = _checked(job).candidate
    return b"" if candidate is None else candidate.work.digest


def _retry(error: Port2PortError) -> Result:
    return of_error(error)
