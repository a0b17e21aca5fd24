"""The collections that the log was folded into, as the HTTP side asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.engine import Connection

from hub.audience import Audiences
from hub.taxii import catalogue, store
from hub.taxii.model import Collection, Filters, Page, Position, Principal, Status
from hub.taxii.posting import Prepared
from hub.taxii.shelf import Validate
from port2port.errors import UnavailableError
from port2port.roster import Roster


class LogShelf:
    """Satisfies ``shelf.Shelf``. ``roster`` is asked at every request: who belongs is what it says then."""

    def __init__(
        self, *, genesis_hash: str, audiences: Audiences, roster: Callable[[], Roster | None], validate: Validate
    ) -> None:
        self._genesis_hash = genesis_hash
        self._audiences = audiences
        self._roster = roster
        self._validate = validate

    def roster(self) -> Roster:
        """Raises UnavailableError."""
        found = self._roster()
        if found is None:
            raise UnavailableError("the log has no genesis yet")
        return found

    def collections(self, principal: Principal) -> tuple[Collection, ...]:
        """Those that exist for the principal."""
        return catalogue.collections(self._genesis_hash, self.roster(), principal)

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
        """As ``store.page``."""
        given = (connection, self._audiences, self.roster(), principal, collection, filters)
        return store.page(*given, after=after, limit=limit, with_raw=with_raw)

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
        """As ``store.versions``."""
        given = (connection, self._audiences, self.roster(), principal, collection, filters)
        return store.versions(*given, stix_id=stix_id, after=after, limit=limit)

    def prepare(self, objects: Sequence[bytes]) -> tuple[Prepared, ...]:
        """Validate what was posted, outside of any transaction."""
        return store.prepare(objects, self._validate)

    def post(
        self,
        connection: Connection,
        principal: Principal,
        collection: Collection,
        objects: Sequence[Prepared],
        *,
        now_ms: int,
    ) -> Status:
        """As ``store.put``."""
        return store.put(connection, collection, principal, objects, now_ms=now_ms)

    def status(self, connection: Connection, principal: Principal, collection: Collection, ident: str) -> Status | None:
        """As ``store.status``."""
        return store.status(connection, collection, principal, ident)

    def delete(
        self, connection: Connection, principal: Principal, collection: Collection, stix_id: str, filters: Filters
    ) -> int:
        """As ``store.delete``."""
        return store.delete(connection, collection, principal, stix_id, filters)
