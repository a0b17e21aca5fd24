"""A browser with a passkey in software: answers the JSON options of enrolment, sign-in and step-up as one would."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One discoverable credential. Attributes are switches: change one, and the next answer lies in that respect."""

    def __init__(self, number: int = 11, *, origin: str = "https://console.example") -> None:
        self.private = ec.derive_private_key(number, ec.SECP256R1())
        self.origin = origin
        self.rp_id = origin.partition("://")[2].partition(":")[0]
        self.credential = sha256(b"credential %d" % number).digest()
        self.flags = PRESENT | VERIFIED
        self.counter = 0
        self.algorithm = -7

    def make(self, options: str, **changes: Any) -> str:
        """The answer of ``navigator.credentials.create``."""
        wanted = json.loads(options)
        numbers = self.private.public_key().public_numbers()
        cose = {1: 2, 3: self.algorithm, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + cbor2.dumps(cose)
        data = self._data(self.flags | ATTESTED) + attested
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", wanted["challenge"], changes)),
            "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        }
        return self._answer(response)

    def sign(self, options: str, **changes: Any) -> str:
        """The answer of ``navigator.credentials.get``."""
        wanted = json.loads(options)
        if self.counter:
            self.counter += 1
        data = self._data(self.flags)
        client_data = self._client_data("webauthn.get", wanted["challenge"], changes)
        signature = self.private.sign(data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {
            "authenticatorData": b64(data),
            "clientDataJSON": b64(client_data),
            "signature": b64(signature),
            "userHandle": None,
        }
        return self._answer(response)

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps(
            {
                "id": b64(self.credential),
                "rawId": b64(self.credential),
                "type": "public-key",
                "authenticatorAttachment": "platform",
                "clientExtensionResults": {},
                "response": response,
            }
        )

    def _data(self, flags: int) -> bytes:
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        value = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **changes}
        return json.dumps(value, separators=(",", ":")).encode()
