"""Rows of questions about passages."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field

from node.tables.base import NodeRow, big


class PassageRow(NodeRow, table=True):
    """One question and its answer. ``digest`` is a keyed name of the value: the key is no row.

    ``why``, ``listed`` and ``indicators`` say what it found: for the officers of the case alone.
    """

    __tablename__ = "passage"
    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = big(index=True)
    gate: str
    kind: str
    place: str
    passage: str
    digest: bytes = Field(index=True)
    slot: int = big()
    checked: bool
    why: str = ""
    until_ms: int = big(default=0)
    listed: bool = False
    found: bytes = b""
    told: bool = Field(default=True, index=True)
    __table_args__ = (sa.Index("ix_passage_gate_passage", "gate", "passage"),)


class PassageDayRow(NodeRow, table=True):
    """What one asking system asked on one day (UTC): the counts that the drawing goes by."""

    __tablename__ = "passage_day"
    gate: str = Field(primary_key=True)
    day: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    asked: int = big(default=0)
    questions: int = big(default=0)
    listed: int = big(default=0)
    checks: int = big(default=0)
    random: int = big(default=0)
    shown: int = big(default=0)
    recent: int = big(default=0)
