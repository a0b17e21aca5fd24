"""Which index of warning lists is in force."""

from __future__ import annotations

from sqlmodel import Field

from node.tables.base import NodeRow, big


class WarningIndexRow(NodeRow, table=True):
    """One row: the SHA-256 of the index file, and the lists in it as JSON. Another file of that name is refused."""

    __tablename__ = "warning_index"
    digest: str = Field(primary_key=True)
    made_ms: int = big()
    body: bytes
