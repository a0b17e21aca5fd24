"""One spelling for each thing that many people write differently: domains, addresses, URLs, mail, digests, ships.

What comes from elsewhere is defanged (``hxxp://evil[.]example``), in capitals, in Unicode or as the IPv6 form of an
IPv4 address. Two values are about the same thing exactly if their observables are equal. This is for comparing and
looking up only: what was said keeps the bytes in which it was said. How a name or a URL is spelled is a matter of
``port2port.patterns.spelling``; this module reads more into a value than a pattern may.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Final, TypeAlias

from port2port.patterns.spelling import authority, domain, split

Network: TypeAlias = IPv4Network | IPv6Network
VALUE_CHARS: Final = 4_096  # of longer values only so much is looked at
HOST_CHARS: Final = 253  # RFC 1035 section 2.3.4, without the final dot

_DOTS: Final = re.compile(r"\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|[\u3002\uff0e\uff61]", re.IGNORECASE)
_AT: Final = re.compile(r"\[@\]|\(@\)|\[at\]|\(at\)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"^(h)(?:xx|tt|XX|TT)(ps?)(?=\[?:)", re.IGNORECASE)
_URL: Final = re.compile(r"^[a-z][a-z0-9+.-]{1,15}://", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")  # as resolvers answer them, not as RFC 952 wants
_DEFANGED: Final = re.compile(r"[\[({\u3002\uff0e\uff61]|^hxx", re.IGNORECASE)
_NETWORK: Final = re.compile(r"[0-9a-fA-F:.]{2,45}(?:/[0-9.]{1,15})?")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{0,16}|[0-9]{1,20}")
_HASH_CHARS: Final = frozenset({32, 40, 56, 64, 96, 128})
_SHIP: Final = re.compile(r"^(?:imo|mmsi|eni)?[\s:#-]*([0-9]{7,9})$", re.IGNORECASE)


class Kind(StrEnum):
    """What a value is, as far as its spelling goes; ``text`` is everything that has no other."""

    HOST = "host"
    ADDRESS = "address"
    URL = "url"
    EMAIL = "email"
    HASH = "hash"
    SHIP = "ship"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """``value`` in its one spelling; of an address that stands for a network, with its prefix length."""

    kind: Kind
    value: str

    @property
    def key(self) -> str:
        """For a table of what is known."""
        return f"{self.kind}:{self.value}"

    @property
    def host(self) -> Observable | None:
        """The host or address inside a URL, the domain of a mail address; None of anything else."""
        if self.kind is Kind.URL:
            return None if (found := split(self.value)) is None else _end(found.hostname or "")
        return _end(self.value.rpartition("@")[2]) if self.kind is Kind.EMAIL else None


def observable(path: str, value: object) -> Observable:
    """What stands under an object path of a pattern, such as ``domain-name:value``; never raises."""
    text = refanged(str(value))
    kind, _, rest = path.partition(":")
    if kind in {"file", "x509-certificate", "artifact"} and rest.startswith("hashes"):
        return Observable(kind=Kind.HASH, value=text.lower())
    reader = _READERS.get(kind)
    found = None if reader is None else reader(text)
    if found is not None:
        return found
    return guess(text) if rest.endswith("value") else Observable(kind=Kind.TEXT, value=text)


def guess(value: str) -> Observable:
    """What a value looks like, where nobody says what it is; never raises."""
    text = refanged(value)
    for reader in (_address, _url, _email, _hash, _host):
        found = reader(text)
        if found is not None:
            return found
    return Observable(kind=Kind.TEXT, value=text)


def refanged(value: str) -> str:
    """Without blanks round it and without what makes it harmless to click on."""
    text = value[:VALUE_CHARS].strip()
    if not _DEFANGED.search(text):
        return text
    text = _AT.sub("@", _DOTS.sub(".", text)).replace("[://]", "://").replace("[:]", ":")
    return _SCHEME.sub(lambda found: f"{found[1]}tt{found[2]}", text)


def host_name(text: str) -> str | None:
    """A domain name in lower case and its ASCII form (RFC 5890), without dots round it; None of anything else."""
    if len(text) > 4 * HOST_CHARS:
        return None
    bare = domain(text.strip("."))
    return bare if len(bare) <= HOST_CHARS and _HOST.fullmatch(bare) else None


def network(text: str) -> Network | None:
    """An address (as a network of one) or a network; what IPv6 says of IPv4 (``::ffff:0:0/96``) is said as IPv4.

    Host bits below the prefix are taken as zero.
    """
    bare = text.strip("[]").partition("%")[0]
    if not _NETWORK.fullmatch(bare):
        return None
    try:
        found = ip_network(bare, strict=False)
    except ValueError:
        return None
    if found.version == 6 and found.prefixlen >= 96 and found.network_address.ipv4_mapped is not None:
        return IPv4Network((found.network_address.ipv4_mapped, found.prefixlen - 96))
    return found


def _address(text: str) -> Observable | None:
    found = network(text)
    if found is None:
        return None
    single = found.prefixlen == found.max_prefixlen
    return Observable(kind=Kind.ADDRESS, value=str(found.network_address) if single else str(found))


def _host(text: str) -> Observable | None:
    found = host_name(text)
    return None if found is None else Observable(kind=Kind.HOST, value=found)


def _url(text: str) -> Observable | None:
    """RFC 3986 section 6: scheme and host in lower case, no default port, no fragment, a path of at least ``/``."""
    if not _URL.match(text) or (found := split(text)) is None:
        return None
    end = _end(found.hostname or "")
    if end is None:
        return None
    query = f"?{found.query}" if found.query else ""
    return Observable(kind=Kind.URL, value=f"{found.scheme}://{authority(end.value, found)}{found.path or '/'}{query}")


def _email(text: str) -> Observable | None:
    local, at, domain = text.removeprefix("mailto:").rpartition("@")
    end = _end(domain) if at and local and not any(char.isspace() for char in local) else None
    return None if end is None else Observable(kind=Kind.EMAIL, value=f"{local.lower()}@{end.value}")


def _hash(text: str) -> Observable | None:
    fits = len(text) in _HASH_CHARS and _HEX.fullmatch(text)
    return Observable(kind=Kind.HASH, value=text.lower()) if fits else None


def _ship(text: str) -> Observable:
    found = _SHIP.match(text)
    return Observable(kind=Kind.SHIP, value=found[1] if found else text.upper())


def _end(text: str) -> Observable | None:
    """A host in a URL or behind an at sign: a name, or an address in any of the forms that browsers accept."""
    numeric = _legacy_address(text)
    return (None if numeric is None else _address(numeric)) or _address(text) or _host(text)


def _legacy_address(text: str) -> str | None:
    """``2130706433``, ``0x7f.1`` and ``010.0.0.1`` as URLs mean them (WHATWG URL Standard, IPv4 parser)."""
    pieces = text.rstrip(".").split(".")
    if len(pieces) > 4 or not all(_NUMBER.fullmatch(one) for one in pieces):
        return None
    try:
        numbers = [_number(one) for one in pieces]
    except ValueError:
        return None
    if any(one > 255 for one in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    return str(IPv4Address(numbers[-1] + sum(one << (24 - 8 * place) for place, one in enumerate(numbers[:-1]))))


def _number(text: str) -> int:
    if text[:2] in {"0x", "0X"}:
        return int(text[2:] or "0", 16)
    return int(text, 8) if len(text) > 1 and text.startswith("0") else int(text)


_READERS: Final = {
    "domain-name": _host,
    "ipv4-addr": _address,
    "ipv6-addr": _address,
    "url": _url,
    "email-addr": _email,
    "vessel": _ship,
}
