"""Follow one external TAXII 2.1 collection: page after page, each stored with the position behind it, or not at all.

``added_after`` is what the server last called the newest object, ``next`` its cursor while there is more; both are the
server's words, and none of our clock. Stopped at any page, one asks for that page again; what was stored is recognised
by its digest. A server may forget a cursor: then one goes on from the newest date. It may also lead in circles:
a cursor that comes back, more pages without a cursor, or empty ones without end are an error, and the rest waits.

A feed fills neither the desk nor the disk: while too many of its drafts wait for an officer, or once it has brought
more objects than one port can mean to follow, nothing more is asked, and its status says why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any, Final

import requests
from sqlalchemy.engine import Connection
from taxii2client.common import _HTTPConnection
from taxii2client.exceptions import TAXIIServiceException
from taxii2client.v21 import ApiRoot, Collection

from node.feed_settings import FeedSettings
from node.foreign import keeping
from node.foreign.keeping import Feed
from node.foreign.taking import Desk, Item, Source, open_drafts, survey, take
from node.imports.session import FeedError, GuardedSession
from node.imports.splitting import Part
from node.store import NodeStore
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import ConfigurationError, MalformedError, Port2PortError
from port2port.imported import Grade
from port2port.tlp import UNMARKED, strictest
from port2port.tlp import parse as tlp_of

PAGE: Final = 500
PAGES_PER_POLL: Final = 1_000
EMPTY_PAGES: Final = 3
DRAFTS_MOST: Final = 1_000  # of one feed, undecided: some 24,000 objects
OBJECTS_MOST: Final = 2_000_000  # of one feed, known
STRETCH: Final = 500  # objects of one transaction: nobody else writes meanwhile
CURSOR_CHARS: Final = 4_096
KIND: Final = "taxii"
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_NEWEST: Final = "x-taxii-date-added-last"
_FORGOTTEN: Final = frozenset({400, 404, 410, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """``after`` and ``next`` are asked for; ``newest`` is the latest date that a page has named."""

    after: str = ""
    next: str = ""
    newest: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Json]) -> Position:
        """As it was stored."""
        return cls(**{name: str(stored.get(name, "")) for name in ("after", "next", "newest")})

    def to_json(self) -> dict[str, Json]:
        """For the store."""
        return {"after": self.after, "next": self.next, "newest": self.newest}

    @property
    def words(self) -> dict[str, Any]:
        """As the client takes it."""
        found: dict[str, Any] = {"limit": [PAGE]}
        if self.after:
            found["added_after"] = self.after
        return found | ({"next": self.next} if self.next else {})

    def resumed(self) -> Position:
        """Without a cursor, from the newest date."""
        return replace(self, next="", after=self.newest or self.after)


def source_of(feed: FeedSettings) -> Source:
    """Whom it comes from, as the settings grade it."""
    default = None if feed.marking is None else tlp_of(feed.marking)
    return Source(name=feed.name, grade=Grade.parse(feed.reliability), default=default)


class Follower:
    """One feed, read by one thread at a time; once ``stopping`` is set, to the end of its page."""

    def __init__(
        self,
        feed: FeedSettings,
        open_session: Callable[[], GuardedSession],
        store: NodeStore,
        *,
        stopping: Event | None = None,
    ) -> None:
        self._feed = feed
        self._stopping = stopping or Event()
        self._open = open_session
        self._store = store
        self._source = source_of(feed)

    def poll(self, desk: Callable[[], Desk]) -> Counter[str]:
        """Read what is new, page by page; what came of it. What went wrong is written down. Raises FeedError."""
        counts: Counter[str] = Counter()
        try:
            with self._open() as session:
                self._read(session, desk, counts)
        except (FeedError, ConfigurationError) as error:
            self._note(desk(), error)
            raise
        return counts

    def _read(self, session: GuardedSession, desk: Callable[[], Desk], counts: Counter[str]) -> None:
        collection = asked(lambda: _collection(self._feed, session))
        at, seen, empty = self._position(), set[str](), 0
        for _ in range(PAGES_PER_POLL):
            self._require_room()
            try:
                envelope = asked(lambda at=at: collection.get_objects(**at.words))  # type: ignore[misc]  # bound at once
            except ForgottenError:
                if not at.next or at.resumed() == at:
                    raise
                at = at.resumed()
                continue
            parts = session.taken
            before, (at, more) = at, _after(at, envelope, session.last_headers)
            self._keep(parts, before, at, desk, counts)
            if not more or self._stopping.is_set():
                return
            empty = 0 if parts else empty + 1
            if at.next in seen or empty > EMPTY_PAGES:
                raise FeedError("the feed leads in circles: its pages say more and bring nothing new")
            seen.add(at.next)

    def _position(self) -> Position:
        found = self._store.read_now(lambda connection: keeping.feed(connection, self._feed.name))
        return Position() if found is None else Position.of(found.position)

    def _require_room(self) -> None:
        """Raises FeedError."""

        def look(connection: Connection) -> tuple[int, int]:
            return open_drafts(connection, self._source), keeping.count(connection, self._source.name)

        waiting, known = self._store.read_now(look)
        if waiting >= DRAFTS_MOST:
            raise FeedError(f"{waiting} drafts of this feed wait for an officer: it is read on when some are decided")
        if known >= OBJECTS_MOST:
            raise FeedError(f"the feed has brought {known} objects, more than are kept of one: it is not read on")

    def _keep(
        self, parts: tuple[Part, ...], before: Position, at: Position, desk: Callable[[], Desk], counts: Counter[str]
    ) -> None:
        """A page, in stretches that others can write between; the position moves with the last of them."""
        items = [item_of(part) for part in parts]
        if not all(part.whole for part in parts):  # it may hold the others together, and mark them
            self._source = replace(self._source, default=strictest(UNMARKED, self._source.default))
        if len(items) > STRETCH:  # what marks one of the first may come last
            self._store.write_now(partial(survey, source=self._source, items=items, now=desk().now))
        while len(items) > STRETCH:
            counts += self._store.write_now(self._storing(items[:STRETCH], before, desk(), pages=0))
            items = items[STRETCH:]
        counts += self._store.write_now(self._storing(items, at, desk(), pages=1))
        counts["pages"] += 1

    def _storing(
        self, items: list[Item], at: Position, desk: Desk, *, pages: int
    ) -> Callable[[Connection], Counter[str]]:
        def store(connection: Connection) -> Counter[str]:
            found = take(connection, self._source, items, desk)
            before = keeping.feed(connection, self._feed.name)
            facts = added({} if before is None else before.facts, found, pages=pages)
            keeping.move(connection, self._moved(at.to_json(), desk, {**facts, "error": ""}))
            return found

        return store

    def _note(self, desk: Desk, error: Port2PortError) -> None:
        def note(connection: Connection) -> None:
            before = keeping.feed(connection, self._feed.name)
            facts = {} if before is None else before.facts
            position = {} if before is None else before.position
            failed = {**facts, "error": error.text, "code": error.code}
            keeping.move(connection, self._moved(position, desk, failed))

        self._store.write_now(note)

    def _moved(self, position: Mapping[str, Json], desk: Desk, facts: Mapping[str, Json]) -> Feed:
        return Feed(name=self._feed.name, kind=KIND, position=position, at_ms=to_ms(desk.now), facts=facts)


class ForgottenError(FeedError):
    """The server does not know what was asked for: it may have forgotten its cursor."""

    code = "FEED_CURSOR"


def asked(question: Callable[[], Any]) -> Any:
    """What the client answers. Whatever it meets becomes a FeedError: it trusts the server's words in many places."""
    try:
        return question()
    except FeedError:
        raise
    except MalformedError as error:
        raise FeedError(f"the feed's answer is not TAXII: {error.text}") from error
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        kind = ForgottenError if status in _FORGOTTEN else FeedError
        raise kind(f"the feed answered with status {status}") from error
    except requests.RequestException as error:
        raise FeedError(f"the feed was not reached: {type(error).__name__}") from error
    except (TAXIIServiceException, KeyError, TypeError, AttributeError, ValueError, LookupError) as error:
        raise FeedError(f"the feed's answer is not TAXII 2.1: {type(error).__name__}") from error


def item_of(part: Part) -> Item:
    """A part of a page or file as it is taken in."""
    if part.whole:
        return Item(raw=part.raw)
    return Item(raw=part.raw, odd=f"{part.size} bytes, more than an object may have", size=part.size)


def added(facts: Mapping[str, Json], found: Counter[str], **more: int) -> dict[str, Json]:
    """The counts of a feed or file with those of one more stretch."""
    together = Counter({name: value for name, value in facts.items() if isinstance(value, int)})
    together.update(found)
    together.update(more)
    return {**facts, **{name: value for name, value in together.items() if value}}


def _collection(feed: FeedSettings, session: GuardedSession) -> Collection:
    connection = _HTTPConnection(version="2.1")
    connection.session.close()
    connection.session = session
    if not feed.collection:
        return Collection(feed.url, conn=connection)
    found = [one for one in ApiRoot(feed.url, conn=connection).collections if feed.collection in {one.id, one.title}]
    if len(found) != 1:
        raise FeedError(f"the feed has {len(found)} collections of that id or title, one is needed")
    return found[0]


def _after(at: Position, envelope: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[Position, bool]:
    """Where one is behind this page, and whether there is more. Raises FeedError."""
    stamp = headers.get(_NEWEST, "")
    newest = max(at.newest, stamp) if _STAMP.fullmatch(stamp) else at.newest
    if not envelope.get("more"):
        return Position(after=newest or at.after, newest=newest), False
    cursor = envelope.get("next")
    if isinstance(cursor, str) and 0 < len(cursor) <= CURSOR_CHARS:
        return replace(at, next=cursor, newest=newest), True
    if newest > at.after:  # no cursor, but a date to go on from
        return Position(after=newest, newest=newest), True
    raise FeedError("the feed says that there is more, and not where")
