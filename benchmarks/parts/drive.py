"""The sending side of the bench: pipelined Submit streams, paced or as fast as the window allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from grpc.aio import Channel

from benchmarks.parts.ports import TlsFiles
from port2port import tls
from port2port.v1 import exchange_pb2, transparency_pb2

DEADLINE_S: Final = 120.0
_SUBMIT: Final = "/port2port.v1.Exchange/Submit"
_CHECKPOINT: Final = "/port2port.v1.Transparency/GetCheckpoint"
_ECHO: Final = "/port2port.v1.Exchange/Echo"


class NotAcceptedError(Exception):
    """The hub answered something else than ACCEPTED: then a figure would mean nothing."""


@dataclass(slots=True)
class Submitted:
    """What one stream did. ``sent`` and ``acknowledged``: monotonic seconds by log index."""

    sent: dict[int, float] = field(default_factory=dict)
    acknowledged: dict[int, float] = field(default_factory=dict)


def channel_to(files: TlsFiles) -> Channel:
    """A connection of its own, as a node makes it."""
    credentials = tls.channel_credentials(
        ca_pem=files.ca.read_bytes(), certificate_pem=files.certificate.read_bytes(), key_pem=files.key.read_bytes()
    )
    return grpc.aio.secure_channel(files.address, credentials, options=tls.CHANNEL_OPTIONS)


async def newest_checkpoint(files: TlsFiles) -> bytes:
    """The hub's newest checkpoint, a signed note."""
    async with channel_to(files) as channel:
        ask = channel.unary_unary(_CHECKPOINT, response_deserializer=transparency_pb2.CheckpointReply.FromString)
        reply = await ask(transparency_pb2.GetCheckpointRequest().SerializeToString(), timeout=DEADLINE_S)
    return str(reply.note).encode()


async def submit(
    files: TlsFiles, requests: Sequence[bytes], sizes: Sequence[int], *, window: int, every_s: float = 0.0
) -> Submitted:
    """Send every request and wait for its results, at most ``window`` requests unanswered, one each ``every_s``.

    ``sizes`` are the envelopes in each request. Raises NotAcceptedError.
    """
    async with channel_to(files) as channel:
        call = channel.stream_stream(_SUBMIT, response_deserializer=exchange_pb2.SubmitReply.FromString)(
            timeout=DEADLINE_S
        )
        room = asyncio.Semaphore(window)
        times: list[float] = []
        writing = asyncio.create_task(_write(call, requests, room, times, every_s))
        try:
            done = await _read(call, sizes, room, times)
        finally:
            writing.cancel()
            await asyncio.wait({writing})
        return done


async def _write(
    call: Any, requests: Sequence[bytes], room: asyncio.Semaphore, times: list[float], every_s: float
) -> None:
    begun = time.monotonic()
    for number, request in enumerate(requests):
        pause = begun + number * every_s - time.monotonic()
        if every_s and pause > 0:
            await asyncio.sleep(pause)
        await room.acquire()
        times.append(time.monotonic())
        await call.write(request)
    await call.done_writing()


async def _read(call: Any, sizes: Sequence[int], room: asyncio.Semaphore, times: Sequence[float]) -> Submitted:
    done = Submitted()
    answered = 0
    async for reply in call:
        now = time.monotonic()
        results = iter(reply.results)
        for number in range(answered, reply.up_to_batch):
            room.release()
            for _ in range(sizes[number]):
                result = next(results)
                _require_accepted(result)
                done.sent[result.index] = times[number]
                done.acknowledged[result.index] = now
        answered = reply.up_to_batch
    if answered != len(sizes):
        raise NotAcceptedError(f"the stream ended after {answered} of {len(sizes)} batches")
    return done


def _require_accepted(result: exchange_pb2.SubmitResult) -> None:
    if result.outcome != exchange_pb2.SubmitResult.ACCEPTED:
        raise NotAcceptedError(f"{result.outcome} {result.code} {result.text} (step {result.step})")


async def submit_all(
    jobs: Sequence[tuple[TlsFiles, Sequence[bytes], Sequence[int]]], *, window: int, every_s: float = 0.0
) -> Submitted:
    """Several ports at once."""
    streams = [submit(files, requests, sizes, window=window, every_s=every_s) for files, requests, sizes in jobs]
    merged = Submitted()
    for done in await asyncio.gather(*streams):
        merged.sent.update(done.sent)
        merged.acknowledged.update(done.acknowledged)
    return merged


async def echo_times(files: TlsFiles, payload: bytes, count: int, *, every_s: float) -> list[float]:
    """Round trips in seconds of the bare unary rpc, one started each ``every_s``."""
    async with channel_to(files) as channel:
        call = channel.unary_unary(_ECHO)

        async def once(at: float) -> float:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            begun = time.monotonic()
            await call(payload, timeout=DEADLINE_S)
            return time.monotonic() - begun

        await call(payload, timeout=DEADLINE_S)
        begun = time.monotonic() + every_s
        return list(await asyncio.gather(*(once(begun + number * every_s) for number in range(count))))
