"""What still waits for a decision, on every page: a count that sounds until an officer says that he has it.

An acknowledgement is of this very item, by a pseudonym, and stands in the audit trail. It is kept in memory: after a
restart the desk rather sounds once more.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import hits
from node.console import desk_queue
from node.console.context import DeskContext
from port2port.console.app import Section
from port2port.console.pages import fragment
from port2port.console.people import current, needs, safe_next
from port2port.console.roles import Role

ACTS: Final = (Role.OFFICER, Role.APPROVER)
READS: Final = (Role.VIEWER, *ACTS)
TOPIC: Final = "alarm"
_MOST: Final = 20_000
_IDS: Final = 500  # in one acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that needs a decision, ``since`` a time."""

    id: str
    since: datetime


def waiting(connection: Connection, now: datetime) -> list[Waiting]:
    """All that needs a decision, the oldest first: what is on the desk, and hits without an answer."""
    found = [Waiting(id=item.id, since=item.at) for item in desk_queue.load(connection).decide]
    found += [
        Waiting(id=f"hit-{hit.id}", since=hit.sighted.window.first_seen) for hit in hits.undecided(connection, now)
    ]
    return sorted(found, key=lambda one: (one.since, one.id))


class AlarmPages:
    """Endpoints under /alarm."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._known: OrderedDict[str, str] = OrderedDict()  # item: who has it

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
        found = await desk.store.read(lambda c: waiting(c, desk.now))
        loud = [one for one in found if one.id not in self._known]
        return fragment(
            request,
            "node/_alarm.html",
            waiting=found,
            loud=loud,
            since=loud[0].since if loud else None,
            may_act=current(request).has(*ACTS) and not current(request).display,
        )

    async def seen(self, request: Request) -> Response:
        """An officer has these items; what came after his page was written goes on sounding."""
        desk, person = self._desk, current(request)
        async with request.form() as form:
            named = [str(value)[:200] for value in form.getlist("item")[:_IDS]]
            back = safe_next(str(form.get("next", "/")))

        def action(connection: Connection) -> list[str]:
            there = {one.id for one in waiting(connection, desk.now)}
            taken = [one for one in named if one in there and one not in self._known]
            desk.signin.note(connection, request, "alarm-acknowledged", "", items=[*taken])
            return taken

        for one in await desk.store.write(action):
            self._known[one] = person.pseudonym
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        desk.live.publish(TOPIC, "changed", {})
        return await self.show(request) if request.headers.get("HX-Request") else RedirectResponse(back, 303)
