"""Collections in memory behind ``hub.taxii.shelf.Shelf``: dates as the store gives them, one for each item.

``hidden`` holds numbers of items that nobody may see, which for a reader is as if they were not there.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy.engine import Connection

from hub.taxii.catalogue import collections
from hub.taxii.model import Collection, Filters, Item, Kind, Page, Position, Posted, Principal, Status
from hub.taxii.parameters import microseconds
from hub.taxii.posting import Prepared
from port2port.errors import UnavailableError
from port2port.roster import Roster

BEGIN_US = 1_790_000_000_000_000
GENESIS = "ab" * 32


def stix(number: int, *, kind: str = "indicator", version: int = 0) -> bytes:
    """A small object; its id follows from the number."""
    ident = uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}/{number}")
    ident = uuid.UUID(bytes=ident.bytes, version=4)
    modified = f"2026-11-22T00:00:{version:02}.000Z"
    body = {"id": f"{kind}--{ident}", "modified": modified, "spec_version": "2.1", "type": kind}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


@dataclass(slots=True)
class FakeShelf:
    """Satisfies ``Shelf``. ``fail`` makes every look into it fail as a database does."""

    now: Roster
    hidden: set[int] = field(default_factory=set)
    fail: Exception | None = None
    seen: list[Principal] = field(default_factory=list)
    _items: dict[str, list[Item]] = field(default_factory=dict)
    _statuses: dict[str, tuple[str, Status]] = field(default_factory=dict)
    _number: int = 0

    def add(self, collection: Collection, *raws: bytes) -> list[Item]:
        """Append objects to a collection, each with the next date."""
        added = []
        for raw in raws:
            self._number += 1
            said = orjson.loads(raw)
            item = Item(
                number=self._number,
                stix_id=said["id"],
                version=said.get("modified", "2026-11-22T00:00:00.000Z"),
                date_us=BEGIN_US + self._number * 1_000,
                raw=raw,
            )
            self._items.setdefault(collection.id, []).append(item)
            added.append(item)
        return added

    def of(self, principal: Principal, kind: Kind, key: str = "") -> Collection:
        """One collection as a principal sees it."""
        return next(item for item in self.collections(principal) if (item.kind, item.key) == (kind, key))

    def roster(self) -> Roster:
        return self.now

    def collections(self, principal: Principal) -> tuple[Collection, ...]:
        if self.fail is not None:
            raise self.fail
        return collections(GENESIS, self.now, principal)

    def page(
        self,
        connection: Connection,
        principal: Principal,
        collection: Collection,
        filters: Filters,
        *,
        after: Position | None,
        limit: int,
        with_raw: bool = True,
    ) -> Page:
        self.seen.append(principal)
        there = [item for item in self._items.get(collection.id, []) if item.number not in self.hidden]
        found = [item for item in _chosen(there, filters.versions) if _fits(item, filters)]
        found = [item for item in found if after is None or (item.date_us, item.number) > (after.date_us, after.number)]
        return _page(found, limit)

    def versions(
        self,
        connection: Connection,
        principal: Principal,
        collection: Collection,
        stix_id: str,
        filters: Filters,
        *,
        after: Position | None,
        limit: int,
    ) -> Page:
        wider = Filters(
            added_after_us=filters.added_after_us,
            ids=frozenset({stix_id}),
            versions=frozenset({"all"}),
            spec_versions=filters.spec_versions,
        )
        return self.page(connection, principal, collection, wider, after=after, limit=limit)

    def prepare(self, objects: Sequence[bytes]) -> tuple[Prepared, ...]:
        return tuple(map(_prepared, objects))

    def post(
        self,
        connection: Connection,
        principal: Principal,
        collection: Collection,
        objects: Sequence[Prepared],
        *,
        now_ms: int,
    ) -> Status:
        self.add(collection, *(one.raw for one in objects if not one.why))
        posted = tuple(Posted(stix_id=one.stix_id, version=one.version, why=one.why) for one in objects)
        status = Status(id=str(uuid.uuid4()), requested_ms=now_ms, objects=posted)
        self._statuses[status.id] = (principal.name, status)
        return status

    def status(self, connection: Connection, principal: Principal, collection: Collection, ident: str) -> Status | None:
        name, found = self._statuses.get(ident, ("", None))
        return found if name == principal.name else None

    def delete(
        self, connection: Connection, principal: Principal, collection: Collection, stix_id: str, filters: Filters
    ) -> int:
        items = self._items.get(collection.id, [])
        kept = [item for item in items if item.stix_id != stix_id]
        self._items[collection.id] = kept
        return len(items) - len(kept)


class NoShelf(FakeShelf):
    """A hub without a log yet."""

    def roster(self) -> Roster:
        raise UnavailableError("no log")


def _prepared(raw: bytes) -> Prepared:
    """What the fake takes for an object: it says its type, its id and its version of STIX."""
    said = orjson.loads(raw)
    known = {name: str(said.get(name, "")) for name in ("id", "type", "modified")} if isinstance(said, dict) else {}
    fine = isinstance(said, dict) and {"type", "id", "spec_version"} <= set(said)
    return Prepared(
        raw=raw,
        stix_id=known.get("id", ""),
        kind=known.get("type", ""),
        version=known.get("modified", ""),
        version_us=0,
        why="" if fine else "no STIX object",
    )


def basic(name: str, secret: str) -> str:
    """The header that a SIEM sends."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _chosen(items: Sequence[Item], versions: frozenset[str]) -> list[Item]:
    """Of each object the versions that are asked for, in the order of their dates."""
    of: dict[str, list[Item]] = {}
    for item in items:
        of.setdefault(item.stix_id, []).append(item)
    asked = versions or frozenset({"last"})
    moments = {microseconds(text) for text in asked - {"first", "last", "all"}}
    chosen = []
    for rows in of.values():
        ordered = sorted(rows, key=lambda item: item.version)
        if "all" in asked:
            chosen += ordered
            continue
        picked = ordered[:1] * ("first" in asked) + ordered[-1:] * ("last" in asked)
        chosen += dict.fromkeys([*picked, *(item for item in ordered if microseconds(item.version) in moments)])
    return sorted(chosen, key=lambda item: (item.date_us, item.number))


def _fits(item: Item, filters: Filters) -> bool:
    kind = item.stix_id.partition("--")[0]
    return (
        (filters.added_after_us is None or item.date_us > filters.added_after_us)
        and (not filters.ids or item.stix_id in filters.ids)
        and (not filters.types or kind in filters.types)
        and (not filters.spec_versions or "2.1" in filters.spec_versions)
    )


def _page(found: list[Item], limit: int) -> Page:
    items = tuple(found[:limit])
    end = Position(date_us=items[-1].date_us, number=items[-1].number) if items else None
    return Page(items=items, more=len(found) > limit, end=end)
