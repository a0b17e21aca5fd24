"""What foreign objects name, one key for each thing however it is spelled (``port2port.observables``).

The keys find what is the same across sources and spellings, and what the federation had said before. They are for
looking up only: ids and patterns stay as the source wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from port2port.limits import LIMITS
from port2port.observables import observable
from port2port.patterns import PatternError, guards_in

# Of each kind of observable, the property that says which one it is.
_PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "domain-name": ("value",),
    "email-addr": ("value",),
    "freight-container": ("number",),
    "hostname": ("value",),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "uas": ("serial_number",),
    "url": ("value",),
    "vessel": ("imo", "mmsi", "eni"),
}
_PUNCTUATED: Final = {"freight-container": r"[\s/-]", "mac-addr": r"[\s:.-]"}


def key_of(path: str, value: object) -> str:
    """What a value under an object path names, in its one spelling; any value has one."""
    kind = path.partition(":")[0]
    if kind in _PUNCTUATED:
        return f"{kind}:{re.sub(_PUNCTUATED[kind], '', str(value)[:_PLAIN_CHARS]).upper()}"
    return observable("domain-name:value" if kind == "hostname" else path, value).key


def digest_of(key: str) -> bytes:
    """A key of an index, whatever its length."""
    return sha256(key.encode(errors="surrogatepass")).digest()


def keys_in(data: Mapping[str, Any]) -> frozenset[str]:
    """What an object names: the values that an indicator asks for by equality, or an observable's own."""
    return frozenset(key_of(path, value) for path, value in _named(data))


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    kind = str(data.get("type", ""))
    if kind == "indicator":
        yield from _asked_for(data)
        return
    hashes = data.get("hashes") if kind == "file" else None
    for name, value in islice(hashes.items(), HASHES_MOST) if isinstance(hashes, dict) else ():
        yield f"file:hashes.{name}", value
    for name in _PROPERTIES.get(kind, ()):
        if name in data:
            yield f"{kind}:{name}", data[name]


def _asked_for(data: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Of a longer pattern than the profile has, nothing: it is refused, and reading it could take minutes."""
    pattern = data.get("pattern")
    if data.get("pattern_type") != "stix" or not isinstance(pattern, str) or len(pattern) > LIMITS.pattern_chars:
        return frozenset()
    try:
        return guards_in(pattern) or frozenset()
    except PatternError:
        return frozenset()


_PLAIN_CHARS: Final = 200
HASHES_MOST: Final = 32  # of one file: more than there are algorithms
