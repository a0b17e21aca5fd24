"""How far what we said has got: signed, stored, sent, accepted, logged, delivered, seen.

*Stored* is our own disk, *accepted* the hub's signed promise, *logged* our own leaf under a checkpoint that we
verified; *delivered* and *seen* are signed by each reader's node. A statement that the hub refused stops there, with
the hub's reason; taking something back is an act of its own (``node.acts.preparing.retract``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import explain, outbox, tables
from node.explain import Fate
from port2port import statement as stm
from port2port.clock import from_ms
from port2port.roster import Roster
from port2port.wire import decode_envelope

_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
SIGNED: Final = "signed"
STORED: Final = "stored"
SENT: Final = "sent"
ACCEPTED: Final = "accepted"
LOGGED: Final = "logged"
DELIVERED: Final = "delivered"
SEEN: Final = "seen"
_GOT: Final = {"delivered", "seen", "retracted"}
_SAW: Final = {"seen", "retracted"}
_OWN_WORK: Final = ("publish", "report", "retract", "note", "import", "reshare", "reaffirm", "level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage; ``at`` where the time is known, ``done`` of ``of`` readers for the last two."""

    name: str
    reached: bool
    at: datetime | None = None
    done: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One statement. ``signatures`` counts officers and machine, ``text`` is why the hub refused or waits."""

    statement_id: str
    kind: str
    signatures: int
    index: int | None
    refused: bool
    text: str
    steps: tuple[Step, ...]
    recipients: tuple[Fate, ...]

    @property
    def unseen_by(self) -> tuple[str, ...]:
        """The entitled members, by name, of whom no officer has opened it."""
        return tuple(fate.name for fate in self.recipients if fate.state not in _SAW)


def progress(connection: Connection, member: str, ident: str, roster: Roster) -> list[Progress]:
    """What became of our statements of this id (draft, statement or object); empty for what is not ours."""
    own = [one.statement.id for one in explain.find_own(connection, ident) if one.statement.issuer == member]
    rows = connection.execute(sa.select(_OUTBOX).where(_OUTBOX.c.statement_id.in_(own)).order_by(_OUTBOX.c.id))
    return [_of_row(connection, member, row, roster) for row in rows.all()]


def recent(connection: Connection, member: str, roster: Roster, *, limit: int = 50) -> list[Progress]:
    """What officers and rules said last, the newest first; automatic sightings are left out."""
    query = sa.select(_OUTBOX).where(_OUTBOX.c.kind.in_(_OWN_WORK)).order_by(_OUTBOX.c.id.desc()).limit(limit)
    return [_of_row(connection, member, row, roster) for row in connection.execute(query).all()]


def _of_row(connection: Connection, member: str, row: Row[Any], roster: Roster) -> Progress:
    envelope = decode_envelope(row.envelope)
    said = stm.decode(envelope.statement)
    index: int | None = row._mapping["index"]  # noqa: SLF001  # a row's own ``index`` is the tuple method
    told = explain.explain(connection, member, said.id, roster) if index is not None else []
    entitled = tuple(fate for one in told for fate in one.fates if fate.state != explain.NOT_ENTITLED)
    return Progress(
        statement_id=said.id,
        kind=said.kind,
        signatures=len(envelope.signatures),
        index=index,
        refused=row.state == outbox.REFUSED,
        text=row.text,
        steps=_steps(row, said.issued, entitled),
        recipients=entitled,
    )


def _steps(row: Row[Any], issued: datetime, entitled: tuple[Fate, ...]) -> tuple[Step, ...]:
    answered = row.state != outbox.QUEUED
    accepted = row.state in {outbox.ACCEPTED, outbox.CLEARED}
    received = from_ms(row.received_ms) if accepted and row.received_ms else None
    return (
        Step(name=SIGNED, reached=True, at=issued),
        Step(name=STORED, reached=True, at=from_ms(row.queued_ms)),
        Step(name=SENT, reached=answered or row.attempts > 0),
        Step(name=ACCEPTED, reached=accepted, at=received),
        Step(name=LOGGED, reached=row.state == outbox.CLEARED),
        _by_readers(DELIVERED, _GOT, entitled),
        _by_readers(SEEN, _SAW, entitled),
    )


def _by_readers(name: str, states: set[str], entitled: tuple[Fate, ...]) -> Step:
    """Reached when every entitled reader has said so; ``at`` is the last of them."""
    times = [fate.at for fate in entitled if fate.state in states]
    known = [at for at in times if at is not None]
    whole = bool(entitled) and len(times) == len(entitled)
    return Step(
        name=name, reached=whole, at=max(known, default=None) if whole else None, done=len(times), of=len(entitled)
    )
