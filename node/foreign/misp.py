"""MISP events as indicators: which attribute types are carried, and how each is written as a STIX pattern.

An attribute that MISP marks for detection (``to_ids``) becomes an indicator with the attribute's UUID, as MISP's own
converter makes it, created by the event's organisation. Tags are read for their marking, and that of the event counts
for all its attributes, as do distributions that stop at the sender (organisation, community, sharing group). Attributes
of other types, and those that are not for detection, are counted as skipped under their type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from node.foreign.markings import of_tags
from node.foreign.reading import OddError
from node.foreign.taking import Item
from port2port.clock import to_text
from port2port.errors import ProfileError
from port2port.observables import Kind, observable
from port2port.stix.objects import pattern_equals
from port2port.tlp import Tlp, strictest

ATTRIBUTES_MOST: Final = 200_000
LABELS_MOST: Final = 20
TEXT_CHARS: Final = 1_000
_HASHES: Final = {
    "md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512", "ssdeep": "SSDEEP", "tlsh": "TLSH",
}  # fmt: skip
_PATHS: Final[Mapping[str, str]] = {
    "domain": "domain-name:value",
    "email": "email-addr:value",
    "email-dst": "email-addr:value",
    "email-reply-to": "email-addr:value",
    "email-src": "email-addr:value",
    "hostname": "domain-name:value",
    "link": "url:value",
    "mac-address": "mac-addr:value",
    "uri": "url:value",
    "url": "url:value",
    **{name: f"file:hashes.'{algorithm}'" for name, algorithm in _HASHES.items()},
}
_ADDRESSES: Final = frozenset({"ip-dst", "ip-src"})
# Two values in one: which of them is carried.
_FIRST: Final = {"hostname|port": "hostname", "ip-dst|port": "ip-dst", "ip-src|port": "ip-src"}
_SECOND: Final = {f"filename|{name}": name for name in _HASHES}
CARRIED: Final = frozenset({*_PATHS, *_ADDRESSES, *_FIRST, *_SECOND})
# 0 the organisation alone, 1 this community, 4 a sharing group: not for us to hand on beyond AMBER+STRICT.
_KEPT_CLOSE: Final = frozenset({"0", "1", "4"})
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Event:
    """What an event says of all its attributes; ``skipped`` counts, by type, those that were not carried."""

    author: str | None
    tlp: Tlp | None
    labels: tuple[str, ...]
    skipped: Counter[str] = field(default_factory=Counter)


def items_of(data: Mapping[str, Any], skipped: Counter[str]) -> Iterator[Item]:
    """The attributes of an event, one by one. Raises OddError for what is no event."""
    event = data.get("Event", data)
    if not isinstance(event, Mapping) or not isinstance(event.get("uuid"), str):
        raise OddError("not a MISP event")
    told = _event(event)
    told.skipped = skipped
    for attribute in _attributes(event):
        yield from _items(attribute, told)


def _event(event: Mapping[str, Any]) -> Event:
    organisation = event.get("Orgc")
    owner = str(organisation.get("uuid", "")).lower() if isinstance(organisation, Mapping) else ""
    return Event(
        author=f"identity--{owner}" if _UUID.fullmatch(owner) else None,
        tlp=_marking(event),
        labels=tuple(f"misp:{name}" for name in ("event",)),
    )


def _marking(data: Mapping[str, Any]) -> Tlp | None:
    close = Tlp.AMBER_STRICT if str(data.get("distribution", "")) in _KEPT_CLOSE else None
    said = of_tags(_tags(data))
    return strictest(close, said) if close or said else None


def _tags(data: Mapping[str, Any]) -> list[object]:
    tags = data.get("Tag")
    if not isinstance(tags, list):
        return []
    return [tag.get("name") if isinstance(tag, Mapping) else tag for tag in tags]


def _attributes(event: Mapping[str, Any]) -> Iterator[object]:
    """Those of the event and those of its objects, with the marking of the object."""
    yield from _list(event.get("Attribute"))
    for one in _list(event.get("Object")):
        if not isinstance(one, Mapping):
            yield one
            continue
        for attribute in _list(one.get("Attribute")):
            yield {**attribute, "_object": _marking(one)} if isinstance(attribute, Mapping) else attribute


def _list(value: object) -> list[Any]:
    return value[:ATTRIBUTES_MOST] if isinstance(value, list) else []


def _items(attribute: object, told: Event) -> Iterator[Item]:
    if not isinstance(attribute, Mapping):
        yield Item(raw=orjson.dumps(str(attribute)[:TEXT_CHARS]), odd="an attribute that is no object")
        return
    own = {name: value for name, value in attribute.items() if name != "_object"}
    kind = str(own.get("type", ""))[:60]
    if own.get("deleted") is True:
        told.skipped["deleted"] += 1
        return
    if kind not in CARRIED or own.get("to_ids") not in (True, "1", 1):
        told.skipped[kind if kind not in CARRIED else f"{kind} (not for detection)"] += 1
        return
    raw = _raw(own)
    inside = attribute.get("_object")
    container = [one for one in (told.tlp, inside) if isinstance(one, Tlp)]
    held = strictest(*container) if container else None
    try:
        made = _indicator(own, kind, told)
    except (OddError, ProfileError) as error:
        yield Item(raw=raw, original=str(attribute.get("uuid", "")), odd=error.text)
        return
    yield Item(raw=raw, data=made, original=f"attribute:{own['uuid']}", container=held)


def _raw(own: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(dict(own), option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):
        return repr(own)[:TEXT_CHARS].encode(errors="backslashreplace")


def _indicator(own: Mapping[str, Any], kind: str, told: Event) -> dict[str, Any]:
    ident, value = str(own.get("uuid", "")).lower(), own.get("value")
    if not _UUID.fullmatch(ident) or not isinstance(value, str) or not value.strip():
        raise OddError("an attribute without a UUID or a value")
    path, text = _bound(kind, value)
    at = _moment(own.get("timestamp"))
    marking = _marking(own)
    tags = [f"tlp:{marking.value}"] if marking else []
    others = [tag[:100] for tag in _tags(own) if isinstance(tag, str) and of_tags([tag]) is None and tag.strip()]
    comment = str(own.get("comment") or "").strip()[:TEXT_CHARS]
    made = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{ident}",
        "created_by_ref": told.author,
        "created": at,
        "modified": at,
        "name": f"{kind}: {value.strip()}"[:200],
        "description": comment or None,
        "indicator_types": ["malicious-activity"],
        "pattern": pattern_equals(path, [text]),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": at,
        "labels": [*tags, f"misp:type={kind}", *others][:LABELS_MOST],
    }
    return {name: item for name, item in made.items() if item is not None}


def _bound(kind: str, value: str) -> tuple[str, str]:
    """The object path and the value in its one spelling. Raises OddError."""
    first, bar, second = value.strip().rpartition("|")
    if kind in _SECOND:
        kind, value = _SECOND[kind], second
    elif kind in _FIRST:
        kind, value = _FIRST[kind], first if bar else value.rpartition(":")[0] or value
    if kind in _ADDRESSES:
        found = observable("ipv4-addr:value", value)
        if found.kind is not Kind.ADDRESS:
            raise OddError("not an address")
        return ("ipv6-addr:value" if ":" in found.value else "ipv4-addr:value"), found.value
    path = _PATHS[kind]
    return path, value.strip() if kind in {"ssdeep", "tlsh"} else observable(path, value).value


def _moment(value: object) -> str:
    """MISP writes seconds since 1970, as text. Raises OddError."""
    try:
        return to_text(datetime.fromtimestamp(int(str(value)), UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise OddError("an attribute without a time") from error
