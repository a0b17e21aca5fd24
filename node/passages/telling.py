"""What a passage found, told to officers at their desk: as a hit, apart from the answer and after it.

A hit of another port's indicator also goes back to it as a sighting, by the rules of all sightings; one of our own is
shown to our officers alone. No log line and no figure says that there was one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import indicators, sightings, tables
from node.indicators import Indicator
from node.passages import ledger
from node.passages.draw import Dice
from node.passages.listed import PATHS
from node.publish import Author
from node.sightings import Sighted, Sighter
from node.store import NodeStore
from node.watch import Decision, Handling, Match, WatchedIndicator
from port2port.clock import Clock, from_ms
from port2port.errors import Port2PortError
from port2port.patterns import IndexKey, TemplateCache, compile_pattern
from port2port.roster import Roster

logger = logging.getLogger(__name__)
_TABLE: Final = tables.PassageRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
AT_ONCE: Final = 100
EVERY_S: Final = 2.0
HOUSEKEEPING: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose officers are told. ``roster`` gives the inbox's newest, None before the first entry."""

    store: NodeStore
    author: Author
    clock: Clock
    roster: Callable[[], Roster | None]


class Telling:
    """Run it as one task beside the service that answers."""

    def __init__(self, desk: Desk, dice: Dice) -> None:
        self._desk = desk
        self._dice = dice
        self._sighter = Sighter()
        self._templates = TemplateCache()

    async def run(self) -> None:
        """Until cancelled; whatever was not told before a stop is told after the next start."""
        await self._desk.store.read(self._sighter.load)
        kept_at = self._desk.clock.now() - HOUSEKEEPING
        while True:
            await self.tell()
            now = self._desk.clock.now()
            if now - kept_at >= HOUSEKEEPING:
                kept_at = now
                self._sighter.forget(now - timedelta(days=1))
                await self._desk.store.write(partial(ledger.purge, now=now))
            await self._desk.clock.sleep(EVERY_S)

    async def tell(self) -> None:
        """Everything not told yet. Before the first roster nothing is, and it waits."""
        roster = self._desk.roster()
        if roster is not None:
            due = await self._desk.store.write(lambda connection: self._tell(connection, roster))
            for one in due:
                self._sighter.told(one, self._desk.clock.now())

    def _tell(self, connection: Connection, roster: Roster) -> list[Sighted]:
        rows = connection.execute(sa.select(_TABLE).where(~_TABLE.c.told).order_by(_TABLE.c.id).limit(AT_ONCE)).all()
        noted = [one for row in rows for one in self._sighted(connection, row)]
        found = list({(one.indicator.key, one.row_subject): (one, decision) for one, decision in noted}.values())
        for one, decision in found:
            self._send(connection, one, decision, roster)
        named = [row.id for row in rows]
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id.in_(named)).values(told=True))
        return [one for one, _ in found]

    def _sighted(self, connection: Connection, row: Row[Any]) -> list[tuple[Sighted, Decision]]:
        """Those of this question that are to be told now: a stay of an hour is one hit, told every fifteen minutes."""
        found = []
        for realm, issuer, stix_id in orjson.loads(row.found):
            one = indicators.get(connection, (realm, issuer, stix_id))
            subject = None if one is None else self._subject(one, row)
            if one is None or subject is None:
                continue
            own = one.issuer == self._desk.author.member
            decision = Decision.DUTY_OFFICER_ONLY if own else Decision.SIGHT
            due = self._sighter.note(self._match(one, subject, decision, row), one, self._desk.clock.now())
            found += [(due, decision)] if due is not None else []
        return found

    def _subject(self, one: Indicator, row: Row[Any]) -> IndexKey | None:
        """The value that was asked about, found again among those of the pattern: the row has only its keyed name."""
        path = PATHS[row.kind]
        named = [key for key in indicators.values_in(one.stix) if key[0] == path] if one.stix else []
        return next((key for key in named if self._dice.digest(row.kind, str(key[1])) == row.digest), None)

    def _match(self, one: Indicator, subject: IndexKey, decision: Decision, row: Row[Any]) -> Match:
        pattern = compile_pattern(str(orjson.loads(one.stix)["pattern"]), self._templates)
        handling = Handling(one.handling or Handling.CALL_FIRST)
        watched = WatchedIndicator(
            issuer=one.issuer,
            stix_id=one.stix_id,
            entry_index=one.index,
            pattern=pattern,
            handling=handling,
            valid_from=one.valid_from or one.modified,
            valid_until=one.valid_until,
        )
        return Match(
            indicator=watched,
            handling=handling,
            track=None,
            decision=decision,
            subject=subject,
            observed_at=from_ms(row.at_ms),
        )

    def _send(self, connection: Connection, one: Sighted, decision: Decision, roster: Roster) -> None:
        """In a savepoint of its own: one that cannot be sent harms no other."""
        try:
            with connection.begin_nested():
                sightings.tell(
                    connection, self._desk.author, one, roster=roster, now=self._desk.clock.now(), decision=decision
                )
        except Port2PortError as error:
            logger.warning("a sighting could not be sent", extra={"code": error.code})
