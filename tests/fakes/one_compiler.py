"""SQLAlchemy compiles a statement once for each engine; here once for all SQLite engines of a process.

Every test opens a database of its own and would compile the same hundred statements again: a tenth of all time that the
tests take. The engines keep their own pools, connections and events; they share the dialect, which says how SQLite
is spoken, and what it compiled. Both are equal for all of them, because ``port2port.database`` makes them alike.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.util import LRUCache

_STATEMENTS: Final = 5_000
_DIALECTS: Final[dict[type[Dialect], Dialect]] = {}
_COMPILED: Final[LRUCache[object, object]] = LRUCache(_STATEMENTS)


def share() -> None:
    """From now on, in this process."""
    event.listen(Engine, "engine_connect", _join)


def _join(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.dialect = _DIALECTS.setdefault(type(connection.dialect), connection.dialect)
        connection.execution_options(compiled_cache=_COMPILED)
