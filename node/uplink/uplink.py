"""Connected or trying: one loop that keeps a session with the hub, and what runs inside it.

A session has four tasks: *drain* hands in the outbox, pipelined; *follow* gives feed batches to the inbox; *tell*
exchanges receipts; *testify* co-signs and listens to the other witnesses. If one fails, the session ends, and after a
short random pause (0.2 to 2 s) a new one begins where the store says we are: nothing lives in the connection.

A new TLS certificate makes a new connection first and ends the old session then. A hub that says LOG_BEHIND was
restored from a backup: it is given back what we hold. Split view, rollback and broken invariants end the uplink for
good, with an alarm: only a person starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection

from node import alarms, outbox, receipts, store
from node.alarms import Alarm, Code
from node.inbox import Inbox, InboxState
from node.outbox import Queued
from node.receipts import Receipt, ReceiptAheadError, SignedReceipt
from node.status import CONNECTED, CONNECTION, HEARTBEAT, TESTIMONY
from node.store import NodeStore
from node.trusted_time import TOLERANCE_MS, TrustedTime
from node.uplink.faults import alarm_of, first_error
from node.uplink.hub import Answer, Description, Hub, Outcome, RecoverPart
from node.uplink.recovery import stretch
from node.witness import Witness, WitnessWatch
from port2port.clock import Clock, to_ms
from port2port.errors import (
    LogBehindError,
    MalformedError,
    NotFoundError,
    NotMemberError,
    Port2PortError,
    UnavailableError,
)
from port2port.failpoints import reach
from port2port.keys import SigningKey
from port2port.limits import LIMITS
from port2port.metrics import Metrics
from port2port.roster import Roster

logger = logging.getLogger(__name__)
BATCH_ROWS: Final = 100
IN_FLIGHT: Final = 800
ANSWER_S: Final = 30.0
PAUSE_S: Final = (0.2, 2.0)
POLL_S: Final = 0.25
TELL_S: Final = 2.0
LISTEN_S: Final = 5.0
BEAT_S: Final = 5.0
RECOVER_LEAVES: Final = 500
CURSOR: Final = "receipts-cursor"


class CutOffError(NotMemberError):
    """The hub knows this node as somebody else, or belongs to another federation."""

    code = "CUT_OFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkParts:
    """What the uplink works with; ``connect`` opens a connection with the certificate in place now."""

    store: NodeStore
    inbox: Inbox
    witness: Witness
    watch: WitnessWatch
    time: TrustedTime
    machine: SigningKey
    clock: Clock
    metrics: Metrics
    connect: Callable[[], Awaitable[Hub]]
    dice: random.Random = field(default_factory=random.SystemRandom)


class Uplink:
    """``run`` goes on until it is cancelled or meets something fatal."""

    def __init__(self, parts: UplinkParts) -> None:
        self._parts = parts
        self._woken = asyncio.Event()
        self._renewed = asyncio.Event()
        self._testified: tuple[str, Alarm | None] = ("", None)
        self._failing = ""  # the code last logged, so that a node that waits for approval does not fill its log

    def wake(self) -> None:
        """Something was queued in this process; other processes are noticed by polling."""
        self._woken.set()

    def renewed(self) -> None:
        """A new certificate is in place: connect with it, then let the old connection go."""
        self._renewed.set()

    async def run(self) -> None:
        """Raises what is fatal, once its alarm is raised."""
        hub: Hub | None = None
        while True:
            failed: Port2PortError | None = None
            try:
                current = hub or await self._connect()
                hub = None
                hub = await self._session(current)
            except* Port2PortError as group:
                failed = first_error(group)
            if failed is not None:
                _require_not_stopping()
                await self._failed(failed)
                await self._parts.clock.sleep(self._parts.dice.uniform(*PAUSE_S))

    async def _connect(self) -> Hub:
        """An open connection to the right hub, that knows us by our own name. Raises CutOffError."""
        parts, state = self._parts, self._parts.inbox.state
        hub = await parts.connect()
        try:
            said = await hub.describe()
            _require_same(said, state)
        except BaseException:
            await hub.close()
            raise
        off_ms = parts.time.compare_hub(said.now_ms)
        now_ms = to_ms(parts.clock.now())
        text = f"our clock is {abs(off_ms) // 1000} s {'ahead of' if off_ms > 0 else 'behind'} the hub's"

        def note(connection: Connection) -> None:
            store.mark(connection, CONNECTION, CONNECTED, now_ms)
            store.mark(connection, HEARTBEAT, "", now_ms)
            alarms.clear_alarm(connection, Code.CUT_OFF, "", now_ms)
            if abs(off_ms) > TOLERANCE_MS:
                alarms.raise_alarm(connection, Alarm(code=Code.CLOCK, text=text), now_ms)
            else:
                alarms.clear_alarm(connection, Code.CLOCK, "", now_ms)

        await parts.store.write(note)
        parts.metrics.set("connected", 1)
        if self._failing != NotMemberError.code:
            self._failing = ""
            logger.info("connected", extra={"size": state.size})
        return hub

    async def _session(self, hub: Hub) -> Hub | None:
        """Until something fails, or a renewed certificate has a connection of its own, which is returned."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._drain(hub)),
                    group.create_task(self._follow(hub)),
                    group.create_task(self._tell(hub)),
                    group.create_task(self._testify(hub)),
                    group.create_task(self._beat()),
                ]
                await self._renewed.wait()
                self._renewed.clear()
                successor = await self._connect()
                for task in tasks:
                    task.cancel()
            return successor
        finally:
            await hub.close()

    async def _failed(self, error: Port2PortError) -> None:
        """Say so, help a hub that lost its log, and raise what must not be tried again."""
        parts = self._parts
        now_ms = to_ms(parts.clock.now())
        level = logging.DEBUG if error.code == self._failing else logging.WARNING
        logger.log(level, "disconnected", extra={"code": error.code, "text": error.text, "facts": error.facts})
        self._failing = error.code
        parts.metrics.set("connected", 0)
        parts.metrics.count("disconnects", reason=error.code)

        def note(connection: Connection) -> None:
            if store.marked(connection, CONNECTION) in {CONNECTED, None}:
                store.mark(connection, CONNECTION, error.code, now_ms)
            alarm = alarm_of(error)
            if alarm is not None:
                alarms.raise_alarm(connection, alarm, now_ms)

        await parts.store.write(note)
        if error.fatal:
            raise error
        if isinstance(error, LogBehindError):
            await self._give_back()

    # --- drain ---------------------------------------------------------------------------------------------------

    async def _drain(self, hub: Hub) -> None:
        """Hand in what waits, in order, at most ``IN_FLIGHT`` unanswered; every answer is stored as it comes."""
        sent: deque[tuple[bytes, float]] = deque()
        answers = hub.submit(self._batches(sent))
        coming: asyncio.Task[Sequence[Answer]] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(answers))
                done, _ = await asyncio.wait({coming}, timeout=ANSWER_S / 3)
                if done:
                    await self._answered(coming.result(), sent)
                    coming = None
                elif sent and self._parts.clock.monotonic() - sent[0][1] > ANSWER_S:
                    raise UnavailableError("the hub does not answer what was handed in")
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
                if not coming.cancelled():
                    coming.exception()  # it says what ended the session, which another task has said already

    async def _batches(self, sent: deque[tuple[bytes, float]]) -> AsyncIterator[Sequence[bytes]]:
        while True:
            self._woken.clear()
            rows = await self._pending(sent)
            if rows:
                at_s = self._parts.clock.monotonic()
                sent.extend((row.digest, at_s) for row in rows)
                yield [row.envelope for row in rows]
                continue
            try:
                async with asyncio.timeout(POLL_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _pending(self, sent: deque[tuple[bytes, float]]) -> list[Queued]:
        room = min(BATCH_ROWS, IN_FLIGHT - len(sent))
        if room <= 0:
            return []
        flying = frozenset(digest for digest, _ in sent)
        now_ms = to_ms(self._parts.clock.now())
        return await self._parts.store.read(
            lambda connection: outbox.pending(connection, now_ms=now_ms, limit=room, in_flight=flying)
        )

    async def _answered(self, answers: Sequence[Answer], sent: deque[tuple[bytes, float]]) -> None:
        if len(answers) > len(sent):
            raise MalformedError("the hub answered more than was handed in")
        pairs = [(sent[at][0], answer) for at, answer in enumerate(answers)]
        now_ms = to_ms(self._parts.clock.now())
        await self._parts.store.write(lambda connection: _note_answers(connection, pairs, now_ms))
        for _ in pairs:
            sent.popleft()
        for _, answer in pairs:
            self._parts.metrics.count("submitted", reason=answer.outcome.name.lower())
        self._woken.set()

    # --- follow --------------------------------------------------------------------------------------------------

    async def _follow(self, hub: Hub) -> None:
        """Give every batch to the inbox; the witness hears of it once it is stored."""
        parts = self._parts
        async for batch in hub.follow(parts.inbox.state.size, parts.inbox.state.note):
            received = await parts.inbox.receive(batch)
            if self._failing:
                self._failing = ""
                logger.info("following", extra={"size": received.size})
            parts.metrics.count("leaves", received.leaves)
            parts.metrics.count("entries", len(received.entries))
            if received.refused:
                parts.metrics.count("quarantined", received.refused)
            if received.leaves:
                times = [entry.received_ms for entry in received.entries]
                parts.time.proved(parts.inbox.state.last_received_ms)
                parts.watch.arrived(received.size)
                parts.witness.offer(parts.inbox.state.note, times)
            self._hear(received.witnesses)
        raise UnavailableError("the hub ended the feed")

    def _hear(self, witnesses: Sequence[tuple[int, frozenset[str]]]) -> None:
        roster = self._parts.inbox.state.roster
        organisations = {} if roster is None else roster.witnesses()
        for size, names in witnesses:
            self._parts.watch.heard(size, names, organisations)

    # --- tell ----------------------------------------------------------------------------------------------------

    async def _tell(self, hub: Hub) -> None:
        """Hand in the receipts we owe, take those owed to us, and notice what was not delivered."""
        while True:
            busy = await self._exchange_receipts(hub)
            if not busy:
                await self._parts.clock.sleep(TELL_S)

    async def _exchange_receipts(self, hub: Hub) -> bool:
        """Whether there may be more at once."""
        parts, state = self._parts, self._parts.inbox.state
        roster = state.roster
        if roster is None:
            return False
        limit = LIMITS.receipts_per_call

        # Once a rekey is logged the old key's word counts no more; the new one signs what we owe after a restart.
        key = roster.keys.get(parts.machine.key_id)
        current = key is not None and key.revoked_index is None

        def what(connection: Connection) -> tuple[list[Receipt], int]:
            owed = receipts.owed(connection, state.member, limit=limit) if current else []
            return owed, int(store.marked(connection, CURSOR) or 0)

        mine, after = await parts.store.read(what)
        signed = await asyncio.to_thread(lambda: [receipts.sign(item, parts.machine) for item in mine])
        reach("node.before_receipt")
        theirs, cursor = await _hand_in(hub, signed, after)
        checked = self._checked(theirs, roster)
        now_ms = to_ms(parts.clock.now())

        def note(connection: Connection) -> None:
            receipts.handed_in(connection, mine)
            if checked is not None:
                receipts.take(connection, checked, roster, now_ms)
                store.mark(connection, CURSOR, str(cursor), now_ms)
            receipts.raise_overdue(connection, roster, now_ms)

        await parts.store.write(note)
        return len(mine) == limit or (len(theirs) == limit and checked is not None)

    def _checked(self, theirs: Sequence[SignedReceipt], roster: Roster) -> list[Receipt] | None:
        """Those that hold; None where one is about an entry or a key that the feed has yet to bring: all come again."""
        checked, ahead = [], False
        for item in theirs:
            try:
                checked.append(receipts.check(item, roster))
            except ReceiptAheadError:
                ahead = True
            except Port2PortError as error:
                self._parts.metrics.count("receipts_refused", reason=error.code)
                logger.warning("receipt refused", extra={"code": error.code, "facts": error.facts})
        if ahead or any(receipt.index >= self._parts.inbox.state.size for receipt in checked):
            self._parts.metrics.count("receipts_ahead")
            return None
        return checked

    # --- testify -------------------------------------------------------------------------------------------------

    async def _testify(self, hub: Hub) -> None:
        """Co-sign what was verified, listen to the others, and say when a majority is missing."""
        parts = self._parts
        listened_s = parts.clock.monotonic()
        while True:
            note = parts.witness.line(parts.inbox.state.roster)
            if note is not None:
                self._hear(await parts.inbox.observe(await hub.cosign(note)))
            elif not parts.watch.testimony().witnessed and parts.clock.monotonic() - listened_s >= LISTEN_S:
                listened_s = parts.clock.monotonic()
                newest = await hub.newest_checkpoint()
                self._hear(await parts.inbox.observe(newest) if newest else ())
            await self._note_testimony()
            await parts.clock.sleep(POLL_S)

    async def _note_testimony(self) -> None:
        """Keep what the witnesses say where ``status`` finds it, and raise or clear the alarm."""
        parts, roster = self._parts, self._parts.inbox.state.roster
        organisations = {} if roster is None else roster.witnesses()
        found = parts.watch.testimony()
        alarm = parts.watch.alarm(organisations)
        text = "no witnesses named" if not organisations else "witnessed" if found.witnessed else "unwitnessed"
        if (text, alarm) == self._testified:
            return
        now_ms = to_ms(parts.clock.now())

        def note(connection: Connection) -> None:
            store.mark(connection, TESTIMONY, text, now_ms)
            if alarm is not None:
                alarms.raise_alarm(connection, alarm, now_ms)
            elif found.witnessed:
                alarms.clear_alarm(connection, Code.UNWITNESSED, "", now_ms)

        await parts.store.write(note)
        self._testified = (text, alarm)

    async def _beat(self) -> None:
        """A sign of life for ``status``, which is another process."""
        while True:
            now_ms = to_ms(self._parts.clock.now())
            await self._parts.store.write(partial(store.mark, name=HEARTBEAT, value="", at_ms=now_ms))
            await self._parts.clock.sleep(BEAT_S)

    # --- recovery ------------------------------------------------------------------------------------------------

    async def _give_back(self) -> None:
        """Hand a restored hub what we hold of the log; what it had promised us and lost is handed in again."""
        parts = self._parts
        hub: Hub | None = None
        try:
            hub = await parts.connect()
            size, wanted = await hub.recover(self._parts_of_log())
            logger.info("gave back", extra={"size": size, "wanted": wanted})
            ours = parts.inbox.state.size
            await parts.store.write(lambda connection: outbox.reopen_accepted(connection, from_index=ours))
        except Port2PortError as error:
            logger.warning("giving back failed", extra={"code": error.code})
        finally:
            if hub is not None:
                await hub.close()

    async def _parts_of_log(self) -> AsyncIterator[RecoverPart]:
        state = self._parts.inbox.state
        for first in range(0, state.size, RECOVER_LEAVES):
            end = min(first + RECOVER_LEAVES, state.size)
            note = state.note if first == 0 else b""
            for part in await self._parts.store.read(partial(stretch, first=first, end=end, note=note)):
                yield part


def _require_not_stopping() -> None:
    """A task group whose child fails at the very moment of our own cancellation raises the failure alone, and the
    cancellation would be forgotten (python/cpython#116720). Raises CancelledError."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _require_same(said: Description, state: InboxState) -> None:
    if said.genesis.hex() != state.genesis_hash or said.member != state.member:
        raise CutOffError("the hub at this address is of another federation, or takes us for another member")


async def _hand_in(hub: Hub, mine: Sequence[SignedReceipt], after: int) -> tuple[list[SignedReceipt], int]:
    """Exchange receipts. One about an entry that we may not see any more, which the hub answers with "there is none"
    for all of them, is let go: it must not hold up the others.
    """
    try:
        return await hub.receipts(mine, after)
    except NotFoundError:
        if not mine:
            raise
    if len(mine) == 1:
        logger.info("receipt let go", extra={"receipt": sha256(mine[0].receipt).digest()})
        return [], after
    half = len(mine) // 2
    await _hand_in(hub, mine[:half], after)
    return await _hand_in(hub, mine[half:], after)


async def _next(answers: AsyncIterator[Sequence[Answer]]) -> Sequence[Answer]:
    try:
        return await anext(answers)
    except StopAsyncIteration as error:
        raise UnavailableError("the hub ended the submission") from error


def _note_answers(connection: Connection, pairs: Sequence[tuple[bytes, Answer]], now_ms: int) -> None:
    for digest, answer in pairs:
        if answer.outcome in {Outcome.ACCEPTED, Outcome.DUPLICATE}:
            outbox.accepted(connection, digest, index=answer.index, received_ms=answer.received_ms)
        elif answer.outcome is Outcome.RETRY:
            later = now_ms + answer.delay_ms
            outbox.retry_after(connection, digest, not_before_ms=later, code=answer.code, text=answer.text)
        elif outbox.refused(connection, digest, code=answer.code, text=answer.text, step=answer.step):
            text = f"the hub refused a statement of ours: {answer.text}"
            alarms.raise_alarm(connection, Alarm(code=Code.RETURNED, subject=digest.hex()[:16], text=text), now_ms)
