"""Further keys that a member offers for the roster: an officer's passkey or key file, or desk keys of a node.

The member belongs already, so one of its rostered machine keys signs the request, and each offered key proves itself.
As with a join request two people compare the fingerprint by telephone, which the hub that carries it cannot imitate.
File, canonical JSON: {"federation", "fingerprint", "keys": [key + "pseudonym"], "member", "requested", "sig": base64,
"signer": key id, "type": "key-request", "v": 1}.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_text, to_text
from port2port.errors import PolicyError
from port2port.ids import is_federation_name, is_key_id, member_id
from port2port.join_request import KEYS_MAX, JoiningKey, JoinRequestError, in_groups, joining_key
from port2port.keys import SignatureError, SigningKey, base64_exact, verify
from port2port.limits import LIMITS
from port2port.roster import Roster

TYPE: Final = "key-request"
TAG: Final = b"P2P-offer-keys-v1\0"
_FIELDS: Final = {"federation", "fingerprint", "keys", "member", "requested", "sig", "signer", "type", "v"}


class KeyRequestError(PolicyError):
    """The offer is not by a current machine key of this member, or a key in it is known already."""

    code = "KEY_REQUEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """``signer`` is the id of the member's machine key, ``sig`` its signature over ``message``."""

    federation: str
    member: str
    keys: tuple[JoiningKey, ...]
    signer: str
    sig: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= KEYS_MAX:
            raise JoinRequestError(f"1 to {KEYS_MAX} keys are offered at once")
        if len({item.public.public for item in self.keys}) != len(self.keys):
            raise JoinRequestError("one key has one role: a key is offered twice")

    @property
    def message(self) -> bytes:
        """What the machine key, and each offered key, signs."""
        return message_of(self.federation, self.member, self.keys)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that is to be approved, in 16 groups of 4 hex digits."""
        return in_groups(sha256(self.message).hexdigest())

    def encode(self, requested: datetime) -> bytes:
        """The bytes of the file. ``requested`` is for the reader and not part of the fingerprint."""
        more: dict[str, Json] = {
            "fingerprint": self.fingerprint,
            "requested": to_text(requested),
            "sig": base64.b64encode(self.sig).decode(),
            "signer": self.signer,
            "type": TYPE,
            "v": 1,
        }
        return canonical.dumps({**_core(self.federation, self.member, self.keys), **more})


def message_of(federation: str, member: str, keys: Sequence[JoiningKey]) -> bytes:
    """What is signed to offer keys."""
    return TAG + sha256(canonical.dumps(_core(federation, member, keys))).digest()


def offer(federation: str, member: str, keys: Sequence[JoiningKey], machine: SigningKey) -> KeyRequest:
    """The request under a machine key. Raises JoinRequestError."""
    sig = machine.sign(message_of(federation, member, keys))
    return KeyRequest(federation=federation, member=member, keys=tuple(keys), signer=machine.key_id, sig=sig)


def require_sound(request: KeyRequest, roster: Roster) -> None:
    """That a current machine key of the member signed it, and that the roster knows none of its keys.

    Raises KeyRequestError or SignatureError.
    """
    signer = roster.keys.get(request.signer)
    current = signer is not None and signer.member == request.member and signer.revoked_index is None
    if signer is None or not current or signer.public.key_class != "machine":
        raise KeyRequestError("not signed with a current machine key of this member")
    verify(signer.public, request.message, request.sig)
    known = {key.public.public for key in roster.keys.values()}
    if known & {item.public.public for item in request.keys}:
        raise KeyRequestError("the roster knows one of these keys already: make a new one")


def require_proofs(request: KeyRequest, proofs: Sequence[bytes]) -> None:
    """That each key is held by who offers it; a passkey signs as it signs everything. Raises SignatureError."""
    if len(proofs) != len(request.keys):
        raise SignatureError("each offered key needs its proof")
    for item, proof in zip(request.keys, proofs, strict=True):
        verify(item.public, request.message, proof)


def decode(raw: bytes) -> KeyRequest:
    """Parse the file and recompute its fingerprint. Raises MalformedError, whatever the bytes."""
    data = canonical.loads_object(raw.rstrip(b"\n"), limit=LIMITS.invitation_bytes)
    if data.keys() != _FIELDS or data["type"] != TYPE or data["v"] != 1 or data["v"] is True:
        raise JoinRequestError("this is not a key request of version 1")
    federation, member, keys, signer = data["federation"], data["member"], data["keys"], data["signer"]
    if not isinstance(federation, str) or not is_federation_name(federation) or not isinstance(member, str):
        raise JoinRequestError("federation and member are names")
    if not isinstance(keys, list) or not isinstance(signer, str) or not is_key_id(signer):
        raise JoinRequestError("keys is a list and signer a key id")
    from_text(str(data["requested"]))
    made = KeyRequest(
        federation=federation,
        member=member_id(member),
        keys=tuple(map(joining_key, keys)),
        signer=signer,
        sig=base64_exact(data["sig"]),
    )
    if made.fingerprint != data["fingerprint"]:
        raise JoinRequestError("the fingerprint is not of this request: it was changed on the way")
    return made


def _core(federation: str, member: str, keys: Sequence[JoiningKey]) -> dict[str, Json]:
    listed: list[Json] = [{**item.public.to_json(), "pseudonym": item.pseudonym} for item in keys]
    return {"federation": federation, "keys": listed, "member": member}
