"""Who this node is: joining, its TLS certificate, and new signing keys.

Join: a one-time invitation gives a TLS certificate and hands in public keys; both sides compare a fingerprint by
telephone, and the coordinators' approval in the log is what gives the keys a voice. Renew: every twelve hours or
so, against a signature with the rostered machine key over a fresh nonce, so that a node that was away for up to
90 days comes back without a human. Rekey: signed by the old and the new key; it brings no new right.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol, TypeVar

import grpc
from sqlalchemy.engine import Connection

from node import desk_keys, store
from node.settings import NodeSettings
from port2port import keys, tls
from port2port.clock import Clock, to_ms
from port2port.errors import ConfigurationError, PolicyError, UnavailableError, VerificationError
from port2port.invitation import Invitation
from port2port.invitation import parse as parse_invitation
from port2port.join_request import JoiningKey, JoinRequest
from port2port.keys import Ed25519Key
from port2port.roster import Roster
from port2port.settings import load
from port2port.tls import NodeCertificate
from port2port.v1 import enrolment_pb2, enrolment_pb2_grpc

ENROL_TAG: Final = b"P2P-enrol-v1\0"
RENEW_TAG: Final = b"P2P-renew-v1\0"
DEADLINE_S: Final = 20.0
SETTINGS_FILE: Final = "node.toml"
NEXT_SUFFIX: Final = ".next"
_RENEW_AT: Final = 0.5  # of a certificate's life
_JITTER: Final = 0.1


class JoinError(PolicyError):
    """The invitation cannot be used, or what the hub answered is not about what was asked."""

    code = "JOIN"


class EnrolmentRefusedError(PolicyError):
    """The hub refused to enrol or renew; the text is the hub's."""

    code = "ENROLMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a node hands in to join; ``proofs`` are in the order of the request's keys."""

    token: bytes
    csr: bytes
    request: JoinRequest
    proofs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The hub's answer to an offer: certificate in DER, fingerprint as the hub computed it."""

    certificate: bytes
    fingerprint: str
    node: int


class Enrolment(Protocol):
    """The enrolment port of the hub. Every call raises UnavailableError or EnrolmentRefusedError."""

    def enrol(self, offer: Offer) -> Enrolled: ...
    def challenge(self) -> bytes: ...
    def renew(self, *, nonce: bytes, csr: bytes, key_id: str, node: int, sig: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What ``join`` prints: compare ``fingerprint`` with the coordinator by telephone."""

    member: str
    fingerprint: str
    settings: Path
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """An officer's new key file: pseudonym, and the passphrase that will open it."""

    pseudonym: str
    passphrase: bytes | None


def join(raw: bytes, directory: Path, *, enrolment: Enrolment, clock: Clock, officer: Officer | None = None) -> Joined:
    """Make keys in ``directory``, redeem the invitation, write the settings.

    Asking again with the same invitation after a lost answer uses the keys made the first time. Raises
    InvitationError, JoinError, ConfigurationError, EnrolmentRefusedError, UnavailableError or CertificateError.
    """
    invitation = parse_invitation(raw)
    if clock.now() > invitation.expires:
        raise JoinError("the invitation has run out; ask the hub's operator for a new one")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    machine, witness = _key(directory / "machine.key"), _key(directory / "witness.key")
    joining = [JoiningKey(public=machine.record("machine"))]
    signers = [machine]
    if officer is not None:
        own = _key(directory / f"officer-{officer.pseudonym}.key", officer.passphrase)
        joining.append(JoiningKey(public=own.record("officer"), pseudonym=officer.pseudonym))
        signers.append(own)
    desk = desk_keys.make(directory / "desk-keys")
    joining += [JoiningKey(public=key.record("machine")) for key in desk]
    signers += desk
    request = JoinRequest(
        federation=invitation.federation,
        member=invitation.member,
        node=invitation.node,
        keys=tuple(joining),
        witness_key=witness.public,
    )
    message = ENROL_TAG + sha256(invitation.token).digest()
    proofs = tuple(signer.sign(message) for signer in signers)
    tls_key = tls.make_key()
    offer = Offer(token=invitation.token, csr=tls.make_csr(tls_key), request=request, proofs=proofs)
    answer = enrolment.enrol(offer)
    if answer.fingerprint != request.fingerprint or answer.node != request.node:
        raise JoinError("the hub answered about another request: do not approve it, and tell the coordinators")
    found = tls.check_certificate(
        answer.certificate,
        federation=invitation.federation,
        ca_pem=invitation.ca.encode(),
        key=tls_key,
        now=clock.now(),
    )
    (directory / "ca.pem").write_text(invitation.ca)
    tls.write_private(directory / "tls.key", tls.key_to_pem(tls_key))
    tls.write_private(directory / "tls.pem", found.pem)
    path = _write_settings(directory, invitation, officer)
    _remember(load(path, NodeSettings), request, clock)
    return Joined(member=request.member, fingerprint=request.fingerprint, settings=path, not_after=found.not_after)


def certificate_of(settings: NodeSettings) -> NodeCertificate | None:
    """The certificate in place, if it fits its key; None calls for renewal, whatever the reason."""
    try:
        key = tls.key_from_pem(settings.keys.tls.read_bytes())
        der = tls.der_of(settings.keys.certificate.read_bytes())
        found = tls.read_certificate(der, federation=settings.federation)
        tls.require_key(der, key)
    except (OSError, ConfigurationError, VerificationError):
        return None
    return found


def renewal_due(found: NodeCertificate | None, now: datetime, *, dice: random.Random) -> timedelta:
    """How long until it is time to renew: at half its life, give or take a tenth, so that not all come at once."""
    if found is None:
        return timedelta()
    life = found.not_after - found.not_before
    at = found.not_before + life * (_RENEW_AT + dice.uniform(-_JITTER, _JITTER))
    return max(at - now, timedelta())


def renew(settings: NodeSettings, machine: Ed25519Key, *, enrolment: Enrolment, clock: Clock) -> NodeCertificate:
    """A new TLS key and certificate, in place when this returns.

    Raises UnavailableError, EnrolmentRefusedError (revoked, or away for more than 90 days) or CertificateError.
    """
    tls_key = tls.make_key()
    csr = tls.make_csr(tls_key)
    nonce = enrolment.challenge()
    message = RENEW_TAG + nonce + sha256(csr).digest() + settings.node.to_bytes(4, "big")
    der = enrolment.renew(nonce=nonce, csr=csr, key_id=machine.key_id, node=settings.node, sig=machine.sign(message))
    ca_pem = settings.keys.ca.read_bytes()
    found = tls.check_certificate(der, federation=settings.federation, ca_pem=ca_pem, key=tls_key, now=clock.now())
    # Where power fails between the two, key and certificate do not fit and the next start renews again.
    tls.write_private(settings.keys.tls, tls.key_to_pem(tls_key))
    tls.write_private(settings.keys.certificate, found.pem)
    return found


def next_key_path(settings: NodeSettings) -> Path:
    """Where a new machine key waits until the log has the rekey."""
    return settings.keys.machine.with_name(settings.keys.machine.name + NEXT_SUFFIX)


def adopt_next_key(settings: NodeSettings, roster: Roster | None) -> bool:
    """Put the new machine key in place once the roster has it as ours; the old file is kept under its key id."""
    return _adopt(settings, settings.keys.machine, roster)


def adopt_desk_keys(settings: NodeSettings, roster: Roster | None) -> int:
    """The same for the desk keys that a rekey replaces; how many."""
    return sum(_adopt(settings, path, roster) for path in desk_keys.paths(settings.keys.desk))


def _adopt(settings: NodeSettings, current: Path, roster: Roster | None) -> bool:
    path = current.with_name(current.name + NEXT_SUFFIX)
    if roster is None or not path.exists():
        return False
    fresh = keys.load(path)
    known = roster.keys.get(fresh.key_id)
    if known is None or known.member != settings.member or known.revoked_index is not None:
        return False
    for _ in adoption(current, path):
        pass
    return True


def adoption(current: Path, fresh: Path) -> Iterator[None]:
    """The steps that put the key ``fresh`` in the place of ``current``; a crash may come at each ``yield``.

    A key can be loaded at every moment, and whoever begins again finishes. The old key's sequence file goes before
    the key does: beside the new key it would belong to another one, and nothing could tell that from a mistake. The
    old key without it signs nothing, and the next start takes the last step.
    """
    old = current.with_name(f"{current.name}.{keys.load(current).key_id[:16]}")
    sequence = current.with_name(f"{current.name}.seq")
    _link(current, old)
    yield
    if sequence.exists():
        _link(sequence, old.with_name(f"{old.name}.seq"))
        yield
        _sync(current.parent)
        sequence.unlink()
    yield
    fresh.replace(current)
    yield
    _sync(current.parent)


def _link(path: Path, name: Path) -> None:
    """A second name for a file; an earlier attempt may have given it."""
    with suppress(FileExistsError):
        name.hardlink_to(path)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class GrpcEnrolment:
    """The hub's enrolment port over server-authenticated TLS; calls block, so call it off the event loop."""

    def __init__(self, address: str, ca_pem: bytes) -> None:
        self._address = address
        self._ca_pem = ca_pem

    def enrol(self, offer: Offer) -> Enrolled:
        """Hand in an offer."""
        request = enrolment_pb2.EnrolRequest(token=offer.token, csr=offer.csr, witness_key=offer.request.witness_key)
        for item, proof in zip(offer.request.keys, offer.proofs, strict=True):
            request.keys.add(
                key_class=item.public.key_class,
                scheme=item.public.scheme,
                public_key=item.public.public,
                pseudonym=item.pseudonym or "",
                proof=proof,
                rp_id=item.public.rp_id or "",
            )
        with self._channel() as channel:
            reply = _call(enrolment_pb2_grpc.EnrolmentStub(channel).Enrol, request)
        return Enrolled(certificate=reply.certificate, fingerprint=reply.fingerprint, node=reply.node)

    def challenge(self) -> bytes:
        """A nonce to sign."""
        with self._channel() as channel:
            reply = _call(enrolment_pb2_grpc.EnrolmentStub(channel).Challenge, enrolment_pb2.ChallengeRequest())
        return reply.nonce

    def renew(self, *, nonce: bytes, csr: bytes, key_id: str, node: int, sig: bytes) -> bytes:
        """A new certificate in DER."""
        request = enrolment_pb2.RenewRequest(nonce=nonce, csr=csr, keyid=bytes.fromhex(key_id), node=node, sig=sig)
        with self._channel() as channel:
            reply = _call(enrolment_pb2_grpc.EnrolmentStub(channel).Renew, request)
        return reply.certificate

    def _channel(self) -> grpc.Channel:
        credentials = tls.channel_credentials(ca_pem=self._ca_pem)
        return grpc.secure_channel(self._address, credentials, options=tls.CHANNEL_OPTIONS)


Q = TypeVar("Q")
R = TypeVar("R")


def _call(method: grpc.UnaryUnaryMultiCallable[Q, R], request: Q) -> R:
    try:
        return method(request, timeout=DEADLINE_S)
    except grpc.RpcError as error:
        status, text = error.code(), str(error.details() or "")[:500]
        if status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            raise UnavailableError(
                "the hub's enrolment port does not answer: check address, network and clock"
            ) from error
        if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise UnavailableError(text or "the hub's enrolment port has too much to do: try again") from error
        raise EnrolmentRefusedError(text or "the hub refused", status=status.name) from error


def _key(path: Path, passphrase: bytes | None = None) -> Ed25519Key:
    """The key of an earlier attempt, or a new one."""
    if path.exists():
        return keys.load(path, passphrase)
    made = keys.generate()
    keys.save(made, path, passphrase)
    return made


def _write_settings(directory: Path, invitation: Invitation, officer: Officer | None) -> Path:
    """node.toml with what the invitation said; an existing one is kept, since an operator may have edited it."""
    path = directory / SETTINGS_FILE
    if path.exists():
        return path
    officers = [f"officer-{officer.pseudonym}.key"] if officer is not None else []
    text = f"""# Settings of a Port 2 Port node; docs/configuration.md explains every option.
federation = {json.dumps(invitation.federation)}
genesis = {json.dumps(invitation.genesis)}
member = {json.dumps(invitation.member)}
node = {invitation.node}
hub = {json.dumps(invitation.hub)}
enrolment = {json.dumps(invitation.enrolment)}

[keys]
officers = {json.dumps(officers)}
"""
    path.write_text(text)
    return path


def _remember(settings: NodeSettings, request: JoinRequest, clock: Clock) -> None:
    """Note our keys as ours in the database, so that they are not taken for foreign when the log names them."""
    at_ms = to_ms(clock.now())

    def action(connection: Connection) -> None:
        for item in request.keys:
            key = item.public
            store.remember_own_key(connection, key.key_id, key.key_class, pseudonym=item.pseudonym or "", at_ms=at_ms)

    opened = store.open_store(settings.database_url)
    try:
        opened.write_now(action)
    finally:
        opened.close()
