"""The TAXII server as one service of the hub: its listeners, and what is written down behind the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from hub.ca import ServerIdentity
from hub.consumers import Poll, Seen, note_polls
from hub.members import Members
from hub.quota import Quotas
from hub.settings import TaxiiSettings
from hub.store import audit
from hub.taxii import keeping
from hub.taxii.answers import Server
from hub.taxii.app import Parts, TaxiiApp
from hub.taxii.cursor import Cursors, stored_key
from hub.taxii.doors import ConsumerDoor, Door, MemberDoor
from hub.taxii.fold import Folding
from hub.taxii.listeners import Listener, consumer_context, member_context, take_identity
from hub.taxii.shelf import Shelf
from port2port.clock import Clock, to_ms
from port2port.database import Database, StorageError
from port2port.metrics import Metrics

logger = logging.getLogger(__name__)
_NOTE_S: Final = 1.0
_REFUSED_EVERY_MS: Final = 60_000
_NETWORKS_TOLD: Final = 20
_POLLS: Final = 10_000
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the service stands on. ``moved(seen)`` waits until the log is longer.

    ``identity`` is the hub's own certificate of the moment, ``root_pem`` that of its CA.
    """

    settings: TaxiiSettings
    federation: str
    database: Database
    shelf: Shelf
    folding: Folding
    moved: Callable[[int], Awaitable[int]]
    members: Members
    quotas: Quotas
    clock: Clock
    metrics: Metrics
    serving: Callable[[], bool]
    identity: Callable[[], ServerIdentity]
    root_pem: bytes
    grace_s: float


class TaxiiService:
    """Make it inside the event loop that runs it. Raises ConfigurationError where an address cannot be had."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._polls: deque[Poll] = deque(maxlen=_POLLS)
        self._refused_ms = 0
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._cursors = Cursors(ground.database.write_now(stored_key))
        self._consumers = ConsumerDoor(roster=ground.shelf.roster, clock=ground.clock)
        self._member_tls = member_context(ground.root_pem)
        self._identity: ServerIdentity | None = None
        self._listeners: list[Listener] = []
        self.member_port = self._open_members()
        self.consumer_port = self._open_consumers()

    async def run(self) -> None:
        """Serve until cancelled. What was asked by then is written down."""
        try:
            async with asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    group.create_task(listener.run())
                group.create_task(self._keep())
                group.create_task(self._fold())
        finally:
            await self.note()

    async def note(self) -> None:
        """Write down the polls since the last time, and now and then who was refused."""
        polls = [self._polls.popleft() for _ in range(len(self._polls))]
        refused = self._due()
        if not polls and not refused:
            return
        try:
            await self._ground.database.write(partial(self._write, polls, refused))
        except StorageError as error:
            logger.warning("use of consumers not noted", extra={"cause": repr(error.__cause__)})
            self._polls.extendleft(reversed(polls))

    def _open_members(self) -> int | None:
        ground = self._ground
        if ground.settings.listen is None:
            return None
        self._renew()
        door = MemberDoor(
            federation=ground.federation, members=ground.members, quotas=ground.quotas, clock=ground.clock
        )
        return self._listen(ground.settings.listen, door, ground.settings.public_url, mutual=True)

    def _open_consumers(self) -> int | None:
        settings = self._ground.settings
        if settings.consumer_listen is None:
            return None
        return self._listen(settings.consumer_listen, self._consumers, settings.consumer_public_url, mutual=False)

    def _listen(self, address: str, door: Door, public_url: str | None, *, mutual: bool) -> int:
        ground = self._ground
        context = self._member_tls if mutual else consumer_context(ground.settings)
        listener = Listener(self._app(door, public_url), address, context, grace_s=ground.grace_s)
        self._listeners.append(listener)
        return listener.port

    def _app(self, door: Door, public_url: str | None) -> TaxiiApp:
        ground = self._ground
        server = Server(
            shelf=ground.shelf, cursors=self._cursors, federation=ground.federation, public_url=public_url or ""
        )
        return TaxiiApp(
            Parts(
                server=server,
                door=door,
                database=ground.database,
                clock=ground.clock,
                metrics=ground.metrics,
                serving=ground.serving,
                turns=self._turns,
                polled=self._polls.append,
            )
        )

    async def _fold(self) -> None:
        ground = self._ground

        def stuck(now: bool) -> None:
            ground.metrics.set("taxii_stands_still", float(now))

        await keeping.keep(ground.database, ground.folding, ground.moved, ground.clock, stuck)

    async def _keep(self) -> None:
        while True:
            await self._ground.clock.sleep(_NOTE_S)
            self._try_to_renew()
            await self.note()

    def _try_to_renew(self) -> None:
        """A disk that is full for a while stops neither service nor hub: the old certificate does meanwhile."""
        try:
            self._renew()
        except OSError as error:  # ssl.SSLError is one
            logger.warning("certificate of the members' listener not renewed", extra={"cause": repr(error)})

    def _renew(self) -> None:
        """New connections see the hub's newest certificate."""
        if self._ground.settings.listen is None:
            return
        newest = self._ground.identity()
        if newest is not self._identity:
            take_identity(self._member_tls, newest)
            self._identity = newest

    def _due(self) -> dict[str, int]:
        """Who was refused, folded: once a minute, and by network."""
        now_ms = to_ms(self._ground.clock.now())
        if now_ms < self._refused_ms + _REFUSED_EVERY_MS:
            return {}
        found = self._consumers.take_refused()
        if found:
            self._refused_ms = now_ms
        return found

    def _write(self, polls: list[Poll], refused: dict[str, int], connection: Connection) -> None:
        note_polls(connection, polls, self._tell)
        ranked = sorted(refused.items(), key=lambda item: -item[1])
        rows = [{"network": network, "times": times} for network, times in ranked[:_NETWORKS_TOLD]]
        others = sum(times for _, times in ranked[_NETWORKS_TOLD:])
        rows += [{"network": "others", "times": others}] if others else []
        for facts in rows:
            audit(
                connection,
                at_ms=to_ms(self._ground.clock.now()),
                event="consumer-refused",
                member=None,
                facts=facts,
            )

    def _tell(self, what: Seen, poll: Poll) -> None:
        self._ground.metrics.count("taxii_alarms", reason=what.value)
        facts = {"consumer": poll.consumer.name, "member": poll.consumer.member, "collection": poll.collection}
        if what is Seen.NEW_NETWORK:
            logger.warning("consumer used from a new network", extra=facts)
        else:
            logger.warning("consumer began anew", extra=facts)
