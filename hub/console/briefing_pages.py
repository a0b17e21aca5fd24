"""A briefing that prints.

A briefing's address names its period and the checkpoint it was made from, so that the same address is the same
briefing for the same reader, whatever was logged since.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub.briefing import Briefing, briefing
from hub.console import picture_view
from hub.console.asking import ask, looked_up, reader_of
from hub.console.context import PictureContext
from hub.console.picture_pages import READS
from hub.picture import Reading
from port2port.clock import from_text
from port2port.console.app import Section
from port2port.console.pages import Tab, page
from port2port.console.people import current, needs
from port2port.console.words import N_
from port2port.errors import NotFoundError

BRIEFING_TAB: Final = Tab(path="/briefing", label=N_("Briefing"), icon="file-text", key="b", roles=frozenset(READS))
LONGEST: Final = timedelta(days=92)
WRONG_DAY: Final = N_("Write a day as 2026-11-22.")
WRONG_ORDER: Final = N_("The last day comes before the first.")
TOO_LONG: Final = N_("A briefing covers at most 92 days.")
WRONG_SIZE: Final = N_("The log is not that long, or this is no number.")
FIRST_YEAR, LAST_YEAR = 2000, 3000
_DAY: Final = timedelta(days=1)


class ReadingPages:
    """Endpoints at /briefing."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads = needs(*READS)
        return Section(
            name="hub",
            package="hub.console",
            tabs=(BRIEFING_TAB,),
            routes=(Route("/briefing", reads(self.briefing)),),
        )

    async def briefing(self, request: Request) -> Response:
        """The form, or with a period the briefing itself; without a checkpoint it moves to the address with one."""
        asked = request.query_params
        today = self._picture.now.astimezone(UTC).date()
        first = asked.get("first", "") or str(today - timedelta(days=6))
        last = asked.get("last", "") or str(today)
        period, wrong = _period(first, last)
        if not asked or period is None:
            return page(request, "hub/briefing.html", 200 if not asked else 400, first=first, last=last, wrong=wrong)
        newest = await self._picture.store.database.read(lambda _: self._picture.log.head().next)
        size = asked.get("size", "")
        if not size:
            whole = urlencode({"first": first, "last": last, "size": newest})
            return RedirectResponse(f"/briefing?{whole}", 303)
        if not (size.isascii() and size.isdecimal() and len(size) <= 15 and 0 < int(size) <= newest):
            return page(request, "hub/briefing.html", 400, first=first, last=last, wrong=WRONG_SIZE)
        await looked_up(self._picture, request, "briefing.read", "", first=first, last=last, size=int(size))
        made = await ask(self._picture, request, partial(self._made, current(request), period, int(size)))
        return page(
            request,
            "hub/briefing_made.html",
            made=made,
            first=first,
            last=last,
            names={name: entry.name for name, entry in self._picture.known_roster().member_table.items()},
            start=period[0],
            end=period[1],
            kind_words=picture_view.kind_words,
            at=from_text,
        )

    def _made(
        self, person: Any, period: tuple[datetime, datetime], size: int, connection: Connection, reading: Reading
    ) -> Briefing:
        """As it was with so many entries, for whose member belongs today. Raises NotFoundError."""
        picture = self._picture
        if not reading.roster.is_member(person.member):  # the roster of then would let him read on
            raise NotFoundError("there is nothing to brief about")
        start, end = period
        return briefing(connection, picture.audiences, picture.log, reader_of(person), start=start, end=end, size=size)


def _period(first: str, last: str) -> tuple[tuple[datetime, datetime] | None, str]:
    """From the beginning of the first day to the end of the last, in UTC; or what is wrong with them."""
    try:
        start, end = (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) for day in (first, last))
    except ValueError:
        return None, WRONG_DAY
    if not FIRST_YEAR <= start.year <= end.year + 1 <= LAST_YEAR:
        return None, WRONG_DAY
    if end < start:
        return None, WRONG_ORDER
    if end - start >= LONGEST:
        return None, TOO_LONG
    return (start, end + _DAY), ""
