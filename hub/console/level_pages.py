"""The security levels: what is in force, coming, replaced or disputed, and live who has acknowledged each change.

A level is set by its authority, at that authority's own desk, with two officers' signatures: here it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import levels
from hub import picture as read
from hub.console.asking import ask
from hub.console.context import PictureContext
from hub.console.picture_pages import READS
from hub.levels import Acknowledgement
from hub.picture import LevelNow, Reading
from port2port.console.app import Section
from port2port.console.pages import Tab, fragment, page
from port2port.console.people import Person, needs
from port2port.console.words import N_
from port2port.levels import Standing
from port2port.sharing import member_reader

TAB: Final = Tab(path="/levels", label=N_("Security levels"), icon="shield", key="v", roles=frozenset(READS))
TOPIC: Final = "levels"
LOOK_S: Final = 2.0
SHOWN: Final = 100
MARKS: Final = {
    Standing.IN_FORCE: ("ok", N_("in force")),
    Standing.COMING: ("wait", N_("announced")),
    Standing.REPLACED: ("off", N_("replaced")),
    Standing.DISPUTED: ("bad", N_("disputed, never in force")),
}
ASKED: Final = frozenset({Standing.IN_FORCE, Standing.COMING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One change. ``whole`` where the reader sees every member's answer; ``missing`` only while it stands."""

    change: LevelNow
    seen: tuple[Acknowledgement, ...]
    missing: tuple[Acknowledgement, ...]
    whole: bool
    asked: int


class LevelPages:
    """Endpoints under /levels."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads = needs(*READS)
        return Section(
            name="hub",
            package="hub.console",
            tabs=(TAB,),
            routes=(Route("/levels", reads(self.show)), Route("/levels/now", reads(self.now))),
        )

    async def show(self, request: Request) -> Response:
        """The page."""
        return page(request, "hub/levels.html", **await ask(self._picture, request, _facts))

    async def now(self, request: Request) -> Response:
        """The same without the frame, when a level or an answer has changed."""
        return fragment(request, "hub/_levels.html", **await ask(self._picture, request, _facts))


async def tell(picture: PictureContext) -> None:
    """Tell open pages when an announced level comes into force; until cancelled. Answers are told by the picture."""
    before: tuple[tuple[int, Standing], ...] | None = None
    while True:
        if picture.live.readers and picture.roster() is not None:
            found = await picture.store.database.read(lambda c: standing(picture, c))
            if before is not None and before != found:
                picture.live.publish(TOPIC, "changed", {}, to=may_hear)
            before = found
        await picture.clock.sleep(LOOK_S)


def standing(picture: PictureContext, connection: Connection) -> tuple[tuple[int, Standing], ...]:
    """Where each change stands, as every member may know: levels are for all."""
    member = next(iter(sorted(picture.known_roster().members())), "")
    reader = member_reader(member)
    reading = read.read_as(connection, picture.audiences, reader, picture.known_roster(), picture.now)
    return tuple((one.index, one.standing) for one in read.level_changes(connection, reading))


def may_hear(person: Person) -> bool:
    """Who may open the page."""
    return person.has(*READS)


def _facts(connection: Connection, reading: Reading) -> dict[str, Any]:
    changes = read.level_changes(connection, reading)
    kept = [one for number, one in enumerate(reversed(changes)) if number < SHOWN or one.standing in ASKED]
    return {
        "rows": [_row(connection, reading, one) for one in kept],
        "in_force": sorted(read.levels_now(connection, reading).values(), key=lambda one: one.locode),
        "coming": sorted((one for one in kept if one.standing is Standing.COMING), key=lambda one: one.since),
        "authorities": sorted(reading.roster.level_authorities.items()),
        "name_of": reading.name_of,
        "marks": MARKS,
    }


def _row(connection: Connection, reading: Reading, change: LevelNow) -> Row:
    answers = levels.acknowledgements(connection, reading, change.index)
    return Row(
        change=change,
        seen=levels.seen(answers),
        missing=levels.missing(answers) if change.standing in ASKED else (),
        whole=all(one.known for one in answers),
        asked=sum(one.owed for one in answers),
    )
