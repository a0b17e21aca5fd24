"""What must be able to be looked up later: who was invited, which certificate was issued or denied, what was admitted.

Written in the transaction of the deed itself. Ids, numbers and digests only: no payloads, keys or persons. Whoever
can write the table can hide an operator's deed from other operators; what the log holds he cannot touch.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from hub.tables import AUDIT
from port2port import canonical
from port2port.canonical import Json


def record(connection: Connection, *, event: str, member: str | None, at_ms: int, **facts: Json) -> None:
    """Add a line. ``at_ms`` is milliseconds since the epoch."""
    text = canonical.dumps(facts).decode()
    connection.execute(AUDIT.insert().values(at_ms=at_ms, event=event, member=member, facts=text))


def newest(connection: Connection, count: int) -> Sequence[RowMapping]:
    """The last ``count`` lines, newest first."""
    return connection.execute(sa.select(AUDIT).order_by(AUDIT.c.id.desc()).limit(count)).mappings().all()
