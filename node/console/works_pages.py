"""Expected works: what is announced, when it begins to silence, how much it has silenced, and calling it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import works
from node.acts import silencing
from node.console import confirming
from node.console.context import DeskContext
from node.console.desk_pages import asked_of, tell
from node.console.reading import place_named
from port2port.clock import from_ms, to_ms
from port2port.console.app import Section
from port2port.console.pages import page, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import SignInAgainError, fields, text
from port2port.console.told import told
from port2port.console.words import N_
from port2port.errors import MalformedError, NotFoundError, Port2PortError

ACTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *ACTS)
KINDS: Final = {"permit": N_("Permit"), "diving": N_("Diving"), "tow": N_("Tow")}
PHASES: Final = {
    works.Phase.PLANNED: N_("planned"),
    works.Phase.ON: N_("under way"),
    works.Phase.OVER: N_("over"),
    works.Phase.CALLED_OFF: N_("called off"),
}
AGAIN: Final = N_("Sign out and in again first: what silences is confirmed. Nothing was changed.")
WRONG: Final = N_("This cannot be announced like this:")
NO_PLACE: Final = N_("Choose a place of the list, or name a ship.")
BAD_TIME: Final = N_("Give a day and a time, as in 22:00.")


class WorksPages:
    """Endpoints under /works."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._zone = ZoneInfo(desk.console.zone)

    def section(self) -> Section:
        """The room; the page of the shift leads to it."""
        reads, acts, decides = needs(*READS), needs(*ACTS), needs(Role.APPROVER)
        return Section(
            name="node",
            package="node.console",
            routes=(
                Route("/works", reads(self.show), name="works"),
                Route("/works", decides(self.announce), methods=["POST"]),
                Route("/works/call-off", acts(self.call_off), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The list and the form."""
        return await self._page(request)

    async def announce(self, request: Request) -> Response:
        """Prepare announcing works: once they are signed, they silence from their start."""
        desk, form = self._desk, await fields(request)
        starts, ends = self._moment(form, "from"), self._moment(form, "until")
        place = place_named(desk.places, text(form, "where"))
        wrong = {name: BAD_TIME for name, at in (("from", starts), ("until", ends)) if at is None}
        ships = text(form, "ships").replace(",", " ").split()
        if place is None and (text(form, "where").strip() or not ships):
            wrong["where"] = NO_PLACE
        if wrong or starts is None or ends is None:
            return await self._page(request, form=form, wrong=wrong, status=422)

        def action(connection: Connection) -> str:
            work = works.planned(
                kind=text(form, "kind"),
                what=text(form, "what"),
                owner=current(request).pseudonym,
                starts_at=starts,
                ends_at=ends,
                now=desk.now,
                where="" if place is None else place.name,
                places=() if place is None else (place.id,),
                identities=ships,
            )
            act = silencing.expect(connection, desk.author, asked_of(desk, request), work)
            desk.signin.note(connection, request, "act-prepared", work.id, act=act.id, kind=act.kind)
            return f"/acts/{act.id}"

        return await self._changed(request, action, form)

    async def call_off(self, request: Request) -> Response:
        """End works before their time; what they silence speaks again."""
        desk, form = self._desk, await fields(request)

        def action(connection: Connection) -> str:
            key_id = confirming.require(desk, connection, request, form)
            made = works.call_off(
                connection, text(form, "id"), by=current(request).pseudonym, reason=text(form, "reason"), now=desk.now
            )
            desk.signin.note(connection, request, "works-called-off", made.id, key_id=key_id)
            return "/works"

        return await self._changed(request, action, {})

    async def _changed(self, request: Request, action: Callable[[Connection], str], form: dict[str, str]) -> Response:
        try:
            onward = await self._desk.store.write(action)
        except NotFoundError:
            raise
        except SignInAgainError:
            return await self._page(request, form=form, message=AGAIN, status=403)
        except Port2PortError as error:
            return await self._page(request, form=form, message=WRONG, detail=told(error, wording(request)), status=422)
        tell(self._desk)
        return RedirectResponse(onward, 303)

    def _moment(self, form: dict[str, str], name: str) -> datetime | None:
        """A day and a time on the port's clock, as the instant that the clock means first."""
        try:
            day = date.fromisoformat(text(form, f"{name}_day"))
            at = time.fromisoformat(text(form, f"{name}_at"))
            moment = datetime.combine(day, at.replace(tzinfo=None), self._zone).astimezone(self._desk.now.tzinfo)
        except (ValueError, OverflowError, MalformedError):
            return None
        return None if at.tzinfo is not None else from_ms(to_ms(moment))

    async def _page(
        self,
        request: Request,
        *,
        form: dict[str, str] | None = None,
        wrong: dict[str, str] | None = None,
        message: str = "",
        detail: str = "",
        status: int = 200,
    ) -> Response:
        now = self._desk.now
        found = await self._desk.store.read(lambda c: works.listed(c, now))
        today = now.astimezone(self._zone).date().isoformat()
        return page(
            request,
            "node/works.html",
            status,
            found=found,
            kinds=KINDS,
            phases=PHASES,
            places=[place.name for place in self._desk.places.places],
            form=form or {"from_day": today, "until_day": today},
            wrong=wrong or {},
            message=message,
            detail=detail,
            may_act=current(request).has(*ACTS),
            may_decide=current(request).has(Role.APPROVER),
        )
