"""The roster as the log has it: folded from the control entries, in log order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.tables import BODY, CONTROL, ENTRY
from port2port import genesis, roster
from port2port.errors import InvariantError
from port2port.roster import Roster
from port2port.statement import Statement, decode
from port2port.wire import decode_envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterAt:
    """The roster after ``version`` control entries. ``digest`` is the last one's; None and 0 before the genesis."""

    roster: Roster | None = None
    version: int = 0
    digest: bytes = b""


NO_ROSTER: Final = RosterAt()


def fold_roster(connection: Connection, known: RosterAt = NO_ROSTER) -> RosterAt:
    """The roster after all control entries that this transaction sees, going on from ``known`` where that fits."""
    if known.version and known.digest != _control_digest(connection, known.version):
        known = NO_ROSTER
    for version, index, digest, received_ms, envelope in connection.execute(_CONTROLS, {"after": known.version}):
        said = decode(decode_envelope(bytes(envelope)).statement)
        folded = next_roster(known.roster, said, digest=bytes(digest), index=index, received_ms=received_ms)
        known = RosterAt(roster=folded, version=version, digest=bytes(digest))
    return known


def next_roster(before: Roster | None, said: Statement, *, digest: bytes, index: int, received_ms: int) -> Roster:
    """The roster after a control entry that was verified. Raises InvariantError where the log has no genesis."""
    if said.kind == "genesis":
        return roster.found(genesis.from_statement(said), digest)
    if before is None:
        raise InvariantError("a control entry stands before the genesis", index=index)
    return roster.apply(before, said, digest=digest, index=index, received_ms=received_ms)


def _control_digest(connection: Connection, version: int) -> bytes | None:
    query = (
        sa.select(ENTRY.c.digest).join(CONTROL, CONTROL.c.index == ENTRY.c.index).where(CONTROL.c.version == version)
    )
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)


_CONTROLS: Final = (
    sa.select(CONTROL.c.version, ENTRY.c.index, ENTRY.c.digest, ENTRY.c.received_ms, BODY.c.envelope)
    .join(ENTRY, ENTRY.c.index == CONTROL.c.index)
    .join(BODY, BODY.c.index == CONTROL.c.index)
    .where(CONTROL.c.version > sa.bindparam("after"))
    .order_by(CONTROL.c.version)
)
