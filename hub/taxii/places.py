"""Which endpoint a path names (TAXII 2.1 section 4 and 5). One discovery, one API root.

Slashes may be left out in the end or doubled anywhere: clients do both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

DISCOVERY_PATH: Final = "/taxii2/"
ROOT_PATH: Final = "/taxii2/port2port/"
_PATH_CHARS: Final = 1_024
_READ: Final = ("GET", "HEAD")


class Endpoint(Enum):
    """The endpoints, with the methods that each has."""

    DISCOVERY = "discovery"
    ROOT = "root"
    STATUS = "status"
    COLLECTIONS = "collections"
    COLLECTION = "collection"
    MANIFEST = "manifest"
    OBJECTS = "objects"
    OBJECT = "object"
    VERSIONS = "versions"

    @property
    def methods(self) -> tuple[str, ...]:
        """Beside OPTIONS, which all have."""
        if self is Endpoint.OBJECTS:
            return (*_READ, "POST")
        return (*_READ, "DELETE") if self is Endpoint.OBJECT else _READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An endpoint with the collection, and the object or status, that the path names; empty where it names none."""

    endpoint: Endpoint
    collection: str = ""
    ident: str = ""

    @property
    def scope(self) -> str:
        """What a cursor of this place is bound to."""
        return f"{self.endpoint.value}/{self.collection}/{self.ident}"


def resolve(path: str) -> Place | None:
    """The place that a path names, or None."""
    parts = [part for part in path.split("/") if part]
    root = [part for part in ROOT_PATH.split("/") if part]
    if len(path) > _PATH_CHARS or parts[:1] != root[:1]:
        return None
    if len(parts) == 1:
        return Place(endpoint=Endpoint.DISCOVERY)
    return _inside(parts[2:]) if parts[:2] == root else None


def _inside(parts: list[str]) -> Place | None:
    match parts:
        case []:
            return Place(endpoint=Endpoint.ROOT)
        case ["status", ident]:
            return Place(endpoint=Endpoint.STATUS, ident=ident)
        case ["collections"]:
            return Place(endpoint=Endpoint.COLLECTIONS)
        case ["collections", collection, *rest]:
            return _of_collection(collection, rest)
    return None


def _of_collection(collection: str, parts: list[str]) -> Place | None:
    match parts:
        case []:
            return Place(endpoint=Endpoint.COLLECTION, collection=collection)
        case [("manifest" | "objects") as what]:
            return Place(endpoint=Endpoint(what), collection=collection)
        case ["objects", ident]:
            return Place(endpoint=Endpoint.OBJECT, collection=collection, ident=ident)
        case ["objects", ident, "versions"]:
            return Place(endpoint=Endpoint.VERSIONS, collection=collection, ident=ident)
    return None
