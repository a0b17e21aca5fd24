"""Collections without a log: objects are added to visibility classes by hand, with the product's own writer and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import Audiences, class_key
from hub.tables import VISIBILITY, HubRow
from hub.taxii import store
from hub.taxii.adding import Addition, Batch, digest_of, lock
from hub.taxii.catalogue import collection_id, number_of
from hub.taxii.model import Collection, Filters, Kind, Page, Position, Principal
from hub.taxii_tables import TAXII_HEAD
from port2port.database import make_engine, read, write
from port2port.sharing import Audience, Outlet, member_reader
from port2port.tlp import Tlp

EVERYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Members:
    """A roster of which only names matter."""

    names: frozenset[str]

    def is_member(self, member: str) -> bool:
        return member in self.names

    def members(self) -> frozenset[str]:
        return self.names

    def group(self, name: str, version: int) -> None:
        return None

    def affiliate(self, affiliate: str) -> None:
        return None


def principal(name: str) -> Principal:
    return Principal(name=name, member=name, reader=member_reader(name), outlet=Outlet.TAXII)


def shared() -> Collection:
    """A collection that everybody may open."""
    ident = collection_id("00" * 32, Kind.TOPIC, "vessels")
    return Collection(
        id=ident, kind=Kind.TOPIC, key="vessels", title="", description="", can_read=True, can_write=False
    )


@dataclass(slots=True)
class World:
    """One collection, classes for sets of members, and a clock in milliseconds that the caller moves."""

    members: Sequence[str] = ("a", "b")
    url: str = "sqlite://"
    now_ms: int = 1_800_000_000_000
    roster: Any = field(init=False)
    engine: sa.Engine = field(init=False)
    audiences: Audiences = field(init=False, default_factory=Audiences)
    collection: Collection = field(init=False, default_factory=shared)
    _classes: dict[tuple[str, ...], int] = field(init=False, default_factory=dict)
    _numbers: Iterator[int] = field(init=False, default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.roster = Members(frozenset({*self.members, "issuer", "other"}))
        self.engine = make_engine(self.url)
        names = ["visibility", *(name for name in HubRow.metadata.tables if name.startswith("taxii_"))]
        HubRow.metadata.create_all(self.engine, tables=[HubRow.metadata.tables[name] for name in names])
        start = {"id": 0, "next": 0, "root": b"", "horizon_us": 0, "witnessed": 0, "posted": 0}
        write(self.engine, lambda c: c.execute(TAXII_HEAD.insert(), [start]))

    @classmethod
    def beside(cls, world: World, *, first: int) -> World:
        """Another process on the same database, whose numbers begin at ``first``."""
        made = cls.__new__(cls)
        for name in ("members", "url", "now_ms", "roster", "collection"):
            setattr(made, name, getattr(world, name))
        made.audiences, made._classes, made._numbers = Audiences(), {}, count(first)
        made.engine = make_engine(world.url)
        return made

    def close(self) -> None:
        self.engine.dispose()

    def class_of(self, connection: Connection, readers: tuple[str, ...], issuer: str = "issuer") -> int:
        """The class that exactly these members (and its issuer) read."""
        key = class_key(Audience(issuer=issuer, kind="publish", tlp=Tlp.AMBER, recipients=readers))
        digest = sha256(key.encode()).digest()
        found = connection.execute(sa.select(VISIBILITY.c.id).where(VISIBILITY.c.digest == digest)).scalar()
        if found is None:
            found = (connection.execute(sa.select(sa.func.max(VISIBILITY.c.id))).scalar() or 0) + 1
            connection.execute(VISIBILITY.insert(), [{"id": found, "digest": digest, "key": key}])
        return int(found)

    def fold(self, objects: Sequence[tuple[tuple[str, ...], str]], *, issuer: str = "issuer", version: int = 1) -> None:
        """One transaction that adds (readers, name) each, and serves readers up to its moment."""
        write(self.engine, lambda c: self._fold(c, objects, issuer, version))

    def _fold(self, connection: Connection, objects: Sequence[Any], issuer: str, version: int) -> None:
        head = lock(connection, self.now_ms)
        batch = Batch(connection, head.moment_us)
        made = []
        for readers, name in objects:
            raw = f'{{"name":"{name}","of":"{issuer}","version":{version}}}'.encode()
            made.append((self._addition(connection, readers, name, issuer, version, raw), raw))
        batch.prepare(one for one, _ in made)
        for one, raw in made:
            batch.add(one, raw)
        batch.write()
        connection.execute(TAXII_HEAD.update().values(horizon_us=head.moment_us))

    def _addition(self, connection: Connection, readers: Any, name: str, issuer: str, version: int, raw: bytes) -> Any:
        key = (issuer, *readers)
        if key not in self._classes:
            self._classes[key] = self.class_of(connection, readers, issuer)
        return Addition(
            collection=number_of(self.collection.id),
            visibility=self._classes[key],
            issuer=issuer,
            kind=name.partition("-")[0],
            stix_id=name,
            version=f"2026-01-01T00:00:00.{version:03d}Z",
            version_us=1_767_225_600_000_000 + version * 1_000,
            digest=digest_of(raw),
            body=next(self._numbers),
        )

    def page(
        self, reader: str, *, filters: Filters = EVERYTHING, after: Position | None = None, limit: int = 100
    ) -> Page:
        given = (self.audiences, self.roster, principal(reader), self.collection, filters)
        return read(self.engine, lambda c: store.page(c, *given, after=after, limit=limit))

    def names(self, reader: str, **more: Any) -> list[str]:
        return [item.stix_id for item in self.page(reader, **more).items]
