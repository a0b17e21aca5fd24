"""One entry opened: its objects as signed, why, for whom, how it came here, who saw it, what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.provenance import Checks, lines
from hub.picture.queries import items_of, points_in, sightings
from hub.picture.reading import Reading
from hub.picture.related import related
from hub.picture.unseen import AFTER_MS, answers_known, asks, belonged, knows
from hub.picture.values import Detail, Item, Recipient, Track, Why
from hub.tables import BODY, ENTRY, PICTURE_ITEM, RECEIPT
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.sharing import audience_of, explain
from port2port.statement import Statement, decode
from port2port.wire import decode_envelope

_SINGLE: str = "single-open-source"


def entry_row(connection: Connection, reading: Reading, index: int) -> Any:
    """The entry with its envelope. Raises NotFoundError, the same for what is hidden and what is not there."""
    query = (
        sa.select(ENTRY, BODY.c.envelope)
        .join(BODY, BODY.c.index == ENTRY.c.index)
        .where(ENTRY.c.index == index, reading.sees(ENTRY.c.visibility))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError("there is no such entry")
    return row


def detail(connection: Connection, reading: Reading, checks: Checks, index: int) -> Detail:
    """One entry as its reader sees it, verified anew. Raises NotFoundError."""
    row = entry_row(connection, reading, index)
    shown = connection.execute(sa.select(PICTURE_ITEM).where(PICTURE_ITEM.c.index == index)).first()
    if shown is None:
        raise NotFoundError("there is no such entry")
    item = items_of(connection, reading, [shown])[0]
    sealed = decode_envelope(bytes(row.envelope))
    said = decode(sealed.statement)
    objects: tuple[Mapping[str, Json], ...] = tuple(orjson.loads(one.body) for one in sealed.objects)
    named = _awaited(reading, item, recipients(connection, reading, said, index))
    points = points_in(item.facts)
    return Detail(
        item=item,
        digest=bytes(row.digest).hex(),
        objects=objects,
        body=dict(said.body),
        why=why_of(objects),
        purpose=said.purpose,
        personal_data=said.personal_data,
        groups=said.groups,
        recipients=named,
        provenance=lines(connection, reading, checks, row, named),
        sightings=sightings(connection, reading, index),
        related=related(connection, reading, index),
        tracks=(Track(index=index, issuer=item.issuer, title=item.title, points=points),) if points else (),
    )


def recipients(connection: Connection, reading: Reading, said: Statement, index: int) -> tuple[Recipient, ...]:
    """The members that may read it today, by name. What they answered is told to the issuer and to the coordinator;
    to others, their own.
    """
    audience = audience_of(said)
    told: dict[tuple[str, str], int] = {}
    for row in connection.execute(sa.select(RECEIPT).where(RECEIPT.c.index == index, answers_known(reading))):
        told[row.member, row.state] = row.received_ms
    members = [name for name in reading.roster.members() if explain(audience, name, reading.roster)]
    return tuple(
        Recipient(
            member=name,
            name=reading.name_of(name),
            delivered=_moment(told, name, "delivered"),
            seen=_moment(told, name, "seen"),
            known=knows(reading, said.issuer, name),
        )
        for name in sorted(members, key=lambda name: (reading.name_of(name), name))
    )


def _awaited(reading: Reading, item: Item, named: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """The same, with who should have seen it by now."""
    due = asks(item) and to_ms(item.received_at) <= reading.now_ms - AFTER_MS
    return tuple(
        replace(
            one,
            late=due
            and one.known
            and one.seen is None
            and one.member != item.issuer
            and belonged(reading.roster, one.member, item.index),
        )
        for one in named
    )


def why_of(objects: Sequence[Mapping[str, Json]]) -> Why:
    """What the author's objects give as the reason."""
    labels: list[str] = []
    for data in objects:
        given = data.get("labels")
        labels += [str(one) for one in given] if isinstance(given, list) else []
    told = [data.get("description") or data.get("content") for data in objects]
    confidences = [one for one in (data.get("confidence") for data in objects) if isinstance(one, int)]
    return Why(
        reasons=tuple(dict.fromkeys(str(one) for one in told if one)),
        labels=tuple(dict.fromkeys(labels)),
        confidence=max(confidences, default=None),
        single_open_source=_SINGLE in labels,
    )


def _moment(told: Mapping[tuple[str, str], int], member: str, state: str) -> Any:
    found = told.get((member, state))
    return None if found is None else from_ms(found)
