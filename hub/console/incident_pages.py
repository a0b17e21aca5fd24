"""The incident board: what is handled as one, who leads it, how far it is, and which clocks run.

A change names the version of the incident that the page showed: where somebody was faster, the page comes again and
says so, with nothing done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hub import incidents
from hub.console import picture_view
from hub.console.asking import act, ask, looked_up
from hub.console.context import PictureContext
from hub.incidents import IncidentError, IncidentMovedError, Who
from hub.picture import Reading
from port2port.console.app import Section
from port2port.console.pages import Tab, page
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import MalformedError, Port2PortError

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.COORDINATOR)
ACTS: Final = (Role.OFFICER, Role.APPROVER, Role.COORDINATOR)
TAB: Final = Tab(path="/incidents", label=N_("Incidents"), icon="siren", key="i", roles=frozenset(READS))
STATES: Final[Mapping[str, str]] = {
    "open": N_("Open"),
    "acknowledged": N_("Taken on"),
    "contained": N_("Contained"),
    "closed": N_("Closed"),
}
OUTCOMES: Final[Mapping[str, str]] = {
    "true-positive": N_("It was real"),
    "false-positive": N_("It was a false alarm"),
    "exercise": N_("It was an exercise"),
    "duplicate": N_("It was known already"),
    "handed-to-authority": N_("Handed to an authority"),
}
CLOCKS: Final[Mapping[str, str]] = {
    "acknowledge": N_("Take on"),
    "contain": N_("Contain"),
    "nis2-warning": N_("NIS 2 early warning"),
    "nis2-notification": N_("NIS 2 notification"),
    "nis2-final": N_("NIS 2 final report"),
    "gdpr": N_("Data protection authority"),
}
EVENTS: Final[Mapping[str, str]] = {
    "open": N_("opened"),
    "link": N_("added an entry"),
    "unlink": N_("took an entry out"),
    "note": N_("wrote"),
    "acknowledged": N_("took it on"),
    "contained": N_("contained it"),
    "closed": N_("closed it"),
    "lead": N_("took the lead"),
    "offer": N_("offered the lead"),
    "merge": N_("made it part of another incident"),
    "unmerge": N_("made it an incident of its own again"),
    "significant": N_("called it significant under NIS 2"),
    "reported": N_("reported it"),
}
_INDEX_DIGITS: Final = 15
_LONG: Final = incidents.NOTE_CHARS + 1
Deed = Callable[[Connection, Reading, Who, str, dict[str, str]], None]


class IncidentPages:
    """Endpoints under /incidents."""

    def __init__(self, picture: PictureContext) -> None:
        self._picture = picture

    def section(self) -> Section:
        """The room."""
        reads, acts = needs(*READS), needs(*ACTS)
        return Section(
            name="hub",
            package="hub.console",
            tabs=(TAB,),
            routes=(
                Route("/incidents", reads(self.board), name="incidents"),
                Route("/incidents", acts(self.open), methods=["POST"]),
                Route("/incidents/{ident}", reads(self.show)),
                Route("/incidents/{ident}/{deed}", acts(self.change), methods=["POST"]),
            ),
        )

    async def board(self, request: Request) -> Response:
        """All that are not closed, or all."""
        closed = request.query_params.get("closed") == "yes"
        found = await ask(self._picture, request, partial(incidents.board, closed=closed))
        return page(request, "hub/incidents.html", found=found, closed=closed, **_words(current(request)))

    async def show(self, request: Request) -> Response:
        """One incident."""
        ident = request.path_params["ident"]
        answer = await self._shown(request, ident)
        await looked_up(self._picture, request, "incident.read", ident)
        return answer

    async def open(self, request: Request) -> Response:
        """A new incident about one entry or several. Raises MalformedError and NotFoundError."""
        form = await fields(request)
        indices = _numbers(text(form, "row"))
        if not indices:
            raise MalformedError("an incident is about an entry")
        note, who = text(form, "note", _LONG).strip(), _who(current(request))

        def deed(connection: Connection, reading: Reading) -> str:
            ident = incidents.open_incident(connection, reading, who, indices[0], note=note)
            incidents.link(connection, reading, who, ident, indices[1:])
            return ident

        ident = await act(self._picture, request, "incident.open.asked", "", deed, entries=len(indices))
        return RedirectResponse(f"/incidents/{ident}", 303)

    async def change(self, request: Request) -> Response:
        """One step; who was overtaken, or asks for what cannot be, sees the page again with the reason."""
        ident, person = request.path_params["ident"], current(request)
        deed = _DEEDS.get(request.path_params["deed"])
        if deed is None:
            raise MalformedError("there is no such step")
        form = await fields(request)
        version = _one_number(text(form, "version"), 0)

        def change(connection: Connection, reading: Reading) -> None:
            incidents.require_version(incidents.incident(connection, reading, ident), version)
            deed(connection, reading, _who(person), ident, form)

        try:
            await act(self._picture, request, f"incident.{request.path_params['deed']}.asked", ident, change)
        except (IncidentError, IncidentMovedError, MalformedError) as error:
            return await self._shown(request, ident, problem=error)
        return RedirectResponse(f"/incidents/{ident}", 303)

    async def _shown(self, request: Request, ident: str, *, problem: Port2PortError | None = None) -> Response:
        known = await ask(self._picture, request, lambda c, reading: incidents.incident(c, reading, ident))
        return page(
            request,
            "hub/incident.html",
            200 if problem is None else 409,
            one=known,
            mine=_who(current(request)).name,
            problem="" if problem is None else str(problem),
            kind_words=picture_view.kind_words,
            **_words(current(request)),
        )


def _advance(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    state, outcome = text(form, "state"), text(form, "outcome")
    incidents.advance(connection, reading, who, ident, state, outcome=outcome if state == "closed" else "")


def _offer(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    member, _, pseudonym = text(form, "to").strip().partition("/")
    if member not in reading.roster.members() or not pseudonym:
        raise IncidentError("name the member and the pseudonym, as in beanr/C-02")
    incidents.offer_lead(connection, reading, who, ident, Who(pseudonym=pseudonym, member=member))


def _note(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    incidents.add_note(connection, reading, who, ident, text(form, "note", _LONG))


def _link(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    incidents.link(connection, reading, who, ident, _numbers(text(form, "row")))


def _unlink(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    index = _one_number(text(form, "row"), -1)
    incidents.unlink(connection, reading, who, ident, index, reason=text(form, "reason", _LONG))


def _significant(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    incidents.tick_significant(connection, reading, who, ident, reason=text(form, "reason", _LONG))


def _reported(connection: Connection, reading: Reading, who: Who, ident: str, form: dict[str, str]) -> None:
    reference = text(form, "reference", _LONG)
    incidents.reported(connection, reading, who, ident, text(form, "clock"), reference=reference)


_DEEDS: Final[Mapping[str, Deed]] = {
    "advance": _advance,
    "lead": lambda connection, reading, who, ident, _form: incidents.take_lead(connection, reading, who, ident),
    "offer": _offer,
    "note": _note,
    "link": _link,
    "unlink": _unlink,
    "significant": _significant,
    "reported": _reported,
    "merge": lambda connection, reading, who, ident, form: incidents.merge(
        connection, reading, who, ident, text(form, "into").strip()
    ),
    "unmerge": lambda connection, reading, who, ident, _form: incidents.unmerge(connection, reading, who, ident),
}


def _who(person: Person) -> Who:
    return Who(pseudonym=person.pseudonym, member=person.member)


def _words(person: Person) -> dict[str, Any]:
    may_act = person.has(*ACTS) and not person.display
    return {
        "states": STATES,
        "outcomes": OUTCOMES,
        "clock_words": CLOCKS,
        "event_words": EVENTS,
        "legal": ("nis2-warning", "nis2-notification", "nis2-final", "gdpr"),
        "may_act": may_act,
    }


def _one_number(words: str, otherwise: int) -> int:
    named = _numbers(words) or [otherwise]
    if len(named) > 1:
        raise MalformedError("this is about one entry")
    return named[0]


def _numbers(words: str) -> list[int]:
    named = words.replace(",", " ").split()
    if not all(word.isascii() and word.isdigit() and len(word) <= _INDEX_DIGITS for word in named):
        raise MalformedError("an entry is named by its number")
    return [int(word) for word in named]
