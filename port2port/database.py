"""Two engines, one code path: SQLite by default, PostgreSQL by URL.

SQLite runs in WAL with ``synchronous=FULL``: with NORMAL a power cut loses acknowledged rows
(docs/decisions/0005). A writer begins with BEGIN IMMEDIATE, so that the lock is taken before anything is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from port2port.errors import ConfigurationError, UnavailableError

T = TypeVar("T")
_WRITES: Final = "port2port_writes"
_CANCELLED: Final = "port2port_standby_wait_cancelled"


class StorageError(UnavailableError):
    """The database did not take the transaction (disk full, connection lost, lock not to be had)."""

    code = "STORAGE"


def make_engine(url: str, *, synchronous: str = "FULL") -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql://...``. ``synchronous`` differs from FULL in tests only.

    Raises ConfigurationError for any other URL or a missing driver.
    """
    if url.startswith("sqlite"):
        return _sqlite(url, synchronous)
    if not url.startswith("postgresql"):
        raise ConfigurationError("the database URL must begin with sqlite:/// or postgresql://")
    try:
        engine = sa.create_engine(url, pool_size=8, max_overflow=0, pool_pre_ping=True)
    except (ImportError, sa.exc.ArgumentError) as error:
        raise ConfigurationError("cannot use this database URL; is the extra 'postgres' installed?") from error
    event.listen(engine, "connect", _refuse_cancelled_commit)
    return engine


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def _sqlite(url: str, synchronous: str) -> Engine:
    memory = url in {"sqlite://", "sqlite:///:memory:"}
    pool: dict[str, object] = {"poolclass": sa.pool.StaticPool} if memory else {"pool_size": 8, "max_overflow": 0}
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, **pool)

    def connect(dbapi: object, _record: object) -> None:
        dbapi.isolation_level = None  # type: ignore[attr-defined]  # sqlite3.Connection; our begin event takes over
        cursor = dbapi.cursor()  # type: ignore[attr-defined]  # sqlite3.Connection
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "busy_timeout=30000",
            "foreign_keys=ON",
            "wal_autocheckpoint=4000",
            "cache_size=-65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    return engine


def _refuse_cancelled_commit(dbapi: object, record: ConnectionPoolEntry) -> None:
    """A commit whose wait for the standby was cancelled succeeds with a mere warning: make it an error.

    SQLSTATE 01000, "canceling wait for synchronous replication": the transaction is not on the standby, so what
    it wrote must not be acknowledged.
    """

    def notice(diagnostic: object) -> None:
        if "synchronous replication" in (getattr(diagnostic, "message_primary", "") or ""):
            record.info[_CANCELLED] = True

    dbapi.add_notice_handler(notice)  # type: ignore[attr-defined]  # psycopg.Connection


def write(engine: Engine, action: Callable[[Connection], T]) -> T:
    """Run ``action`` in one writing transaction and return once it is durable.

    Raises StorageError; an IntegrityError passes, since what it means is the caller's to say.
    """
    try:
        with engine.connect().execution_options(**{_WRITES: True}) as connection:
            with connection.begin():
                result = action(connection)
            _require_replicated(connection)
            return result
    except sa.exc.IntegrityError:
        raise
    except (DBAPIError, sa.exc.TimeoutError) as error:
        raise StorageError("the database did not take the transaction") from error


def _require_replicated(connection: Connection) -> None:
    if connection.info.pop(_CANCELLED, False):
        raise StorageError("committed here but not on the standby: not acknowledged, try again")


def read(engine: Engine, action: Callable[[Connection], T]) -> T:
    """Run ``action`` in one reading transaction, all of which sees one moment. Raises StorageError.

    On SQLite that is so; PostgreSQL would show each statement what was committed before it, so that a head and the
    leaves read after it could disagree.
    """
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            return action(connection)
    except (DBAPIError, sa.exc.TimeoutError) as error:
        raise StorageError("the database did not answer") from error


class Database:
    """One engine with one writer thread and a small pool of readers: nothing blocking runs on the event loop."""

    def __init__(self, engine: Engine, *, readers: int = 3) -> None:
        self.engine = engine
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")

    async def write(self, action: Callable[[Connection], T]) -> T:
        """As the function ``write``, on the writer thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, write, self.engine, action)

    async def read(self, action: Callable[[Connection], T]) -> T:
        """As the function ``read``, on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, read, self.engine, action)

    def write_now(self, action: Callable[[Connection], T]) -> T:
        """As the function ``write``, from a thread that may block; still on the one writer thread."""
        return self._writer.submit(write, self.engine, action).result()

    def read_now(self, action: Callable[[Connection], T]) -> T:
        """As the function ``read``, from a thread that may block."""
        return read(self.engine, action)

    def close(self) -> None:
        """Finish what was handed in, then let go of the connections."""
        self._writer.shutdown()
        self._readers.shutdown()
        self.engine.dispose()
