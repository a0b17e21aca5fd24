"""Rows of what sensors saw, what is looked for, and what was found."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field

from node.tables.base import NodeRow, big, big_or_none, given_key


class VisitRow(NodeRow, table=True):
    """``node.visits.Visit``: an identity in a place in an hour."""

    __tablename__ = "visit"
    identity: str = Field(primary_key=True)
    hour_ms: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False, index=True))
    place: str = Field(primary_key=True)
    first_ms: int = big()
    last_ms: int = big()
    count: int = big()
    station: str


class CoverageRow(NodeRow, table=True):
    """``node.visits.Coverage``: in which minutes of an hour a station heard anything from a place."""

    __tablename__ = "coverage"
    hour_ms: int = given_key()
    station: str = Field(primary_key=True)
    place: str = Field(primary_key=True)
    minutes: int = big()


class IndicatorRow(NodeRow, table=True):
    """The newest version of each issuer's indicator, in each realm apart. ``revoked`` is terminal."""

    __tablename__ = "indicator"
    realm: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    index: int = big(index=True)
    modified_ms: int = big()
    valid_from_ms: int | None = big_or_none()
    valid_until_ms: int | None = big_or_none()
    handling: str = ""
    tlp: str = ""
    revoked: bool = False
    suspended: bool = False
    disputed: bool = False
    machine_only: bool = False
    state: str = ""
    reason: str = ""
    body: bytes


class IndicatorValueRow(NodeRow, table=True):
    """What a real indicator's pattern names, by digest of path and value: the same thing is found by its value."""

    __tablename__ = "indicator_value"
    realm: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    digest: bytes = Field(primary_key=True, index=True)


class SightingRow(NodeRow, table=True):
    """The open window of one indicator's sightings: one sighting, updated at most every 15 minutes. Real ones only."""

    __tablename__ = "sighting"
    issuer: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    state: str = Field(default="", index=True)
    first_ms: int = big()
    last_ms: int = big()
    published_ms: int | None = big_or_none()
    count: int = big()
    body: bytes


class FindingRow(NodeRow, table=True):
    """What a detector found, suppressed or not; stays in the port."""

    __tablename__ = "finding"
    id: str = Field(primary_key=True)
    detector: str
    kind: str = Field(index=True)
    found_ms: int = big(index=True)
    suppressed_by: str = ""
    body: bytes


class DraftRow(NodeRow, table=True):
    """What waits for an officer: open, published, rejected or returned."""

    __tablename__ = "draft"
    id: str = Field(primary_key=True)
    source: str
    state: str = Field(index=True)
    made_ms: int = big()
    decided_ms: int | None = big_or_none()
    officer: str = ""
    reason: str = ""
    body: bytes


class EvidenceRow(NodeRow, table=True):
    """Raw bytes behind something published, frozen: exempt from retention until released."""

    __tablename__ = "evidence"
    id: int | None = Field(default=None, primary_key=True)
    statement_id: str = Field(index=True)
    digest: bytes
    raw: bytes
    station: str
    observed_ms: int = big()
    received_ms: int = big()
    clock_offset_ms: int | None = big_or_none()
    custody: bytes
    released_ms: int | None = big_or_none()
