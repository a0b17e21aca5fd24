"""Officers' keys of this port: those in the roster, and further ones on their way there.

A key file or a passkey becomes an officer's when the coordinators put it into the roster. The node remembers it as its
own first, so that it does not take it for foreign later; the machine key vouches for the offer, the officer's key
proves itself, and two people compare the fingerprint by telephone.

A key that was reported lost signs nothing more at this port, at once. Everywhere else it counts until the coordinators
revoke it; what it signed before stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import store, tables
from node.publish import OfficerError
from port2port import key_request
from port2port.clock import from_ms, to_ms
from port2port.console.roles import Role, parse_roles
from port2port.console.tables import AccountRow, PasskeyRow
from port2port.errors import VerificationError
from port2port.join_request import JoiningKey
from port2port.key_request import KeyRequest
from port2port.keys import PublicKey, Scheme, SigningKey, key_id_of
from port2port.roster import Roster, RosterKey

_OWN: Final = tables.OwnKey.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_KEY: Final = tables.OfficerKeyRow.__table__  # type: ignore[attr-defined]  # as above
_ACCOUNT: Final = AccountRow.__table__  # type: ignore[attr-defined]  # as above
_PASSKEY: Final = PasskeyRow.__table__  # type: ignore[attr-defined]  # as above
SIGNERS: Final = (Role.OFFICER, Role.APPROVER)

NOT_OFFERED: Final = "not offered"
NOT_TAKEN: Final = "offered, not yet taken by the hub"
OFFERED: Final = "offered, not approved yet"
IN_FORCE: Final = "in force"
LOST: Final = "reported lost, not revoked yet"
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
    """One key of an officer, by pseudonym; ``passkey`` says that it lives in a device.

    ``fingerprint`` is that of its offer, for as long as that waits.
    """

    pseudonym: str
    key_id: str
    state: str
    passkey: bool
    not_after: datetime | None = None
    fingerprint: str = ""


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
        if public.key_class == "officer":
            known = {"passkey": public.rp_id is not None, "fingerprint": request.fingerprint}
            _note(connection, public.key_id, known)


def taken(connection: Connection, request: KeyRequest, *, now: datetime) -> None:
    """The hub has the offer: from now on it waits for the coordinators."""
    for item in request.keys:
        if item.public.key_class == "officer":
            _note(connection, item.public.key_id, {"taken_ms": to_ms(now)})


def lost(connection: Connection, key_id: str, *, now: datetime) -> None:
    """Whoever has this key may not be its officer: it signs nothing more at this port."""
    _note(connection, key_id, {"lost_ms": to_ms(now)})


def require_kept(connection: Connection, pseudonym: str, key_id: str) -> None:
    """That nobody reported this key lost. Raises OfficerError."""
    gone = sa.select(_KEY.c.key_id).where(_KEY.c.key_id == key_id, _KEY.c.lost_ms.is_not(None))
    if connection.scalar(gone) is not None:
        raise OfficerError(f"the key of {pseudonym} was reported lost: it signs nothing more at this port")


async def offer(hub: Directory, request: KeyRequest, proofs: Sequence[bytes]) -> str:
    """Hand in an offer that is remembered; the fingerprint to read to a coordinator by telephone.

    Raises SignatureError (a proof is of another key), OfferChangedError, UnavailableError or what the hub refuses with.
    """
    key_request.require_proofs(request, proofs)
    if await hub.offer_keys(request, proofs) != request.fingerprint:
        raise OfferChangedError("the hub answered about other keys: approve nothing, and tell the coordinators")
    return request.fingerprint


def listed(connection: Connection, roster: Roster | None, member: str, *, now: datetime) -> list[OfficerKey]:
    """Every officer's key that the roster has of this port, that was offered here or that signs in here.

    By pseudonym.
    """
    known = {row["key_id"]: row for row in connection.execute(sa.select(_KEY)).mappings()}
    found = [] if roster is None else _rostered(roster, member, known, now)
    ids = {one.key_id for one in found}
    own = sa.select(_OWN.c.key_id, _OWN.c.pseudonym).where(_OWN.c.key_class == "officer")
    for key_id, pseudonym in connection.execute(own).all():
        if key_id not in ids:
            found.append(_offered(key_id, pseudonym, known.get(key_id)))
            ids.add(key_id)
    found += [
        OfficerKey(pseudonym=pseudonym, key_id=key_id, state=NOT_OFFERED, passkey=True)
        for key_id, pseudonym in _enrolled(connection, member)
        if key_id not in ids
    ]
    return sorted(found, key=lambda item: (item.pseudonym, item.key_id))


def in_force(roster: Roster, member: str, pseudonym: str, *, now: datetime) -> list[PublicKey]:
    """The keys with which an officer may sign today, by the roster."""
    return [
        key.public
        for key in roster.keys_of(member, "officer")
        if key.pseudonym == pseudonym and _state(key, now) == IN_FORCE
    ]


def usable(connection: Connection, roster: Roster, member: str, pseudonym: str, *, now: datetime) -> list[PublicKey]:
    """Those of them that were not reported lost."""
    gone = set(connection.scalars(sa.select(_KEY.c.key_id).where(_KEY.c.lost_ms.is_not(None))))
    return [key for key in in_force(roster, member, pseudonym, now=now) if key.key_id not in gone]


def _rostered(roster: Roster, member: str, known: Mapping[str, Mapping[Any, Any]], now: datetime) -> list[OfficerKey]:
    return [
        OfficerKey(
            pseudonym=key.pseudonym or "",
            key_id=key.public.key_id,
            state=_with_loss(_state(key, now), known.get(key.public.key_id)),
            passkey=key.public.rp_id is not None,
            not_after=from_ms(key.not_after_ms),
        )
        for key in roster.keys.values()
        if key.member == member and key.public.key_class == "officer"
    ]


def _offered(key_id: str, pseudonym: str, row: Mapping[Any, Any] | None) -> OfficerKey:
    """A key that the roster does not have. One that came with the join request has no row: the hub took that."""
    state = NOT_TAKEN if row is not None and row["taken_ms"] is None else OFFERED
    return OfficerKey(
        pseudonym=pseudonym,
        key_id=key_id,
        state=state if row is None or row["lost_ms"] is None else LOST,
        passkey=row is not None and bool(row["passkey"]),
        fingerprint="" if row is None else str(row["fingerprint"]),
    )


def _enrolled(connection: Connection, member: str) -> list[tuple[str, str]]:
    """(key id, pseudonym) of the passkeys with which those who may sign come in at this console."""
    query = (
        sa.select(_PASSKEY.c.key_id, _ACCOUNT.c.pseudonym, _ACCOUNT.c.roles)
        .join(_ACCOUNT, _ACCOUNT.c.id == _PASSKEY.c.account)
        .where(_ACCOUNT.c.member == member, _ACCOUNT.c.disabled.is_(False))
    )
    rows = connection.execute(query).all()
    return [(key_id, who) for key_id, who, roles in rows if not parse_roles(roles).isdisjoint(SIGNERS)]


def _with_loss(state: str, row: Mapping[Any, Any] | None) -> str:
    return LOST if state == IN_FORCE and row is not None and row["lost_ms"] is not None else state


def _note(connection: Connection, key_id: str, values: Mapping[str, object]) -> None:
    if connection.execute(sa.update(_KEY).where(_KEY.c.key_id == key_id).values(values)).rowcount == 0:
        made = {"key_id": key_id, "passkey": False, "fingerprint": "", "taken_ms": None, "lost_ms": None, **values}
        connection.execute(sa.insert(_KEY).values(made))


def _state(key: RosterKey, now: datetime) -> str:
    if key.revoked_index is not None:
        return REVOKED
    return EXPIRED if to_ms(now) > key.not_after_ms else IN_FORCE
