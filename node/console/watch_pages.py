"""The watch: what other ports asked to look for, what was seen of it here, and what an officer answers to a hit.

Nothing on these pages needs the hub: they are read from this node's own database, and say how old it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import orjson
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from node import desk_items, hits, indicators, store, suppressions
from node.act_store import Prepared
from node.acts.asked import Asked
from node.console import aloud, excepting, watch_view
from node.console.alarm_pages import tell
from node.console.context import DeskContext
from node.console.reading import middle_of, place_named, position_of
from node.desk_items import Item
from node.hits import Confirmation, Hit, HitAnswerError, Preview
from node.indicators import Indicator
from node.passages import ledger
from node.passages.ledger import Passed
from node.review import ReasonError
from port2port.clock import from_ms, from_text, to_ms, to_text
from port2port.console.app import Section
from port2port.console.pages import Tab, fragment, page, wording
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import MalformedError, NotFoundError, Port2PortError
from port2port.roster import Roster

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER)
ACTS: Final = (Role.OFFICER, Role.APPROVER)
SIGNS: Final = (Role.APPROVER,)  # who prepares an act signs it first, or nobody ever can
TOPIC: Final = "watch"
MUTES_H: Final = (1, 8, 24, 72, 168)
TAB: Final = Tab(path="/watch", label=N_("Watch"), icon="radar", key="w", roles=frozenset(READS))
WRONG_FORM: Final = N_("Nothing can go back like this: look at the number of times, and at the position.")
_POLL_S: Final = 2.0
_TABLE_ROWS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What the first page shows, read in one transaction."""

    asking: list[Hit]
    others: list[Hit]
    in_force: list[Indicator]
    verified_at_ms: int


class WatchPages:
    """Endpoints under /watch."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        reads, decides = needs(*READS), needs(*SIGNS)
        posts: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "preview": self.preview,
            "confirm": self.confirm,
            "not-the-same": self.not_the_same,
            "mute": self.mute,
        }
        return Section(
            name="node",
            package="node.console",
            tabs=(TAB,),
            routes=(
                Route("/watch", reads(self.show), name="watch"),
                Route("/watch/now", reads(self.now)),
                Route("/watch/hits/{hit}", reads(self.hit)),
                Route("/watch/indicators/{issuer}/{stix_id}", reads(self.indicator)),
                Route("/watch/indicators/{issuer}/{stix_id}/read", needs(*ACTS)(self.read), methods=["POST"]),
                *(Route(f"/watch/hits/{{hit}}/{name}", decides(run), methods=["POST"]) for name, run in posts.items()),
            ),
        )

    # --- reading ------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page."""
        return page(request, "node/watch.html", 200, **await self._picture())

    async def now(self, request: Request) -> Response:
        """The same without the frame, when something has changed."""
        return fragment(request, "node/_watch.html", 200, **await self._picture())

    async def hit(self, request: Request) -> Response:
        """One hit; where it was at a gate, officers read at which, and what the gate was told."""
        found = await self._hit(request)
        window, may_read = found.sighted.window, current(request).has(*ACTS)
        ask = partial(ledger.passed, key=found.indicator.key, first=window.first_seen, last=window.last_seen)
        return self._page(request, found, passed=await self._desk.store.read(ask) if may_read else ())

    async def indicator(self, request: Request) -> Response:
        """One indicator in force, or what became of it."""
        desk, found = self._desk, await self._indicator(request)
        roster, person = desk.known_roster(), current(request)
        waits = await desk.store.read(lambda c: _received(c, found, desk.now))
        kept = await desk.store.read(lambda c: excepting.of_indicator(c, desk, found))
        return page(
            request,
            "node/indicator.html",
            waits=waits is not None and waits.sounds and person.has(*ACTS) and not person.display,
            read_by="" if waits is None else waits.seen_by,
            one=found,
            data=orjson.loads(found.stix),
            issuer=watch_view.member_name(found.issuer, roster),
            asks=watch_view.handling_words(found.handling),
            kept=kept,
            may_decide=person.has(Role.APPROVER),
            days=excepting.DAYS,
            usual_days=excepting.USUAL_DAYS,
        )

    async def read(self, request: Request) -> Response:
        """An officer has read what another port asks: its author is told that it was seen."""
        desk, found = self._desk, await self._indicator(request)

        def act(connection: Connection) -> None:
            item = _received(connection, found, desk.now)
            if item is not None:
                desk_items.acknowledge(connection, item.id, current(request).pseudonym, desk.now)

        await desk.store.write(act)
        tell(desk)
        return RedirectResponse(f"/watch/indicators/{found.issuer}/{found.stix_id}", 303)

    async def _indicator(self, request: Request) -> Indicator:
        """The one of this address. Raises NotFoundError."""
        key = (indicators.REAL, request.path_params["issuer"], request.path_params["stix_id"])
        found = await self._desk.store.read(lambda c: indicators.get(c, key))
        if found is None or not found.stix:
            raise NotFoundError("there is no such indicator")
        return found

    async def _picture(self) -> dict[str, object]:
        desk, now = self._desk, self._desk.now
        status = await asyncio.to_thread(desk.status)
        seen = await desk.store.read(lambda c: _read(c, now))
        roster = desk.roster()
        listed = [] if roster is None else watch_view.listed(seen.in_force, roster, now)
        return {
            "health": watch_view.health(status, seen.verified_at_ms, len(listed), now),
            "asking": seen.asking,
            "others": seen.others,
            "listed": listed[:_TABLE_ROWS],
            "more": max(0, len(listed) - _TABLE_ROWS),
            "kinds": watch_view.kinds(listed),
            "name": lambda member: member if roster is None else watch_view.member_name(member, roster),
            "path_words": watch_view.path_words,
        }

    # --- answering ----------------------------------------------------------------------------------------------

    async def preview(self, request: Request) -> Response:
        """Exactly what a confirmation would send, and to whom."""
        desk, form = self._desk, await fields(request)
        found, roster, at = await self._hit(request), desk.known_roster(), from_ms(to_ms(desk.now))
        try:
            said = self._confirmation(form)
            shown = await desk.store.read(lambda c: hits.preview(c, desk.author, found, said, roster=roster, at=at))
        except (HitAnswerError, MalformedError):
            return self._page(request, found, form=form, error=WRONG_FORM, status=422)
        await desk.store.write(lambda c: desk.signin.note(c, request, "hit-preview", f"hit:{found.id}"))
        return self._page(request, found, form=form, shown=shown)

    async def confirm(self, request: Request) -> Response:
        """Prepare what was shown; it goes once the officer has signed it."""
        desk, form = self._desk, await fields(request)
        said, shown_at = self._confirmation(form), from_text(text(form, "shown_at"))

        def act(connection: Connection) -> Prepared:
            made = hits.confirm(
                connection,
                desk.author,
                request.path_params["hit"],
                said,
                self._asked(request),
                shown_at=shown_at,
                digest=text(form, "digest"),
            )
            desk.signin.note(connection, request, "hit-confirm", made.subject, act=made.id)
            return made

        made = await desk.store.write(act)
        return RedirectResponse(f"/acts/{made.id}", 303)

    async def not_the_same(self, request: Request) -> Response:
        """It is something else: what was sent of this stay is taken back."""
        desk, form, ident = self._desk, await fields(request), request.path_params["hit"]

        def act(connection: Connection) -> tuple[Prepared, ...]:
            made = hits.not_the_same(connection, desk.author, ident, text(form, "reason"), self._asked(request))
            desk.signin.note(connection, request, "hit-not-the-same", f"hit:{ident}", acts=[one.id for one in made])
            return made

        try:
            made = await desk.store.write(act)
        except Port2PortError as error:
            return await self._wrong(request, error, form, "reason")
        return RedirectResponse(f"/acts/{made[0].id}" if made else f"/watch/hits/{ident}", 303)

    async def mute(self, request: Request) -> Response:
        """Prepare silencing this object under this indicator for a while; signing is the next page."""
        desk, form, ident = self._desk, await fields(request), request.path_params["hit"]
        hours = text(form, "hours")
        if hours not in {str(each) for each in MUTES_H}:
            raise MalformedError("there is no such time")
        until = desk.now + timedelta(hours=int(hours))

        def act(connection: Connection) -> Prepared:
            made = hits.mute(
                connection,
                desk.author,
                ident,
                reason=text(form, "mute_reason"),
                until=until,
                asked=self._asked(request),
            )
            desk.signin.note(connection, request, "act-prepared", f"hit:{ident}", act=made.id, kind=made.kind)
            return made

        try:
            made = await desk.store.write(act)
        except Port2PortError as error:
            return await self._wrong(request, error, form, "mute_reason")
        return RedirectResponse(f"/acts/{made.id}", 303)

    async def _wrong(self, request: Request, error: Port2PortError, form: dict[str, str], field: str) -> Response:
        """The page again with words at the field; what has no field to stand at is raised."""
        if not isinstance(error, hits.HitAnswerError | suppressions.SuppressionError | ReasonError):
            raise error
        return self._page(request, await self._hit(request), form=form, wrong={field: True}, status=422)

    async def _hit(self, request: Request) -> Hit:
        now, ident = self._desk.now, request.path_params["hit"]
        return await self._desk.store.read(lambda c: hits.get(c, ident, now))

    def _page(
        self,
        request: Request,
        found: Hit,
        *,
        form: dict[str, str] | None = None,
        shown: Preview | None = None,
        error: str = "",
        wrong: dict[str, bool] | None = None,
        passed: Sequence[Passed] = (),
        status: int = 200,
    ) -> Response:
        roster = self._desk.known_roster()
        issuer = watch_view.member_name(found.indicator.issuer, roster)
        facts = _facts_of(found, issuer, request)
        return page(
            request,
            "node/hit.html",
            status,
            **facts,
            form=form or {},
            answer=shown,
            shown_at="" if shown is None else to_text(shown.at),
            reading=_reading(shown, roster),
            error=error,
            wrong=wrong or {},
            passed=passed,
            mutes=MUTES_H,
            places=[place.name for place in self._desk.places.places],
            may_act=current(request).has(*ACTS),
            may_sign=current(request).has(*SIGNS),
        )

    def _confirmation(self, form: dict[str, str]) -> Confirmation:
        """What the officer wants to tell. Raises MalformedError or HitAnswerError."""
        place, count = text(form, "place").strip(), text(form, "count").strip()
        known = place_named(self._desk.places, place)
        exact = text(form, "exact_place") == "yes"
        given = position_of(text(form, "position"))
        where = given or (None if known is None else middle_of(known))
        if count and not (count.isascii() and count.isdigit() and len(count) < 10):
            raise HitAnswerError("say how often as a number")
        return Confirmation(
            exact_times=text(form, "exact_times") == "yes",
            place=place if exact else "",
            position=where if exact else None,
            count=int(count) if count else None,
            words=text(form, "words"),
        )

    def _asked(self, request: Request) -> Asked:
        desk = self._desk
        return Asked(roster=desk.known_roster(), officer=current(request).pseudonym, now=desk.now, rule=desk.rule)


async def feed(desk: DeskContext) -> None:
    """A service: tells open pages when hits, answers or indicators have changed. It asks nothing while nobody looks."""
    before: object = None
    while True:
        if desk.live.readers:
            found = await desk.store.read(partial(_fingerprint, now=desk.now))
            if found != before and before is not None:
                desk.live.publish(TOPIC, "changed", {}, to=may_watch)
            before = found
        await desk.clock.sleep(_POLL_S)


def may_watch(person: Person) -> bool:
    """Whether the watch is this person's to read."""
    return person.has(*READS)


def _received(connection: Connection, found: Indicator, now: datetime) -> Item | None:
    """What waits at the desk about an indicator that another port sent, read or not."""
    waiting = desk_items.items(connection, now)
    every = (*waiting.needs_decision, *waiting.for_information)
    return next((one for one in every if one.id == f"{desk_items.RECEIVED}-{found.index}"), None)


def _fingerprint(connection: Connection, now: datetime) -> object:
    seen = [(one.id, one.state, one.sighted.window.count, one.needs_decision) for one in hits.listed(connection, now)]
    return seen, store.head(connection).size, store.marked(connection, "connection")


def _read(connection: Connection, now: datetime) -> _Picture:
    asking, others = watch_view.in_order(hits.listed(connection, now))
    return _Picture(
        asking=asking,
        others=others,
        in_force=watch_view.in_force(indicators.changed_since(connection, -1), now),
        verified_at_ms=store.head(connection).verified_at_ms,
    )


def _facts_of(found: Hit, issuer: str, request: Request) -> dict[str, object]:
    return {
        "hit": found,
        "issuer": issuer,
        "subject_words": watch_view.path_words(found.subject[0]),
        "asks": watch_view.handling_words(found.handling),
        "sent": watch_view.sent_words(found.state),
        "track": watch_view.track_words(found.sighted.track),
        "aloud": aloud.sentence(wording(request), found, asked_by=issuer),
    }


def _reading(shown: Preview | None, roster: Roster) -> list[str]:
    if shown is None:
        return []
    rows = shown.readers.rows
    return [watch_view.member_name(row.member, roster) for row in rows if row.state == "reads"]
