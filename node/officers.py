"""Officers' keys of this port: those in the roster, and further ones on their way there.

A key file or a passkey becomes an officer's when the coordinators put it into the roster. The node remembers it as its
own first, so that it does not take it for foreign later; the machine key vouches for the offer, the officer's key
proves itself, and two people compare the fingerprint by telephone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import store, tables
from port2port import key_request
from port2port.clock import from_ms, to_ms
from port2port.errors import VerificationError
from port2port.join_request import JoiningKey
from port2port.key_request import KeyRequest
from port2port.keys import PublicKey, Scheme, SigningKey, key_id_of
from port2port.roster import Roster, RosterKey

_OWN: Final = tables.OwnKey.__table__  # type: ignore[attr-defined]  # SQLModel adds it
IN_FORCE: Final = "in force"
OFFERED: Final = "offered, not approved yet"
REVOKED: Final = "revoked"
EXPIRED: Final = "expired"


class OfferChangedError(VerificationError):
    """The hub answered about other keys than were offered: they must not be approved."""

    code = "OFFER_CHANGED"


class Directory(Protocol):
    """As much of the hub as an offer needs; ``node.uplink.Hub`` has it."""

    async def offer_keys(self, request: KeyRequest, proofs: Sequence[bytes]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerKey:
    """One key of an officer, by pseudonym; ``passkey`` says that it lives in a device."""

    pseudonym: str
    key_id: str
    state: str
    passkey: bool
    not_after: datetime | None


def passkey(public: bytes, *, rp_id: str) -> PublicKey:
    """A passkey as the roster has it: SubjectPublicKeyInfo in DER, and its relying party. Raises MalformedError."""
    scheme: Scheme = "webauthn-es256"
    key_id = key_id_of(public, scheme=scheme)
    return PublicKey(key_id=key_id, scheme=scheme, key_class="officer", public=public, rp_id=rp_id)


def offer_of(federation: str, member: str, pseudonym: str, public: PublicKey, machine: SigningKey) -> KeyRequest:
    """The offer of an officer's key. ``request.message`` is what that key signs as proof. Raises JoinRequestError."""
    return key_request.offer(federation, member, [JoiningKey(public=public, pseudonym=pseudonym)], machine)


def remember(connection: Connection, request: KeyRequest, *, now: datetime) -> None:
    """Note the keys of an offer as made here: before it is handed in, or the log would seem to name foreign ones."""
    for item in request.keys:
        public, pseudonym = item.public, item.pseudonym or ""
        store.remember_own_key(connection, public.key_id, public.key_class, pseudonym=pseudonym, at_ms=to_ms(now))


async def offer(hub: Directory, request: KeyRequest, proofs: Sequence[bytes]) -> str:
    """Hand in an offer that is remembered; the fingerprint to read to a coordinator by telephone.

    Raises SignatureError (a proof is of another key), OfferChangedError, UnavailableError or what the hub refuses with.
    """
    key_request.require_proofs(request, proofs)
    if await hub.offer_keys(request, proofs) != request.fingerprint:
        raise OfferChangedError("the hub answered about other keys: approve nothing, and tell the coordinators")
    return request.fingerprint


def listed(connection: Connection, roster: Roster, member: str, *, now: datetime) -> list[OfficerKey]:
    """Every officer's key that the roster has of this port or that was offered here, by pseudonym."""
    found = [
        OfficerKey(
            pseudonym=key.pseudonym or "",
            key_id=key.public.key_id,
            state=_state(key, now),
            passkey=key.public.rp_id is not None,
            not_after=from_ms(key.not_after_ms),
        )
        for key in roster.keys.values()
        if key.member == member and key.public.key_class == "officer"
    ]
    query = sa.select(_OWN.c.key_id, _OWN.c.pseudonym).where(_OWN.c.key_class == "officer")
    found += [
        OfficerKey(pseudonym=pseudonym, key_id=key_id, state=OFFERED, passkey=False, not_after=None)
        for key_id, pseudonym in connection.execute(query)
        if key_id not in roster.keys
    ]
    return sorted(found, key=lambda item: (item.pseudonym, item.key_id))


def in_force(roster: Roster, member: str, pseudonym: str, *, now: datetime) -> list[PublicKey]:
    """The keys with which an officer may sign today."""
    return [
        key.public
        for key in roster.keys_of(member, "officer")
        if key.pseudonym == pseudonym and _state(key, now) == IN_FORCE
    ]


def _state(key: RosterKey, now: datetime) -> str:
    if key.revoked_index is not None:
        return REVOKED
    return EXPIRED if to_ms(now) > key.not_after_ms else IN_FORCE
