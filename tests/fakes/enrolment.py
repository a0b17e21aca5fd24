"""The hub's enrolment port without a socket, with a real CA; satisfies ``node.identity.Enrolment``."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from node.identity import ENROL_TAG, RENEW_TAG, Enrolled, EnrolmentRefusedError, Offer
from port2port import keys, tls
from port2port.clock import to_ms
from port2port.errors import UnavailableError
from port2port.invitation import Invitation
from port2port.limits import LIMITS
from tests.fakes.federation import Federation

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])


@dataclass(slots=True)
class FakeEnrolment:
    """``lose_answer`` redeems the token and then fails; ``fingerprint`` replaces the true one."""

    fed: Federation
    lose_answer: bool = False
    fingerprint: str | None = None
    offers: list[Offer] = field(default_factory=list)
    issued: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=tls.make_key)
    nonce: bytes = b""

    @property
    def ca_pem(self) -> bytes:
        builder = self._builder(self.key.public_key(), timedelta(days=3650))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def invitation(self, member: str) -> Invitation:
        return Invitation(
            federation=self.fed.name,
            genesis=self.fed.genesis_hash,
            hub="localhost:7401",
            enrolment="localhost:7402",
            ca=self.ca_pem.decode(),
            member=member,
            node=1,
            token=sha256(member.encode()).digest()[:16],
            expires=self.fed.clock.now() + timedelta(hours=24),
        )

    def enrol(self, offer: Offer) -> Enrolled:
        message = ENROL_TAG + sha256(offer.token).digest()
        for item, proof in zip(offer.request.keys, offer.proofs, strict=True):
            keys.verify(item.public, message, proof)
        if self.offers and self.offers[-1].request != offer.request:
            raise EnrolmentRefusedError("this invitation was used already")
        self.offers.append(offer)
        if self.lose_answer:
            self.lose_answer = False
            raise UnavailableError("the answer was lost")
        certificate = self.issue(offer.csr, offer.request.member, offer.request.node)
        fingerprint = self.fingerprint or offer.request.fingerprint
        return Enrolled(certificate=certificate, fingerprint=fingerprint, node=offer.request.node)

    def challenge(self) -> bytes:
        self.nonce = secrets.token_bytes(32)
        return self.nonce

    def renew(self, *, nonce: bytes, csr: bytes, key_id: str, node: int, sig: bytes) -> bytes:
        known = self.fed.roster.keys.get(key_id)
        now_ms = to_ms(self.fed.clock.now())
        if nonce != self.nonce or known is None or known.revoked_index is not None:
            raise EnrolmentRefusedError("this machine key is not in the roster")
        if now_ms > known.not_after_ms + LIMITS.max_age_ms:
            raise EnrolmentRefusedError("absent for more than 90 days after the key ended: enrol again")
        keys.verify(known.public, RENEW_TAG + nonce + sha256(csr).digest() + node.to_bytes(4, "big"), sig)
        return self.issue(csr, known.member, node)

    def issue(self, csr: bytes, member: str, node: int) -> bytes:
        self.issued += 1
        uri = x509.UniformResourceIdentifier(f"spiffe://{self.fed.name}/port/{member}/node/{node}")
        builder = self._builder(tls.read_csr(csr), timedelta(hours=24))
        builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.DER)

    def _builder(self, public: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
        now = self.fed.clock.now()
        return (
            x509.CertificateBuilder()
            .subject_name(_NAME)
            .issuer_name(_NAME)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + life)
        )
