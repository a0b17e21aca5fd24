"""From a statement and its objects to what the picture keeps of them. Pure, and of one entry alone: whatever joins
entries is done when somebody reads, over what he may read.

The wire carries no severity. Where an object has a label ``severity-...`` that is it; else a level change has that of
the level, and what is to be acted upon is high, what asks for a call medium, all else low.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from hub.picture.values import SEVERITIES
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import Port2PortError
from port2port.ids import FEDERATION_ISSUER
from port2port.statement import Statement
from port2port.stix.discriminators import TrackHint, of_indicator
from port2port.stix.profile import SIGHTING_EXTENSION
from port2port.tlp import UNMARKED

_MAKING: Final = frozenset({"publish", "report", "import"})
_DECIDING: Final = frozenset({"level", "hold", "incident"})
_BY_HANDLING: Final = {"act": 2, "call_first": 1}
_BY_LEVEL: Final = {1: 0, 2: 2, 3: 3}
_NOT_A_MODUS: Final = frozenset({"single-open-source", "officer-report"})
_VERSIONED: Final = frozenset({"indicator", "report", "note", "incident", "observed-data", "grouping", "malware"})
_TITLES: Final = ("name", "abstract", "content")
_TITLE_CHARS: Final = 200
_EQUAL: Final = re.compile(r"([a-z0-9-]+):([a-z_]+)\s*(?:=|IN)\s*(\([^)]*\)|'(?:[^'\\]|\\.)*')")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'")
_IDENTIFYING: Final = re.compile(
    r"\b[A-Z]{3}[UJZ]\s?\d{6}[\s-]?\d\b|\b\d{7,9}\b|\S+@\S+|\b\d{1,3}(?:\.\d{1,3}){3}\b|\b\d-[A-Z]{3}-\d{3}\b",
    re.IGNORECASE,
)
_CELL_DEG: Final = 0.1
_FACTS: Final = 200  # of one entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one entry says, for the tables. ``named`` are (name, value) pairs by which entries are joined."""

    decides: bool
    severity: int
    modus: str
    title: str
    text: str
    until_ms: int | None
    tlp: str
    facts: Mapping[str, Json]
    named: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Found:
    labels: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    named: set[tuple[str, str]] = field(default_factory=set)
    points: list[dict[str, Json]] = field(default_factory=list)
    sighting: dict[str, Json] = field(default_factory=dict)
    until: list[int] = field(default_factory=list)


def fold_one(said: Statement, bodies: Sequence[bytes]) -> Folded:
    """What the picture keeps of a statement and its objects, which intake has verified."""
    found = _Found()
    for data in map(orjson.loads, bodies):
        _object(found, said, data)
    for issuer, stix_id in said.refs():
        found.named.add(("ends" if said.kind in {"retract", "suspend"} else "ref", f"{issuer}/{stix_id}"))
    level = _level(said)
    modus = _modus(said, found)
    title = (found.titles[0] if found.titles else "")[:_TITLE_CHARS]
    if level:
        found.named.add(("level", str(level["port"])))
    if modus != said.kind and said.kind in _MAKING:
        found.named.add(("modus", modus))
    facts: dict[str, Json] = {"level": level or None, "points": list(found.points), "sighting": found.sighting or None}
    return Folded(
        decides=said.kind in _DECIDING or (said.kind in _MAKING and said.handling in _BY_HANDLING),
        severity=_severity(said, found, level),
        modus=modus,
        title=title,
        text=" ".join((modus, "" if said.personal_data else _IDENTIFYING.sub(" ", title))).lower(),
        until_ms=max(found.until, default=None),
        tlp="" if said.is_control else (said.tlp or UNMARKED).value,
        facts=facts,
        named=tuple(sorted(found.named)[:_FACTS]),
    )


def points_of(data: Mapping[str, Json]) -> list[dict[str, Json]]:
    """The positions in one object: a location's, and those that tell two tracks of one identity apart."""
    if data.get("type") == "location" and isinstance(data.get("latitude"), int | float):
        return [_point(data["latitude"], data["longitude"], None, "place")]
    if data.get("type") != "indicator":
        return []
    try:
        both = of_indicator(data)
    except (Port2PortError, ValueError, KeyError):
        return []
    if both is None:
        return []
    hints: Iterable[tuple[str, TrackHint | None]] = (("suspect", both.suspect), ("other", both.other))
    return [
        _point(hint.position[0], hint.position[1], None if hint.reported_at is None else to_ms(hint.reported_at), label)
        for label, hint in hints
        if hint is not None and hint.position is not None
    ]


def _object(found: _Found, said: Statement, data: Mapping[str, Json]) -> None:
    kind, ident = str(data["type"]), str(data["id"])
    found.labels += [str(one) for one in _list(data.get("labels"))]
    if kind in _VERSIONED:
        found.named.add(("object", f"{said.issuer}/{ident}"))
        found.titles += [str(data[name]) for name in _TITLES if isinstance(data.get(name), str)][:1]
    if data.get("revoked") is True:
        found.named.add(("ends", f"{said.issuer}/{ident}"))
    if kind == "indicator":
        found.named.update(_bound(str(data.get("pattern", ""))))
        if isinstance(data.get("valid_until"), str):
            found.until.append(_ms(str(data["valid_until"])))
    found.named.update(_observable(kind, data))
    for point in points_of(data):
        found.points.append(point)
        found.named.add(("cell", _cell(point)))
    if kind == "sighting":
        found.sighting = _sighting(data)


def _bound(pattern: str) -> set[tuple[str, str]]:
    """What a pattern binds by equality: by this, entries about one subject find each other."""
    named: set[tuple[str, str]] = set()
    for kind, prop, values in _EQUAL.findall(pattern):
        for value in _QUOTED.findall(values):
            named.update(_subject(kind, prop, value))
    return named


def _observable(kind: str, data: Mapping[str, Json]) -> set[tuple[str, str]]:
    props = ("mmsi", "imo", "eni", "number", "value")
    return {pair for prop in props if isinstance(data.get(prop), str) for pair in _subject(kind, prop, str(data[prop]))}


def _subject(kind: str, prop: str, value: str) -> set[tuple[str, str]]:
    if kind == "vessel" and prop in {"mmsi", "imo", "eni"}:
        return {("vessel", f"{prop}:{value}")}
    if kind == "freight-container" and prop == "number":
        return {("container", value), ("container-prefix", value[:4])}
    return {("value", f"{kind}:{value}")} if prop == "value" else set()


def _sighting(data: Mapping[str, Json]) -> dict[str, Json]:
    extensions = data.get("extensions")
    own = extensions.get(SIGHTING_EXTENSION) if isinstance(extensions, dict) else None
    more = own if isinstance(own, dict) else {}
    return {
        "count": data.get("count") if isinstance(data.get("count"), int) else 1,
        "first": _moment(data.get("first_seen")),
        "last": _moment(data.get("last_seen")),
        "looking": more.get("looking"),
        "of": str(data.get("sighting_of_ref")),
        "port": more.get("port"),
    }


def _level(said: Statement) -> dict[str, Json]:
    """The parsed body of a level change, in milliseconds; empty for every other kind."""
    if said.kind != "level":
        return {}
    body = said.body
    return {
        "effective_ms": _ms(str(body["effective"])),
        "level": body["level"],
        "port": body["port"],
        "reason": body["reason"],
    }


def _severity(said: Statement, found: _Found, level: Mapping[str, Json]) -> int:
    named = [SEVERITIES.index(word) for word in SEVERITIES if f"severity-{word}" in found.labels]
    if named:
        return max(named)
    if level:
        return _BY_LEVEL[int(str(level["level"]))]
    return _BY_HANDLING.get(said.handling or "", 0) if said.kind in _MAKING else 0


def _modus(said: Statement, found: _Found) -> str:
    if said.kind not in _MAKING or said.issuer == FEDERATION_ISSUER:
        return said.kind
    for label in found.labels:
        if label not in _NOT_A_MODUS and not label.startswith("severity-"):
            return label
    names = {name for name, _ in found.named}
    return next((name for name in ("container", "vessel", "value") if name in names), said.kind)


def _cell(point: Mapping[str, Json]) -> str:
    rows = [int(float(str(point[name])) // _CELL_DEG) for name in ("latitude", "longitude")]
    return f"{rows[0]}:{rows[1]}"


def _point(latitude: Json, longitude: Json, at_ms: int | None, label: str) -> dict[str, Json]:
    return {"at_ms": at_ms, "label": label, "latitude": float(str(latitude)), "longitude": float(str(longitude))}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _moment(value: Json) -> int | None:
    return _ms(value) if isinstance(value, str) else None


def _ms(text: str) -> int:
    """STIX times may have other precisions than our own."""
    return to_ms(datetime.fromisoformat(text))
