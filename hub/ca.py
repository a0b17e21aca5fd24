"""The federation's certificate authority: ECDSA P-256, leaves of 24 hours, nothing but TLS.

A certificate gets a node through the door and gives it no voice: what it says counts by the signing keys in the
roster. A node's certificate holds its SPIFFE id and, as common name, the id of the machine key it was issued
against, so that ``hub.members`` lets it in only while that key stands in the roster.
Whoever can read the CA key can impersonate the hub's door and, as any member, read what that member may read; he
can sign no entry, and the log he shows is not signed. Whoever can write the CA files can stop the hub, since the
root stands in the genesis.

Profile: RFC 5280 and the SPIFFE X.509-SVID specification (exactly one URI name in a node's certificate).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from port2port.errors import ConfigurationError
from port2port.ids import spiffe_of
from port2port.tls import key_from_pem, key_to_pem, make_key

LEAF_LIFE: Final = timedelta(hours=24)
ROOT_LIFE: Final = timedelta(days=3_653)
# Clocks of ports differ a little; a certificate must not be refused for being a minute too young.
BACKDATE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A node's certificate. ``serial`` is lower-case hex without leading zeroes."""

    der: bytes
    serial: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """The hub's own leaf with its private key, both PEM; the chain ends below the root."""

    key: bytes
    chain: bytes
    not_before: datetime
    not_after: datetime

    @property
    def half_life(self) -> datetime:
        """When the next one is due."""
        return self.not_before + (self.not_after - self.not_before) / 2


def serial_text(serial: int) -> str:
    """How a serial number is written in tables, logs and commands."""
    return f"{serial:x}"


class CertificateAuthority:
    """The root with its key. ``issue_*`` is pure but for randomness: who may have one is decided elsewhere."""

    def __init__(self, *, federation: str, key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> None:
        self.federation = federation
        self._key = key
        self._root = root

    @property
    def root_pem(self) -> bytes:
        """The root as it stands in the genesis."""
        return self._root.public_bytes(Encoding.PEM)

    @property
    def root_der(self) -> bytes:
        """The root as enrolment replies carry it."""
        return self._root.public_bytes(Encoding.DER)

    @property
    def not_after(self) -> datetime:
        """When the root ends, and with it every certificate."""
        return self._root.not_valid_after_utc

    @property
    def key_pem(self) -> bytes:
        """The private key, PKCS #8; for a file that only its owner may read."""
        return key_to_pem(self._key)

    @classmethod
    def create(cls, federation: str, now: datetime) -> CertificateAuthority:
        """A new authority for ``federation``; path length 0, so that it has no children."""
        key = make_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Port 2 Port CA of {federation}"[:64])])
        builder = _builder(name, name, key.public_key(), now, now + ROOT_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(ca=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(federation=federation, key=key, root=builder.sign(key, SHA256()))

    @classmethod
    def load(cls, *, federation: str, key_pem: bytes, root_pem: bytes) -> CertificateAuthority:
        """From its two files. Raises ConfigurationError where they are damaged or do not belong together."""
        key = key_from_pem(key_pem)
        try:
            root = x509.load_pem_x509_certificate(root_pem)
        except ValueError as error:
            raise ConfigurationError("the CA's certificate file is damaged") from error
        if root.public_key() != key.public_key():
            raise ConfigurationError("the CA's key file and certificate file do not belong together")
        return cls(federation=federation, key=key, root=root)

    def issue_node(
        self, key: ec.EllipticCurvePublicKey, *, member: str, node: int, key_id: str, now: datetime
    ) -> Issued:
        """A client certificate for one node, bound to its machine key by ``key_id``."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key_id)])
        uri = x509.UniformResourceIdentifier(spiffe_of(self.federation, member, node))
        leaf = self._leaf(key, subject, [uri], ExtendedKeyUsageOID.CLIENT_AUTH, now)
        return Issued(
            der=leaf.public_bytes(Encoding.DER),
            serial=serial_text(leaf.serial_number),
            not_after=leaf.not_valid_after_utc,
        )

    def issue_hub(self, names: tuple[str, ...], now: datetime) -> ServerIdentity:
        """A fresh key and server certificate for the hub under its host names and IP addresses."""
        key = make_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        leaf = self._leaf(key.public_key(), subject, list(map(_host, names)), ExtendedKeyUsageOID.SERVER_AUTH, now)
        return ServerIdentity(
            key=key_to_pem(key),
            chain=leaf.public_bytes(Encoding.PEM),
            not_before=now,
            not_after=leaf.not_valid_after_utc,
        )

    def _leaf(
        self,
        key: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        now: datetime,
    ) -> x509.Certificate:
        builder = _builder(subject, self._root.subject, key, now, min(now + LEAF_LIFE, self.not_after))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        return builder.sign(self._key, SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
