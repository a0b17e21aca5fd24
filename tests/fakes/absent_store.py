"""A store whose database goes away and comes back: while it is ``away`` every read and write fails at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection

from hub.store import Store, open_store
from port2port.database import Database, StorageError

T = TypeVar("T")


class AbsentDatabase(Database):
    """``refused`` counts what was asked in vain; ``leave_after`` reads that pass, it goes by itself.

    ``unread`` refuses the readers' threads alone.
    """

    away = False
    unread = False
    refused = 0
    leave_after: int | None = None

    async def write(self, action: Callable[[Connection], T]) -> T:
        self._require_there()
        return await super().write(action)

    async def read(self, action: Callable[[Connection], T]) -> T:
        self._require_there()
        if self.unread:
            raise StorageError("the database does not answer readers")
        return await super().read(action)

    def read_now(self, action: Callable[[Connection], T]) -> T:
        self._require_there()
        return super().read_now(action)

    def _require_there(self) -> None:
        if self.leave_after is not None:
            self.away = self.leave_after <= 0
            self.leave_after -= 1
        if self.away:
            self.refused += 1
            raise StorageError("the database did not answer")


def absent_store(url: str) -> tuple[Store, AbsentDatabase]:
    """An opened store and its switch."""
    store = open_store(url)
    store.database.close()
    database = AbsentDatabase(store.engine)
    store.database = database
    return store, database
