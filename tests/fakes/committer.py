"""A child process that commits rows 0, 1, 2, ... and prints each number once its commit has returned.

Run as ``python committer.py FILE FULL|NORMAL``; it ends with the first error of the database.
"""

from __future__ import annotations

import sqlite3
import sys

TABLE = "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, body BLOB NOT NULL)"
_BODY = bytes(900)


def connect(file: str, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    return connection


def main(file: str, synchronous: str) -> None:
    connection = connect(file, synchronous)
    (first,) = connection.execute("SELECT coalesce(max(n) + 1, 0) FROM rows").fetchone()
    number = int(first)
    while True:
        connection.execute("INSERT INTO rows VALUES (?, ?)", (number, _BODY))
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
