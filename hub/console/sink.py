"""Audit rows of the screens, in the hub's own trail: what was done or looked up, by whom and from where."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from hub import store
from port2port.canonical import Json
from port2port.clock import Clock, to_ms


class HubAudit:
    """The ``AuditSink`` of the hub."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(  # noqa: PLR0917  # as the protocol has it
        self, connection: Connection, who: str, action: str, subject: str, facts: dict[str, Json], from_where: str
    ) -> None:
        """Write one row in the caller's transaction."""
        more = {**facts, "who": who, "subject": subject, "from": from_where}
        store.audit(connection, at_ms=to_ms(self._clock.now()), event=action, member=None, facts=more)
