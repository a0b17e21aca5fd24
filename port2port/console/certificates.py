"""Certificates that a browser shows: a second condition for the roles that matter most, or a way to sign in.

The TLS layer has checked the chain against the configured authorities and that the browser holds the key; here it is
only asked whose certificate it is. Nothing is read from a header, so no proxy and no page can pretend to one.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.types import Scope

from port2port.console.roles import Role
from port2port.console.serving import PEER_CERTIFICATE
from port2port.console.signin_settings import ClientCertificateSettings


def names_of(der: bytes) -> frozenset[str]:
    """How settings may name this certificate: by its SHA-256, or by a URI or e-mail address in it (RFC 5280 4.2.1.6).

    Bytes that are no certificate have no names.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = {f"sha256:{certificate.fingerprint(SHA256()).hex()}"}
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(names)
    except ValueError:
        return frozenset()
    names.update(f"uri:{uri}" for uri in alternative.get_values_for_type(x509.UniformResourceIdentifier))
    names.update(f"email:{mail.lower()}" for mail in alternative.get_values_for_type(x509.RFC822Name))
    return frozenset(names)


def shown(scope: Scope) -> bytes | None:
    """The certificate that the browser of this request showed, in DER."""
    found = scope.get("state", {}).get(PEER_CERTIFICATE)
    return found if isinstance(found, bytes) else None


def pseudonym_of(settings: ClientCertificateSettings, der: bytes | None) -> str | None:
    """Whose certificate it is; None where it is nobody's, or where its names point at several persons."""
    if der is None:
        return None
    names = names_of(der)
    found = {pseudonym for name, pseudonym in settings.persons.items() if _normal(name) in names}
    return found.pop() if len(found) == 1 else None


def usable_roles(
    settings: ClientCertificateSettings | None, roles: frozenset[Role], *, pseudonym: str, der: bytes | None
) -> frozenset[Role]:
    """The roles that may be used over this connection: without the right certificate some are not.

    Where settings name persons, the certificate must be this person's; otherwise one of our authorities is enough.
    """
    if settings is None:
        return roles
    holds = pseudonym_of(settings, der) == pseudonym if settings.persons else der is not None
    return roles if holds else roles - frozenset(settings.required_for)


def _normal(name: str) -> str:
    kind, _, value = name.partition(":")
    if kind == "sha256":
        return f"sha256:{value.replace(':', '').lower()}"
    return f"email:{value.lower()}" if kind == "email" else name
