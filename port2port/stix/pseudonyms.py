"""Keyed pseudonyms: how a badge, a licence plate or a drone's operator is named without being told.

HMAC-SHA-256 under the federation's key of an epoch, over scrypt of the value. Members that hold the key of the epoch
find the same thing again; nobody else can, and whoever steals a key still pays scrypt for each of the millions of
plates that he tries. A key serves for one epoch, named by the month in which it was drawn, and is destroyed with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final, Literal

from port2port.errors import ProfileError
from port2port.patterns.tokens import Token, tokenise

Kind = Literal["badge", "vehicle", "uas-operator"]
KEY_BYTES: Final = 32
_SCRYPT_COST: Final = 2**15
_SCRYPT_BLOCK: Final = 8
_SCRYPT_MEMORY: Final = 64 * 1024 * 1024
_VALUE: Final = re.compile(r"[A-Z0-9]{3,40}", re.ASCII)
_EPOCH: Final = re.compile(r"[1-9][0-9]{3}-(?:0[1-9]|1[0-2])", re.ASCII)
_PSEUDONYM: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SAME: Final = re.compile(r"(.)\1{11}", re.ASCII)
_PRINTABLE: Final = range(0x20, 0x7F)
_ENOUGH_DIGITS: Final = 8  # different ones among 64; of random text fewer are met once in 10^16
_EQUALS: Final = frozenset({"=", "=="})
# What a pattern may say of a thing that stands for a person, and which of it is a pseudonym.
_SAYABLE: Final = {
    "badge": frozenset({"pseudonym", "key_epoch"}),
    "vehicle": frozenset({"pseudonym", "key_epoch"}),
    "uas": frozenset({"serial_number", "uas_type", "model", "operator_pseudonym", "key_epoch"}),
}
_PSEUDONYMOUS: Final = frozenset({("badge", "pseudonym"), ("vehicle", "pseudonym"), ("uas", "operator_pseudonym")})


def pseudonym(kind: Kind, value: str, *, epoch_key: bytes) -> str:
    """64 hex digits for a value as it is written on the thing; signs and small letters do not count.

    A plate begins with the two letters of its country, a badge with its port's LOCODE: else two things share a name.
    Raises ProfileError.
    """
    plain = "".join(char for char in value.upper() if char.isascii() and char.isalnum())
    if _VALUE.fullmatch(plain) is None:
        raise ProfileError("what gets a pseudonym has 3 to 40 letters and digits")
    if len(epoch_key) != KEY_BYTES:
        raise ProfileError(f"the key of an epoch has {KEY_BYTES} bytes")
    slow = hashlib.scrypt(
        plain.encode(),
        salt=f"P2P-pseudonym-v1/{kind}".encode(),
        n=_SCRYPT_COST,
        r=_SCRYPT_BLOCK,
        p=1,
        maxmem=_SCRYPT_MEMORY,
        dklen=32,
    )
    return hmac.new(epoch_key, f"P2P-pseudonym-v1/{kind}\0".encode() + slow, hashlib.sha256).hexdigest()


def is_pseudonym(text: str) -> bool:
    """Whether it can be an HMAC: 64 hex digits that are neither a number, nor padded, nor text spelled in hex."""
    if _PSEUDONYM.fullmatch(text) is None:
        return False
    if text.isdigit() or _SAME.search(text) is not None or len(set(text)) < _ENOUGH_DIGITS:
        return False
    return not all(byte in _PRINTABLE for byte in bytes.fromhex(text))


def require_pseudonym(text: str) -> str:
    """The text itself. Raises ProfileError for what looks like a plain value."""
    if not is_pseudonym(text):
        raise ProfileError("a pseudonym is a keyed digest of 64 hex digits, never the number or plate itself")
    return text


def names_person(pattern: str) -> bool:
    """Whether a pattern asks for a badge, a vehicle or a drone's operator.

    Raises ProfileError if it asks for one by anything but pseudonym and epoch, bound by ``=`` or ``IN``.
    """
    if "badge" not in pattern and "vehicle" not in pattern and "uas" not in pattern:
        return False
    tokens = tokenise(pattern)
    found = False
    for at, token in enumerate(tokens[:-3]):
        if token.text in _SAYABLE and token.kind == "name" and tokens[at + 1] == Token("sign", ":"):
            found = _require_path(token.text, tokens[at + 2 :]) or found
    return found


def _require_path(kind: str, rest: Sequence[Token]) -> bool:
    name = rest[0].text
    if rest[0].kind != "name" or name not in _SAYABLE[kind]:
        raise ProfileError(f"a pattern about a {kind} uses {', '.join(sorted(_SAYABLE[kind]))} only")
    if kind == "uas" and (kind, name) not in _PSEUDONYMOUS:
        return False
    for value in _values(rest[1:]):
        if (kind, name) in _PSEUDONYMOUS:
            require_pseudonym(value)
        elif _EPOCH.fullmatch(value) is None:
            raise ProfileError("the epoch of a key is a month, as in 2026-11")
    return True


def _values(rest: Sequence[Token]) -> list[str]:
    if rest[0].text in _EQUALS:
        taken: Sequence[Token] = rest[1:2]
    elif rest[0] == Token("keyword", "IN"):
        end = next((at for at, token in enumerate(rest) if token == Token("sign", ")")), len(rest))
        taken = [token for token in rest[2:end] if token != Token("sign", ",")]
    else:
        raise ProfileError("a pseudonym in a pattern is bound by = or IN")
    if not taken or any(token.kind != "string" for token in taken):
        raise ProfileError("a pseudonym in a pattern is text")
    return [token.text[1:-1] for token in taken]
