"""What still waits for a decision, on every page: a count that sounds until an officer says that he has it.

An acknowledgement is of this very item, by a pseudonym, and stands in the audit trail; it ends the sound at every desk
of the port and the messages to the rota, and decides nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import desk_items
from node.console.context import DeskContext
from port2port.console.app import Section
from port2port.console.pages import fragment
from port2port.console.people import Person, current, needs, safe_next
from port2port.console.roles import Role

ACTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *ACTS)
TOPIC: Final = "alarm"
_IDS: Final = 500  # in one acknowledgement


class AlarmPages:
    """Endpoints under /alarm."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        return Section(
            name="node",
            package="node.console",
            routes=(
                Route("/alarm", needs(*READS)(self.show)),
                Route("/alarm/seen", needs(*ACTS)(self.seen), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The count, for the bar of every page."""
        desk = self._desk
        found = (await desk.store.read(lambda c: desk_items.items(c, desk.now))).needs_decision
        loud = [one for one in found if one.sounds]
        return fragment(
            request,
            "node/_alarm.html",
            waiting=found,
            loud=loud,
            since=min((one.since for one in loud), default=None),
            may_act=current(request).has(*ACTS) and not current(request).display,
        )

    async def seen(self, request: Request) -> Response:
        """An officer has these items; what came after his page was written goes on sounding."""
        desk, person = self._desk, current(request)
        async with request.form() as form:
            named = [str(value)[:200] for value in form.getlist("item")[:_IDS]]
            back = safe_next(str(form.get("next", "/")))

        def action(connection: Connection) -> None:
            there = {one.id for one in desk_items.items(connection, desk.now).needs_decision}
            taken = [one for one in named if one in there]
            for one in taken:
                desk_items.acknowledge(connection, one, person.pseudonym, desk.now)
            desk.signin.note(connection, request, "alarm-acknowledged", "", items=[*taken])

        await desk.store.write(action)
        tell(desk)
        return await self.show(request) if request.headers.get("HX-Request") else RedirectResponse(back, 303)


def tell(desk: DeskContext) -> None:
    """Let everybody who has the alarm in the bar of his page ask for it again."""
    desk.live.publish(TOPIC, "changed", {}, to=may_hear)


def may_hear(person: Person) -> bool:
    """Whether the alarm is in the bar of this person's pages."""
    return person.has(*READS)
