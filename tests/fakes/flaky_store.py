"""A store whose next writes fail, in both ways in which a write can: lost, or done and reported lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine

from hub.store import Store, open_store
from port2port.database import Database, StorageError

T = TypeVar("T")


class FlakyDatabase(Database):
    """``lose`` and ``lose_answer`` count down the writes that fail; ``pause`` holds writes until it is set."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.lose = 0
        self.lose_answer = 0
        self.pause: asyncio.Event | None = None
        self.writes = 0

    async def write(self, action: Callable[[Connection], T]) -> T:
        if self.pause is not None:
            await self.pause.wait()
        self.writes += 1
        if self.lose:
            self.lose -= 1
            await super().write(lambda connection: _undo(connection, action))
        result = await super().write(action)
        if self.lose_answer:
            self.lose_answer -= 1
            raise StorageError("done, but nobody knows")
        return result


def _undo(connection: Connection, action: Callable[[Connection], T]) -> None:
    action(connection)
    raise StorageError("lost")


def flaky_store(url: str) -> tuple[Store, FlakyDatabase]:
    """An opened store and its switches."""
    store = open_store(url)
    store.database.close()
    flaky = FlakyDatabase(store.engine)
    store.database = flaky
    return store, flaky
