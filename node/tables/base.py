"""What all rows of a node's database share. Rows are made from valid domain objects: table models validate nothing.

Times are milliseconds since the epoch, digests and hashes 32 raw bytes. Whoever can write here can hide or invent
what this port sees and does (its own statements excepted, which need the keys); he can make no other port believe it.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_BY_COLUMNS: Final = {kind: f"{kind}_%(table_name)s_%(column_0_N_name)s" for kind in ("ix", "uq")}
NAMING: Final = {**_BY_COLUMNS, "pk": "pk_%(table_name)s"}
metadata = sa.MetaData(naming_convention=NAMING)


class NodeRow(SQLModel, registry=registry(metadata=metadata)):
    """Base of every row here; the hub's rows have a registry of their own."""


def given_key() -> int:
    """A primary key that we choose, such as a log index."""
    return Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))  # type: ignore[no-any-return]  # Field is untyped


def big(*, default: int | None = None, index: bool = False) -> int:
    """A number of 64 bits, such as milliseconds since the epoch."""
    made: int = Field(default=default, sa_type=sa.BigInteger, index=index, nullable=False)
    return made


def big_or_none() -> int | None:
    """The same, or nothing."""
    return Field(default=None, sa_type=sa.BigInteger, nullable=True)  # type: ignore[no-any-return]  # Field is untyped
