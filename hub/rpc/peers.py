"""Who is calling: read from the TLS session, never from a field of a message.

1. the session is TLS 1.3, which grpc cannot be told to insist on (grpc#37305);
2. the certificate has exactly one URI name, the SPIFFE id of a node of this federation;
3. it is in force now, and not only when the connection began;
4. its common name is the machine key it was issued against.
The chain to our CA was checked by the TLS library; whether the member belongs is for ``hub.members``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from hub.ca import serial_text
from hub.members import Peer
from port2port.errors import MalformedError, NotMemberError, PolicyError
from port2port.ids import is_key_id, parse_spiffe
from port2port.tls import TLS_VERSION

_CERTIFICATES: Final = 4_096


class TlsVersionError(PolicyError):
    """The session is not TLS 1.3."""

    code = "TLS_VERSION"


class PeerCertificateError(NotMemberError):
    """There is no client certificate, or not one that names a node of this federation, or it has run out."""

    code = "PEER_CERTIFICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Certificate:
    peer: Peer
    not_before: datetime
    not_after: datetime


AuthContext = Mapping[str, Iterable[bytes]]


def require_tls13(auth: AuthContext) -> None:
    """Step 1. Raises TlsVersionError."""
    if list(auth.get("ssl_tls_version", ())) != [TLS_VERSION]:
        raise TlsVersionError("TLS 1.3 is required")


def peer_of(auth: AuthContext, *, federation: str, now: datetime) -> Peer:
    """All four steps. Raises TlsVersionError or PeerCertificateError."""
    require_tls13(auth)
    pem = list(auth.get("x509_pem_cert", ()))
    if len(pem) != 1:
        raise PeerCertificateError("a client certificate is required")
    found = _read(pem[0], federation)
    if not found.not_before <= now <= found.not_after:
        raise PeerCertificateError("the client certificate is not in force: renew it, and check the node's clock")
    return found.peer


@lru_cache(maxsize=_CERTIFICATES)
def _read(pem: bytes, federation: str) -> _Certificate:
    """Steps 2 and 4, once for each certificate. The bytes come from the TLS library, which has checked their chain."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if len(uris) != 1 or len(common) != 1 or not is_key_id(str(common[0].value)):
            raise PeerCertificateError("the client certificate is not a node's")
        member, node = parse_spiffe(uris[0], federation)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, MalformedError) as error:
        raise PeerCertificateError("the client certificate is not a node's") from error
    peer = Peer(member=member, node=node, key_id=str(common[0].value), serial=serial_text(certificate.serial_number))
    return _Certificate(
        peer=peer, not_before=certificate.not_valid_before_utc, not_after=certificate.not_valid_after_utc
    )
