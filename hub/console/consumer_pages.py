"""The systems that read through TAXII: whose they are, until when, how far they came, and what is kept from them.

A member's people see their own systems whole. The operator's administrators see that the others exist, and how each
may read; what was given to them, and kept from them, is their own member's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import consumers
from hub.console.asking import ask
from hub.console.context import PictureContext
from hub.consumers import Consumer
from hub.consumers.use import networks_used
from hub.picture import Reading
from hub.taxii import catalogue
from hub.taxii.doors import principal_of
from hub.taxii.withheld import withheld
from port2port.clock import EPOCH, from_ms, to_ms
from port2port.console.app import Section
from port2port.console.pages import page
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.words import N_
from port2port.errors import NotFoundError, NotMemberError

READS: Final = tuple(Role)
IN_FORCE: Final = N_("in force")
ENDED: Final = N_("ended")
REVOKED: Final = N_("revoked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A system in the list. ``polled`` is None where it never asked, or where that is not the reader's business."""

    consumer: Consumer
    state: str
    until: datetime
    ours: bool
    polled: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How far a system came in one collection. ``cursor`` is the date of the last object that it was given."""

    title: str
    polled: datetime
    cursor: datetime | None
    delivered: int
    withheld: Mapping[str, int]
    restarted: datetime | None


class ConsumerPages:
    """Endpoints under /consumers."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room; the page of members leads to it."""
        reads = needs(*READS)
        routes = (
            Route("/consumers", reads(self.show), name="consumers"),
            Route("/consumers/{consumer}", reads(self.one)),
        )
        return Section(name="hub", package="hub.console", routes=routes)

    async def show(self, request: Request) -> Response:
        """Those of the person's member, or all."""
        person = current(request)
        member = None if self._sees_all(person) else person.member

        def found(connection: Connection, _reading: Reading) -> list[Row]:
            return [self._row(connection, person, one) for one in consumers.consumers(connection, member)]

        return page(request, "hub/consumers.html", rows=await ask(self._picture, request, found))

    async def one(self, request: Request) -> Response:
        """One system. Raises NotFoundError for one of another member, as for one that does not exist."""
        person, name = current(request), request.path_params["consumer"]

        def found(connection: Connection, reading: Reading) -> tuple[Row, list[Line], tuple[str, ...]]:
            consumer = consumers.find(connection, name)
            if consumer.member != person.member and not self._sees_all(person):
                raise NotFoundError("there is no such consumer")
            row = self._row(connection, person, consumer)
            if not row.ours:
                return row, [], ()
            return row, self._lines(connection, reading, consumer), networks_used(connection, name)

        row, lines, networks = await ask(self._picture, request, found)
        return page(request, "hub/consumer.html", row=row, lines=lines, networks=networks)

    def _sees_all(self, person: Person) -> bool:
        return person.member == self._picture.signin.member and person.has(Role.ADMIN)

    def _row(self, connection: Connection, person: Person, consumer: Consumer) -> Row:
        ours = consumer.member == person.member
        polled = [use.polled_ms for use in consumers.uses(connection, consumer.name)] if ours else []
        ended = ENDED if not consumer.in_force(to_ms(self._picture.now)) else IN_FORCE
        return Row(
            consumer=consumer,
            state=ended if consumer.revoked_ms is None else REVOKED,
            until=from_ms(consumer.expires_ms if consumer.revoked_ms is None else consumer.revoked_ms),
            ours=ours,
            polled=from_ms(max(polled)) if polled else None,
        )

    def _lines(self, connection: Connection, reading: Reading, consumer: Consumer) -> list[Line]:
        try:
            principal = principal_of(consumer, reading.roster)
        except NotMemberError:
            return []  # nothing exists for it now
        there = catalogue.collections(self._picture.genesis_hash, reading.roster, principal)
        known = {item.id: item for item in there}
        lines = []
        for use in consumers.uses(connection, consumer.name):
            if use.collection in known:
                collection = known[use.collection]
                kept = withheld(connection, self._picture.audiences, reading.roster, principal, collection)
                lines.append(
                    Line(
                        title=collection.title,
                        polled=from_ms(use.polled_ms),
                        cursor=None if use.cursor_us is None else EPOCH + timedelta(microseconds=use.cursor_us),
                        delivered=use.delivered,
                        withheld=kept,
                        restarted=None if use.restarted_ms is None else from_ms(use.restarted_ms),
                    )
                )
        return lines
