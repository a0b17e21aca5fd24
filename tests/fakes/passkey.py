"""A passkey in software: signs as an authenticator and a browser would, with a switch for every lie."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from port2port import keys

if TYPE_CHECKING:
    from port2port.keys import KeyClass

USER_PRESENT, USER_VERIFIED = 0x01, 0x04


class Passkey:
    """A ``SigningKey`` of scheme webauthn-es256. The key is derived from ``number``, so it is no secret."""

    scheme: keys.Scheme = "webauthn-es256"

    def __init__(self, number: int = 7, *, rp_id: str = "desk.port.example") -> None:
        self.private = ec.derive_private_key(number, ec.SECP256R1())
        self.rp_id = rp_id
        self.public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = keys.key_id_of(self.public, scheme=self.scheme)

    def record(self, key_class: KeyClass = "officer") -> keys.PublicKey:
        return keys.PublicKey(
            key_id=self.key_id, scheme=self.scheme, key_class=key_class, public=self.public, rp_id=self.rp_id
        )

    def sign(self, message: bytes, /) -> bytes:
        return self.assertion(self.authenticator_data(), self.client_data(message))

    def authenticator_data(
        self, *, rp_id: str | None = None, flags: int = USER_PRESENT | USER_VERIFIED, extra: bytes = b""
    ) -> bytes:
        """WebAuthn section 6.1."""
        return sha256((rp_id or self.rp_id).encode()).digest() + bytes([flags]) + (41).to_bytes(4, "big") + extra

    def client_data(self, message: bytes, **changes: Any) -> bytes:
        """WebAuthn section 5.8.1, in the spelling of browsers; a change to None drops the member."""
        value = {
            "type": "webauthn.get",
            "challenge": keys.challenge_of(message),
            "origin": f"https://{self.rp_id}",
            "crossOrigin": False,
            **changes,
        }
        return json.dumps({k: v for k, v in value.items() if v is not None}, separators=(",", ":")).encode()

    def assertion(self, authenticator_data: bytes, client_data: bytes) -> bytes:
        signature = self.private.sign(authenticator_data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return keys.assertion_signature(
            authenticator_data=authenticator_data, client_data=client_data, signature=signature
        )
