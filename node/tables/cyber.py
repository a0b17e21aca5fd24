"""Rows of network sensors: how far each log was read, which lines were read, and which values were seen when."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field

from node.tables.base import NodeRow, big, given_key


class TailRow(NodeRow, table=True):
    """``node.sensors.transports.tail.TailPosition`` of a source, and what was counted in its log."""

    __tablename__ = "tail"
    source: str = Field(primary_key=True)
    device: int = big()
    inode: int = big()
    offset: int = big()
    head: bytes
    head_bytes: int
    skipping: bool = False
    written_ns: int = big()
    updated_ms: int = big()
    lines: int = big()
    records: int = big()
    repeated: int = big()
    bad: int = big()
    too_long: int = big()
    lost: int = big()


class TailLineRow(NodeRow, table=True):
    """A line that was read, by digest: the same line counts once, from whatever file it comes."""

    __tablename__ = "tail_line"
    digest: bytes = Field(primary_key=True)
    read_ms: int = big(index=True)


class BadLineRow(NodeRow, table=True):
    """A line that was no record: its beginning, and why."""

    __tablename__ = "bad_line"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    at_ms: int = big()
    why: str
    digest: bytes
    head: bytes


class RecordValueRow(NodeRow, table=True):
    """A value in an hour at a sensor, by digest of path and value."""

    __tablename__ = "record_value"
    digest: bytes = Field(primary_key=True)
    hour_ms: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False, index=True))
    sensor: str = Field(primary_key=True)
    first_ms: int = big()
    last_ms: int = big()
    count: int = big()


class RecordCoverageRow(NodeRow, table=True):
    """In which minutes of an hour a sensor told a value of a path; of the empty path: anything."""

    __tablename__ = "record_coverage"
    hour_ms: int = given_key()
    sensor: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    minutes: int = big()
