"""Protobuf to domain and back, and the one table from our errors to gRPC status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.message import DecodeError, EncodeError

from port2port import errors
from port2port.envelope import SaltedObject, Signature, SignedEnvelope
from port2port.limits import LIMITS
from port2port.v1 import envelope_pb2, exchange_pb2

ACCEPTED_TAG: Final = b"P2P-accepted-v1\0"


class EncodingError(errors.MalformedError):
    """Not the protobuf message it should be, or not its one deterministic serialisation."""

    code = "ENCODING"


# gRPC status by name, most specific class wins. Total over the error tree: a test walks it.
STATUS: Final[Mapping[type[errors.Port2PortError], str]] = {
    errors.Port2PortError: "INTERNAL",
    errors.ConfigurationError: "FAILED_PRECONDITION",
    errors.MalformedError: "INVALID_ARGUMENT",
    errors.VerificationError: "INVALID_ARGUMENT",
    errors.PolicyError: "PERMISSION_DENIED",
    errors.ConflictError: "ABORTED",
    errors.NotFoundError: "NOT_FOUND",
    errors.UnavailableError: "UNAVAILABLE",
    errors.BackpressureError: "RESOURCE_EXHAUSTED",
    errors.InvariantError: "INTERNAL",
}


def status_of(error: errors.Port2PortError) -> str:
    """The name of the gRPC status an error becomes."""
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def accepted_message(items: Iterable[tuple[bytes, int, int]]) -> bytes:
    """What the hub key signs as the receipt "accepted": each (digest, index, received_ms) that is durable, in order."""
    body = b"".join(
        digest + index.to_bytes(8, "big") + received_ms.to_bytes(8, "big") for digest, index, received_ms in items
    )
    return ACCEPTED_TAG + body


def decode_envelope(raw: bytes) -> SignedEnvelope:
    """Parse a serialised Envelope. Raises TooLargeError or EncodingError, whatever the bytes."""
    if len(raw) > LIMITS.envelope_bytes:
        raise errors.TooLargeError(f"an envelope of {len(raw)} bytes; at most {LIMITS.envelope_bytes}")
    outer = envelope_pb2.Envelope()
    signed = envelope_pb2.SignedStatement()
    try:
        outer.ParseFromString(raw)
        outer.DiscardUnknownFields()
        signed.ParseFromString(outer.signed)
        signed.DiscardUnknownFields()
        same = (
            signed.SerializeToString(deterministic=True) == outer.signed
            and outer.SerializeToString(deterministic=True) == raw
        )
    except (DecodeError, EncodeError, ValueError) as error:
        raise EncodingError("not a serialised envelope") from error
    # Before anything is built of them: a million empty ones fit an envelope.
    if len(outer.objects) > LIMITS.objects_per_statement or len(signed.signatures) > LIMITS.signatures_per_envelope:
        raise errors.TooLargeError("an envelope has at most 64 objects and 8 signatures")
    if not same:
        raise EncodingError("the envelope has unknown fields or is not in its one serialised form")
    return SignedEnvelope(
        signed=outer.signed,
        payload_type=signed.payload_type,
        statement=signed.statement,
        signatures=tuple([Signature(key_id=item.keyid.hex(), sig=item.sig) for item in signed.signatures]),
        objects=tuple([SaltedObject(salt=item.salt, body=item.object) for item in outer.objects]),
    )


def encode_signed(payload_type: str, statement: bytes, signatures: tuple[Signature, ...]) -> bytes:
    """The one serialisation of a SignedStatement."""
    message = envelope_pb2.SignedStatement(payload_type=payload_type, statement=statement)
    for item in signatures:
        message.signatures.add(keyid=bytes.fromhex(item.key_id), sig=item.sig)
    return message.SerializeToString(deterministic=True)


def encode_envelope(signed: bytes, objects: tuple[SaltedObject, ...]) -> bytes:
    """The one serialisation of an Envelope."""
    message = envelope_pb2.Envelope(signed=signed)
    for item in objects:
        message.objects.add(salt=item.salt, object=item.body)
    return message.SerializeToString(deterministic=True)


def encode_feed_batch(
    *,
    first_index: int,
    leaf_hashes: Iterable[bytes],
    entries: Iterable[tuple[int, int, bytes]],
    checkpoint: bytes,
    cosigned: bytes = b"",
) -> bytes:
    """A serialised FeedBatch. ``entries`` are (index, received_ms, serialised Envelope); the notes are as signed."""
    message = exchange_pb2.FeedBatch(
        first_index=first_index,
        leaf_hashes=b"".join(leaf_hashes),
        checkpoint=checkpoint.decode(),
        cosigned=cosigned.decode(),
    )
    for index, received_ms, envelope in entries:
        message.entries.add(index=index, received_ms=received_ms, envelope=envelope)
    return message.SerializeToString(deterministic=True)
