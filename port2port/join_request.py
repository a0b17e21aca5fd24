"""What a node offers when it joins, and the fingerprint two people compare by telephone before it is approved.

The fingerprint covers everything the coordinators are about to put into the roster, so the hub, which carries the
request, cannot exchange a key on the way unnoticed: node and coordinator compute it each for themselves.
File, canonical JSON: {"federation", "fingerprint", "keys": [key + "pseudonym"], "member", "node", "requested",
"type": "join-request", "v": 1, "witness_key": base64}.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_text, to_text
from port2port.errors import MalformedError
from port2port.ids import is_federation_name, member_id
from port2port.keys import PublicKey, base64_exact
from port2port.limits import LIMITS

KEYS_MAX: Final = 16
NODE_MAX: Final = 9_999
WITNESS_KEY_BYTES: Final = 32
_FIELDS: Final = {
    "federation", "fingerprint", "keys", "member", "node", "requested", "type", "v", "witness_key",
}  # fmt: skip
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_GROUP: Final = 4


class JoinRequestError(MalformedError):
    """Not a join request: a part is missing, of the wrong kind, or the fingerprint is of another one."""

    code = "JOIN_REQUEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoiningKey:
    """A key to be approved. Officers' keys have a pseudonym that only their port can resolve; machines' have none."""

    public: PublicKey
    pseudonym: str | None = None

    def __post_init__(self) -> None:
        if self.public.key_class not in {"machine", "officer"}:
            raise JoinRequestError("a joining key is of class machine or officer")
        if (self.public.key_class == "officer") != (self.pseudonym is not None):
            raise JoinRequestError("an officer's key has a pseudonym, a machine's has none")
        if self.pseudonym is not None and not _PSEUDONYM.fullmatch(self.pseudonym):
            raise JoinRequestError("a pseudonym has 1 to 40 letters, digits, '-' or '_'")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """One node's request: its machine key, then any desk keys and officers' keys, and a witness key of its own.

    The first key of class machine is the node's; the others are desk keys, which sign for acts that wait for officers.
    """

    federation: str
    member: str
    node: int
    keys: tuple[JoiningKey, ...]
    witness_key: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= KEYS_MAX or not 1 <= self.node <= NODE_MAX:
            raise JoinRequestError(f"a join request has 1 to {KEYS_MAX} keys and a node number from 1")
        if all(item.public.key_class != "machine" for item in self.keys):
            raise JoinRequestError("a join request has a machine key")
        publics = {item.public.public for item in self.keys}
        if len(publics) != len(self.keys) or self.witness_key in publics:
            raise JoinRequestError("one key has one role: a key is offered twice")
        if len(self.witness_key) != WITNESS_KEY_BYTES:
            raise JoinRequestError("a witness key is an Ed25519 public key of 32 bytes")

    @property
    def machine_key(self) -> PublicKey:
        """The key the node's certificates are issued against."""
        return next(item.public for item in self.keys if item.public.key_class == "machine")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON of all that is to be approved, in 16 groups of 4 hex digits."""
        return in_groups(sha256(b"P2P-join-v1\0" + canonical.dumps(self._core())).hexdigest())

    def _core(self) -> dict[str, Json]:
        return {
            "federation": self.federation,
            "keys": [{**item.public.to_json(), "pseudonym": item.pseudonym} for item in self.keys],
            "member": self.member,
            "node": self.node,
            "witness_key": _base64(self.witness_key),
        }

    def encode(self, requested: datetime) -> bytes:
        """The bytes of a join request file. ``requested`` is for the reader and not part of the fingerprint."""
        more: dict[str, Json] = {
            "fingerprint": self.fingerprint,
            "requested": to_text(requested),
            "type": "join-request",
            "v": 1,
        }
        return canonical.dumps({**self._core(), **more})


def in_groups(digest: str) -> str:
    """A digest as two people read it to each other: 16 groups of 4 hex digits."""
    return " ".join(digest[at : at + _GROUP] for at in range(0, len(digest), _GROUP))


def _base64(raw: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(raw).decode("ascii")


def decode(raw: bytes) -> JoinRequest:
    """Parse a join request file and recompute its fingerprint. Raises MalformedError, whatever the bytes."""
    data = canonical.loads_object(raw.rstrip(b"\n"), limit=LIMITS.invitation_bytes)
    if data.keys() != _FIELDS or data["type"] != "join-request" or data["v"] != 1:
        raise JoinRequestError("this is not a join request of version 1")
    federation, member, node, keys = data["federation"], data["member"], data["node"], data["keys"]
    if not isinstance(federation, str) or not is_federation_name(federation) or not isinstance(member, str):
        raise JoinRequestError("federation and member are names")
    if not isinstance(node, int) or isinstance(node, bool) or not isinstance(keys, list):
        raise JoinRequestError("node is a number and keys a list")
    from_text(str(data["requested"]))
    made = JoinRequest(
        federation=federation,
        member=member_id(member),
        node=node,
        keys=tuple(map(joining_key, keys)),
        witness_key=base64_exact(data["witness_key"]),
    )
    if made.fingerprint != data["fingerprint"]:
        raise JoinRequestError("the fingerprint is not of this request: it was changed on the way")
    return made


def joining_key(value: Json) -> JoiningKey:
    """The reverse of a key's form in a request. Raises MalformedError."""
    if not isinstance(value, dict) or "pseudonym" not in value:
        raise JoinRequestError("a joining key has the fields of a key and a pseudonym or null")
    pseudonym = value["pseudonym"]
    if pseudonym is not None and not isinstance(pseudonym, str):
        raise JoinRequestError("a pseudonym is text or null")
    public = PublicKey.from_json({name: part for name, part in value.items() if name != "pseudonym"})
    return JoiningKey(public=public, pseudonym=pseudonym)
