"""When each node last held its feed open, how far it had got, and its version: what the screens call alive.

Only the open feed counts. A node that hands something in must not look younger for it: nobody but its readers may
notice that there is something new.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.members import Peer
from hub.tables import NODE_CONTACT

VERSION_CHARS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One node; ``cursor`` is the size of the log that it has been given, ``version`` empty until it said one."""

    member: str
    node: int
    at_ms: int = 0
    version: str = ""
    cursor: int = 0


class Contacts:
    """What this process saw since it last wrote it down."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Contact] = {}
        self._changed: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def follows(self, peer: Peer, *, at_ms: int, cursor: int | None = None) -> None:
        """The node's feed is open at this time; ``cursor`` where it moved."""
        with self._lock:
            known = self._of(peer)
            moved = known.cursor if cursor is None else cursor
            self._keep(replace(known, at_ms=max(known.at_ms, at_ms), cursor=moved))

    def says(self, peer: Peer, version: str) -> None:
        """The node told its version."""
        with self._lock:
            self._keep(replace(self._of(peer), version=version[:VERSION_CHARS]))

    def save(self, connection: Connection) -> int:
        """Write down what changed; how many nodes."""
        with self._lock:
            rows = [self._known[name] for name in sorted(self._changed)]
            self._changed.clear()
        for row in rows:
            _write(connection, row)
        return len(rows)

    def _of(self, peer: Peer) -> Contact:
        name = (peer.member, peer.node)
        return self._known.get(name) or Contact(member=peer.member, node=peer.node)

    def _keep(self, contact: Contact) -> None:
        name = (contact.member, contact.node)
        self._known[name] = contact
        self._changed.add(name)


def read_contacts(connection: Connection) -> tuple[Contact, ...]:
    """Every node that was ever seen, by member and number."""
    query = sa.select(NODE_CONTACT).order_by(NODE_CONTACT.c.member, NODE_CONTACT.c.node)
    return tuple(
        Contact(member=row.member, node=row.node, at_ms=row.at_ms, version=row.version, cursor=row.cursor)
        for row in connection.execute(query)
    )


def _write(connection: Connection, contact: Contact) -> None:
    """Another process may know the node's version, or have seen it later: what is empty or older changes nothing."""
    where = sa.and_(NODE_CONTACT.c.member == contact.member, NODE_CONTACT.c.node == contact.node)
    known = connection.execute(sa.select(NODE_CONTACT).where(where)).first()
    values = {
        "member": contact.member,
        "node": contact.node,
        "at_ms": max(contact.at_ms, 0 if known is None else known.at_ms),
        "version": contact.version or ("" if known is None else known.version),
        "cursor": contact.cursor or (0 if known is None else known.cursor),
    }
    connection.execute(NODE_CONTACT.insert() if known is None else NODE_CONTACT.update().where(where), values)
