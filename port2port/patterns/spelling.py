"""One spelling for each value of the network, so that what is the same thing compares equal.

Domains are told in capitals, with a final dot or in their own script; addresses shortened or not; digests in capitals.
STIX fixes none of that. Patterns and what sensors saw are both brought to the spelling of this module, and only for
comparing: nothing that was signed is rewritten. Every function takes any text and gives text.

``port2port.observables`` builds on this module: it also undoes what makes values harmless to click on, and says what
a value is. What both say of names, ports and places of URLs stands here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from port2port.patterns.expressions import Value

_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_LABEL_CHARS: Final = 63
_NAME_CHARS: Final = 4 * 253  # RFC 1035 section 2.3.4; some characters vanish in the ASCII form
_DOTS: Final = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 3490 section 3.1
_KEPT: Final = 8_192


def domain(text: str) -> str:
    """Lower-case, without the final dot, and in the ASCII form that name servers use (RFC 5890 A-labels).

    What is far too long for a name is only told in lower case: the conversion takes its time.
    """
    if text.isascii() or len(text) > _NAME_CHARS:
        return text.strip().rstrip(".").lower()
    return ".".join(map(_ascii_label, text.translate(_DOTS).strip().rstrip(".").split(".")))


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
    parts = split(text.strip())
    if parts is None or not parts.hostname or not parts.scheme:
        return text
    host = ipv6(parts.hostname) if ":" in parts.hostname else domain(parts.hostname)
    user, at, _ = parts.netloc.rpartition("@")
    place = f"{user}{at}{authority(host, parts)}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, parts.fragment))


def split(text: str) -> SplitResult | None:
    """The parts of a URL; None where there are none, or its port is no port."""
    try:
        found = urlsplit(text)
        _ = found.port  # raises for one that is no port
    except ValueError:
        return None
    return found


def authority(host: str, parts: SplitResult) -> str:
    """A host as it stands in a URL, with the port of these parts where it does not go without saying."""
    bare = f"[{host}]" if ":" in host else host
    return bare if parts.port in {None, _PORTS.get(parts.scheme)} else f"{bare}:{parts.port}"


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
