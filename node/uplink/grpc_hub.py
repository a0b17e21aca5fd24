"""``Hub`` over gRPC with mutual TLS: protobuf to domain and back, and the hub's error codes read backwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Final

import grpc

from node.inbox import Batch, BatchEntry
from node.receipts import SignedReceipt
from node.uplink.hub import Answer, Description, Outcome, RecoverPart
from port2port import errors, tls
from port2port.key_request import KeyRequest
from port2port.keys import verify_ed25519
from port2port.merkle import HASH_BYTES
from port2port.v1 import (
    directory_pb2,
    directory_pb2_grpc,
    exchange_pb2,
    exchange_pb2_grpc,
    transparency_pb2,
    transparency_pb2_grpc,
)
from port2port.wire import accepted_message

CALL_S: Final = 20.0
STREAM_S: Final = 3_600.0
_CODE: Final = "p2p-code"
_RETRY: Final = "p2p-retry-ms"
_DEFAULT_DELAY_MS: Final = 1_000
_DELAY_MAX_MS: Final = 600_000


class HubRefusedError(errors.PolicyError):
    """The hub refused a call; the text is the hub's, ``hub_code`` its stable code."""

    code = "HUB_REFUSED"


class GrpcHub:
    """One channel to the hub. The filter names kinds and issuers to follow; control entries always come."""

    def __init__(
        self,
        address: str,
        credentials: grpc.ChannelCredentials,
        *,
        kinds: Sequence[str] = (),
        issuers: Sequence[str] = (),
        hub_key: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        """``hub_key`` gives the key of the receipts "accepted", once the genesis has been verified."""
        self._hub_key = hub_key
        self._channel = grpc.aio.secure_channel(address, credentials, options=tls.CHANNEL_OPTIONS)
        self._exchange = exchange_pb2_grpc.ExchangeStub(self._channel)
        self._log = transparency_pb2_grpc.TransparencyStub(self._channel)
        self._directory = directory_pb2_grpc.DirectoryStub(self._channel)
        self._filter = exchange_pb2.FeedFilter(kinds=kinds, issuers=issuers)

    async def describe(self) -> Description:
        """Whom we talk to, and as whom it knows us."""
        with _our_errors():
            request = directory_pb2.DescribeRequest(version=version("port2port"))
            reply = await self._directory.Describe(request, timeout=CALL_S)
        return Description(federation=reply.federation, genesis=reply.genesis, member=reply.member, now_ms=reply.now_ms)

    async def submit(self, batches: AsyncIterator[Sequence[bytes]]) -> AsyncIterator[Sequence[Answer]]:
        """Pipelined batches in, answers out."""

        async def requests() -> AsyncIterator[exchange_pb2.SubmitRequest]:
            number = 0
            async for envelopes in batches:
                number += 1
                yield exchange_pb2.SubmitRequest(batch_id=number, envelopes=envelopes)

        with _our_errors():
            async for reply in self._exchange.Submit(requests(), timeout=STREAM_S):
                require_receipt(reply, self._hub_key())
                yield [_answer(result) for result in reply.results]

    async def follow(self, cursor: int, checkpoint: bytes) -> AsyncIterator[Batch]:
        """The feed from a cursor on."""
        request = exchange_pb2.FollowRequest(
            cursor=cursor, filter=self._filter, checkpoint=checkpoint.decode("utf-8", "replace")
        )
        with _our_errors():
            async for reply in self._exchange.Follow(request, timeout=STREAM_S):
                yield batch_of(reply)

    async def receipts(self, mine: Sequence[SignedReceipt], after: int) -> tuple[list[SignedReceipt], int]:
        """Hand in ours, take those for our entries."""
        request = exchange_pb2.ReceiptsRequest(after=after)
        for item in mine:
            request.mine.add(receipt=item.receipt, keyid=bytes.fromhex(item.key_id), sig=item.sig)
        with _our_errors():
            reply = await self._exchange.Receipts(request, timeout=CALL_S)
        theirs = [SignedReceipt(receipt=item.receipt, key_id=item.keyid.hex(), sig=item.sig) for item in reply.theirs]
        return theirs, reply.cursor

    async def newest_checkpoint(self) -> bytes:
        """The newest checkpoint with the cosignatures known so far."""
        with _our_errors():
            reply = await self._log.GetCheckpoint(transparency_pb2.GetCheckpointRequest(), timeout=CALL_S)
        return reply.note.encode()

    async def cosign(self, note: bytes) -> bytes:
        """Hand in a cosignature; the same checkpoint with all lines so far."""
        with _our_errors():
            reply = await self._log.Cosign(transparency_pb2.CosignRequest(note=note.decode()), timeout=CALL_S)
        return reply.note.encode()

    async def recover(self, parts: AsyncIterator[RecoverPart]) -> tuple[int, int]:
        """Give back to a restored hub what we hold."""

        async def requests() -> AsyncIterator[transparency_pb2.RecoverRequest]:
            async for part in parts:
                yield recover_request(part)

        with _our_errors():
            reply = await self._log.Recover(requests(), timeout=STREAM_S)
        return reply.size, reply.wanted

    async def offer_keys(self, request: KeyRequest, proofs: Sequence[bytes]) -> str:
        """Offer further keys of this member."""
        asked = directory_pb2.OfferKeysRequest(keyid=bytes.fromhex(request.signer), sig=request.sig)
        for item, proof in zip(request.keys, proofs, strict=True):
            asked.keys.add(
                key_class=item.public.key_class,
                scheme=item.public.scheme,
                public_key=item.public.public,
                pseudonym=item.pseudonym or "",
                proof=proof,
                rp_id=item.public.rp_id or "",
            )
        with _our_errors():
            reply = await self._directory.OfferKeys(asked, timeout=CALL_S)
        return reply.fingerprint

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()


def require_receipt(reply: exchange_pb2.SubmitReply, hub_key: bytes | None) -> None:
    """That the hub signed what it says it accepted. Raises SignatureError; before the genesis there is no key."""
    items = [
        (result.digest, result.index, result.received_ms)
        for result in reply.results
        if result.outcome in {Outcome.ACCEPTED.value, Outcome.DUPLICATE.value}
    ]
    if items and hub_key is not None:
        verify_ed25519(hub_key, accepted_message(items), reply.accepted_sig)


def batch_of(message: exchange_pb2.FeedBatch) -> Batch:
    """A feed batch without protobuf; an incomplete hash at the end stays for ``judge`` to refuse."""
    raw = message.leaf_hashes
    return Batch(
        first_index=message.first_index,
        leaf_hashes=tuple(raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)),
        entries=tuple(
            BatchEntry(index=item.index, received_ms=item.received_ms, raw=item.envelope) for item in message.entries
        ),
        checkpoint=message.checkpoint.encode(),
        cosigned=message.cosigned.encode(),
    )


def recover_request(part: RecoverPart) -> transparency_pb2.RecoverRequest:
    """The message of one stretch."""
    request = transparency_pb2.RecoverRequest(
        first_index=part.first_index, leaf_hashes=b"".join(part.leaf_hashes), checkpoint=part.checkpoint.decode()
    )
    for entry in part.entries:
        request.entries.add(index=entry.index, received_ms=entry.received_ms, envelope=entry.raw)
    return request


def error_of(status: grpc.StatusCode, text: str, code: str, delay_ms: int | None) -> errors.Port2PortError:
    """The hub's status and code as one of our errors; what is unknown is tried again later."""
    made = _BY_CODE.get(code)
    if code == errors.BackpressureError.code or status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.BackpressureError(text, delay_ms=_DEFAULT_DELAY_MS if delay_ms is None else delay_ms)
    if made is not None:
        return made(text)
    if status in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}:
        return errors.NotMemberError(text, hub_code=code)
    if status in _FINAL:
        return HubRefusedError(text, hub_code=code, status=status.name)
    return errors.UnavailableError(text, hub_code=code, status=status.name)


_BY_CODE: Final[dict[str, Callable[[str], errors.Port2PortError]]] = {
    made.code: made
    for made in (errors.LogBehindError, errors.NotMemberError, errors.NotFoundError, errors.ConflictError)
}
_FINAL: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED}
)


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        trailing = {str(key): str(value) for key, value in error.trailing_metadata() or ()}
        delay = trailing.get(_RETRY, "")
        delay_ms = min(int(delay), _DELAY_MAX_MS) if delay.isascii() and delay.isdigit() else None
        text = str(error.details() or "the hub gave no reason")[:500]
        raise error_of(error.code(), text, trailing.get(_CODE, ""), delay_ms) from error


def _answer(result: exchange_pb2.SubmitResult) -> Answer:
    """Raises MalformedError for an outcome that does not exist."""
    try:
        outcome = Outcome(result.outcome)
    except ValueError as error:
        raise errors.MalformedError("the hub answered with an unknown outcome") from error
    return Answer(
        outcome=outcome,
        index=result.index,
        received_ms=result.received_ms,
        code=result.code,
        text=result.text,
        delay_ms=min(result.delay_ms, _DELAY_MAX_MS),
        step=result.step,
    )
