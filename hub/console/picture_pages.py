"""The national picture: who says what, where and how bad, what needs a decision, and how old all of this is.

Every view is an address: the filters, the window, and the entry that is open. All of it is computed from what the
reader may read, the counts too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Final

import orjson
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from hub import correlation
from hub import picture as read
from hub.console import picture_view
from hub.console.asking import act, ask, ask_once
from hub.console.context import PictureContext
from hub.console.picture_live import tell, tell_answers
from hub.console.picture_view import Links
from hub.picture import Checks, Detail, NotSeen, Reading, View
from port2port.clock import to_ms
from port2port.console.app import Section
from port2port.console.opening import Service
from port2port.console.pages import Tab, fragment, page, starts, wording
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import fields, text
from port2port.console.words import N_
from port2port.errors import MalformedError
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.COORDINATOR)
ACTS: Final = (Role.OFFICER, Role.APPROVER, Role.COORDINATOR)
TAB: Final = Tab(path="/", label=N_("Picture"), icon="map", key="h", roles=frozenset(READS))
_ROWS: Final = 200
_INDEX_DIGITS: Final = 15
_QUERY_CHARS: Final = 2_000
_LINKS: Final = 50
_PAIR: Final = 2


class PicturePages:
    """Endpoints at / and under /picture."""

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
                Route("/", starts(reads(self.show)), name="picture"),
                Route("/picture/strip", reads(self.strip)),
                Route("/picture/feed", reads(self.feed)),
                Route("/picture/spill-over", reads(self.spill_over)),
                Route("/picture/not-related", acts(self.not_related), methods=["POST"]),
                Route("/picture/drawn", reads(self.drawn)),
                Route("/picture/acknowledge", acts(self.acknowledge), methods=["POST"]),
                Route("/picture/views", reads(self.save), methods=["POST"]),
                Route("/picture/views/forget", reads(self.forget), methods=["POST"]),
            ),
        )

    @cached_property
    def _checks(self) -> Checks:
        """What an opened entry is verified with, anew each time, in whatever thread reads the database.

        All of it may be shared: the cache of templates holds verdicts that depend on the template alone, behind its
        own lock; the validator keeps nothing else; the log answers proofs from any thread. Two threads that come
        first at once make it twice, and one of them is forgotten.
        """
        validator = StixValidator(TemplateCache())
        return Checks(genesis_hash=self._picture.genesis_hash, tree=self._picture.log, validate=validator.validate)

    # --- reading ------------------------------------------------------------------------------------------------

    async def show(self, request: Request) -> Response:
        """The page."""
        view = View.from_query(request.url.query)
        if view.item is not None:
            await ask(self._picture, request, lambda c, reading: read.one_item(c, reading, view.item or 0))
        facts = await ask(self._picture, request, partial(self._whole, view, current(request).account))
        return page(
            request,
            "hub/picture.html",
            **facts,
            **self._opened(request, facts["detail"]),
            undo=_numbers(request.query_params.get("done", "")),
            back=request.url.query[:_QUERY_CHARS],
        )

    async def strip(self, request: Request) -> Response:
        """The ports, when something has changed."""
        view = View.from_query(request.url.query)
        facts = await ask_once(self._picture, request, ("strip", view), partial(self._ports, view))
        return fragment(request, "hub/_strip.html", **facts)

    async def feed(self, request: Request) -> Response:
        """The list, when something has changed."""
        view = View.from_query(request.url.query)
        facts = await ask_once(self._picture, request, ("feed", view), partial(self._list, view))
        return fragment(request, "hub/_feed.html", **facts, may_act=self._may_act(request))

    async def drawn(self, request: Request) -> Response:
        """What the map and the timeline draw."""
        view = View.from_query(request.url.query)
        words = wording(request)
        drawing = partial(self._drawing, view, words.text)
        return JSONResponse(await ask_once(self._picture, request, ("drawn", view, words.language), drawing))

    async def spill_over(self, request: Request) -> Response:
        """What ports have in common, when something has changed."""
        view = View.from_query(request.url.query)
        facts = await ask_once(self._picture, request, ("spill-over", view), partial(self._links, view))
        return fragment(request, "hub/_spill_over.html", **facts, may_act=self._may_act(request))

    def _whole(self, view: View, account: str, connection: Connection, reading: Reading) -> dict[str, Any]:
        detail = None if view.item is None else read.detail(connection, reading, self._checks, view.item)
        return {
            **self._ports(view, connection, reading),
            **self._list(view, connection, reading),
            **self._links(view, connection, reading),
            "detail": detail,
            "views": [(name, Links(view=kept)) for name, kept in read.saved_views(connection, account)],
            "kinds": picture_view.KINDS,
            "severities": read.SEVERITIES,
            "start": "" if view.start is None else to_ms(view.start) // 1000,
            "end": "" if view.end is None else to_ms(view.end) // 1000,
        }

    def _ports(self, view: View, connection: Connection, reading: Reading) -> dict[str, Any]:
        folded, logged = read.folded_to(connection)
        newest = read.feed(connection, reading, View(), limit=1).items
        now = reading.now
        return {
            "links": Links(view=view),
            "tiles": [(tile, picture_view.silent(tile, now)) for tile in read.strip(connection, reading)],
            "as_of": now,
            "behind": logged - folded,
            "newest": newest[0].received_at if newest else None,
            "unseen_by": read.by_member(self._not_seen(connection, reading)),
        }

    def _list(self, view: View, connection: Connection, reading: Reading) -> dict[str, Any]:
        found = read.feed(connection, reading, view)
        return {
            "links": Links(view=view),
            "found": found,
            "counts": read.counts(connection, reading, view),
            "placed": picture_view.on_the_map(found.items, read.tracks(connection, reading, view)),
            "kind_words": picture_view.kind_words,
            "unseen": {one.item.index: one for one in self._not_seen(connection, reading)},
        }

    def _not_seen(self, connection: Connection, reading: Reading) -> Sequence[NotSeen]:
        return read.not_seen(connection, reading, self._picture.audiences)

    def _links(self, view: View, connection: Connection, reading: Reading) -> dict[str, Any]:
        found = correlation.spill_over(connection, reading, view)[:_LINKS]
        return {
            "links": Links(view=view),
            "spilled": [(link, link.pairs[0]) for link in found],
            "name_of": reading.name_of,
            "reasons": picture_view.REASONS,
        }

    def _drawing(
        self, view: View, say: Callable[[str], str], connection: Connection, reading: Reading
    ) -> dict[str, Any]:
        items = read.feed(connection, reading, view, limit=_ROWS).items
        start, end = picture_view.time_window(view, reading.now)
        bars = read.timeline(connection, reading, view, start=start, end=end, buckets=96)
        wide = View(cls=view.cls, ports=view.ports, severities=view.severities, kinds=view.kinds, start=start, end=end)
        tiles = read.strip(connection, reading)
        seen = {item.index: read.sightings(connection, reading, item.index) for item in items if item.sightings}
        names = {tile.member: tile.name for tile in tiles}
        lanes = read.feed(connection, reading, wide, limit=_ROWS).items
        marks = picture_view.marks(items, read.tracks(connection, reading, view), seen, tiles)
        marks["links"] = picture_view.arcs(correlation.spill_over(connection, reading, view)[:_LINKS], tiles, say)
        return {
            "marks": marks,
            "timeline": picture_view.timeline(bars, lanes, names, start, end),
        }

    def _opened(self, request: Request, detail: object) -> dict[str, Any]:
        found = detail if isinstance(detail, Detail) else None
        words, roster = wording(request), self._picture.known_roster()
        names = {name: entry.name for name, entry in roster.member_table.items()}
        return {
            "may_act": self._may_act(request),
            "provenance": [] if found is None else picture_view.provenance(found.provenance, names, words.text),
            "objects": [] if found is None else [_pretty(one) for one in found.objects],
        }

    def _may_act(self, request: Request) -> bool:
        person = current(request)
        return person.has(*ACTS) and not person.display

    # --- acting -------------------------------------------------------------------------------------------------

    async def acknowledge(self, request: Request) -> Response:
        """Take entries out of the queue of the reader's member, or put them back."""
        form = await fields(request)
        indices, who = _numbers(text(form, "row", _QUERY_CHARS)), current(request).pseudonym
        back = View.from_query(text(form, "back", _QUERY_CHARS)).to_query()
        undo = text(form, "undo") == "yes"
        action = "picture.acknowledge.undone" if undo else "picture.acknowledge.asked"
        deed = partial(_acknowledge, indices, who, undo)
        if indices:
            await act(self._picture, request, action, "", deed, entries=len(indices))
        done = "" if undo or not indices else f"done={'+'.join(map(str, indices))}"
        query = "&".join(part for part in (back, done) if part)
        return RedirectResponse(f"/?{query}" if query else "/", 303)

    async def not_related(self, request: Request) -> Response:
        """Leave a pair out for the reader's member. Raises NotFoundError and NotRelatedError."""
        form = await fields(request)
        view = View.from_query(text(form, "back", _QUERY_CHARS))
        pair = _numbers(text(form, "pair"))
        if len(pair) != _PAIR:
            raise MalformedError("a link is between two entries")
        deed = partial(_not_related, pair, text(form, "reason"), current(request).pseudonym)
        await act(self._picture, request, "picture.not_related.asked", "", deed, first=pair[0], second=pair[1])
        return RedirectResponse(Links(view=view).to(), 303)

    async def save(self, request: Request) -> Response:
        """Keep a view under a name."""
        form = await fields(request)
        name, view = text(form, "name").strip(), View.from_query(text(form, "query", _QUERY_CHARS))
        account, at_ms = current(request).account, to_ms(self._picture.now)
        kept = View(**{**{field: getattr(view, field) for field in View.__slots__}, "before": None, "item": None})
        await act(
            self._picture,
            request,
            "picture.view.saved",
            name,
            lambda c, _reading: read.save_view(c, account, name, kept, at_ms=at_ms),
        )
        return RedirectResponse(Links(view=view).to(), 303)

    async def forget(self, request: Request) -> Response:
        """Forget a view."""
        form = await fields(request)
        name, view = text(form, "name"), View.from_query(text(form, "query", _QUERY_CHARS))
        account = current(request).account
        forget = partial(_forget, account, name)
        await act(self._picture, request, "picture.view.forgotten", name, forget)
        return RedirectResponse(Links(view=view).to(), 303)


def services(picture: PictureContext) -> Sequence[Service]:
    """What tells open pages that the picture grew."""
    return (partial(tell, picture), partial(tell_answers, picture))


def _acknowledge(indices: list[int], who: str, undo: bool, connection: Connection, reading: Reading) -> int:
    change = read.undo_acknowledge if undo else read.acknowledge
    return change(connection, reading, indices, who=who)


def _not_related(pair: list[int], reason: str, who: str, connection: Connection, reading: Reading) -> None:
    correlation.not_related(connection, reading, who=who, first=pair[0], second=pair[1], reason=reason)


def _forget(account: str, name: str, connection: Connection, _reading: Reading) -> None:
    read.forget_view(connection, account, name)


def _numbers(words: str) -> list[int]:
    """Entries by number. Raises MalformedError for what is none."""
    named = words.split()
    if not all(word.isascii() and word.isdigit() and len(word) <= _INDEX_DIGITS for word in named):
        raise MalformedError("an entry is named by its number")
    return sorted({int(word) for word in named})[:_ROWS]


def _pretty(one: object) -> str:
    return orjson.dumps(one, option=orjson.OPT_INDENT_2).decode()
