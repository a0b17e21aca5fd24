"""One Submit stream: batches in as they come, answers out in the same order, several batches in one answer.

    requests -> reader -> window of batches in intake -> writer -> replies

The window bounds what one stream has in flight; beyond it the reader stops reading, and the sender feels it as
flow control. A batch that intake turns away for want of room is answered RETRY, envelope for envelope, and the
stream goes on. Anything else that is wrong with a request ends the stream once what came before it is answered.
A reply is written only when all of its envelopes are durable or finally refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final

from hub.intake import Intake, Outcome, Result
from hub.members import Peer
from hub.rpc.errors import RequestError
from hub.rpc.gate import Write, parse, put_away
from port2port.errors import BackpressureError
from port2port.failpoints import reach
from port2port.keys import SigningKey
from port2port.metrics import Metrics
from port2port.v1 import exchange_pb2
from port2port.wire import accepted_message

IN_FLIGHT: Final = 32  # batches
RESULTS_PER_REPLY: Final = 4_096
_DURABLE: Final = frozenset({Outcome.ACCEPTED, Outcome.DUPLICATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    batch_id: int
    count: int
    task: asyncio.Task[list[Result]]


@dataclass(slots=True)
class _Window:
    """Between reader and writer; both run on the event loop."""

    sent: deque[_Sent] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))
    ended: bool = False


class Submission:
    """Serves Submit streams. ``key`` is the hub key, named in the genesis."""

    def __init__(self, *, intake: Intake, key: SigningKey, metrics: Metrics) -> None:
        self._intake = intake
        self._key = key
        self._metrics = metrics

    async def submit(self, peer: Peer, requests: AsyncIterator[bytes], write: Write) -> None:
        """Until the sender has ended its side and all is answered. Raises RequestError and what intake raises."""
        window = _Window()
        reader = asyncio.create_task(self._read(peer, requests, window))
        try:
            await self._answer(window, write)
            await reader
        finally:
            await put_away(reader)
            for item in window.sent:
                await put_away(item.task)

    async def _read(self, peer: Peer, requests: AsyncIterator[bytes], window: _Window) -> None:
        last = -1
        try:
            async for raw in requests:
                request = parse(exchange_pb2.SubmitRequest, raw)
                if request.batch_id <= last:
                    raise RequestError("batch_id must increase from batch to batch within a stream")
                last = request.batch_id
                await window.room.acquire()
                task = asyncio.create_task(self._intake.submit(peer.member, list(request.envelopes), node=peer.node))
                window.sent.append(_Sent(batch_id=last, count=len(request.envelopes), task=task))
                window.changed.set()
        finally:
            window.ended = True
            window.changed.set()

    async def _answer(self, window: _Window, write: Write) -> None:
        while True:
            while not window.sent:
                if window.ended:
                    return
                window.changed.clear()
                await window.changed.wait()
            await asyncio.wait({window.sent[0].task})
            await self._reply(window, write)

    async def _reply(self, window: _Window, write: Write) -> None:
        """Answer every batch at the front that is done."""
        results: list[Result] = []
        up_to: int | None = None
        try:
            while window.sent and window.sent[0].task.done() and len(results) < RESULTS_PER_REPLY:
                results += _results(window.sent[0])
                up_to = window.sent.popleft().batch_id
                window.room.release()
        finally:
            # What is durable is told even if the next batch ends the stream.
            if up_to is not None:
                for item in results:
                    self._metrics.count("envelopes", reason=item.code or item.outcome.name)
                reply = reply_of(up_to, results, self._key)
                reach("hub.before_reply")
                await write(reply.SerializeToString())


def _results(sent: _Sent) -> list[Result]:
    try:
        return sent.task.result()
    except BackpressureError as error:
        again = Result(outcome=Outcome.RETRY, code=error.code, text=error.text, delay_ms=error.delay_ms)
        return [again] * sent.count


def reply_of(up_to: int, results: Iterable[Result], key: SigningKey) -> exchange_pb2.SubmitReply:
    """The reply with the hub's signature over what is durable: the receipt "accepted"."""
    reply = exchange_pb2.SubmitReply(up_to_batch=up_to)
    accepted: list[tuple[bytes, int, int]] = []
    for item in results:
        reply.results.add(
            outcome=exchange_pb2.SubmitResult.Outcome.ValueType(item.outcome.value),
            digest=item.digest,
            index=item.index,
            received_ms=item.received_ms,
            code=item.code,
            text=item.text,
            delay_ms=item.delay_ms,
            step=item.step,
        )
        if item.outcome in _DURABLE:
            accepted.append((item.digest, item.index, item.received_ms))
    if accepted:
        reply.accepted_sig = key.sign(accepted_message(accepted))
    return reply
