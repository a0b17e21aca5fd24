"""What people did at the screens, and what they looked up: one row each, in the transaction of the deed.

Node and hub write the rows into tables of their own. A row never holds content, keys or names of persons.
"""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.engine import Connection
from starlette.requests import Request

from port2port.canonical import Json


class AuditSink(Protocol):
    """Where the rows go. ``who`` is a pseudonym, "" where nobody is signed in; ``from_where`` an address."""

    def record(  # noqa: PLR0917  # each place says what it is, and every page writes them in this order
        self, connection: Connection, who: str, action: str, subject: str, facts: dict[str, Json], from_where: str
    ) -> None: ...


def from_where(request: Request) -> str:
    """The address a request came from, as the row has it."""
    return request.client.host if request.client is not None else ""
