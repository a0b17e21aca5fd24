"""Entry 0, the one trust anchor: who the coordinators are, how many of them must agree, which key signs the log.

The SHA-256 of the genesis statement stands in every invitation, in every node's settings and on the command line
of ``port2port verify``. Nothing else is trusted because somebody said so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from port2port.canonical import Json
from port2port.errors import MalformedError
from port2port.ids import FEDERATION_ISSUER, is_federation_name
from port2port.keys import PublicKey
from port2port.statement import Statement, decode

MAX_COORDINATORS = 16


class GenesisError(MalformedError):
    """Not a genesis statement, or not the one whose hash was pinned."""

    code = "GENESIS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """The federation as it was founded. Public keys are raw Ed25519 (32 bytes); ``ca_root`` is PEM.

    ``demo`` marks a federation that one machine founded alone: screens and commands show a ribbon.
    """

    federation: str
    origin: str
    ca_root: str
    log_key: bytes
    hub_key: bytes
    coordinators: tuple[PublicKey, ...]
    threshold: int
    demo: bool

    def to_body(self) -> dict[str, Json]:
        """The ``body`` of the genesis statement."""
        return {
            "ca_root": self.ca_root,
            "coordinators": [key.to_json() for key in self.coordinators],
            "demo": self.demo,
            "federation": self.federation,
            "hub_key": to_b64(self.hub_key),
            "log_key": to_b64(self.log_key),
            "origin": self.origin,
            "threshold": self.threshold,
        }


def genesis_hash(statement: bytes) -> str:
    """The trust anchor: hex of SHA-256 over the exact genesis statement bytes."""
    return hashlib.sha256(statement).hexdigest()


def pinned(statement: bytes, expected_hash: str) -> Genesis:
    """The genesis in ``statement``, if its hash is the pinned one. Raises GenesisError."""
    if genesis_hash(statement) != expected_hash:
        raise GenesisError("this is not the genesis that was pinned: another federation, or an attack")
    return from_statement(decode(statement))


def from_statement(statement: Statement) -> Genesis:
    """The genesis in a parsed statement. Raises GenesisError, or MalformedError for a key. Signatures are not
    its matter.
    """
    if statement.kind != "genesis" or statement.issuer != FEDERATION_ISSUER or statement.log_seen.size != 0:
        raise GenesisError("not a genesis statement")
    body = statement.body
    if body.keys() != _FIELDS:
        raise GenesisError("a genesis has exactly the fields " + ", ".join(sorted(_FIELDS)))
    keys = body["coordinators"]
    threshold = body["threshold"]
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_COORDINATORS:
        raise GenesisError("a genesis names 1 to 16 coordinator keys")
    coordinators = tuple(PublicKey.from_json(item) for item in keys)
    if len({key.key_id for key in coordinators}) != len(coordinators):
        raise GenesisError("a coordinator key is named twice")
    if any(key.key_class != "coordinator" for key in coordinators):
        raise GenesisError("a coordinator's key must be of class coordinator")
    if not isinstance(threshold, int) or isinstance(threshold, bool) or not 1 <= threshold <= len(coordinators):
        raise GenesisError("the threshold must be between 1 and the number of coordinators")
    if not isinstance(body["demo"], bool):
        raise GenesisError("demo must be true or false")
    if threshold < 2 and not body["demo"]:
        raise GenesisError("a threshold of one is for the demo only: production wants two organisations")
    log_key, hub_key = _key32(body, "log_key"), _key32(body, "hub_key")
    if len({log_key, hub_key, *(key.public for key in coordinators)}) != len(coordinators) + 2:
        raise GenesisError("one key has one role: log, hub and coordinators need keys of their own")
    return Genesis(
        federation=_federation(body["federation"]),
        origin=_text(body, "origin", 200),
        ca_root=_text(body, "ca_root", 4_000),
        log_key=log_key,
        hub_key=hub_key,
        coordinators=coordinators,
        threshold=threshold,
        demo=body["demo"],
    )


_FIELDS = frozenset({"ca_root", "coordinators", "demo", "federation", "hub_key", "log_key", "origin", "threshold"})


def to_b64(raw: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(raw).decode("ascii")


def from_b64(text: str) -> bytes:
    """The reverse, refusing every other spelling. Raises GenesisError."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise GenesisError("not base64") from error
    if to_b64(raw) != text:
        raise GenesisError("not canonical base64")
    return raw


def _text(body: Mapping[str, Json], name: str, limit: int) -> str:
    value = body[name]
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise GenesisError(f"{name} must be text of at most {limit} characters")
    return value


def _federation(value: Json) -> str:
    if not isinstance(value, str) or not is_federation_name(value):
        raise GenesisError("the federation's name must look like a DNS name")
    return value


def _key32(body: Mapping[str, Json], name: str) -> bytes:
    raw = from_b64(_text(body, name, 100))
    if len(raw) != 32:
        raise GenesisError(f"{name} must be an Ed25519 public key")
    return raw
