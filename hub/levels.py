"""Which members' duty officers have acknowledged a change of the security level, and who has not.

An acknowledgement is a receipt ``seen``, signed by the receiving node. The board is shown to the authority that set the
level and to the coordinators (decision 0019); any other reader sees his own member's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from hub.picture import Reading, entry_row, recipients
from hub.picture.unseen import belonged
from port2port.errors import NotFoundError
from port2port.statement import decode
from port2port.wire import decode_envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One member's answer. ``known`` is False where the reader may not know it, ``owed`` for who joined afterwards."""

    member: str
    name: str
    delivered: datetime | None
    seen: datetime | None
    known: bool
    owed: bool


def acknowledgements(connection: Connection, reading: Reading, index: int) -> tuple[Acknowledgement, ...]:
    """For a change of a level: every member that should acknowledge it. Raises NotFoundError for another entry."""
    row = entry_row(connection, reading, index)
    if row.kind != "level":
        raise NotFoundError("there is no such entry")
    said = decode(decode_envelope(bytes(row.envelope)).statement)
    return tuple(
        Acknowledgement(
            member=one.member,
            name=one.name,
            delivered=one.delivered,
            seen=one.seen,
            known=one.known,
            owed=belonged(reading.roster, one.member, index),
        )
        for one in recipients(connection, reading, said, index)
        if one.member != row.issuer
    )


def missing(answers: Sequence[Acknowledgement]) -> tuple[Acknowledgement, ...]:
    """Who has not acknowledged, as far as the reader may know."""
    return tuple(one for one in answers if one.known and one.owed and one.seen is None)


def seen(answers: Sequence[Acknowledgement]) -> tuple[Acknowledgement, ...]:
    """Who has, the first one first, as far as the reader may know."""
    return tuple(sorted((one for one in answers if one.known and one.seen), key=lambda one: (str(one.seen), one.name)))
