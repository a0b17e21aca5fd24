"""The feeds of the settings, each followed at its own pace by a task of the node; a failure waits for the next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Event
from typing import Final

from sqlalchemy.engine import Connection

from node.drafts import Defaults
from node.feed_settings import FeedSettings
from node.foreign.normalising import Normaliser
from node.foreign.taking import Desk
from node.imports.following import Follower
from node.imports.session import GuardedSession
from node.settings import NodeSettings
from node.store import NodeStore
from node.warning_lists.gate import Gate, ListedError, ProtectedError
from node.warning_lists.index import WarningIndexError
from port2port.clock import Clock
from port2port.errors import ConfigurationError, UnavailableError
from port2port.ids import FEDERATION_ISSUER, identity_of
from port2port.roster import Roster

logger = logging.getLogger(__name__)
SHORTEST_WAIT_S: Final = 5.0


def members_of(federation: str, roster: Roster | None) -> frozenset[str]:
    """The STIX identities of all who ever were members."""
    names = () if roster is None else (*roster.member_table, FEDERATION_ISSUER)
    return frozenset(identity_of(federation, name) for name in names)


def stopped_by(gate: Gate, now: datetime) -> Callable[[Connection, bytes], bool]:
    """Whether this gate would not let an object out now; publishing asks again, so an index at fault stops nothing."""

    def stopped(connection: Connection, raw: bytes) -> bool:
        try:
            gate.require(connection, [raw], decided_by="officer:", now=now)
        except (ListedError, ProtectedError):
            return True
        except WarningIndexError:
            return False
        return False

    return stopped


class FeedService:
    """Follows every feed until it is cancelled. Nothing is asked before the roster is known: whose is whose."""

    def __init__(
        self,
        settings: NodeSettings,
        store: NodeStore,
        clock: Clock,
        *,
        defaults: Defaults,
        normaliser: Normaliser,
        roster: Callable[[], Roster | None],
        gate: Gate,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._defaults = defaults
        self._normaliser = normaliser
        self._roster = roster
        self._gate = gate

    async def run(self) -> None:
        """Until cancelled. Threads of their own: a feed that takes for ever takes none that sensors work with."""
        feeds, stopping = self._settings.feeds, Event()
        with_feeds = ThreadPoolExecutor(max(1, len(feeds)), thread_name_prefix="feed")
        try:
            async with asyncio.TaskGroup() as group:
                for feed in feeds:
                    group.create_task(self._follow(feed, with_feeds, stopping))
        finally:
            stopping.set()  # a turn ends behind its page
            with_feeds.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, feed: FeedSettings, threads: ThreadPoolExecutor, stopping: Event) -> None:
        session = partial(GuardedSession, feed, self._settings.keys)
        follower = Follower(feed, session, self._store, stopping=stopping)
        while True:
            if self._roster() is None:
                await self._clock.sleep(SHORTEST_WAIT_S)
                continue
            await self._poll(feed, follower, threads)
            await self._clock.sleep(max(SHORTEST_WAIT_S, feed.every_minutes * 60))

    async def _poll(self, feed: FeedSettings, follower: Follower, threads: ThreadPoolExecutor) -> None:
        try:
            counts = await asyncio.get_running_loop().run_in_executor(threads, follower.poll, self._desk)
        except (ConfigurationError, UnavailableError) as error:
            logger.warning("feed not read", extra={"feed": feed.name, "code": error.code, "cause": error.text})
        except Exception:
            # The outermost loop of one feed: what nobody foresaw costs this turn of it, and not the node.
            logger.exception("feed failed unexpectedly", extra={"feed": feed.name})
        else:
            logger.info("feed read", extra={"feed": feed.name, **{f"count_{name}": n for name, n in counts.items()}})

    def _desk(self) -> Desk:
        now = self._clock.now()
        return Desk(
            defaults=self._defaults,
            normaliser=self._normaliser,
            members=members_of(self._settings.federation, self._roster()),
            now=now,
            stopped=stopped_by(self._gate, now),
        )
