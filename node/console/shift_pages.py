"""The change of shift on one page that also prints: what has happened, what waits, who is silenced, who accepted."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import review, shifts
from node.console import watch_view, works_pages
from node.console.context import DeskContext
from node.shifts import ShiftError
from port2port.console.app import Section
from port2port.console.pages import Tab, page
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import MalformedError

ACTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *ACTS)
TAB: Final = Tab(path="/shift", label=N_("Shift"), icon="clock", key="h", roles=frozenset(READS))
TOO_LONG: Final = N_("At most 20 lines of 500 characters each. Nothing was handed over.")
ANOTHER: Final = N_("Another officer accepts what you hand over. Sign him in at this desk.")
_LINES_CHARS: Final = 12_000


class ShiftPages:
    """Endpoints under /shift."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        reads, acts = needs(*READS), needs(*ACTS)
        return Section(
            name="node",
            package="node.console",
            tabs=(TAB,),
            routes=(
                Route("/shift", reads(self.show), name="shift"),
                Route("/shift/hand-over", acts(self.hand_over), methods=["POST"]),
                Route("/shift/accept", acts(self.accept), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def hand_over(self, request: Request) -> Response:
        """Keep the page as it stands, with the outgoing officer's lines."""
        desk, form = self._desk, await fields(request)
        said = text(form, "lines", _LINES_CHARS)

        def action(connection: Connection) -> None:
            now = desk.now
            shown = shifts.page(connection, current(request).pseudonym, desk.roster(), now)
            made = shifts.hand_over(connection, shown, said.splitlines(), now=now)
            desk.signin.note(connection, request, "shift-hand-over", f"shift:{made.id}")

        try:
            await desk.store.write(action)
        except ShiftError:
            return await self._page(request, message=TOO_LONG, lines=said, status=422)
        return RedirectResponse("/shift", 303)

    async def accept(self, request: Request) -> Response:
        """The incoming officer has read it."""
        desk, form = self._desk, await fields(request)
        number = text(form, "handover")
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise MalformedError("there is no such hand-over")

        def action(connection: Connection) -> None:
            made = shifts.accept(connection, int(number), incoming=current(request).pseudonym, now=desk.now)
            desk.signin.note(connection, request, "shift-accept", f"shift:{made.id}")

        try:
            await desk.store.write(action)
        except ShiftError:
            return await self._page(request, message=ANOTHER, status=403)
        return RedirectResponse("/shift", 303)

    async def _page(self, request: Request, *, message: str = "", lines: str = "", status: int = 200) -> Response:
        desk, person, now = self._desk, current(request), self._desk.now
        roster = desk.roster()

        def action(connection: Connection) -> tuple[shifts.Page, list[shifts.Handover]]:
            return shifts.page(connection, person.pseudonym, roster, now), shifts.handovers(connection, limit=5)

        found, before = await desk.store.read(action)
        return page(
            request,
            "node/shift.html",
            status,
            shift=found,
            before=before,
            message=message,
            lines=lines,
            headline=review.headline,
            kinds=works_pages.KINDS,
            phases=works_pages.PHASES,
            path_words=watch_view.path_words,
            name=lambda member: member if roster is None else watch_view.member_name(member, roster),
            may_act=person.has(*ACTS) and not person.display,
        )
