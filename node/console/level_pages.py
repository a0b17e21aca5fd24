"""Security levels at the desk: in the frame of every page, a page of their own, and where the authority sits a form.

A level is set by an act like any other: frozen, signed by two officers, published. The page that does it exists only at
the desk of a member that the roster names as the authority of a place.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import act_store, desk_items, levels
from node.acts import asked as asking
from node.acts import preparing
from node.console import level_view
from node.console.context import DeskContext
from node.console.desk_pages import asked_of, may_see, tell
from node.console.level_view import Looker
from node.drafts import Proposal
from node.duty import Rota, RotaError
from node.publish import draft_statement, log_seen
from port2port.console.app import Section
from port2port.console.pages import fragment, page, wording
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.told import told
from port2port.errors import ConflictError, MalformedError, NotFoundError, Port2PortError
from port2port.tlp import Tlp

ACTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *ACTS)
TOPIC: Final = "levels"
LOOK_S: Final = 2.0
_MOST_READ: Final = 100  # in one acknowledgement
_INDEX_CHARS: Final = 15


class LevelPages:
    """Endpoints under /levels."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._zone = ZoneInfo(desk.console.zone)

    def section(self) -> Section:
        """The room; the frame of every page leads to it."""
        reads, sets = needs(*READS), needs(Role.APPROVER)
        return Section(
            name="node",
            package="node.console",
            routes=(
                Route("/levels", reads(self.show), name="levels"),
                Route("/levels/now", reads(self.now)),
                Route("/levels/banner", reads(self.banner)),
                Route("/levels/read", needs(*ACTS)(self.read), methods=["POST"]),
                Route("/levels/set", sets(self.form)),
                Route("/levels/set", sets(self.freeze), methods=["POST"]),
            ),
        )

    # --- reading ------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page."""
        return page(request, "node/levels.html", **await self._board(request))

    async def now(self, request: Request) -> Response:
        """The same without the frame, when something has changed."""
        return fragment(request, "node/_levels.html", **await self._board(request))

    async def banner(self, request: Request) -> Response:
        """The level in force here, for the bar of every page."""
        desk = self._desk
        roster = desk.roster()
        if roster is None:
            return fragment(request, "node/_level_banner.html", banner=None)
        who = Looker(roster=roster, member=desk.member, officer=current(request).pseudonym, now=desk.now)
        found = await desk.store.read(lambda c: level_view.banner(c, who))
        return fragment(
            request,
            "node/_level_banner.html",
            banner=found,
            names=level_view.NAMES,
            icons=level_view.ICONS,
            is_today=lambda at: at.astimezone(self._zone).date() == desk.now.astimezone(self._zone).date(),
            may_act=_may_act(current(request)),
        )

    async def read(self, request: Request) -> Response:
        """This officer has read these changes; the authority is told that somebody here has."""
        desk, person = self._desk, current(request)
        async with request.form() as form:
            indices = _indices(form)

        def action(connection: Connection) -> None:
            new = levels.read(connection, indices, person.pseudonym, desk.now)
            waiting = {item.id for item in desk_items.items(connection, desk.now).needs_decision}
            for index in new:
                if (item_id := f"{desk_items.LEVEL}-{index}") in waiting:
                    desk_items.acknowledge(connection, item_id, person.pseudonym, desk.now)
            desk.signin.note(connection, request, "levels-read", "", entries=[*new])

        await desk.store.write(action)
        self._told()
        return RedirectResponse("/levels", 303)

    # --- setting ------------------------------------------------------------------------------------------------

    async def form(self, request: Request) -> Response:
        """The form, at the desk of an authority."""
        return await self._form_page(request)

    async def freeze(self, request: Request) -> Response:
        """Freeze what is to be said; two officers sign it on the next page."""
        desk = self._desk
        places = self._require_authority()
        async with request.form() as form:
            asked = level_view.asked_levels(form, places, desk.now, self._zone)
            if asked.wrong:
                return await self._form_page(request, form=form, wrong=asked.wrong, status=422)

            def action(connection: Connection) -> act_store.Prepared:
                made = preparing.set_levels(connection, desk.author, asked.levels, asked.tlp, asked_of(desk, request))
                desk.signin.note(connection, request, "act-prepared", made.subject, act=made.id, kind=made.kind)
                return made

            try:
                act: act_store.Prepared = await desk.store.write(action)
            except Port2PortError as error:
                status = 409 if isinstance(error, ConflictError) else 403
                return await self._form_page(request, form=form, error=error, status=status)
        tell(desk)
        return RedirectResponse(f"/acts/{act.id}", 303)

    def _require_authority(self) -> tuple[str, ...]:
        """The places whose level this member sets. Raises NotFoundError: at other desks there is no such page."""
        found = levels.places_of(self._desk.known_roster(), self._desk.member)
        if not found:
            raise NotFoundError("there is no such page")
        return found

    async def _form_page(
        self,
        request: Request,
        *,
        form: FormData | None = None,
        wrong: Any = None,
        error: Port2PortError | None = None,
        status: int = 200,
    ) -> Response:
        desk = self._desk
        places = self._require_authority()
        roster, today = desk.known_roster(), desk.now.astimezone(self._zone)
        board = await self._board(request)
        seen = await desk.store.read(log_seen)
        said = Proposal(kind="level", objects=(), tlp=Tlp.GREEN)
        bare = draft_statement(desk.member, said, roster, now=desk.now, seen=seen)
        return page(
            request,
            "node/level_set.html",
            status,
            places=places,
            given=form or {},
            chosen=form.getlist("port") if form else [],
            wrong=wrong or {},
            error="" if error is None else told(error, wording(request)),
            today=today.date().isoformat(),
            readers=[roster.member_table[str(one)].name for one in asking.readers_of([bare], roster)],
            standing_here={one.level.locode: one for one in board["board"].in_force},
            coming=[one for one in board["board"].coming if one.level.locode in places],
            names=level_view.NAMES,
            icons=level_view.ICONS,
        )

    async def _board(self, request: Request) -> dict[str, Any]:
        desk, person = self._desk, current(request)
        roster, rota = desk.known_roster(), await self._rota()
        who = Looker(roster=roster, member=desk.member, officer=person.pseudonym, now=desk.now)
        board = await desk.store.read(lambda c: level_view.load(c, who, rota))
        return {
            "board": board,
            "names": level_view.NAMES,
            "icons": level_view.ICONS,
            "standings": level_view.STANDINGS,
            "name_of": lambda member: member if member not in roster.member_table else roster.member_table[member].name,
            "may_act": _may_act(person),
            "may_set": person.has(Role.APPROVER) and bool(levels.places_of(roster, desk.member)),
            "by_rota": rota is not None,
        }

    async def _rota(self) -> Rota | None:
        try:
            return await asyncio.to_thread(self._desk.rota)
        except RotaError:
            return None

    def _told(self) -> None:
        tell(self._desk)
        self._desk.live.publish(TOPIC, "changed", {}, to=may_see)


async def feed(desk: DeskContext) -> None:
    """Tell open pages when a level changes, is read, or comes into force; until cancelled."""
    before = ""
    while True:
        if desk.live.readers:
            now = await desk.store.read(lambda c: level_view.fingerprint(c, desk.now))
            if before not in {"", now}:
                desk.live.publish(TOPIC, "changed", {}, to=may_see)
            before = now
        await desk.clock.sleep(LOOK_S)


def _may_act(person: Person) -> bool:
    return person.has(*ACTS) and not person.display


def _indices(form: FormData) -> list[int]:
    """The log indices of an acknowledgement. Raises MalformedError."""
    said = form.getlist("entry")[:_MOST_READ]
    found = [one for one in said if isinstance(one, str) and one.isascii() and one.isdecimal()]
    if len(found) != len(said) or any(len(one) > _INDEX_CHARS for one in found):
        raise MalformedError("this is no entry of the log")
    return [int(one) for one in found]
