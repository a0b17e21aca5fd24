"""Names of members, keys, places and STIX objects: the one place that says how each is spelled."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import Final

from port2port.errors import MalformedError

# Issuer of genesis and roster statements: nobody's member id.
FEDERATION_ISSUER: Final = "federation"

_MEMBER = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_STIX_ID = re.compile(rf"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)--({_UUID})", re.ASCII)
_STATEMENT_ID = re.compile(rf"urn:uuid:{_UUID}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FEDERATION = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
MEMBER_MAX = 40
# STIX 2.1: type names have 3 to 250 characters.
STIX_TYPE_MIN: Final = 3
STIX_TYPE_MAX: Final = 250
# Namespace of every deterministic UUID we derive (uuid5); drawn at random once.
NAMESPACE: Final = uuid.UUID("5d3e24a4-9be4-4c6a-9a0e-3c2f6a4d7c11")


def is_member_id(text: str) -> bool:
    """A member, affiliate or group id: lower-case words joined by '-', at most 40 characters."""
    return len(text) <= MEMBER_MAX and text != FEDERATION_ISSUER and _MEMBER.fullmatch(text) is not None


def member_id(text: str) -> str:
    """The id itself, or MalformedError."""
    if not is_member_id(text):
        raise MalformedError("a member id is lower-case letters and digits in words joined by '-'", given=text[:60])
    return text


def is_locode(text: str) -> bool:
    """UN/LOCODE without the space, as in BEANR."""
    return _LOCODE.fullmatch(text) is not None


def is_federation_name(text: str) -> bool:
    """A DNS-like name, the trust domain of the SPIFFE ids."""
    return len(text) <= 100 and _FEDERATION.fullmatch(text) is not None


def is_key_id(text: str) -> bool:
    """Lower-case hex of a SHA-256 over a SubjectPublicKeyInfo in DER."""
    return _KEY_ID.fullmatch(text) is not None


def is_statement_id(text: str) -> bool:
    """``urn:uuid:`` and a lower-case UUID."""
    return _STATEMENT_ID.fullmatch(text) is not None


def stix_type(stix_id: str) -> str:
    """The type in a STIX identifier (STIX 2.1 section 2.9). Raises MalformedError."""
    if not is_stix_id(stix_id):
        raise MalformedError("a STIX id is <type>--<lower-case uuid>", given=stix_id[:80])
    return stix_id.partition("--")[0]


def is_stix_id(text: str) -> bool:
    """Whether ``text`` is a STIX 2.1 identifier in its canonical lower-case form."""
    match = _STIX_ID.fullmatch(text)
    return match is not None and STIX_TYPE_MIN <= len(match.group(1)) <= STIX_TYPE_MAX


@lru_cache(maxsize=1_024)
def identity_of(federation: str, member: str) -> str:
    """The STIX identity id of a member: uuid5, so that everybody derives the same."""
    return f"identity--{uuid.uuid5(NAMESPACE, f'{federation}/port/{member}')}"


def spiffe_of(federation: str, member: str, node: int) -> str:
    """The SPIFFE id in a node's TLS certificate."""
    return f"spiffe://{federation}/port/{member}/node/{node}"


def parse_spiffe(uri: str, federation: str) -> tuple[str, int]:
    """(member, node number) of a node's SPIFFE id in this federation. Raises MalformedError."""
    prefix = f"spiffe://{federation}/port/"
    parts = uri.removeprefix(prefix).split("/")
    if not uri.startswith(prefix) or len(parts) != 3 or parts[1] != "node":
        raise MalformedError("the certificate does not name a node of this federation")
    if not is_member_id(parts[0]) or not re.fullmatch(r"[1-9][0-9]{0,3}", parts[2], re.ASCII):
        raise MalformedError("the certificate does not name a node of this federation")
    return parts[0], int(parts[2])
