"""The values of a list as what is looked up: keys of sixteen bytes, networks, short texts, expressions.

A key is a digest, so that two million names of whatever length take forty megabytes and are found by their beginning.
Sixteen bytes of BLAKE2b: nobody finds a name of his own that has the key of a listed one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import IPv4Network
from typing import Final

from node.warning_lists.lists import ListType, WarningList
from node.warning_lists.regexes import STATES_MOST, Automaton, RegexError
from node.warning_lists.substrings import SHORTEST
from port2port.observables import Kind, Network, guess, host_name, network, refanged

KEY_BYTES: Final = 16
NET_BYTES: Final = 17  # an IPv6 address and a prefix length
V4_BITS: Final = 96  # of an IPv4-mapped address before the IPv4 address begins
SHORTEST_V4: Final = 4  # as 240.0.0.0/4, which nobody has
SHORTEST_V6: Final = 7  # as fc00::/7
# What most values are: a name that is spelled already, and can be nothing else.
_PLAIN: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]{0,62}")


@dataclass(slots=True, kw_only=True)
class Entries:
    """What one list comes to. ``refused`` counts the values that cannot be looked up, by why."""

    keys: set[bytes] = field(default_factory=set)
    nets: set[bytes] = field(default_factory=set)
    substrings: set[str] = field(default_factory=set)
    regexes: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys) + len(self.nets) + len(self.substrings) + len(self.regexes)

    def refuse(self, why: str) -> None:
        """Leave a value out, and count it."""
        self.refused[why] = self.refused.get(why, 0) + 1


def entries_of(found: WarningList) -> Entries:
    """Everything a list says, in the form in which it is looked up."""
    made = Entries(refused={"no text, or too long": found.refused} if found.refused else {})
    if found.type is ListType.STRING:
        for value in found.values:
            _take_string(made, value, found.kinds)
        return made
    take = {
        ListType.HOSTNAME: _take_host,
        ListType.CIDR: _take_network,
        ListType.SUBSTRING: _take_substring,
    }.get(found.type)
    if take is None:
        _take_regexes(made, found.values)
        return made
    for value in found.values:
        take(made, value)
    return made


def exact_key(value: str) -> bytes:
    """Where a value stands that is listed as it is."""
    return blake2b(b"x" + value.encode(errors="surrogatepass"), digest_size=KEY_BYTES).digest()


def suffix_key(host: str) -> bytes:
    """Where a name stands that is listed with all names below it."""
    return blake2b(b"h" + host.encode(), digest_size=KEY_BYTES).digest()


def net_key(net: bytes) -> bytes:
    """Where a network stands that is listed, in the form of ``net_of``."""
    return blake2b(b"n" + net, digest_size=KEY_BYTES).digest()


def suffixes(host: str) -> Iterator[str]:
    """A name and all names above it."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def net_of(found: Network) -> bytes:
    """A network in the space of IPv6, IPv4 as its mapped part: address, then prefix length."""
    if isinstance(found, IPv4Network):
        mapped = b"\0" * 10 + b"\xff\xff" + found.network_address.packed
        return mapped + bytes([found.prefixlen + V4_BITS])
    return found.network_address.packed + bytes([found.prefixlen])


def folded(value: str, kind: Kind) -> str:
    """As values are compared that have no spelling of their own: a URL's path alone counts its capitals."""
    return value if kind is Kind.URL else value.lower()


def _take_string(made: Entries, value: str, kinds: frozenset[Kind]) -> None:
    """Exact; but ``.example.org`` and ``*.example.org`` mean the names below, however the list calls itself.

    What a value looks like counts only where the list is for that: ``3::`` is a digest of an empty file, too.
    """
    if value.startswith((".", "*.")):
        _take_host(made, value)
        return
    if _PLAIN.fullmatch(value):
        made.keys.add(exact_key(value))
        return
    seen = guess(value)
    if seen.kind is Kind.ADDRESS and seen.kind in kinds:
        _take_network(made, value)
    elif seen.kind in kinds:
        made.keys.add(exact_key(folded(seen.value, seen.kind)))
    else:
        made.keys.add(exact_key(refanged(value).lower()))


def _take_host(made: Entries, value: str) -> None:
    if _PLAIN.fullmatch(value):
        made.keys.add(suffix_key(value))
        return
    host = host_name(refanged(value).removeprefix("*").lstrip("."))
    if host is None:
        made.refuse("no host name")
    else:
        made.keys.add(suffix_key(host))


def _take_network(made: Entries, value: str) -> None:
    found = network(refanged(value))
    if found is None:
        made.refuse("no address and no network")
    elif found.prefixlen < (SHORTEST_V4 if isinstance(found, IPv4Network) else SHORTEST_V6):
        made.refuse("a network of too much of the world")
    else:
        made.nets.add(net_of(found))


def _take_substring(made: Entries, value: str) -> None:
    text = refanged(value).lower()
    if len(text) < SHORTEST:
        made.refuse(f"fewer than {SHORTEST} characters")
    else:
        made.substrings.add(text)


def _take_regexes(made: Entries, values: tuple[str, ...]) -> None:
    left = STATES_MOST - 2
    for value in values:
        try:
            states = len(Automaton([value]))
        except RegexError as error:
            made.refuse(f"expression: {error.text}")
            continue
        if states > left:
            made.refuse("expression: too many together")
            continue
        left -= states
        made.regexes.append(value)
