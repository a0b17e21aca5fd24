"""Audit rows of the screens, in the node's own trail: what was done or looked up, by whom and from where.

They carry no officer's key: what an officer *decides* is signed and written by ``node.review`` and ``node.acts``.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from node import store
from node.store import AuditLine
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import Clock, to_ms


class NodeAudit:
    """The ``AuditSink`` of a node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def record(  # noqa: PLR0917  # as the protocol has it
        self, connection: Connection, who: str, action: str, subject: str, facts: dict[str, Json], from_where: str
    ) -> None:
        """Write one row in the caller's transaction."""
        raw = canonical.dumps({**facts, "from": from_where})
        line = AuditLine(at_ms=to_ms(self._clock.now()), officer=who, action=action, subject=subject, facts=raw)
        store.audit(connection, line)
