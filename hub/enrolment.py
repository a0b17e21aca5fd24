"""How a node gets, and renews, its TLS certificate, without anybody at the hub deciding who belongs.

Invite: the operator makes a token of 128 bits for one node of one member; the hub keeps its SHA-256 for 24 hours.
Enrol: the node shows the token with its public keys, each proven by a signature, and gets a certificate. In the same
transaction the token is used up and the keys become a join request. The certificate opens a connection that hears
"not a member" until the coordinators have put those keys into the roster. A node that lost the reply asks again
with the same token and keys and gets the same answer; with other keys the token is spent.
Renew: the node proves its rostered machine key over a nonce of ours, also after an absence of 90 days, also when no
certificate of its is in force: nobody is needed for it.

Offer: a member that belongs already offers further keys (an officer's passkey, desk keys), signed by its machine key;
they wait for the coordinators like a join request.

Source: DESIGN of the trust model; PKCS #10 is RFC 2986, its names are ignored.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.engine import Connection, RowMapping

from hub.ca import CertificateAuthority, Issued
from hub.members import Members, standing_key
from hub.nonces import Nonces
from hub.store import audit
from hub.tables import INVITATION, JOIN_REQUEST, TLS_CERTIFICATE
from port2port import key_request
from port2port.clock import Clock, to_ms
from port2port.database import Database
from port2port.errors import NotFoundError, NotMemberError, PolicyError, UnavailableError
from port2port.ids import member_id
from port2port.invitation import TOKEN_BYTES
from port2port.join_request import NODE_MAX, JoiningKey, JoinRequest, JoinRequestError, decode
from port2port.key_request import KeyRequest, KeyRequestError
from port2port.keys import SignatureError, verify, verify_ed25519
from port2port.limits import LIMITS
from port2port.roster import Roster
from port2port.tls import read_csr

logger = logging.getLogger(__name__)
INVITATION_LIFE: Final = timedelta(hours=24)
ENROL_TAG: Final = b"P2P-enrol-v1\0"
RENEW_TAG: Final = b"P2P-renew-v1\0"
_KEPT_MS: Final = 90 * 24 * 3_600_000
FURTHER_KEYS: Final = 0  # the node number of an offer that is no node's joining
OFFERS_MAX: Final = 200  # of one member that wait, so that none fills the table


class TokenError(PolicyError):
    """No invitation has this token, or it was used or has run out."""

    code = "TOKEN"


class KnownKeyError(PolicyError):
    """A key is offered that the roster knows already."""

    code = "KEY_KNOWN"


class UnknownCertificateError(NotFoundError):
    """No certificate with this serial was issued here."""

    code = "CERTIFICATE_UNKNOWN"


class NotFoundedError(UnavailableError):
    """There is no genesis in the log yet."""

    code = "NOT_FOUNDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a node sends to enrol; ``proofs`` are in the order of ``keys``."""

    token: bytes
    csr: bytes
    keys: tuple[JoiningKey, ...]
    proofs: tuple[bytes, ...]
    witness_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What it gets: the certificate, and the request that now waits for the coordinators."""

    issued: Issued
    request: JoinRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a node sends to renew; ``key_id`` is hex."""

    nonce: bytes
    csr: bytes
    key_id: str
    node: int
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A fresh invitation: the token is told once and never again."""

    token: bytes
    node: int
    expires_ms: int


def invite(connection: Connection, *, member: str, now_ms: int) -> Invited:
    """A new invitation for the next node of ``member``. Raises MalformedError for what is no member id."""
    member_id(member)
    token = secrets.token_bytes(TOKEN_BYTES)
    highest = connection.scalar(sa.select(sa.func.max(INVITATION.c.node)).where(INVITATION.c.member == member))
    node, expires_ms = (highest or 0) + 1, now_ms + INVITATION_LIFE // timedelta(milliseconds=1)
    if node > NODE_MAX:
        raise PolicyError(f"a member has at most {NODE_MAX} nodes")
    connection.execute(
        INVITATION.insert().values(
            token_sha256=sha256(token).digest(), member=member, node=node, created_ms=now_ms, expires_ms=expires_ms
        )
    )
    audit(connection, at_ms=now_ms, event="invited", member=member, facts={"node": node})
    return Invited(token=token, node=node, expires_ms=expires_ms)


def deny(connection: Connection, *, serial: str, now_ms: int) -> str:
    """Deny a certificate by its serial; whose it is. Raises UnknownCertificateError."""
    row = connection.execute(sa.select(TLS_CERTIFICATE).where(TLS_CERTIFICATE.c.serial == serial)).mappings().first()
    if row is None:
        raise UnknownCertificateError("no certificate with this serial was issued here")
    connection.execute(TLS_CERTIFICATE.update().where(TLS_CERTIFICATE.c.serial == serial).values(denied_ms=now_ms))
    audit(connection, at_ms=now_ms, event="denied", member=row["member"], facts={"serial": serial})
    return str(row["member"])


def denied_serials(connection: Connection) -> frozenset[str]:
    """The certificates that were denied and could still be shown."""
    query = sa.select(TLS_CERTIFICATE.c.serial).where(TLS_CERTIFICATE.c.denied_ms.is_not(None))
    return frozenset(connection.execute(query).scalars())


def key_requests(connection: Connection) -> list[tuple[KeyRequest, int]]:
    """Every offer of further keys ever made with its time (ms), oldest first."""
    rows = connection.execute(_offers().where(JOIN_REQUEST.c.node == FURTHER_KEYS))
    made = [(key_request.decode(row.offered), int(row.created_ms)) for row in rows]
    return sorted(made, key=lambda item: (item[1], item[0].fingerprint))


def pending_keys(requests: list[tuple[KeyRequest, int]], roster: Roster | None) -> list[tuple[KeyRequest, int]]:
    """Those with a key that the roster has not heard of."""
    known = frozenset[str]() if roster is None else roster.keys.keys()
    return [item for item in requests if any(key.public.key_id not in known for key in item[0].keys)]


def _offers() -> sa.Select[tuple[bytes, int]]:
    return sa.select(JOIN_REQUEST.c.offered, JOIN_REQUEST.c.created_ms)


def join_requests(connection: Connection) -> list[tuple[JoinRequest, int]]:
    """Every request ever made with its time (ms), oldest first."""
    rows = connection.execute(_offers().where(JOIN_REQUEST.c.node != FURTHER_KEYS))
    made = [(decode(row.offered), int(row.created_ms)) for row in rows]
    return sorted(made, key=lambda item: (item[1], item[0].fingerprint))


def pending(requests: list[tuple[JoinRequest, int]], roster: Roster | None) -> list[tuple[JoinRequest, int]]:
    """Those whose machine key the roster has not heard of."""
    return [item for item in requests if roster is None or item[0].machine_key.key_id not in roster.keys]


class Enrolment:
    """The enrolment port's work. ``nonces`` lives as long as the process."""

    def __init__(
        self,
        *,
        database: Database,
        ca: CertificateAuthority,
        members: Members,
        clock: Clock,
        nonces: Nonces,
        charge_renewal: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``charge_renewal`` raises QuotaError where a member has renewed too often."""
        self._database = database
        self._ca = ca
        self._members = members
        self._clock = clock
        self._nonces = nonces
        self._charge_renewal = charge_renewal

    async def enrol(self, offer: Offer) -> Enrolled:
        """Redeem an invitation. Raises TokenError, MalformedError, SignatureError, KnownKeyError."""
        roster = self._members.roster
        if roster is None:
            raise NotFoundedError("the federation is not founded yet: no genesis is in the log")
        invitation = await self._database.read(lambda connection: _invitation(connection, offer.token))
        key = await asyncio.to_thread(_checked, offer)
        request = JoinRequest(
            federation=self._ca.federation,
            member=invitation["member"],
            node=invitation["node"],
            keys=offer.keys,
            witness_key=offer.witness_key,
        )
        enrolled = await self._database.write(lambda connection: self._redeem(connection, offer, request, key))
        logger.info("node enrolled", extra={"node": request.node, "serial": enrolled.issued.serial})
        return enrolled

    def challenge(self) -> bytes:
        """A nonce to sign."""
        return self._nonces.make(to_ms(self._clock.now()))

    async def renew(self, renewal: Renewal) -> Issued:
        """A new certificate against a rostered machine key.

        Raises NonceError, NotMemberError, SignatureError or QuotaError.
        """
        now_ms = to_ms(self._clock.now())
        self._nonces.check(renewal.nonce, now_ms)
        key, (member, key_id) = await asyncio.to_thread(self._renewable, renewal, now_ms)
        self._charge_renewal(member)  # only now: a stranger must not use up what is the member's
        self._nonces.use(renewal.nonce, now_ms)
        issued = self._ca.issue_node(key, member=member, node=renewal.node, key_id=key_id, now=self._clock.now())
        await self._database.write(
            lambda connection: self._keep(
                connection, issued, member=member, node=renewal.node, key_id=key_id, event="renewed"
            )
        )
        logger.info("certificate renewed", extra={"node": renewal.node, "serial": issued.serial})
        return issued

    async def offer_keys(self, request: KeyRequest, proofs: Sequence[bytes]) -> None:
        """Keep a member's offer of further keys for the coordinators. Raises KeyRequestError or SignatureError."""
        roster = self._members.roster
        if roster is None:
            raise NotFoundedError("the federation is not founded yet: no genesis is in the log")
        await asyncio.to_thread(_require_offer, request, proofs, roster)
        await self._database.write(lambda connection: self._keep_offer(connection, request))
        logger.info("keys offered", extra={"keys": len(request.keys)})

    def _keep_offer(self, connection: Connection, request: KeyRequest) -> None:
        waiting = [one for one, _ in pending_keys(key_requests(connection), self._members.roster)]
        if request.fingerprint in {one.fingerprint for one in waiting}:
            return
        if sum(one.member == request.member for one in waiting) >= OFFERS_MAX:
            raise KeyRequestError("too many offers of this member wait for the coordinators")
        now = self._clock.now()
        known = sa.select(JOIN_REQUEST.c.key_id).where(JOIN_REQUEST.c.key_id == request.keys[0].public.key_id)
        if connection.scalar(known) is not None:
            raise KeyRequestError("this key was offered before: make a new one")
        row = {
            "key_id": request.keys[0].public.key_id,
            "member": request.member,
            "node": FURTHER_KEYS,
            "offered": request.encode(now),
            "created_ms": to_ms(now),
        }
        connection.execute(JOIN_REQUEST.insert().values(row))
        audit(
            connection, at_ms=to_ms(now), event="keys-offered", member=request.member, facts={"keys": len(request.keys)}
        )

    def _redeem(
        self, connection: Connection, offer: Offer, request: JoinRequest, key: ec.EllipticCurvePublicKey
    ) -> Enrolled:
        """One transaction: the token is used, the request and the certificate are kept."""
        now = self._clock.now()
        now_ms, key_id = to_ms(now), request.machine_key.key_id
        invitation = _invitation(connection, offer.token)
        known = connection.scalar(sa.select(JOIN_REQUEST.c.offered).where(JOIN_REQUEST.c.key_id == key_id))
        repeated = known is not None and decode(known) == request
        if invitation["used_ms"] is not None and not repeated:
            raise TokenError("this invitation was used already; ask the hub's operator for a new one")
        if invitation["expires_ms"] < now_ms:
            raise TokenError("this invitation has run out; ask the hub's operator for a new one")
        if not repeated:
            self._require_new(connection, request)
            used = INVITATION.update().where(INVITATION.c.token_sha256 == invitation["token_sha256"])
            connection.execute(used.values(used_ms=now_ms))
            connection.execute(
                JOIN_REQUEST.insert().values(
                    key_id=key_id,
                    member=request.member,
                    node=request.node,
                    offered=request.encode(now),
                    created_ms=now_ms,
                )
            )
        issued = self._ca.issue_node(key, member=request.member, node=request.node, key_id=key_id, now=now)
        self._keep(connection, issued, member=request.member, node=request.node, key_id=key_id, event="enrolled")
        return Enrolled(issued=issued, request=request)

    def _require_new(self, connection: Connection, request: JoinRequest) -> None:
        roster = self._members.roster
        offered = {item.public.key_id for item in request.keys}
        if roster is not None and offered & (roster.keys.keys() | roster.coordinators.keys()):
            raise KnownKeyError("a key was offered that the roster knows already: a new node makes new keys")
        waiting = sa.select(JOIN_REQUEST.c.key_id).where(JOIN_REQUEST.c.key_id == request.machine_key.key_id)
        if connection.scalar(waiting) is not None:
            raise KnownKeyError("this machine key was offered before: a new node makes new keys")

    def _keep(self, connection: Connection, issued: Issued, *, member: str, node: int, key_id: str, event: str) -> None:
        now_ms = to_ms(self._clock.now())
        connection.execute(
            TLS_CERTIFICATE.insert().values(
                serial=issued.serial,
                member=member,
                node=node,
                key_id=key_id,
                not_before_ms=now_ms,
                not_after_ms=to_ms(issued.not_after),
            )
        )
        connection.execute(TLS_CERTIFICATE.delete().where(TLS_CERTIFICATE.c.not_after_ms < now_ms - _KEPT_MS))
        audit(connection, at_ms=now_ms, event=event, member=member, facts={"node": node, "serial": issued.serial})

    def _renewable(self, renewal: Renewal, now_ms: int) -> tuple[ec.EllipticCurvePublicKey, tuple[str, str]]:
        """The key to certify, and (member, machine key id) that may have it."""
        roster = self._members.roster
        if not 1 <= renewal.node <= NODE_MAX:
            raise JoinRequestError(f"a node number is from 1 to {NODE_MAX}")
        offered = None if roster is None else roster.keys.get(renewal.key_id)
        if roster is None or offered is None:
            raise NotMemberError("this machine key is not in the roster: not approved yet, or never offered")
        key = standing_key(roster, offered.member, renewal.key_id)
        if key is None or key.public.key_id != renewal.key_id or not roster.is_member(key.member):
            raise NotMemberError("this machine key, or its member, no longer belongs")
        if now_ms > key.not_after_ms + LIMITS.max_age_ms:
            raise NotMemberError("absent for more than 90 days after the key ended: enrol again")
        message = RENEW_TAG + renewal.nonce + sha256(renewal.csr).digest() + renewal.node.to_bytes(4, "big")
        verify_ed25519(key.public.public, message, renewal.sig)
        return read_csr(renewal.csr), (key.member, key.public.key_id)


def _invitation(connection: Connection, token: bytes) -> RowMapping:
    digest = sha256(token).digest()
    row = connection.execute(sa.select(INVITATION).where(INVITATION.c.token_sha256 == digest)).mappings().first()
    if row is None:
        raise TokenError("no invitation has this token")
    return row


def _require_offer(request: KeyRequest, proofs: Sequence[bytes], roster: Roster) -> None:
    key_request.require_sound(request, roster)
    key_request.require_proofs(request, proofs)


def _checked(offer: Offer) -> ec.EllipticCurvePublicKey:
    """That each key is held by who offers it. Raises SignatureError or MalformedError; returns the key to certify."""
    if len(offer.proofs) != len(offer.keys):
        raise SignatureError("each offered key needs its proof")
    message = ENROL_TAG + sha256(offer.token).digest()
    for item, proof in zip(offer.keys, offer.proofs, strict=True):
        verify(item.public, message, proof)
    return read_csr(offer.csr)
