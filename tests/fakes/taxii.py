"""A log with a few ports' entries, folded into TAXII collections, on one database without a wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.engine import Connection

from hub.taxii import store
from hub.taxii.catalogue import collections
from hub.taxii.fold import Folded, Folding, fold, rebuild
from hub.taxii.model import Collection, Filters, Kind, Page, Position, Principal
from port2port.clock import to_ms
from port2port.roster import Roster
from port2port.sharing import Outlet, Reader, affiliate_reader, consumer_reader, member_reader
from port2port.tlp import Tlp
from tests.fakes.federation import Federation
from tests.fakes.picture import PictureDesk, picture_desk

EVERYTHING = Filters()


def member(name: str) -> Principal:
    """A member by its certificate."""
    return Principal(name=name, member=name, reader=member_reader(name), outlet=Outlet.TAXII)


def consumer(name: str, of: str, *, ceiling: Tlp = Tlp.GREEN, purpose: str | None = None) -> Principal:
    """A member's SIEM."""
    reader: Reader = consumer_reader(of, ceiling=ceiling)
    return Principal(name=name, member=of, reader=reader, outlet=Outlet.TAXII, purpose=purpose)


def terminal(affiliate: str, of: str) -> Principal:
    """A facility's own system."""
    return Principal(
        name=affiliate, member=of, reader=affiliate_reader(affiliate), outlet=Outlet.TAXII, affiliate=affiliate
    )


@dataclass(slots=True, kw_only=True)
class TaxiiDesk:
    """The hub's log and its collections."""

    desk: PictureDesk
    folding: Folding
    _last: Folded | None = field(default=None, init=False)

    @property
    def fed(self) -> Federation:
        return self.desk.fed

    @property
    def now_ms(self) -> int:
        return to_ms(self.fed.clock.now())

    def log(self, raws: Sequence[bytes], by: str = "beanr") -> list[int]:
        """Log entries, and fold them a while later, until all that is dated is served."""
        indices = self.desk.admit(raws, by)
        self.fold()
        return indices

    def fold(self, seconds: float = 5.0) -> None:
        """Fold as the keeper would, letting time pass until nothing is left."""
        while True:
            folded = self.desk.store.database.write_now(lambda c: fold(c, self.folding, self.now_ms))
            if not folded.worked and not folded.ahead_us:
                break
            self.fed.clock.advance(0.05)
        self.fed.clock.advance(seconds)

    def rebuild(self) -> int:
        return self.desk.store.database.write_now(lambda c: rebuild(c, self.folding, self.now_ms))

    def roster(self, connection: Connection) -> Roster:
        roster = self.desk._roster_at(connection).roster
        assert roster is not None
        return roster

    def catalogue(self, principal: Principal) -> dict[tuple[Kind, str], Collection]:
        """The collections of a principal by what they are about."""

        def ask(connection: Connection) -> tuple[Collection, ...]:
            return collections(self.folding.genesis_hash, self.roster(connection), principal)

        return {(one.kind, one.key): one for one in self.desk.store.database.read_now(ask)}

    def collection(self, principal: Principal, kind: Kind, key: str = "") -> Collection:
        return self.catalogue(principal)[kind, key]

    def page(
        self,
        principal: Principal,
        kind: Kind,
        key: str = "",
        *,
        filters: Filters = EVERYTHING,
        after: Position | None = None,
        limit: int = 100,
    ) -> Page:
        """One page of a collection."""
        found = self.collection(principal, kind, key)

        def ask(connection: Connection) -> Page:
            given = (self.desk.audiences, self.roster(connection), principal, found, filters)
            return store.page(connection, *given, after=after, limit=limit)

        return self.desk.store.database.read_now(ask)

    def objects(self, principal: Principal, kind: Kind, key: str = "", **more: Any) -> list[dict[str, Any]]:
        """The objects of the first page, parsed, without those that the hub says beside them."""
        return [orjson.loads(item.raw) for item in self.page(principal, kind, key, **more).items]

    def names(self, principal: Principal, kind: Kind, key: str = "", **more: Any) -> list[str]:
        return [one.get("name", one["type"]) for one in self.objects(principal, kind, key, **more)]

    def close(self) -> None:
        self.desk.store.close()


def taxii_desk(fed: Federation, url: str, founding: Sequence[bytes] | None = None) -> TaxiiDesk:
    """A founded federation whose collections are folded."""
    desk = picture_desk(fed, url, founding)
    made = TaxiiDesk(desk=desk, folding=Folding(genesis_hash=fed.genesis_hash, federation=fed.name))
    made.fold()
    return made
