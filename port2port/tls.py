"""TLS between nodes and hub: options of both ends, certificate requests, and whose certificate a peer showed.

TLS keys are P-256 and live 24 hours; they carry transport only and never sign a statement. A certificate gives
nobody a voice: it names a member, and the roster says whether that member still belongs. Whoever steals a TLS key
can, until it expires or is denied, read what that member may read; he can sign nothing.

grpcio has no option for TLS 1.3 alone and no revocation lists, so both are checked per call (``hub.rpc.peers``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from port2port.errors import ConfigurationError, MalformedError, VerificationError
from port2port.ids import parse_spiffe
from port2port.limits import LIMITS

TLS_VERSION: Final = b"TLSv1.3"
CERTIFICATE_BYTES: Final = 16 * 1024
_MINUTE_MS: Final = 60_000

Option = tuple[str, int]
_MESSAGES: Final[tuple[Option, ...]] = (
    ("grpc.max_send_message_length", LIMITS.message_bytes),
    ("grpc.max_receive_message_length", LIMITS.message_bytes),
)
# Without keepalive a subscriber does not notice a silent cut for many seconds (8 to 13 s measured).
CHANNEL_OPTIONS: Final[tuple[Option, ...]] = (
    *_MESSAGES,
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A channel with a new certificate must not get the connection that an older channel made.
    ("grpc.use_local_subchannel_pool", 1),
)
SERVER_OPTIONS: Final[tuple[Option, ...]] = (
    *_MESSAGES,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_connection_age_ms", 60 * _MINUTE_MS),  # every hour a peer shows its certificate anew
    ("grpc.max_connection_age_grace_ms", 5 * _MINUTE_MS),
    ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake, not a replica
)


class CertificateError(VerificationError):
    """A certificate is not one of ours, not for this key, or not for what it is used for."""

    code = "CERTIFICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCertificate:
    """What a node's certificate says. Times are aware UTC; ``serial`` is what the hub denies it by."""

    member: str
    node: int
    serial: int
    not_before: datetime
    not_after: datetime
    der: bytes

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM)


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key: gRPC's TLS refuses Ed25519 certificates at both ends."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8 in PEM, unencrypted; for ``write_private``."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The reverse of ``key_to_pem``. Raises ConfigurationError."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("the TLS key file is damaged or encrypted") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigurationError("a TLS key is on the curve P-256")
    return key


def write_private(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, whole or not at all, replacing an older one.

    Raises ConfigurationError. TLS keys are replaced at each renewal, unlike signing keys.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path.name}: {error.strerror}") from error


def make_csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #10 (RFC 2986) in DER. It asks for no name: the hub sets names itself and would ignore them."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "port2port node")])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256()).public_bytes(Encoding.DER)


def read_csr(der: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate request, once its self-signature holds. Raises MalformedError."""
    if len(der) > CERTIFICATE_BYTES:
        raise MalformedError("the certificate request is too long", size=len(der))
    try:
        request = x509.load_der_x509_csr(der)
        public = request.public_key()
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedError("not a certificate request in DER") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise MalformedError("a certificate request is for a P-256 key")
    if not valid:
        raise MalformedError("the certificate request is not signed with its own key")
    return public


def read_certificate(der: bytes, *, federation: str) -> NodeCertificate:
    """What a node's certificate in DER says, its issuer unchecked. Raises CertificateError."""
    certificate = _load(der)
    member, node = _spiffe(certificate, federation)
    return NodeCertificate(
        member=member,
        node=node,
        serial=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        der=der,
    )


def check_certificate(
    der: bytes, *, federation: str, ca_pem: bytes, key: ec.EllipticCurvePrivateKey, now: datetime
) -> NodeCertificate:
    """A certificate just received: issued by our CA, for our key, for a node of our federation, valid now.

    Raises CertificateError, so that a node never puts a certificate in place with which it could not connect.
    """
    found = read_certificate(der, federation=federation)
    certificate = _load(der)
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_pem))
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificateError("the certificate was not issued by the federation's CA") from error
    require_key(der, key)
    if not found.not_before <= now <= found.not_after:
        raise CertificateError("the certificate is not valid now: check the clock", not_after=str(found.not_after))
    return found


def require_key(der: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    """That a certificate is for this key. Raises CertificateError."""
    if _spki(_load(der).public_key()) != _spki(key.public_key()):
        raise CertificateError("the certificate is for another key")


def der_of(pem: bytes) -> bytes:
    """The first certificate of a PEM file in DER. Raises CertificateError."""
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError as error:
        raise CertificateError("not a certificate in PEM") from error


def channel_credentials(
    *, ca_pem: bytes, certificate_pem: bytes | None = None, key_pem: bytes | None = None
) -> grpc.ChannelCredentials:
    """Credentials of a node: the federation's CA alone is trusted; without certificate for enrolment only."""
    return grpc.ssl_channel_credentials(ca_pem, key_pem, certificate_pem)


def _load(der: bytes) -> x509.Certificate:
    if len(der) > CERTIFICATE_BYTES:
        raise CertificateError("the certificate is too long", size=len(der))
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, TypeError) as error:
        raise CertificateError("not a certificate in DER") from error


def _spiffe(certificate: x509.Certificate, federation: str) -> tuple[str, int]:
    """The one URI among the names (SPIFFE X.509-SVID section 2). Raises CertificateError."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        if len(uris) != 1:
            raise CertificateError("a node's certificate has exactly one URI", count=len(uris))
        return parse_spiffe(uris[0], federation)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError, MalformedError) as error:
        raise CertificateError("the certificate does not name a node of this federation") from error


def _spki(public: object) -> bytes:
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise CertificateError("a TLS certificate is for a P-256 key")
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
