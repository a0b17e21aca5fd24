"""The rows of a node's database. Rows are made from valid domain objects: table models validate nothing.

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


def _given_key() -> int:
    """A primary key that we choose, such as a log index."""
    return Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))  # type: ignore[no-any-return]  # Field is untyped


def _big(*, default: int | None = None, index: bool = False) -> int:
    made: int = Field(default=default, sa_type=sa.BigInteger, index=index, nullable=False)
    return made


def _big_or_none() -> int | None:
    return Field(default=None, sa_type=sa.BigInteger, nullable=True)  # type: ignore[no-any-return]  # Field is untyped


class Head(NodeRow, table=True):
    """How far the log is verified: one row, moved by compare-and-swap on ``size``."""

    id: int = _given_key()
    size: int = _big()
    frontier: bytes
    note: str
    last_received_ms: int = _big()
    verified_at_ms: int = _big()
    ahead: str = ""


class LogLeaf(NodeRow, table=True):
    """Every leaf of the log, also of entries this port may not read; ``root`` is that after this leaf."""

    __tablename__ = "log_leaf"
    index: int = _given_key()
    leaf_hash: bytes
    root: bytes


class Entry(NodeRow, table=True):
    """A verified entry this port may read."""

    index: int = _given_key()
    digest: bytes = Field(unique=True)
    statement_id: str = Field(index=True)
    kind: str
    issuer: str = Field(index=True)
    signer: str
    seq: int = _big()
    realm: str
    issued_ms: int = _big()
    received_ms: int = _big()
    envelope: bytes
    control: bool = Field(index=True)
    understood: bool
    late: bool
    machine_only: bool
    own: bool
    disputed: bool = False
    reaffirmed: bool = False
    __table_args__ = (sa.Index("ix_entry_signer_seq", "signer", "seq"),)


class EntryKey(NodeRow, table=True):
    """Which keys signed an entry: what a back-dated revocation looks up."""

    __tablename__ = "entry_key"
    index: int = _given_key()
    key_id: str = Field(primary_key=True, index=True)


class EntryObject(NodeRow, table=True):
    """Which versioned objects an entry brought: an object stays in the realm of the first of them."""

    __tablename__ = "entry_object"
    stix_id: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    index: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False, index=True))
    realm: str


class Quarantine(NodeRow, table=True):
    """An entry that the log holds and a numbered step refused: kept, counted, shown, never matched."""

    index: int = _given_key()
    received_ms: int = _big()
    at_ms: int = _big()
    envelope: bytes
    step: int
    code: str
    text: str


class Outbox(NodeRow, table=True):
    """Own statements: queued, accepted, cleared or refused. Rows stay: they are how we know what we said."""

    id: int | None = Field(default=None, primary_key=True)
    digest: bytes = Field(unique=True)
    statement_id: str = Field(unique=True)
    kind: str
    signer: str = Field(index=True)
    seq: int = _big()
    envelope: bytes
    state: str = Field(index=True)
    queued_ms: int = _big()
    not_before_ms: int = _big(default=0)
    index: int | None = _big_or_none()
    received_ms: int | None = _big_or_none()
    code: str = ""
    text: str = ""
    step: int = 0
    attempts: int = 0
    __table_args__ = (sa.UniqueConstraint("signer", "seq"),)


class OwnKey(NodeRow, table=True):
    """Keys this port made for itself: any other key or entry in its name is foreign."""

    __tablename__ = "own_key"
    key_id: str = Field(primary_key=True)
    key_class: str
    pseudonym: str = ""
    added_ms: int = _big()


class OfficerKeyRow(NodeRow, table=True):
    """What is known here of an officer's key beside the roster: its offer to the coordinators, and its loss."""

    __tablename__ = "officer_key"
    key_id: str = Field(primary_key=True)
    passkey: bool = False
    fingerprint: str = ""
    taken_ms: int | None = _big_or_none()
    lost_ms: int | None = _big_or_none()


class Sequence(NodeRow, table=True):
    """The highest sequence each of our keys has taken; beside the key file stands the same (``outbox``)."""

    key_id: str = Field(primary_key=True)
    seq: int = _big()


class Delivery(NodeRow, table=True):
    """One own entry and one member entitled to it: since when expected, when delivered, seen, retracted."""

    index: int = _given_key()
    member: str = Field(primary_key=True)
    digest: bytes
    expected_ms: int = _big()
    delivered_ms: int | None = _big_or_none()
    seen_ms: int | None = _big_or_none()
    retracted_ms: int | None = _big_or_none()


class Receipt(NodeRow, table=True):
    """A receipt this port owes the issuer of an entry, signed when it is handed in."""

    index: int = _given_key()
    state: str = Field(primary_key=True)
    digest: bytes
    at_ms: int = _big()
    sent: bool = Field(default=False, index=True)


class Alarm(NodeRow, table=True):
    """What must be told to a human; one row for each code and subject, raised again when it comes back."""

    id: int | None = Field(default=None, primary_key=True)
    code: str
    subject: str
    level: str
    text: str
    raised_ms: int = _big()
    last_ms: int = _big()
    times: int = 1
    cleared_ms: int | None = _big_or_none()
    seen_by: str = ""
    __table_args__ = (sa.UniqueConstraint("code", "subject"),)


class Mark(NodeRow, table=True):
    """Small remembered values: cursors, states, heartbeats."""

    name: str = Field(primary_key=True)
    value: str
    at_ms: int = _big()


class Audit(NodeRow, table=True):
    """Decisions by people, in order. ``officer`` is a pseudonym; ``signature`` is by that officer's key."""

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = _big()
    officer: str
    action: str
    subject: str
    facts: bytes
    key_id: str = ""
    signature: bytes = b""


class VisitRow(NodeRow, table=True):
    """``node.visits.Visit``: an identity in a place in an hour."""

    __tablename__ = "visit"
    identity: str = Field(primary_key=True)
    hour_ms: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False, index=True))
    place: str = Field(primary_key=True)
    first_ms: int = _big()
    last_ms: int = _big()
    count: int = _big()
    station: str


class CoverageRow(NodeRow, table=True):
    """``node.visits.Coverage``: in which minutes of an hour a station heard anything from a place."""

    __tablename__ = "coverage"
    hour_ms: int = _given_key()
    station: str = Field(primary_key=True)
    place: str = Field(primary_key=True)
    minutes: int = _big()


class IndicatorRow(NodeRow, table=True):
    """The newest version of each issuer's indicator, in each realm apart. ``revoked`` is terminal."""

    __tablename__ = "indicator"
    realm: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    index: int = _big(index=True)
    modified_ms: int = _big()
    valid_from_ms: int | None = _big_or_none()
    valid_until_ms: int | None = _big_or_none()
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
    first_ms: int = _big()
    last_ms: int = _big()
    published_ms: int | None = _big_or_none()
    count: int = _big()
    body: bytes


class FindingRow(NodeRow, table=True):
    """What a detector found, suppressed or not; stays in the port."""

    __tablename__ = "finding"
    id: str = Field(primary_key=True)
    detector: str
    kind: str = Field(index=True)
    found_ms: int = _big(index=True)
    suppressed_by: str = ""
    body: bytes


class DraftRow(NodeRow, table=True):
    """What waits for an officer: open, published, rejected or returned."""

    __tablename__ = "draft"
    id: str = Field(primary_key=True)
    source: str
    state: str = Field(index=True)
    made_ms: int = _big()
    decided_ms: int | None = _big_or_none()
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
    observed_ms: int = _big()
    received_ms: int = _big()
    clock_offset_ms: int | None = _big_or_none()
    custody: bytes
    released_ms: int | None = _big_or_none()


class SuppressionRow(NodeRow, table=True):
    """Whatever silences: with owner, reason and expiry."""

    __tablename__ = "suppression"
    id: str = Field(primary_key=True)
    kind: str
    subject: str = Field(index=True)
    owner: str
    reason: str
    made_ms: int = _big()
    expires_ms: int = _big()
    ended_ms: int | None = _big_or_none()


class ActRow(NodeRow, table=True):
    """What an officer prepared and others sign: frozen bytes. ``signer`` is the key that numbered them, "" for none.

    Whoever can write here can make an act wait, vanish or miss its second check; an act with other bytes than the
    officers signed is refused by every reader.
    """

    __tablename__ = "act"
    id: str = Field(primary_key=True)
    kind: str
    subject: str = Field(index=True)
    state: str = Field(index=True)
    author: str
    need: int
    signer: str
    made_ms: int = _big()
    closes_ms: int = _big()
    closed_ms: int | None = _big_or_none()
    reason: str = ""
    override: bool = False
    check_by_ms: int | None = _big_or_none()
    checked_ms: int | None = _big_or_none()
    checked_by: str = ""
    body: bytes


class ActSignatureRow(NodeRow, table=True):
    """One officer's signature over one part of an act, checked before it was stored."""

    __tablename__ = "act_signature"
    act: str = Field(primary_key=True)
    officer: str = Field(primary_key=True)
    part: int = Field(sa_column=sa.Column(sa.Integer, primary_key=True, autoincrement=False))
    key_id: str
    signature: bytes
    at_ms: int = _big()


class HitAnswerRow(NodeRow, table=True):
    """What an officer answered to a hit; ``sighting_id`` is the stay in view it was about: a later stay asks again."""

    __tablename__ = "hit_answer"
    sighting_id: str = Field(primary_key=True)
    what: str
    officer: str
    at_ms: int = _big()
    reason: str = ""
    act: str = ""


class WorkRow(NodeRow, table=True):
    """Expected works: a permit, divers, a tow. They silence by suppressions of their own, which end with them."""

    __tablename__ = "expected_work"
    id: str = Field(primary_key=True)
    kind: str
    from_ms: int = _big()
    until_ms: int = _big(index=True)
    ended_ms: int | None = _big_or_none()
    body: bytes


class HandoverRow(NodeRow, table=True):
    """A shift handed over: what stood on the page, the lines the outgoing officer added, and who took it."""

    __tablename__ = "handover"
    id: int | None = Field(default=None, primary_key=True)
    outgoing: str = Field(index=True)
    incoming: str = Field(default="", index=True)
    made_ms: int = _big()
    accepted_ms: int | None = _big_or_none()
    body: bytes


class PhotoRow(NodeRow, table=True):
    """A picture behind a report, without its metadata; stays in the port. ``shared``: its digest is told."""

    __tablename__ = "photo"
    digest: bytes = Field(primary_key=True)
    draft: str = Field(primary_key=True, index=True)
    officer: str
    at_ms: int = _big()
    description: str = ""
    shared: bool = False
    width: int
    height: int
    jpeg: bytes


class DeskItemRow(NodeRow, table=True):
    """Who looks at an item of the desk, and who acknowledged it first."""

    __tablename__ = "desk_item"
    id: str = Field(primary_key=True)
    looking: str = ""
    looking_ms: int | None = _big_or_none()
    seen_by: str = ""
    seen_ms: int | None = _big_or_none()


class LevelReadingRow(NodeRow, table=True):
    """That an officer of this port has read a change of the security level; ``index`` is its place in the log."""

    __tablename__ = "level_reading"
    index: int = _given_key()
    officer: str = Field(primary_key=True)
    at_ms: int = _big()


class NoticeRow(NodeRow, table=True):
    """One cause of items that nobody acknowledged: it counts them, and ``rung`` is how far it was escalated."""

    __tablename__ = "notice"
    id: int | None = Field(default=None, primary_key=True)
    cause: str = Field(index=True)
    severity: str
    opened_ms: int = _big()
    closed_ms: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True, index=True)
    items: int
    rung: int = 0


class NoticeDeliveryRow(NodeRow, table=True):
    """One message of a notice by one channel to one receiver: queued, sent, failed, held back or over."""

    __tablename__ = "notice_delivery"
    id: int | None = Field(default=None, primary_key=True)
    notice: int = Field(index=True)
    channel: str
    receiver: str = ""
    severity: str
    made_ms: int = _big(index=True)
    not_before_ms: int = _big()
    attempts: int = 0
    state: str = Field(index=True)
    done_ms: int | None = _big_or_none()
    code: str = ""


class DutySwapRow(NodeRow, table=True):
    """Two turns of the rota: who has the first asked to exchange them, who has the second agrees or declines."""

    __tablename__ = "duty_swap"
    id: int | None = Field(default=None, primary_key=True)
    first_shift: str
    first_on: str
    first_person: str
    second_shift: str
    second_on: str
    second_person: str
    state: str = Field(index=True)
    asked_ms: int = _big()
    answered_ms: int | None = _big_or_none()
