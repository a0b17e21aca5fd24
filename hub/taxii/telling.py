"""From one entry of the log to what collections show of it. Pure: what needs other entries is asked later.

Only what is real, content and understood is shown, byte for byte as signed. A change of a security level has no
objects, so the hub says it as a ``p2p-level``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from hub.taxii.topics import is_plain, topics_of
from port2port import clock, ids
from port2port.canonical import Json
from port2port.errors import Port2PortError, TooLargeError
from port2port.levels import level_of
from port2port.sharing import REAL, named_in
from port2port.statement import Statement, decode
from port2port.stix import outlets
from port2port.stix.objects import Header
from port2port.wire import decode_envelope

logger = logging.getLogger(__name__)
PLACES: Final = 256  # of one entry: its objects from 0, and what the hub says of it
ATTESTED: Final = 200
WITNESSED: Final = 201
TAKEN_BACK: Final = 100
_SAYS_NOTHING: Final = frozenset({"identity", "marking-definition", "extension-definition", "location"})
_OBSERVE: Final = "observe_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One object with its bytes. ``plain``: a machine that knows plain STIX may act on it."""

    place: int
    raw: bytes
    data: Mapping[str, Json]
    plain: bool = False

    @property
    def stix_id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    @property
    def revoked(self) -> bool:
        """Whether this version revokes it."""
        return self.data.get("revoked") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is shown of one entry, and to which class. ``about`` are the ids that its topics follow where it has none.

    ``suspends`` and ``takes_back`` are (issuer, id) that it acts on without an object.
    """

    index: int
    visibility: int
    issuer: str
    received_ms: int
    objects: tuple[Told, ...]
    topics: frozenset[str]
    about: frozenset[str]
    suspends: tuple[tuple[str, str], ...] = ()
    takes_back: tuple[tuple[str, str], ...] = ()


def tell(row: Any, federation: str) -> Entry | None:
    """What a row of the log with its envelope says to collections; None: nothing.

    An entry that cannot be read is passed over with a word in the log: it never takes its neighbours with it.
    """
    try:
        sealed = decode_envelope(bytes(row.envelope))
        said = decode(sealed.statement)
        if said.is_control or not said.understood or said.realm != REAL:
            return None
        objects = [_told(place, item.body, said) for place, item in enumerate(sealed.objects)]
        if said.kind == "level":
            objects.append(_level(row, said, federation))
    except (Port2PortError, ValueError, KeyError) as error:
        logger.warning("entry not shown in collections", extra={"index": row.index, "cause": type(error).__name__})
        return None
    return _entry(row, said, objects)


def version_of(data: Mapping[str, Json]) -> tuple[str, int]:
    """The version of an object as it says it and in microseconds; empty and 0 for one without versions."""
    text = data.get("modified", data.get("created"))
    if not isinstance(text, str):
        return "", 0
    since = datetime.fromisoformat(text) - clock.EPOCH
    return text, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _told(place: int, raw: bytes, said: Statement) -> Told:
    data = orjson.loads(raw)
    version_of(data)
    return Told(place=place, raw=raw, data=data, plain=said.handling != _OBSERVE and is_plain(data))


def _entry(row: Any, said: Statement, objects: list[Told]) -> Entry:
    topics = topics_of(item.data for item in objects)
    refs = said.refs()
    brought = {item.stix_id for item in objects}
    return Entry(
        index=row.index,
        visibility=row.visibility,
        issuer=said.issuer,
        received_ms=row.received_ms,
        objects=tuple(objects),
        topics=topics,
        about=frozenset() if topics else _named(objects) | {stix_id for _, stix_id in refs},
        suspends=refs if said.kind == "suspend" else (),
        takes_back=tuple(ref for ref in refs if ref[1] not in brought) if said.kind == "retract" else (),
    )


def _named(objects: list[Told]) -> frozenset[str]:
    """Who said it and how it is marked tells nothing of what it is about."""
    try:
        names = named_in([item.data for item in objects])
    except TooLargeError:
        return frozenset()
    return frozenset(name for name in names if name.partition("--")[0] not in _SAYS_NOTHING)


def _level(row: Any, said: Statement, federation: str) -> Told:
    header = Header(
        ident=ids.NAMESPACE,  # replaced by one that follows from the entry
        issuer=ids.identity_of(federation, said.issuer),
        created=clock.from_ms(row.received_ms),
        tlp=said.tlp,
    )
    raw = outlets.level(header, level_of(said), digest=bytes(row.digest))
    return Told(place=0, raw=raw, data=orjson.loads(raw))
