"""Rows of the verified log, of what goes out and comes back, and of what the node remembers of itself."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Field

from node.tables.base import NodeRow, big, big_or_none, given_key


class Head(NodeRow, table=True):
    """How far the log is verified: one row, moved by compare-and-swap on ``size``."""

    id: int = given_key()
    size: int = big()
    frontier: bytes
    note: str
    last_received_ms: int = big()
    verified_at_ms: int = big()
    ahead: str = ""


class LogLeaf(NodeRow, table=True):
    """Every leaf of the log, also of entries this port may not read; ``root`` is that after this leaf."""

    __tablename__ = "log_leaf"
    index: int = given_key()
    leaf_hash: bytes
    root: bytes


class Entry(NodeRow, table=True):
    """A verified entry this port may read."""

    index: int = given_key()
    digest: bytes = Field(unique=True)
    statement_id: str = Field(index=True)
    kind: str
    issuer: str = Field(index=True)
    signer: str
    seq: int = big()
    realm: str
    issued_ms: int = big()
    received_ms: int = big()
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
    index: int = given_key()
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

    index: int = given_key()
    received_ms: int = big()
    at_ms: int = big()
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
    seq: int = big()
    envelope: bytes
    state: str = Field(index=True)
    queued_ms: int = big()
    not_before_ms: int = big(default=0)
    index: int | None = big_or_none()
    received_ms: int | None = big_or_none()
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
    added_ms: int = big()


class OfficerKeyRow(NodeRow, table=True):
    """What is known here of an officer's key beside the roster: its offer to the coordinators, and its loss."""

    __tablename__ = "officer_key"
    key_id: str = Field(primary_key=True)
    passkey: bool = False
    fingerprint: str = ""
    taken_ms: int | None = big_or_none()
    lost_ms: int | None = big_or_none()


class Sequence(NodeRow, table=True):
    """The highest sequence each of our keys has taken; beside the key file stands the same (``outbox``)."""

    key_id: str = Field(primary_key=True)
    seq: int = big()


class Delivery(NodeRow, table=True):
    """One own entry and one member entitled to it: since when expected, when delivered, seen, retracted."""

    index: int = given_key()
    member: str = Field(primary_key=True)
    digest: bytes
    expected_ms: int = big()
    delivered_ms: int | None = big_or_none()
    seen_ms: int | None = big_or_none()
    retracted_ms: int | None = big_or_none()


class Receipt(NodeRow, table=True):
    """A receipt this port owes the issuer of an entry, signed when it is handed in."""

    index: int = given_key()
    state: str = Field(primary_key=True)
    digest: bytes
    at_ms: int = big()
    sent: bool = Field(default=False, index=True)


class Alarm(NodeRow, table=True):
    """What must be told to a human; one row for each code and subject, raised again when it comes back."""

    id: int | None = Field(default=None, primary_key=True)
    code: str
    subject: str
    level: str
    text: str
    raised_ms: int = big()
    last_ms: int = big()
    times: int = 1
    cleared_ms: int | None = big_or_none()
    seen_by: str = ""
    __table_args__ = (sa.UniqueConstraint("code", "subject"),)


class Mark(NodeRow, table=True):
    """Small remembered values: cursors, states, heartbeats."""

    name: str = Field(primary_key=True)
    value: str
    at_ms: int = big()


class Audit(NodeRow, table=True):
    """Decisions by people, in order. ``officer`` is a pseudonym; ``signature`` is by that officer's key."""

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = big()
    officer: str
    action: str
    subject: str
    facts: bytes
    key_id: str = ""
    signature: bytes = b""
