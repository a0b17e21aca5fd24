"""What a TAXII 2.1 request is about: the words between the HTTP side and the store of collections.

Dates are microseconds since the epoch, of which the last three digits are zero unless one millisecond had to be shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from port2port.sharing import Outlet, Reader


class Kind(StrEnum):
    """What a collection gathers."""

    PORT = "port"
    TOPIC = "topic"
    SIEM = "siem"
    INTAKE = "intake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection as one principal sees it. ``key`` is the member, topic or affiliate it is about; empty for siem.

    ``id`` is a version 4 UUID (TAXII 2.1 section 2) that follows from the federation, the kind and the key.
    """

    id: str
    kind: Kind
    key: str
    title: str
    description: str
    can_read: bool
    can_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: a member by its certificate, or a consumer by its secret. ``name`` is what audit and counts call it.

    ``affiliate`` is set for a terminal's own system, which may post to that terminal's intake.
    """

    name: str
    member: str
    reader: Reader
    outlet: Outlet
    purpose: str | None = None
    affiliate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """``added_after`` and ``match[...]`` (TAXII 2.1 section 3.4). Empty means: not asked.

    ``versions`` holds first, last, all or timestamps as text with their fraction; empty means last.
    """

    added_after_us: int | None = None
    ids: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    spec_versions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """Where a page ended: the next one begins strictly behind it, whenever it is asked for."""

    date_us: int
    number: int


class Item(NamedTuple):
    """One version of one object in a collection. ``raw`` is the object byte for byte; empty where not asked for.

    A tuple, since a page makes a thousand.
    """

    number: int
    stix_id: str
    version: str
    date_us: int
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Items in the order in which they were added. ``end`` is set if there is anything: what ``next`` carries."""

    items: tuple[Item, ...]
    more: bool
    end: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of one posted object; ``why`` is empty where it was taken."""

    stix_id: str
    version: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The outcome of a POST (TAXII 2.1 section 4.3); nothing is ever pending, since it is decided in the request."""

    id: str
    requested_ms: int
    objects: tuple[Posted, ...]
