"""Open, create or upgrade the node's database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.engine import Connection

import node.migrations
from port2port.database import Database, make_engine, write
from port2port.errors import ConfigurationError

T = TypeVar("T")


class NodeStore:
    """One database with its writer thread. The functions of ``node.store`` do the work."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def write(self, action: Callable[[Connection], T]) -> Awaitable[T]:
        """One writing transaction on the writer thread; durable when awaited. Raises StorageError."""
        return self.database.write(action)

    def read(self, action: Callable[[Connection], T]) -> Awaitable[T]:
        """One reading transaction on a reader thread. Raises StorageError."""
        return self.database.read(action)

    def write_now(self, action: Callable[[Connection], T]) -> T:
        """As ``write``, for callers that may block."""
        return self.database.write_now(action)

    def read_now(self, action: Callable[[Connection], T]) -> T:
        """As ``read``, for callers that may block."""
        return self.database.read_now(action)

    def close(self) -> None:
        """Finish what was handed in, then let go of the file."""
        self.database.close()


def open_store(url: str) -> NodeStore:
    """The store at a database URL, created or brought to the newest revision first.

    Raises ConfigurationError where a newer version of the software has upgraded it already.
    """
    engine = make_engine(url)
    write(engine, _upgrade)
    return NodeStore(Database(engine))


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(node.migrations.__file__).parent))
    config.attributes["connection"] = connection
    known = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current == known.get_current_head():
        return
    try:
        command.upgrade(config, "head")
    except (CommandError, sa.exc.ProgrammingError) as error:
        raise ConfigurationError("the database was made by another version of this software") from error
