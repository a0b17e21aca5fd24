"""Tables to take away: the picture and a briefing for who reads them, the trail for auditors; each confirmed.

What its reader may not read is in no table: the rows are computed from what he may read, as those of a page are. The
audit row stands before the first byte leaves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.briefing import Briefing, briefing
from hub.console import taking
from hub.console.asking import act, reader_of
from hub.console.audit_pages import READS as AUDITS
from hub.console.audit_pages import line
from hub.console.context import PictureContext
from hub.console.picture_pages import READS
from hub.desk_members import AuditRow
from hub.picture import SEVERITIES, Reading, View, read_as
from hub.picture.queries import ITEM, filters
from hub.picture.reading import rows
from hub.tables import AUDIT
from port2port.clock import from_ms, to_ms, to_text
from port2port.console import spreadsheet
from port2port.console.app import Section
from port2port.console.pages import page
from port2port.console.people import Person, current, needs, of_member
from port2port.console.roles import Role
from port2port.console.signin.context import SignInAgainError, fields, text
from port2port.console.words import N_
from port2port.sharing import Outlet

EXPORTS: Final = (*READS, Role.AUDITOR, Role.ADMIN)
LONGEST: Final = timedelta(days=92)
ROWS_MOST: Final = 200_000
ROWS_AT_ONCE: Final = 500
WRONG_DAY: Final = N_("Write a day as 2026-11-22.")
WRONG_ORDER: Final = N_("The last day comes before the first.")
TOO_LONG: Final = N_("A file covers at most 92 days.")
AGAIN: Final = N_("Sign in again first: nothing leaves the hub on an old sign-in.")
ITEM_TITLES: Final = ("entry", "received", "by", "kind", "modus", "severity", "marking", "handling", "title")
AUDIT_TITLES: Final = ("time", "event", "member", "who", "about", "from", "facts")
FIRST_YEAR, LAST_YEAR = 2000, 3000
_DAY: Final = timedelta(days=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class ExportPages:
    """Endpoints under /exports, with the confirmation that they and the log ask for."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        return Section(
            name="hub",
            package="hub.console",
            routes=(
                taking.route(self._picture),
                Route("/exports", needs(*EXPORTS)(self.show), name="exports"),
                Route("/exports/picture", needs(*READS)(self.picture), methods=["POST"]),
                Route("/exports/briefing", needs(*READS)(self.briefing), methods=["POST"]),
                Route(
                    "/exports/audit",
                    needs(*AUDITS)(of_member(self._picture.signin.member)(self.audit)),
                    methods=["POST"],
                ),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The forms."""
        return self._page(request, {})

    async def picture(self, request: Request) -> Response:
        """The items of a period, the oldest first."""
        form = await fields(request)
        start, end, wrong = period(form)
        if wrong or not await self._confirmed(request, form, "export.picture"):
            return self._page(request, form, wrong or AGAIN, 422 if wrong else 403)
        view = View(start=start, end=end)
        return spreadsheet.table(self._items(current(request), view), f"picture-{_days(form)}.csv")

    async def briefing(self, request: Request) -> Response:
        """The counts and the statements of a briefing."""
        form = await fields(request)
        start, end, wrong = period(form)
        if wrong or not await self._confirmed(request, form, "export.briefing"):
            return self._page(request, form, wrong or AGAIN, 422 if wrong else 403)
        reader = reader_of(current(request))

        def make(connection: Connection) -> Briefing:
            return briefing(connection, self._picture.audiences, self._picture.log, reader, start=start, end=end)

        made = await self._picture.store.database.read(make)
        return spreadsheet.table(_once(briefing_lines(made)), f"briefing-{_days(form)}-{made.tlp}.csv")

    async def audit(self, request: Request) -> Response:
        """The trail of a period, the oldest first."""
        form = await fields(request)
        start, end, wrong = period(form)
        if wrong or not await self._confirmed(request, form, "export.audit"):
            return self._page(request, form, wrong or AGAIN, 422 if wrong else 403)
        return spreadsheet.table(self._trail(start, end), f"audit-{_days(form)}.csv")

    async def _confirmed(self, request: Request, form: dict[str, str], action: str) -> bool:
        """Written down, once it is confirmed; False where the sign-in is too old."""

        def deed(connection: Connection, _reading: Reading) -> None:
            taking.require(self._picture, connection, request, form)

        try:
            await act(self._picture, request, action, "", deed, first=text(form, "first"), last=text(form, "last"))
        except SignInAgainError:
            return False
        return True

    async def _items(self, person: Person, view: View) -> AsyncIterator[bytes]:
        yield spreadsheet.lines([ITEM_TITLES])
        after, left = -1, ROWS_MOST
        while True:
            found = await self._picture.store.database.read(partial(self._page_of_items, person, view, after))
            if not found:
                return
            if left <= 0:
                yield spreadsheet.lines([(spreadsheet.CUT,)])
                return
            after, left = found[-1][0], left - len(found)
            yield spreadsheet.lines(found)

    def _page_of_items(self, person: Person, view: View, after: int, connection: Connection) -> list[tuple[Any, ...]]:
        picture = self._picture
        reading = read_as(
            connection,
            picture.audiences,
            reader_of(person),
            picture.known_roster(),
            picture.now,
            outlet=Outlet.EXPORT,
        )
        query = sa.select(ITEM).where(*filters(reading, view), ITEM.c.index > after)
        return [_item(row) for row in rows(connection, query.order_by(ITEM.c.index).limit(ROWS_AT_ONCE))]

    async def _trail(self, start: datetime, end: datetime) -> AsyncIterator[bytes]:
        yield spreadsheet.lines([AUDIT_TITLES])
        after, left = 0, ROWS_MOST
        while True:
            found = await self._picture.store.database.read(partial(_page_of_trail, start, end, after))
            if not found:
                return
            if left <= 0:
                yield spreadsheet.lines([(spreadsheet.CUT,)])
                return
            after, left = found[-1][0], left - len(found)
            yield spreadsheet.lines(cells for _, cells in found)

    def _page(self, request: Request, form: dict[str, str], wrong: str = "", status: int = 200) -> Response:
        person, today = current(request), self._picture.now.astimezone(UTC).date()
        return page(
            request,
            "hub/exports.html",
            status=status,
            wrong=wrong,
            first=text(form, "first") or str(today - timedelta(days=6)),
            last=text(form, "last") or str(today),
            may_read=person.has(*READS),
            may_audit=person.has(*AUDITS) and person.member == self._picture.signin.member,
        )


def briefing_lines(made: Briefing) -> bytes:
    """A briefing as one table: what each line is about stands first."""
    weeks = len(made.by_modus[0].earlier) if made.by_modus else 0
    head: list[tuple[object, ...]] = [
        ("briefing", made.start, made.end, made.audience, made.tlp, made.total),
        ("log", made.size, made.root),
        ("counts", "name", "period", *(f"{week + 1} weeks before" for week in range(weeks))),
    ]
    counts = [("modus", one.name, one.count, *one.earlier) for one in made.by_modus]
    counts += [("port", one.name, one.count, *one.earlier) for one in made.by_port]
    titles = [("statement", "entry", "received", "by", "kind", "modus", "severity", "marking", "title")]
    items = [
        ("statement", one.index, one.at, one.issuer, one.kind, one.modus, one.severity, one.tlp, one.title)
        for one in made.items
    ]
    return spreadsheet.lines([*head, *counts, *titles, *items])


def period(form: dict[str, str]) -> tuple[datetime, datetime, str]:
    """From the beginning of the first day to the end of the last, in UTC, and what is wrong with them."""
    try:
        start, end = (datetime.strptime(text(form, name), "%Y-%m-%d").replace(tzinfo=UTC) for name in ("first", "last"))
    except ValueError:
        return _NEVER, _NEVER, WRONG_DAY
    if end < start:
        return start, end, WRONG_ORDER
    if not FIRST_YEAR <= start.year <= end.year < LAST_YEAR:
        return _NEVER, _NEVER, WRONG_DAY
    if end - start >= LONGEST:
        return start, end, TOO_LONG
    return start, end + _DAY, ""


def _days(form: dict[str, str]) -> str:
    return f"{text(form, 'first')}-{text(form, 'last')}"


def _item(row: Any) -> tuple[Any, ...]:
    return (
        row.index,
        to_text(from_ms(row.received_ms)),
        row.issuer,
        row.kind,
        row.modus,
        SEVERITIES[row.severity],
        row.tlp,
        row.handling or "",
        row.title,
    )


def _page_of_trail(
    start: datetime, end: datetime, after: int, connection: Connection
) -> list[tuple[int, tuple[object, ...]]]:
    query = (
        sa.select(AUDIT)
        .where(AUDIT.c.id > after, AUDIT.c.at_ms >= to_ms(start), AUDIT.c.at_ms < to_ms(end))
        .order_by(AUDIT.c.id)
        .limit(ROWS_AT_ONCE)
    )
    return [(row.id, _cells(row)) for row in rows(connection, query)]


def _cells(row: Any) -> tuple[object, ...]:
    facts = orjson.loads(row.facts)
    said = line(AuditRow(at=from_ms(row.at_ms), event=row.event, member=row.member, facts=facts))
    return (to_text(said.at), said.event, said.member, said.who, said.subject, said.where, said.more)


async def _once(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk
