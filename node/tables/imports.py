"""Rows of what came from outside the federation: how far each feed and file was read, and what was met in it.

Whoever can write here can have something imported again or left out, or an officer told of another source than it
came from; nothing of it leaves the port before an officer signs it.
"""

from __future__ import annotations

from sqlmodel import Field

from node.tables.base import NodeRow, big


class FeedRow(NodeRow, table=True):
    """How far an external collection or a file was followed; ``position`` is written with what was read before it.

    ``body`` holds the counts and what went wrong last.
    """

    __tablename__ = "feed"
    name: str = Field(primary_key=True)
    kind: str
    position: bytes
    at_ms: int = big()
    body: bytes


class ForeignObjectRow(NodeRow, table=True):
    """An object of a source in its newest version: what became of it, and the exact bytes where it became a draft.

    ``container_tlp`` is the strictest marking of what holds it together; it may be known before the object is.
    """

    __tablename__ = "foreign_object"
    source: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    digest: bytes
    modified: str
    outcome: str = Field(index=True)
    reason: str
    tlp: str
    container_tlp: str
    draft: str
    at_ms: int = big()
    salt: bytes
    raw: bytes


class ForeignValueRow(NodeRow, table=True):
    """What objects name, by the digest of the value in its one spelling: of sources, and of the log (``log:``)."""

    __tablename__ = "foreign_value"
    digest: bytes = Field(primary_key=True)
    source: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)


class ForeignQuarantineRow(NodeRow, table=True):
    """Something odd of a source, set apart with the reason and its first bytes; ``digest`` is of all of it."""

    __tablename__ = "foreign_quarantine"
    source: str = Field(primary_key=True)
    digest: bytes = Field(primary_key=True)
    stix_id: str
    code: str
    text: str
    at_ms: int = big(index=True)
    size: int = big()
    sample: bytes
