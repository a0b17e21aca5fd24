"""What the HTTP side asks of the collections: one transaction at a time, one principal at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.engine import Connection

from hub.taxii.model import Collection, Filters, Page, Position, Principal, Status
from hub.taxii.posting import Prepared
from port2port.roster import Roster
from port2port.stix.validate import ValidObject

Validate = Callable[[bytes], ValidObject]


class Shelf(Protocol):
    """The collections as principals see them. What one may not see is not there, whatever is asked."""

    def roster(self) -> Roster:
        """The roster of this moment. Raises UnavailableError before there is one."""
        ...

    def collections(self, principal: Principal) -> tuple[Collection, ...]:
        """Those that exist for the principal."""
        ...

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
        """The items behind ``after`` in the order of their dates, at most ``limit``."""
        ...

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
        """The versions of one object, without their bytes."""
        ...

    def prepare(self, objects: Sequence[bytes]) -> tuple[Prepared, ...]:
        """Validate what was posted, each object by itself; it takes its time, and no transaction."""
        ...

    def post(
        self,
        connection: Connection,
        principal: Principal,
        collection: Collection,
        objects: Sequence[Prepared],
        *,
        now_ms: int,
    ) -> Status:
        """Take in what is valid of what was posted; a writing transaction."""
        ...

    def status(self, connection: Connection, principal: Principal, collection: Collection, ident: str) -> Status | None:
        """The outcome of an earlier POST of this principal."""
        ...

    def delete(
        self, connection: Connection, principal: Principal, collection: Collection, stix_id: str, filters: Filters
    ) -> int:
        """Take versions of an object out of a collection; how many that were."""
        ...
