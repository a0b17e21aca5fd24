"""A child process that commits rows 0, 1, 2, ... and prints each number once its commit has returned.

Run as ``python committer.py FILE FULL|NORMAL``. It uses the product's own engine and ends with the first
StorageError.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from port2port.database import make_engine, sqlite_url, write

_METADATA = sa.MetaData()
ROWS = sa.Table(
    "rows",
    _METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
_BODY = bytes(900)


def create(engine: Engine) -> None:
    write(engine, _METADATA.create_all)


def numbers(connection: Connection) -> set[int]:
    return set(connection.execute(sa.select(ROWS.c.number)).scalars())


def main(file: str, synchronous: str) -> None:
    engine = make_engine(sqlite_url(Path(file)), synchronous=synchronous)
    number = len(write(engine, numbers))
    while True:
        row = sa.insert(ROWS).values(number=number, body=_BODY)
        write(engine, lambda connection, row=row: connection.execute(row))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
