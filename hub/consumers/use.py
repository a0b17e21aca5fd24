"""What use is made of a consumer's secret: how far it came in each collection, and from where it asked.

Two things are told at once, because a stolen secret looks like that: use from a network that it was not used from
before, and a reader that had come far and begins anew. A reader that always begins anew is told once a day.
Polls are noted behind the answer, several in one transaction; a crash loses a second of them, never an object.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.consumers.register import Address, Consumer, Network
from hub.store import audit
from hub.taxii_tables import CONSUMER_NETWORK, CONSUMER_USE

_DAY_MS: Final = 86_400_000
_PREFIX: Final = {4: 24, 6: 48}  # what one site usually has


class Seen(StrEnum):
    """What is told: the codes are those of the audit trail and of the metric."""

    NEW_NETWORK = "consumer-new-network"
    RESTARTED = "consumer-restarted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One answered request of a consumer. Dates are microseconds; ``collection`` is empty outside of any.

    ``begins_us`` is the date behind which it asked, ``first_us`` and ``last_us`` are the dates of the first and last
    item it was given. ``polling`` is false for a request about single objects, which moves no cursor.
    """

    consumer: Consumer
    address: Address
    at_ms: int
    collection: str = ""
    polling: bool = False
    begins_us: int = 0
    first_us: int | None = None
    last_us: int | None = None
    delivered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How far a consumer has come in one collection. ``cursor_us`` is None before it was given anything."""

    collection: str
    polled_ms: int
    cursor_us: int | None
    delivered: int
    restarted_ms: int | None


Tell = Callable[[Seen, Poll], None]


def network_of(consumer: Consumer, address: Address) -> Network:
    """The network that an address counts as: the configured one, else what one site usually has."""
    for network in consumer.networks:
        if address in network:
            return network
    return ipaddress.ip_network((address, _PREFIX[address.version]), strict=False)


def note_polls(connection: Connection, polls: Sequence[Poll], tell: Tell) -> None:
    """Write what they were; ``tell`` is called for what a human must hear of, after its audit row was written."""
    for poll in polls:
        if _from_elsewhere(connection, poll):
            _told(connection, Seen.NEW_NETWORK, poll, tell)
        if poll.collection and _noted(connection, poll):
            _told(connection, Seen.RESTARTED, poll, tell)


def uses(connection: Connection, name: str) -> tuple[Use, ...]:
    """How far this consumer has come, by collection."""
    query = sa.select(CONSUMER_USE).where(CONSUMER_USE.c.consumer == name).order_by(CONSUMER_USE.c.collection)
    return tuple(
        Use(
            collection=row["collection"],
            polled_ms=row["polled_ms"],
            cursor_us=row["cursor_us"],
            delivered=row["delivered"],
            restarted_ms=row["restarted_ms"],
        )
        for row in connection.execute(query).mappings()
    )


def networks_used(connection: Connection, name: str) -> tuple[str, ...]:
    """From where it was used."""
    query = sa.select(CONSUMER_NETWORK.c.network).where(CONSUMER_NETWORK.c.consumer == name)
    return tuple(connection.execute(query.order_by(CONSUMER_NETWORK.c.first_ms)).scalars())


def _from_elsewhere(connection: Connection, poll: Poll) -> bool:
    network = str(network_of(poll.consumer, poll.address))
    named = {"consumer": poll.consumer.name, "network": network}
    known = sa.select(CONSUMER_NETWORK.c.first_ms).filter_by(**named)
    if connection.scalar(known) is not None:
        return False
    connection.execute(CONSUMER_NETWORK.insert(), [{**named, "first_ms": poll.at_ms}])
    return not poll.consumer.networks  # a configured network is where it is expected


def _noted(connection: Connection, poll: Poll) -> bool:
    """Write how far it came; whether it began anew, and that was not told within a day."""
    named = {"consumer": poll.consumer.name, "collection": poll.collection}
    row = connection.execute(sa.select(CONSUMER_USE).filter_by(**named)).mappings().first()
    if row is None:
        first, last = (poll.first_us, poll.last_us) if poll.polling else (None, None)
        made = {**named, "polled_ms": poll.at_ms, "first_us": first, "cursor_us": last, "restarted_ms": None}
        connection.execute(CONSUMER_USE.insert(), [{**made, "delivered": poll.delivered}])
        return False
    restarted = _restarted(row, poll)
    fresh = restarted and (row["restarted_ms"] is None or poll.at_ms >= row["restarted_ms"] + _DAY_MS)
    values: dict[str, int | None] = {"polled_ms": poll.at_ms, "delivered": row["delivered"] + poll.delivered}
    if poll.polling and poll.last_us is not None:
        values["first_us"] = poll.first_us if row["first_us"] is None else min(row["first_us"], poll.first_us or 0)
        values["cursor_us"] = poll.last_us
    if fresh:
        values["restarted_ms"] = poll.at_ms
    connection.execute(CONSUMER_USE.update().filter_by(**named).values(**values))
    return fresh


def _restarted(row: sa.RowMapping, poll: Poll) -> bool:
    """Asked from before the first that it was ever given, though it had come further.

    What it is given then says less: the oldest objects may have newer versions, which stand at the end.
    """
    if not poll.polling or poll.first_us is None or row["first_us"] is None or row["cursor_us"] is None:
        return False
    return bool(poll.begins_us < row["first_us"] < row["cursor_us"])


def _told(connection: Connection, what: Seen, poll: Poll, tell: Tell) -> None:
    facts = {"collection": poll.collection, "consumer": poll.consumer.name}
    if what is Seen.NEW_NETWORK:
        facts["network"] = str(network_of(poll.consumer, poll.address))
    audit(connection, at_ms=poll.at_ms, event=what.value, member=poll.consumer.member, facts=facts)
    tell(what, poll)
