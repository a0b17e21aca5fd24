"""The hub's rows, of two kinds.

Folded from the log, so that they could be made again: ``log_*``, ``visibility``, ``object_ref``, ``cosignature``.
Whoever can write there can destroy, delay and reorder what is not yet delivered; he cannot forge an entry (its
author signed it), nor change one that a member has seen (its leaf is in that member's tree).

The hub's own: ``invitation``, ``join_request``, ``tls_certificate``, ``receipt``, ``open_until``, ``audit``. Whoever
can write there can let a machine connect (and say nothing: its keys are not in the roster), lock one out, or drop
receipts, which their authors then miss; whoever can read there learns who received and opened what.

Rows are made from valid domain objects only, because table models do not validate. The hot path uses the tables
through SQLAlchemy Core.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

# SQLite calls its row number INTEGER; a PostgreSQL integer would end at 2^31.
LARGE: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")


# Named, so that a migration can change a constraint on SQLite too.
_NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class HubRow(SQLModel, registry=registry(metadata=sa.MetaData(naming_convention=_NAMES))):
    """Base of all rows of the hub; node and hub never share metadata."""


def _number(*, primary_key: bool = False, index: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(LARGE, primary_key=primary_key, autoincrement=False, index=index, nullable=nullable)


class LogHead(HubRow, table=True):
    """The one sequencer row (id 0), locked for every append and always written by it."""

    __tablename__ = "log_head"

    id: int = Field(sa_column=_number(primary_key=True))
    next: int = Field(sa_column=_number())
    root: bytes
    frontier: bytes
    roster_version: int = Field(sa_column=_number(), description="control entries logged so far")
    last_received_ms: int = Field(sa_column=_number())
    note: bytes = Field(description="the checkpoint of this head, as a signed note")


class LogLeaf(HubRow, table=True):
    """Every leaf hash with the root after it; never erased."""

    __tablename__ = "log_leaf"

    index: int = Field(sa_column=_number(primary_key=True))
    leaf_hash: bytes
    root: bytes


class LogEntry(HubRow, table=True):
    """What is looked up about an entry without opening its envelope."""

    __tablename__ = "log_entry"
    __table_args__ = (
        sa.UniqueConstraint("statement_id", "issuer"),
        sa.UniqueConstraint("signer", "seq"),
    )

    index: int = Field(sa_column=_number(primary_key=True))
    digest: bytes = Field(unique=True)
    statement_id: str
    kind: str
    issuer: str
    signer: str
    seq: int = Field(sa_column=_number())
    received_ms: int = Field(sa_column=_number())
    realm: str
    visibility: int = Field(sa_column=_number())


class LogBody(HubRow, table=True):
    """The envelope, byte for byte. A table of its own, so that objects can be erased while the leaf stays."""

    __tablename__ = "log_body"

    index: int = Field(sa_column=_number(primary_key=True))
    envelope: bytes


class LogControl(HubRow, table=True):
    """Which entries are control entries: what a roster is folded from."""

    __tablename__ = "log_control"

    version: int = Field(sa_column=_number(primary_key=True), description="1 for the genesis, then counting")
    index: int = Field(sa_column=_number())


class Visibility(HubRow, table=True):
    """One row for each distinct audience: entries of one class have the same readers under every roster."""

    __tablename__ = "visibility"

    id: int = Field(sa_column=_number(primary_key=True))
    digest: bytes = Field(unique=True, description="SHA-256 of the key, which is too long for an index of PostgreSQL")
    key: str = Field(description="canonical JSON of the audience")


class ObjectRef(HubRow, table=True):
    """The newest versions of a STIX object, one for each audience, and its retraction, by the entry that brought it."""

    __tablename__ = "object_ref"

    stix_id: str = Field(primary_key=True)
    issuer: str = Field(primary_key=True)
    index: int = Field(sa_column=_number(primary_key=True))
    modified: str | None = None
    revoked: bool


class Cosignature(HubRow, table=True):
    """A witness's line under the checkpoint of one size; of each witness the newest counts."""

    __tablename__ = "cosignature"

    size: int = Field(sa_column=_number(primary_key=True))
    witness: str = Field(primary_key=True)
    line: str


class Invitation(HubRow, table=True):
    """An invitation to join. The token itself is never stored."""

    __tablename__ = "invitation"

    token_sha256: bytes = Field(primary_key=True)
    member: str
    node: int
    created_ms: int = Field(sa_column=_number())
    expires_ms: int = Field(sa_column=_number())
    used_ms: int | None = Field(default=None, sa_column=_number(nullable=True))


class JoinRequest(HubRow, table=True):
    """Keys that a node offered with its invitation, or a member later (node 0), for the coordinators to approve."""

    __tablename__ = "join_request"

    key_id: str = Field(primary_key=True, description="of the first key that was offered")
    member: str
    node: int
    offered: bytes = Field(description="canonical JSON of the public keys")
    created_ms: int = Field(sa_column=_number())


class TlsCertificate(HubRow, table=True):
    """A TLS certificate that the hub issued; ``denied_ms`` cuts it off before its day is over."""

    __tablename__ = "tls_certificate"

    serial: str = Field(primary_key=True)
    member: str = Field(index=True)
    node: int
    key_id: str
    not_before_ms: int = Field(sa_column=_number())
    not_after_ms: int = Field(sa_column=_number())
    denied_ms: int | None = Field(default=None, sa_column=_number(nullable=True))


class Receipt(HubRow, table=True):
    """A receipt in transit to the issuer of an entry. ``number`` counts the receipts of one issuer."""

    __tablename__ = "receipt"
    __table_args__ = (sa.UniqueConstraint("index", "member", "state"),)

    issuer: str = Field(primary_key=True)
    number: int = Field(sa_column=_number(primary_key=True))
    index: int = Field(sa_column=_number())
    member: str
    state: str
    receipt: bytes
    key_id: str
    sig: bytes
    received_ms: int = Field(sa_column=_number())


class OpenUntil(HubRow, table=True):
    """A process that serves an open log, and until when that may be believed: what lets ``admit`` write beside it.

    Whoever can write here can let an operator's ``admit`` go on with a log that lacks entries.
    """

    __tablename__ = "open_until"

    process: str = Field(primary_key=True, description="a random name for each start")
    until_ms: int = Field(sa_column=_number())


class Audit(HubRow, table=True):
    """What the hub's operators, and the hub itself, must be able to look up later. Codes and ids, never payloads."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, sa_column=sa.Column(LARGE, primary_key=True, autoincrement=True))
    at_ms: int = Field(sa_column=_number())
    event: str = Field(index=True)
    member: str | None = None
    facts: str = Field(description="canonical JSON")


def table(row: type[HubRow]) -> sa.Table:
    """The Core table of a row."""
    return HubRow.metadata.tables[str(row.__tablename__)]


HEAD: Final = table(LogHead)
LEAF: Final = table(LogLeaf)
ENTRY: Final = table(LogEntry)
BODY: Final = table(LogBody)
CONTROL: Final = table(LogControl)
VISIBILITY: Final = table(Visibility)
OBJECT: Final = table(ObjectRef)
COSIGNATURE: Final = table(Cosignature)
INVITATION: Final = table(Invitation)
JOIN_REQUEST: Final = table(JoinRequest)
TLS_CERTIFICATE: Final = table(TlsCertificate)
RECEIPT: Final = table(Receipt)
OPEN: Final = table(OpenUntil)
AUDIT: Final = table(Audit)


# --- the national picture: folded from the log, but for what people at the screens add -----------------------------


class PictureHead(HubRow, table=True):
    """How far the picture was folded (row 0): ``root`` says of which log, so that another one is folded anew."""

    __tablename__ = "picture_head"

    id: int = Field(sa_column=_number(primary_key=True))
    next: int = Field(sa_column=_number())
    root: bytes


class PictureItem(HubRow, table=True):
    """One entry as the picture shows it, under the visibility class of the entry.

    Whoever can write here can show the people at the screens something else than was signed, until they open it: the
    detail of an entry is made from its envelope, verified anew. Nothing here reaches a node.
    """

    __tablename__ = "picture_item"

    index: int = Field(sa_column=_number(primary_key=True))
    visibility: int = Field(sa_column=_number(index=True))
    statement_id: str
    kind: str
    issuer: str = Field(index=True)
    realm: str
    received_ms: int = Field(sa_column=_number(index=True))
    issued_ms: int = Field(sa_column=_number())
    decides: bool = Field(description="somebody has to decide something about it")
    severity: int = Field(description="0 low, 1 medium, 2 high, 3 critical")
    modus: str
    title: str
    text: str = Field(description="what a search for words looks at; no numbers of containers or persons")
    until_ms: int | None = Field(default=None, sa_column=_number(nullable=True))
    tlp: str
    handling: str | None = None
    decided_by: str
    facts: str = Field(description="canonical JSON: positions, level")


class PictureFact(HubRow, table=True):
    """What entries are found and joined by, under their visibility class. Trust: as ``picture_item``."""

    __tablename__ = "picture_fact"
    __table_args__ = (sa.Index("ix_picture_fact_name_value", "name", "value"),)

    index: int = Field(sa_column=_number(primary_key=True))
    name: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    visibility: int = Field(sa_column=_number())


class PictureSeen(HubRow, table=True):
    """That a member's people acknowledged an entry at the hub. Whoever can write here can hide it from their queue."""

    __tablename__ = "picture_seen"

    member: str = Field(primary_key=True)
    index: int = Field(sa_column=_number(primary_key=True))
    who: str
    at_ms: int = Field(sa_column=_number())


class SavedView(HubRow, table=True):
    """A view that an account kept under a name. Whoever can write here can lead him to another filter."""

    __tablename__ = "saved_view"

    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    query: str
    saved_ms: int = Field(sa_column=_number())


class NotRelated(HubRow, table=True):
    """Two entries that a member's people call not related. Whoever can write here can hide a link from them."""

    __tablename__ = "not_related"

    member: str = Field(primary_key=True)
    first: int = Field(sa_column=_number(primary_key=True))
    second: int = Field(sa_column=_number(primary_key=True))
    reason: str
    who: str
    at_ms: int = Field(sa_column=_number())


class IncidentEvent(HubRow, table=True):
    """One step of an incident, told to those who may read the entry it is about (``visibility`` is that entry's).

    Rows are only added. Whoever can write here can pretend that people acted; nothing here is signed or reaches a node.
    """

    __tablename__ = "incident_event"

    id: str = Field(primary_key=True)
    incident: str = Field(index=True)
    number: int = Field(sa_column=_number(), description="order of writing within the incident")
    at_ms: int = Field(sa_column=_number())
    about: int = Field(sa_column=_number())
    visibility: int = Field(sa_column=_number(index=True))
    member: str
    who: str
    what: str
    facts: str = Field(description="canonical JSON")


class NodeContact(HubRow, table=True):
    """When a node last held its feed open, its version and its cursor. Whoever can write here can make a silent node
    look alive on the screens.
    """

    __tablename__ = "node_contact"

    member: str = Field(primary_key=True)
    node: int = Field(primary_key=True)
    at_ms: int = Field(sa_column=_number())
    version: str
    cursor: int = Field(sa_column=_number())


PICTURE_HEAD: Final = table(PictureHead)
PICTURE_ITEM: Final = table(PictureItem)
PICTURE_FACT: Final = table(PictureFact)
PICTURE_SEEN: Final = table(PictureSeen)
SAVED_VIEW: Final = table(SavedView)
NOT_RELATED: Final = table(NotRelated)
INCIDENT_EVENT: Final = table(IncidentEvent)
NODE_CONTACT: Final = table(NodeContact)
