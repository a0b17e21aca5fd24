"""What the picture's queries answer with: plain values, made from rows that the reader may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from port2port.canonical import Json
from port2port.levels import Standing

SEVERITIES: Final = ("low", "medium", "high", "critical")
DECISION: Final = "decision"
INFORMATION: Final = "information"
HOUSEKEEPING: Final = "housekeeping"
CLASSES: Final = (DECISION, INFORMATION, HOUSEKEEPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry in a list. ``over``: superseded, retracted, suspended or expired; ``acknowledged``: by the reader's own
    member. ``about`` are the titles of what a sighting or retraction names, as far as the reader may read that.
    """

    index: int
    statement_id: str
    kind: str
    issuer: str
    issuer_name: str
    realm: str
    received_at: datetime
    issued_at: datetime
    decides: bool
    severity: str
    modus: str
    title: str
    tlp: str
    handling: str | None
    decided_by: str
    until: datetime | None
    over: bool
    acknowledged: bool
    sightings: int
    about: tuple[str, ...]
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Items, newest first. ``cursor`` asks for what follows; None at the end."""

    items: tuple[Item, ...]
    cursor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelNow:
    """A change of the security level of one LOCODE, ``since`` its effect, with where it stands now."""

    locode: str
    level: int
    since: datetime
    set_by: str
    reason: str
    index: int
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class PortTile:
    """One member in the port strip. ``contact`` is when its nodes last held their feed open; None: never."""

    member: str
    name: str
    kind: str
    locodes: tuple[str, ...]
    levels: tuple[LevelNow, ...]
    open_items: int
    contact: datetime | None

    @property
    def level(self) -> int | None:
        """The highest level at its places; None where no authority has said one."""
        return max((one.level for one in self.levels), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A count of the timeline: items of one severity and port in the bucket that begins at ``start``."""

    start: datetime
    severity: str
    issuer: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sighting of an indicator. ``port`` is the LOCODE it says, ``looking`` live or back."""

    index: int
    by: str
    by_name: str
    first_seen: datetime | None
    last_seen: datetime | None
    count: int
    port: str | None
    looking: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another item and why it belongs here: the same vessel, container prefix, modus, or place and time."""

    item: Item
    reason: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A position that was published; degrees."""

    latitude: float
    longitude: float
    at: datetime | None
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The positions that one item shared as evidence."""

    index: int
    issuer: str
    title: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A member that may read the item, and what it said about it. ``known``: whether the reader may know that;
    ``late``: its officers should have seen it ten minutes ago, and have not.
    """

    member: str
    name: str
    delivered: datetime | None
    seen: datetime | None
    known: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the provenance. ``result``: ``holds``, ``fails`` or ``unknown`` (not checked, or not stated)."""

    step: str
    at: datetime | None
    actor: str
    result: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why it was published, as the author's objects say it."""

    reasons: tuple[str, ...]
    labels: tuple[str, ...]
    confidence: int | None
    single_open_source: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One entry opened. ``objects`` are the STIX objects as signed, parsed; ``recipients`` are names."""

    item: Item
    digest: str
    objects: tuple[Mapping[str, Json], ...]
    body: Mapping[str, Json]
    why: Why
    purpose: str | None
    personal_data: bool
    groups: tuple[tuple[str, int], ...]
    recipients: tuple[Recipient, ...]
    provenance: tuple[Line, ...]
    sightings: tuple[Seen, ...]
    related: tuple[Related, ...]
    tracks: tuple[Track, ...]
