"""The hub's database: opened, brought to the newest revision, and the one sequencer row read and locked.

The same SQLAlchemy Core code runs on SQLite and PostgreSQL. Another process (``port2port-hub admit``, a second
replica) may append at any time: nothing in memory is believed unless the locked head says it is current.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

from hub.tables import AUDIT, HEAD
from port2port import canonical
from port2port.database import Database, make_engine, write
from port2port.errors import InvariantError
from port2port.merkle import EMPTY_FRONTIER, EMPTY_ROOT

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

CHANNEL: Final = "p2p_log"
_LISTEN_AGAIN_S: Final = 1.0
logger = logging.getLogger(__name__)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_UPGRADE_LOCK: Final = 0x70327000  # of PostgreSQL's advisory locks: two replicas may start at once
_ROWS_PER_STATEMENT: Final = (64, 32, 16, 8, 4, 2, 1)
_VALUES_PER_STATEMENT: Final = (1, 4, 16, 64, 128, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The log's end as the sequencer row has it. ``roster_version`` counts control entries."""

    next: int
    root: bytes
    frontier: bytes
    roster_version: int
    last_received_ms: int
    note: bytes

    @property
    def stamp(self) -> tuple[int, bytes]:
        """Equal stamps mean the very same log."""
        return self.next, self.root


_HEAD_ROW: Final = sa.select(
    *(HEAD.c.next, HEAD.c.root, HEAD.c.frontier, HEAD.c.roster_version, HEAD.c.last_received_ms, HEAD.c.note)
).where(HEAD.c.id == 0)


class Store:
    """One database with its writer thread and its readers. ``close`` ends both."""

    def __init__(self, engine: Engine) -> None:
        self.database = Database(engine)
        self.engine = engine

    @property
    def is_postgres(self) -> bool:
        """Whether other processes' appends are announced (LISTEN), or found by looking."""
        return self.engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Finish what was handed in and let go."""
        self.database.close()


class Query:
    """A Core statement compiled once for each dialect and run by the driver itself; the rows are plain tuples.

    For the hot path only: a statement through SQLAlchemy costs ten times what SQLite needs for it, and a group has
    about ten. Parameters and columns must be of types that the drivers take and give as they are. Errors are
    SQLAlchemy's, as everywhere.
    """

    def __init__(self, statement: sa.sql.ClauseElement) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Sequence[str] | None, Mapping[str, object]]] = {}

    def __call__(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """The rows, if it gives any; ``values`` are for its bind parameters."""
        return self.run(connection, values)

    def run(self, connection: Connection, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """As a call, for whoever has the values in a mapping."""
        name = connection.dialect.name
        text, order, constants = self._compiled.get(name) or self._compile(name, connection)
        given = {**constants, **values}
        return run_text(connection, text, given if order is None else [given[key] for key in order])

    def _compile(self, name: str, connection: Connection) -> tuple[str, Sequence[str] | None, Mapping[str, object]]:
        made = self._statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        compiled = cast("SQLCompiler", made)
        self._compiled[name] = found = (compiled.string, compiled.positiontup, dict(compiled.params))
        return found


class Lookup:
    """The rows of ``query`` whose ``column`` is one of many values: a few statements whose text never changes."""

    def __init__(self, query: sa.Select[Any], column: sa.Column[Any]) -> None:
        self._names = [f"v{at}" for at in range(_VALUES_PER_STATEMENT[-1])]
        self._queries = {
            size: Query(query.where(column.in_([sa.bindparam(name, type_=column.type) for name in self._names[:size]])))
            for size in _VALUES_PER_STATEMENT
        }

    def __call__(self, connection: Connection, values: Sequence[object], **more: Any) -> list[tuple[Any, ...]]:
        """The rows for ``values``, in the order of the query for each few hundred of them.

        ``more`` are the query's own bind parameters.
        """
        rows: list[tuple[Any, ...]] = []
        largest = _VALUES_PER_STATEMENT[-1]
        for start in range(0, len(values), largest):
            some = values[start : start + largest]
            size = next(size for size in _VALUES_PER_STATEMENT if size >= len(some))
            filled = [*some, *[some[-1]] * (size - len(some))]
            rows += self._queries[size].run(connection, {**more, **dict(zip(self._names, filled, strict=False))})
        return rows


class Insert:
    """Many rows into one table at the least cost: a few statements of many rows each, whose text never changes.

    For the hot path only. SQLAlchemy's handling of a row costs as much as its insertion; and SQLite's driver gives up
    the interpreter's lock for each statement, so that beside busy threads a statement per row waits for each row.
    """

    def __init__(self, target: sa.Table) -> None:
        self._table = target
        self._names = [column.name for column in target.columns]
        self._sql: dict[tuple[str, int], str] = {}

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert ``rows``, each with every column of the table. No rows, no statement."""
        start = 0
        for size in _ROWS_PER_STATEMENT:
            while len(rows) - start >= size:
                values = tuple(row[name] for row in rows[start : start + size] for name in self._names)
                run_text(connection, self._statement(connection, size), values)
                start += size

    def _statement(self, connection: Connection, size: int) -> str:
        known = self._sql.get((connection.dialect.name, size))
        if known is None:
            quote = connection.dialect.identifier_preparer.quote
            mark = "?" if connection.dialect.name == "sqlite" else "%s"
            names = ", ".join(map(quote, self._names))
            row = f"({', '.join([mark] * len(self._names))})"
            into = f"INSERT INTO {quote(self._table.name)} ({names}) VALUES "  # noqa: S608  # our own names
            known = self._sql[connection.dialect.name, size] = into + ", ".join([row] * size)
        return known


def run_text(
    connection: Connection, text: str, parameters: Sequence[object] | Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """Run one statement in the driver's own words. Raises what SQLAlchemy raises."""
    dialect = connection.dialect
    try:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, parameters)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            text, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
        ) from error


class Announcements:
    """Other processes' appends on PostgreSQL (LISTEN), as calls of ``wake`` on the event loop; nothing on SQLite.

    Only a doorbell: what is there is read from the tables, and looking now and then finds what was never announced.
    A connection that is lost, to a restart, a failover or an administrator, is made anew, and the bell rings once,
    for what may have been announced meanwhile. LISTEN needs a session of its own, so not through a pooler in
    transaction mode.
    """

    def __init__(self, store: Store, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._connection: Any = None  # psycopg.Connection, an optional package that is not imported here
        self._proxy: PoolProxiedConnection | None = None
        self._socket = -1
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._store.is_postgres:
            if not await self._connect():
                logger.warning("not listening for announcements, looking every second instead")
                self._lost.set()
            self._keeper = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        self._stop()

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            await asyncio.sleep(_LISTEN_AGAIN_S)
            if await self._connect():
                self._lost.clear()
                logger.info("listening for announcements again")
                self._wake()

    async def _connect(self) -> bool:
        """Whether there is a connection that listens. Cancelled, it waits for the thread, so that none is left open."""
        listening = asyncio.ensure_future(asyncio.to_thread(self._listen))
        try:
            self._connection = await asyncio.shield(listening)
        except asyncio.CancelledError:
            await asyncio.wait({listening})
            if listening.exception() is None:
                listening.result().close()
            raise
        except (DBAPIError, self._store.engine.dialect.loaded_dbapi.Error):
            return False
        self._socket = self._connection.fileno()
        asyncio.get_running_loop().add_reader(self._socket, self._heard)
        return True

    def _listen(self) -> Any:
        """A connection of our own, out of the pool for good: SQLAlchemy closes it once the proxy is forgotten."""
        self._proxy = self._store.engine.raw_connection()
        connection: Any = self._proxy.driver_connection
        self._proxy.detach()
        connection.rollback()
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _heard(self) -> None:
        try:
            for _ in self._connection.notifies(timeout=0):
                pass
        except self._store.engine.dialect.loaded_dbapi.Error:
            logger.warning("lost the connection for announcements, looking every second until there is another")
            self._stop()
            self._lost.set()
        self._wake()

    def _stop(self) -> None:
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._connection.close()
            self._connection = self._proxy = None


def open_store(url: str) -> Store:
    """The database at ``url``, created or upgraded. Raises ConfigurationError or StorageError."""
    engine = make_engine(url)
    write(engine, _upgrade)
    return Store(engine)


def read_head(connection: Connection) -> Head:
    """The head as this transaction sees it."""
    return _head(_HEAD(connection))


def lock_head(connection: Connection) -> Head:
    """The head, locked until the transaction ends: FOR UPDATE, or the database's write lock on SQLite."""
    return _head(_LOCKED_HEAD(connection))


def audit(connection: Connection, *, at_ms: int, event: str, member: str | None, facts: Mapping[str, object]) -> None:
    """Write one audit row. Codes and ids only."""
    row = {"at_ms": at_ms, "event": event, "member": member, "facts": canonical.dumps(dict(facts)).decode()}
    connection.execute(AUDIT.insert(), [row])


def audit_rows(connection: Connection, event: str) -> Sequence[sa.RowMapping]:
    """The audit rows of one event, oldest first."""
    query = sa.select(AUDIT).where(AUDIT.c.event == event).order_by(AUDIT.c.id)
    return connection.execute(query).mappings().all()


_HEAD: Final = Query(_HEAD_ROW)
_LOCKED_HEAD: Final = Query(_HEAD_ROW.with_for_update())


def _head(rows: Sequence[Sequence[Any]]) -> Head:
    if not rows:
        raise InvariantError("the log has no head")
    size, root, frontier, roster_version, last_received_ms, note = rows[0]
    return Head(
        next=size,
        root=bytes(root),
        frontier=bytes(frontier),
        roster_version=roster_version,
        last_received_ms=last_received_ms,
        note=bytes(note),
    )


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    with _quiet("alembic.runtime.migration"):
        command.upgrade(config, "head")
    if not _HEAD(connection):
        first = {
            "id": 0,
            "next": 0,
            "root": EMPTY_ROOT,
            "frontier": EMPTY_FRONTIER.to_bytes(),
            "roster_version": 0,
            "last_received_ms": 0,
            "note": b"",
        }
        connection.execute(HEAD.insert(), [first])


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Alembic says what it runs at every start; the revisions are in the source."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
