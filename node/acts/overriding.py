"""Overrides and clocks: the second check of what one officer published in an emergency, and acts that waited too long.

An override publishes at once under one signature. The task it opens ends with another officer's signed decision that
it was right; if it was not, he takes it back. After half an hour without either, an alarm stands until somebody has.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, alarms, review, two_person
from node.act_store import ActClosedError, Prepared
from node.acts import preparing, signing
from node.acts.asked import Asked
from node.alarms import Alarm, Code
from node.publish import Author
from node.store import NodeStore
from port2port.clock import Clock, to_ms

logger = logging.getLogger(__name__)
WATCH_S: Final = 5.0
_COUNTED: Final = frozenset(
    {preparing.PUBLISH, preparing.REJECT, preparing.REJECT_MANY, preparing.RETRACT, preparing.SAY}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many acts of a period were overrides; ``unchecked``: how many, of any time, wait for their second check.

    Counted is what was done: what went back or was given up is no act. Second checks and silence are not counted,
    because no emergency can shorten them.
    """

    overrides: int
    acts: int
    unchecked: int

    @property
    def percent(self) -> float:
        """Overrides of all acts, in percent; 0 where there were none."""
        return 100 * self.overrides / self.acts if self.acts else 0.0


def confirm_override(connection: Connection, author: Author, act_id: str, reason: str, asked: Asked) -> Prepared:
    """An act by which another officer says that an override was right; its signature ends the task.

    Raises NoActError, ActClosedError, TwoPersonError or ReasonError.
    """
    review.require_reason(reason)
    act = act_store.get(connection, act_id)
    if act.check_by is None or act.checked_at is not None:
        raise ActClosedError(f"act {act.id} waits for no second check")
    signed = {given.officer for given in act_store.signatures(connection, act.id)}
    two_person.require_second(asked.officer, author=act.author, barred=act.barred, signed=signed)
    facts = {"reason": reason, "what": act.kind, "about": act.subject}
    return preparing.decide(connection, author, asked, action=preparing.CONFIRM, subject=act.id, facts=facts)


def sweep(connection: Connection, *, now: datetime) -> list[Prepared]:
    """Give back what waited too long, and raise an alarm for each override not checked in time; what was given back."""
    back = [
        signing.give_back(connection, act, signing.too_old(act), now=now)
        for act in act_store.listed(connection)
        if now > act.closes_at
    ]
    for act in act_store.unchecked(connection):
        if act.check_by is not None and now > act.check_by:
            text = f"{act.author} published {act.subject} alone in an emergency, and nobody has checked it"
            alarms.raise_alarm(connection, Alarm(code=Code.UNCHECKED_OVERRIDE, subject=act.id, text=text), to_ms(now))
    return back


def share(connection: Connection, *, since: datetime, until: datetime) -> Share:
    """The share of overrides among the acts of a period."""
    overrides, every = act_store.counted(connection, _COUNTED, since=since, until=until)
    return Share(overrides=overrides, acts=every, unchecked=len(act_store.unchecked(connection)))


async def watch(store: NodeStore, clock: Clock) -> None:
    """Sweep until cancelled."""
    while True:
        back = await store.write(lambda connection: sweep(connection, now=clock.now()))
        for act in back:
            logger.info("act given back", extra={"act": act.id})
        await clock.sleep(WATCH_S)
