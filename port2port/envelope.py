"""DSSE v1 over the exact statement bytes: sign, check, several signers; and the leaf that the log keeps.

Source: secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.2. The payload type is inside the
signature, a verifier never parses before it verified, and ``keyid`` only looks a key up in the roster.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from port2port.statement import KIND_NUMBERS

PAYLOAD_TYPE: Final = "application/vnd.port2port.statement+json;v=1"
_LEAF_TAG: Final = b"P2P-leaf-v1\0"
_LEAF: Final = struct.Struct(">BQ32s32s")
LEAF_BYTES: Final = len(_LEAF_TAG) + _LEAF.size
UNKNOWN_KIND_NUMBER: Final = 0


class Signer(Protocol):
    """A private key: its key id (hex) and how it signs. ``port2port.keys`` has the real ones."""

    @property
    def key_id(self) -> str: ...
    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature; ``key_id`` is lower-case hex."""

    key_id: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltedObject:
    """One STIX object, byte for byte, with the salt of its commitment."""

    salt: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope:
    """What came over the wire: nothing in it is believed before ``port2port.verify`` says so.

    ``signed`` are the received bytes of the protobuf SignedStatement; the other fields were decoded from them.
    """

    signed: bytes
    payload_type: str
    statement: bytes
    signatures: tuple[Signature, ...]
    objects: tuple[SaltedObject, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the message that is signed. Lengths count bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def digest_of(statement: bytes) -> bytes:
    """SHA-256 of the signed message of a statement: the name of an entry."""
    return hashlib.sha256(pae(PAYLOAD_TYPE, statement)).digest()


def sign(statement: bytes, signers: Sequence[Signer]) -> tuple[Signature, ...]:
    """One signature per signer over the statement, in the order the wire wants (by key id)."""
    message = pae(PAYLOAD_TYPE, statement)
    made = (Signature(key_id=signer.key_id, sig=signer.sign(message)) for signer in signers)
    return tuple(sorted(made, key=lambda item: item.key_id))


def signatures_digest(signatures: Sequence[Signature]) -> bytes:
    """SHA-256 over the sorted pairs keyid | sig, so that stripping or swapping a signature changes the leaf."""
    ordered = sorted(signatures, key=lambda item: item.key_id)
    return hashlib.sha256(b"".join(bytes.fromhex(item.key_id) + item.sig for item in ordered)).digest()


def leaf_data(*, kind: str, received_ms: int, digest: bytes, signatures: Sequence[Signature]) -> bytes:
    """The 85-byte leaf: tag | kind (u8) | received_ms (u64 BE) | digest | signatures digest.

    It hides what it covers, since a statement holds a random id: everybody may have its hash.
    """
    number = KIND_NUMBERS.get(kind, UNKNOWN_KIND_NUMBER)
    return _LEAF_TAG + _LEAF.pack(number, received_ms, digest, signatures_digest(signatures))
