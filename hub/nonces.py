"""Challenges for renewal: valid for two minutes, once, and nothing is stored for those who only ask.

A nonce is a time, eight random bytes and a MAC under a secret of this process, 32 bytes together; whoever asks
without end costs no memory. Used ones are remembered until they would have run out anyway. A restart forgets the
secret, and with it every open challenge: the node asks again.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import Final

from port2port.errors import ConflictError, PolicyError

LIFE_MS: Final = 120_000
NONCE_BYTES: Final = 32
_HEAD: Final = struct.Struct(">Q8s")
_MAC_BYTES: Final = NONCE_BYTES - _HEAD.size


class NonceError(PolicyError):
    """Not a challenge of ours, or one that has run out."""

    code = "CHALLENGE"


class NonceUsedError(ConflictError):
    """A challenge was answered twice."""

    code = "CHALLENGE_USED"


class Nonces:
    """Makes and checks them. ``secret`` is 32 random bytes of this process."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._used: dict[bytes, int] = {}

    def make(self, now_ms: int) -> bytes:
        """A fresh one."""
        head = _HEAD.pack(now_ms, secrets.token_bytes(8))
        return head + self._mac(head)

    def check(self, nonce: bytes, now_ms: int) -> None:
        """That it is ours and in time. Raises NonceError."""
        head, mac = nonce[: _HEAD.size], nonce[_HEAD.size :]
        if len(nonce) != NONCE_BYTES or not hmac.compare_digest(mac, self._mac(head)):
            raise NonceError("not a challenge of this hub, or from before its restart: ask for a new one")
        made_ms = _HEAD.unpack(head)[0]
        if not made_ms <= now_ms <= made_ms + LIFE_MS:
            raise NonceError("the challenge has run out: ask for a new one")

    def use(self, nonce: bytes, now_ms: int) -> None:
        """Spend it. Raises NonceUsedError the second time."""
        self._used = {seen: at for seen, at in self._used.items() if at + LIFE_MS >= now_ms}
        if nonce in self._used:
            raise NonceUsedError("this challenge was answered already: ask for a new one")
        self._used[nonce] = now_ms

    def _mac(self, head: bytes) -> bytes:
        return hmac.digest(self._secret, b"P2P-challenge-v1\0" + head, "sha256")[:_MAC_BYTES]
