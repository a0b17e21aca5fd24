"""The security levels as this node knows them: what is in force where, what is coming, and who has read it here.

Folded from the entries that this node verified. Two answers are kept beside them: the receipt ``seen`` that this port
owes the authority once an officer has read a change, and which officers of this port have read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import receipts, tables
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.levels import Level, Standing, level_of, standings
from port2port.roster import Roster
from port2port.sharing import REAL
from port2port.statement import decode
from port2port.tlp import Tlp
from port2port.wire import decode_envelope

_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_RECEIPT: Final = tables.Receipt.__table__  # type: ignore[attr-defined]  # as above
_READING: Final = tables.LevelReadingRow.__table__  # type: ignore[attr-defined]  # as above
SEEN: Final = "seen"
STANDS: Final = frozenset({Standing.IN_FORCE, Standing.COMING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A logged change of a level. ``disputed`` ones are shown and never in force; ``keys`` are those that signed it."""

    index: int
    statement_id: str
    issuer: str
    received_at: datetime
    level: Level
    tlp: Tlp | None
    standing: Standing
    own: bool
    seen: bool
    keys: tuple[str, ...]

    @property
    def disputed(self) -> bool:
        """Whether a key that signed it was later declared stolen as of before."""
        return self.standing is Standing.DISPUTED

    @property
    def stands(self) -> bool:
        """Whether it is in force or will be."""
        return self.standing in STANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """That an officer of this port has read a change; ``signed`` where he was one of those who made it."""

    officer: str
    at: datetime
    signed: bool = False


def changes(connection: Connection, now: datetime, *, realm: str = REAL) -> tuple[Change, ...]:
    """Every change of a level in log order, each with where it stands now."""
    seen = set(connection.scalars(sa.select(_RECEIPT.c.index).where(_RECEIPT.c.state == SEEN)))
    query = sa.select(_ENTRY).where(_ENTRY.c.kind == "level", _ENTRY.c.understood, _ENTRY.c.realm == realm)
    logged = connection.execute(query.order_by(_ENTRY.c.index)).mappings().all()
    envelopes = [decode_envelope(row["envelope"]) for row in logged]
    said = [decode(one.statement) for one in envelopes]
    levels = [level_of(one) for one in said]
    found = standings([(level, row["disputed"]) for level, row in zip(levels, logged, strict=True)], now)
    return tuple(
        Change(
            index=row["index"],
            statement_id=statement.id,
            issuer=row["issuer"],
            received_at=from_ms(row["received_ms"]),
            level=level,
            tlp=statement.tlp,
            standing=standing,
            own=row["own"],
            seen=row["index"] in seen,
            keys=tuple(one.key_id for one in envelope.signatures),
        )
        for row, envelope, statement, level, standing in zip(logged, envelopes, said, levels, found, strict=True)
    )


def current(connection: Connection, now: datetime, *, realm: str = REAL) -> dict[str, Change]:
    """The change in force at each LOCODE: of those in effect, the one logged last."""
    found = changes(connection, now, realm=realm)
    return {one.level.locode: one for one in found if one.standing is Standing.IN_FORCE}


def unacknowledged(connection: Connection, now: datetime, *, realm: str = REAL) -> tuple[Change, ...]:
    """Others' changes that the duty officer has yet to acknowledge, oldest first."""
    return tuple(one for one in changes(connection, now, realm=realm) if not one.own and not one.seen)


def acknowledge(connection: Connection, index: int, now: datetime) -> None:
    """The duty officer has read it: the receipt ``seen`` goes to the authority. Raises NotFoundError."""
    query = sa.select(_ENTRY.c.digest, _ENTRY.c.own).where(_ENTRY.c.index == index, _ENTRY.c.kind == "level")
    found = connection.execute(query).first()
    if found is None:
        raise NotFoundError("there is no such change of a level")
    if not found.own:
        receipts.owe(connection, [(index, found.digest)], SEEN, to_ms(now))


def read(connection: Connection, indices: Iterable[int], officer: str, now: datetime) -> list[int]:
    """An officer has read these changes: kept under his pseudonym, and told to the authority; those new to him.

    Raises NotFoundError.
    """
    wanted = sorted(set(indices))
    mine = sa.select(_READING.c.index).where(_READING.c.officer == officer, _READING.c.index.in_(wanted))
    known = set(connection.scalars(mine))
    new = [index for index in wanted if index not in known]
    for index in new:
        acknowledge(connection, index, now)
    if new:
        rows = [{"index": index, "officer": officer, "at_ms": to_ms(now)} for index in new]
        connection.execute(sa.insert(_READING), rows)
    return new


def readings(connection: Connection, found: Iterable[Change], roster: Roster) -> dict[int, tuple[Reading, ...]]:
    """Who of this port has read each change, in the order in which they did; who signed it has read it."""
    made: dict[int, dict[str, Reading]] = {}
    for one in found:
        signers = (roster.keys[key].pseudonym for key in one.keys if one.own and key in roster.keys)
        made[one.index] = {who: Reading(officer=who, at=one.received_at, signed=True) for who in signers if who}
    query = sa.select(_READING).where(_READING.c.index.in_(list(made))).order_by(_READING.c.at_ms, _READING.c.officer)
    for row in connection.execute(query).mappings():
        by_officer = made[row["index"]]
        by_officer.setdefault(row["officer"], Reading(officer=row["officer"], at=from_ms(row["at_ms"])))
    return {index: tuple(by_officer.values()) for index, by_officer in made.items()}


def reading_count(connection: Connection) -> int:
    """How many readings there are: grows with each."""
    return connection.scalar(sa.select(sa.func.count()).select_from(_READING)) or 0


def unread(found: Iterable[Change], known: dict[int, tuple[Reading, ...]], officer: str) -> tuple[Change, ...]:
    """The changes that stand and that this officer has not read, oldest first."""
    return tuple(
        one for one in found if one.stands and officer not in {given.officer for given in known.get(one.index, ())}
    )


def places_of(roster: Roster, member: str) -> tuple[str, ...]:
    """The LOCODEs whose level a member sets."""
    return tuple(sorted(place for place, authority in roster.level_authorities.items() if authority == member))
