"""What people add to the picture: acknowledging an entry for their member, and views kept under a name."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture.queries import ITEM
from hub.picture.reading import Reading
from hub.picture.view import View
from hub.store import audit
from hub.tables import PICTURE_SEEN, SAVED_VIEW
from port2port.errors import NotFoundError, PolicyError

VIEWS_MAX: Final = 50
NAME_CHARS: Final = 60


class SavedViewError(PolicyError):
    """This view cannot be kept; the text says why."""

    code = "SAVED_VIEW"


def acknowledge(connection: Connection, reading: Reading, indices: list[int], *, who: str) -> int:
    """Take entries out of the queue of the reader's member; how many were new. Raises NotFoundError."""
    wanted = sorted(set(indices))
    query = sa.select(ITEM.c.index).where(ITEM.c.index.in_(wanted), reading.sees(ITEM.c.visibility))
    if set(connection.execute(query).scalars()) != set(wanted):
        raise NotFoundError("there is no such entry")
    mine = PICTURE_SEEN.c.member == reading.member
    known = set(connection.execute(sa.select(PICTURE_SEEN.c.index).where(mine)).scalars())
    fresh = [index for index in wanted if index not in known]
    if fresh:
        rows = [{"member": reading.member, "index": at, "who": who, "at_ms": reading.now_ms} for at in fresh]
        connection.execute(PICTURE_SEEN.insert(), rows)
        _audit(connection, reading, "picture.acknowledge", who, fresh)
    return len(fresh)


def undo_acknowledge(connection: Connection, reading: Reading, indices: list[int], *, who: str) -> int:
    """Put entries back into the queue; how many were out of it."""
    gone = PICTURE_SEEN.delete().where(PICTURE_SEEN.c.member == reading.member, PICTURE_SEEN.c.index.in_(indices))
    count = connection.execute(gone).rowcount
    if count:
        _audit(connection, reading, "picture.unacknowledge", who, sorted(indices))
    return count


def save_view(connection: Connection, account: str, name: str, view: View, *, at_ms: int) -> None:
    """Keep a view under a name, in place of one that had it. Raises SavedViewError."""
    kept = name.strip()
    if not 0 < len(kept) <= NAME_CHARS or not kept.isprintable():
        raise SavedViewError(f"a name has 1 to {NAME_CHARS} printable characters")
    forget_view(connection, account, kept)
    count = sa.select(sa.func.count()).select_from(SAVED_VIEW).where(SAVED_VIEW.c.account == account)
    if connection.execute(count).scalar_one() >= VIEWS_MAX:
        raise SavedViewError(f"at most {VIEWS_MAX} views are kept: forget one first")
    row = {"account": account, "name": kept, "query": view.to_query(), "saved_ms": at_ms}
    connection.execute(SAVED_VIEW.insert(), [row])


def saved_views(connection: Connection, account: str) -> tuple[tuple[str, View], ...]:
    """An account's views by name."""
    query = sa.select(SAVED_VIEW).where(SAVED_VIEW.c.account == account).order_by(SAVED_VIEW.c.name)
    return tuple((row.name, View.from_query(row.query)) for row in connection.execute(query))


def forget_view(connection: Connection, account: str, name: str) -> None:
    """Forget a view."""
    connection.execute(SAVED_VIEW.delete().where(SAVED_VIEW.c.account == account, SAVED_VIEW.c.name == name))


def _audit(connection: Connection, reading: Reading, event: str, who: str, indices: list[int]) -> None:
    facts = {"entries": list(indices), "who": who}
    audit(connection, at_ms=reading.now_ms, event=event, member=reading.member, facts=facts)
