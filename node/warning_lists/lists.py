"""A warning list as the MISP project publishes them (misp-warninglists ``list.json``): parsed and bounded.

Unknown members are ignored; of the values, those that are no text, too long or empty are counted and left out, and the
rest of the list stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from port2port.errors import MalformedError
from port2port.limits import MIB
from port2port.observables import Kind

LIST_BYTES: Final = 64 * MIB
ENTRIES_MOST: Final = 4_000_000
ENTRY_CHARS: Final = 2_048
NAME_CHARS: Final = 200
_DESCRIPTION_CHARS: Final = 1_000
_VERSION_MOST: Final = 2**53


class WarningListError(MalformedError):
    """What was given is no warning list; the text says why."""

    code = "WARNING_LIST"


class ListType(StrEnum):
    """How a list is meant."""

    STRING = "string"
    HOSTNAME = "hostname"
    SUBSTRING = "substring"
    CIDR = "cidr"
    REGEX = "regex"


# What MISP calls the attributes that a list is for. Pairs such as ``domain|ip`` count only where nothing else does:
# nearly every list names them, whatever it holds.
_SINGLE: Final = {
    "domain": Kind.HOST,
    "hostname": Kind.HOST,
    "ip-src": Kind.ADDRESS,
    "ip-dst": Kind.ADDRESS,
    "url": Kind.URL,
    "uri": Kind.URL,
    "link": Kind.URL,
    "target-email": Kind.EMAIL,
    "whois-registrant-email": Kind.EMAIL,
    "dns-soa-email": Kind.EMAIL,
    "ssdeep": Kind.HASH,
    "tlsh": Kind.HASH,
    "imphash": Kind.HASH,
    "authentihash": Kind.HASH,
    "vhash": Kind.HASH,
}
_HEADS: Final = {"md5": Kind.HASH, "sha": Kind.HASH, "x509-fingerprint": Kind.HASH, "email": Kind.EMAIL}
_PAIRS: Final = {
    "domain|ip": frozenset({Kind.HOST, Kind.ADDRESS}),
    "hostname|port": frozenset({Kind.HOST}),
    "ip-src|port": frozenset({Kind.ADDRESS}),
    "ip-dst|port": frozenset({Kind.ADDRESS}),
}
EVERY: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningList:
    """``kinds`` is what it is asked about, ``refused`` how many of its values were left out when it was read."""

    name: str
    version: int
    type: ListType
    description: str
    kinds: frozenset[Kind]
    values: tuple[str, ...]
    refused: int = 0


def parse(raw: bytes) -> WarningList:
    """Raises WarningListError for whatever is none."""
    if len(raw) > LIST_BYTES:
        raise WarningListError(f"a warning list has at most {LIST_BYTES // MIB} MiB")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise WarningListError("this is not JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("list"), list):
        raise WarningListError("a warning list is an object with a member list")
    if len(data["list"]) > ENTRIES_MOST:
        raise WarningListError(f"a warning list has at most {ENTRIES_MOST} values")
    values = [value.strip() for value in data["list"] if isinstance(value, str) and len(value) <= ENTRY_CHARS]
    kept = tuple(value for value in values if value)
    return WarningList(
        name=_text(data, "name", NAME_CHARS),
        version=_version(data.get("version")),
        type=_type(data.get("type")),
        description=str(data.get("description", ""))[:_DESCRIPTION_CHARS],
        kinds=kinds_of(data.get("matching_attributes")),
        values=kept,
        refused=len(data["list"]) - len(kept),
    )


def kinds_of(attributes: Any) -> frozenset[Kind]:
    """What a list with these ``matching_attributes`` is asked about; one without them, about everything."""
    named = [one for one in attributes if isinstance(one, str)] if isinstance(attributes, list) else []
    if not named:
        return EVERY
    single = {_kind(one) for one in named if "|" not in one}
    return frozenset(single) if single else frozenset(_of_pairs(named))


def _kind(attribute: str) -> Kind:
    head = next((kind for start, kind in _HEADS.items() if attribute.startswith(start)), Kind.TEXT)
    return _SINGLE.get(attribute, head)


def _of_pairs(named: Iterable[str]) -> Iterable[Kind]:
    for one in named:
        yield from _PAIRS.get(one, {Kind.HASH} if one.startswith("filename|") else {Kind.TEXT})


def _text(data: dict[str, Any], name: str, most: int) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > most:
        raise WarningListError(f"the {name} of a warning list is a line of at most {most} characters")
    return value.strip()


def _version(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _VERSION_MOST:
        raise WarningListError("the version of a warning list is a whole number")
    return value


def _type(value: Any) -> ListType:
    try:
        return ListType(value)
    except ValueError as error:
        raise WarningListError(f"a warning list is of type {', '.join(ListType)}") from error
