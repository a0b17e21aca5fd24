"""The duty rota as it is: who is on duty, who is next, who is called, and every watch of the coming days.

The rota itself is a file of the port, read again when it changes. What screens add are turns that two officers
exchange: one asks for it, the other agrees. Below stands what was sent to whom when nobody answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import duty_swaps, notices
from node.console.context import DeskContext
from node.duty import HORIZON_DAYS, Rota, RotaError, Turn, Watch
from node.duty_swaps import SwapError, Why
from port2port.console.app import Section
from port2port.console.pages import fragment, page, wording
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import NotFoundError

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.ADMIN)
ACTS: Final = (Role.OFFICER, Role.APPROVER)
SENT: Final = (Role.APPROVER, Role.ADMIN)  # who may read what was sent to whom
TOPIC: Final = "duty"
_NUMBER_DIGITS: Final = 9
WORDS: Final[Mapping[Why, str]] = {
    Why.NO_TURN: N_("One of these turns is not in the rota any more, or is exchanged already."),
    Why.NOT_YOURS: N_("Choose one of your own turns and one of somebody else."),
    Why.SAME_WATCH: N_("Somebody would stand in the same watch twice."),
    Why.BEGUN: N_("One of these watches has begun."),
    Why.TOO_MANY: N_("You have asked for too many exchanges: take one back first."),
    Why.CLOSED: N_("This question was answered or taken back already."),
}
CHANNELS: Final[Mapping[str, str]] = {
    notices.EMAIL: N_("e-mail"),
    notices.WEBHOOK: N_("webhook"),
    notices.SYSLOG: N_("syslog"),
}
STATES: Final[Mapping[str, tuple[str, str]]] = {
    notices.QUEUED: ("wait", N_("on its way")),
    notices.SENT: ("ok", N_("sent")),
    notices.FAILED: ("bad", N_("given up")),
    notices.HELD: ("late", N_("held back")),
    notices.OVER: ("off", N_("not needed any more")),
}
KINDS: Final[Mapping[str, str]] = {  # by the first word of a cause
    "draft": N_("a finding or report"),
    "hit": N_("a hit"),
    "act": N_("a signature"),
    "check": N_("the second check of an emergency"),
    "alarm": N_("an alarm"),
    "level": N_("a change of the security level"),
    "received": N_("what another port reported"),
    "": N_("an item"),
}
REASONS: Final[Mapping[str, str]] = {"NOTICE_DELIVERY": N_("the other side did not take it")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A watch of the coming days. ``planned`` differs from its people where turns were swapped; ``hours`` are those
    that really pass, ``clocks`` whether clocks change meanwhile: 1 forward, -1 back.
    """

    watch: Watch
    planned: tuple[str, ...]
    now: bool
    hours: float
    clocks: int

    @property
    def swapped(self) -> bool:
        return self.planned != self.watch.people


class DutyPages:
    """The page /duty."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room; the page of the shift leads to it."""
        reads, acts = needs(*READS), needs(*ACTS)
        return Section(
            name="node",
            package="node.console",
            routes=(
                Route("/duty", reads(self.show), name="duty"),
                Route("/duty/now", reads(self.now)),
                Route("/duty/notices", needs(*SENT)(self.sent)),
                Route("/duty/swaps", acts(self.ask), methods=["POST"]),
                Route("/duty/swaps/{swap}/agree", acts(self.agree), methods=["POST"]),
                Route("/duty/swaps/{swap}/decline", acts(self.decline), methods=["POST"]),
            ),
        )

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def now(self, request: Request) -> Response:
        """The same without the frame, when turns were exchanged."""
        return fragment(request, "node/_duty.html", **await self._facts(request))

    async def sent(self, request: Request) -> Response:
        """What was sent to whom."""
        found = await self._desk.store.read(notices.history)
        return fragment(
            request,
            "node/_notices.html",
            notices=found,
            kinds=KINDS,
            channels=CHANNELS,
            states=STATES,
            reasons=REASONS,
        )

    async def ask(self, request: Request) -> Response:
        """Ask another officer to exchange turns."""
        form = await fields(request)
        both = _turn(text(form, "mine")), _turn(text(form, "theirs"))

        def act(connection: Connection, rota: Rota) -> None:
            ident = duty_swaps.ask(connection, rota, current(request).pseudonym, both, self._desk.now)
            self._note(connection, request, "swap-asked", ident, both)

        return await self._act(request, act)

    async def agree(self, request: Request) -> Response:
        """Agree to what another officer asked."""
        ident = _number(request)

        def act(connection: Connection, rota: Rota) -> None:
            swap = duty_swaps.agree(connection, rota, current(request).pseudonym, ident, self._desk.now)
            self._note(connection, request, "swap-agreed", ident, (swap.first, swap.second))

        return await self._act(request, act)

    async def decline(self, request: Request) -> Response:
        """Decline what another officer asked, or take back what one asked oneself."""
        ident = _number(request)

        def act(connection: Connection, _rota: Rota) -> None:
            swap = duty_swaps.decline(connection, current(request).pseudonym, ident, self._desk.now)
            self._note(connection, request, "swap-declined", ident, (swap.first, swap.second))

        return await self._act(request, act)

    async def _act(self, request: Request, act: Callable[[Connection, Rota], None]) -> Response:
        try:
            rota = await asyncio.to_thread(self._desk.rota)
        except RotaError:
            rota = None
        if rota is None:
            raise NotFoundError("there is no rota to change")
        try:
            await self._desk.store.write(lambda connection: act(connection, rota))
        except SwapError as error:
            return await self._page(request, error=WORDS[error.why], status=409)
        self._desk.live.publish(TOPIC, "changed", {}, to=may_read)
        return RedirectResponse("/duty", 303)

    def _note(self, connection: Connection, request: Request, action: str, ident: int, both: tuple[Turn, Turn]) -> None:
        first, second = map(_spelled, both)
        self._desk.signin.note(connection, request, action, f"swap:{ident}", first=first, second=second)

    async def _page(self, request: Request, *, error: str = "", status: int = 200) -> Response:
        return page(request, "node/duty.html", status, error=error, **await self._facts(request))

    async def _facts(self, request: Request) -> dict[str, Any]:
        now, broken, person = self._desk.now, "", current(request)
        try:
            rota = await asyncio.to_thread(self._desk.rota)
        except RotaError as wrong:
            rota, broken = None, wrong.text
        facts: dict[str, Any] = {
            "rota": rota,
            "broken": broken,
            "may_act": person.has(*ACTS) and not person.display,
            "may_read_sent": person.has(*SENT) and not person.display,
        }
        if rota is None:
            return facts
        facts |= await self._desk.store.read(lambda c: _of_rota(c, rota, now, person))
        say = wording(request).when_text
        for name in ("mine", "theirs"):
            facts[name] = [
                (value, " ".join(filter(None, (say(watch.starts_at), watch.shift, whose))))
                for value, watch, whose in facts[name]
            ]
        return facts


def _of_rota(connection: Connection, planned: Rota, now: datetime, person: Person) -> dict[str, Any]:
    rota = duty_swaps.applied(connection, planned)
    free, coming = list(duty_swaps.turns(rota, now)), rota.next_watches(now)
    return {
        "on_duty": rota.on_duty(now),
        "called": rota.called(now),
        "coming": coming,
        "coming_people": rota.on_duty(coming[0].starts_at) if coming else (),
        "rows": rows(rota, now),
        "absent": [one for one in rota.replacements if one.ends_at > now],
        "asked": duty_swaps.waiting(connection, planned, now),
        "mine": [(_spelled(turn), watch, "") for watch, turn in free if turn.person == person.pseudonym],
        "theirs": [(_spelled(turn), watch, turn.person) for watch, turn in free if turn.person != person.pseudonym],
    }


def rows(rota: Rota, now: datetime) -> list[Row]:
    """The watches that are on or begin within the coming days, by their start."""
    today = now.astimezone(rota.zone).date()
    planned = {shift.name: shift.people for shift in rota.shifts}
    found = [
        _row(one, planned[one.shift], rota, now)
        for days in range(-2, HORIZON_DAYS)
        for one in rota.starting_on(today + timedelta(days=days))
        if one.ends_at > now
    ]
    return sorted(found, key=lambda row: (row.watch.starts_at, row.watch.shift))


def may_read(person: Person) -> bool:
    """Whether the rota is this person's to read."""
    return person.has(*READS)


def _row(watch: Watch, planned: tuple[str, ...], rota: Rota, now: datetime) -> Row:
    before, after = (at.astimezone(rota.zone).utcoffset() or timedelta() for at in (watch.starts_at, watch.ends_at))
    return Row(
        watch=watch,
        planned=planned,
        now=watch.starts_at <= now < watch.ends_at,
        hours=(watch.ends_at - watch.starts_at) / timedelta(hours=1),
        clocks=(after > before) - (after < before),
    )


def _spelled(turn: Turn) -> str:
    return f"{turn.on.isoformat()} {turn.shift} {turn.person}"


def _turn(spelled: str) -> Turn:
    """The turn of a form: date, shift and person. Raises NotFoundError."""
    try:
        on, shift, person = spelled.split(" ")
        return Turn(on=date.fromisoformat(on), shift=shift, person=person)
    except ValueError as error:
        raise NotFoundError("there is no such turn") from error


def _number(request: Request) -> int:
    given: str = request.path_params["swap"]
    if not (given.isascii() and given.isdigit() and len(given) <= _NUMBER_DIGITS):
        raise NotFoundError("there is no such question")
    return int(given)
