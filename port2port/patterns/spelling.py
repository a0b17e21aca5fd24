"""One spelling for each value of the network, so that what is the same thing compares equal.

Domains are told in capitals, with a final dot or in their own script; addresses shortened or not; digests in capitals.
STIX fixes none of that. Patterns and what sensors saw are both brought to the spelling of this module, and only for
comparing: nothing that was signed is rewritten. Every function takes any text and gives text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from port2port.patterns.expressions import Value

_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_LABEL_CHARS: Final = 63
_KEPT: Final = 8_192


def domain(text: str) -> str:
    """Lower-case, without the final dot, and in the ASCII form that name servers use (RFC 5890 A-labels)."""
    text = text.strip().rstrip(".")
    if text.isascii():
        return text.lower()
    return ".".join(map(_ascii_label, text.replace("\u3002", ".").split(".")))


def ipv4(text: str) -> str:
    """Without a prefix length that covers one address."""
    return text.strip().removesuffix("/32")


@lru_cache(maxsize=_KEPT)
def ipv6(text: str) -> str:
    """In the short form of RFC 5952."""
    bare = text.strip().removesuffix("/128").lower()
    try:
        return IPv6Address(bare).compressed
    except AddressValueError:
        return bare


def url(text: str) -> str:
    """Scheme and host in lower case, no port that goes without saying, a path (RFC 3986 section 6.2)."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return text
    if not host or not parts.scheme:
        return text
    host = f"[{ipv6(host)}]" if ":" in host else domain(host)
    user, at, _ = parts.netloc.rpartition("@")
    place = f"{user}{at}{host}" + ("" if port in {None, _PORTS.get(parts.scheme)} else f":{port}")
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, parts.fragment))


def lower(text: str) -> str:
    """Digests, mail and hardware addresses."""
    return text.strip().lower()


_BY_PATH: Final[Mapping[str, Callable[[str], str]]] = {
    "domain-name:value": domain,
    "email-addr:value": lower,
    "ipv4-addr:value": ipv4,
    "ipv6-addr:value": ipv6,
    "mac-addr:value": lower,
    "network-traffic:dst_ref.value": ipv6,
    "network-traffic:src_ref.value": ipv6,
    "url:value": url,
}
_DIGESTS: Final = ("file:hashes.", "x509-certificate:hashes.")


def spelled(path: str, value: Value) -> Value:
    """A value of an object path as it is compared; what has no rule stays as it is."""
    return spelled_text(path, value) if isinstance(value, str) else value


def spelled_text(path: str, text: str) -> str:
    """The same of a text."""
    rule = _BY_PATH.get(path)
    if rule is not None:
        return rule(text)
    return lower(text) if path.startswith(_DIGESTS) else text


def _ascii_label(label: str) -> str:
    """IDNA 2003 as the standard library has it; a label it refuses stays in its own script, in lower case."""
    try:
        made = label.encode("idna").decode("ascii").lower() if label else label
    except UnicodeError:
        return label.lower()
    return made if len(made) <= _LABEL_CHARS else label.lower()
