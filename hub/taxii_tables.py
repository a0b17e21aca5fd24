"""The rows behind the TAXII outlet: what collections hold, who reads them, and how far each has come."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlmodel import Field

from hub.tables import LARGE, HubRow, table


def _number(*, primary_key: bool = False, index: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(LARGE, primary_key=primary_key, autoincrement=False, index=index, nullable=nullable)


# --- consumers: systems of members and affiliates that read with a secret ------------------------------------------


class Consumer(HubRow, table=True):
    """A system that reads through TAXII with a secret, of which only the digest is here.

    Whoever can write here can let a system in as any member's, up to RED's exclusion from this outlet; he who runs
    the hub can read as much. Whoever can read here learns who connects what, and no secret.
    """

    __tablename__ = "consumer"

    name: str = Field(primary_key=True)
    member: str = Field(index=True)
    affiliate: str | None = None
    ceiling: str
    purpose: str | None = None
    networks: str = Field(description="canonical JSON: source networks in CIDR; none means any")
    word: str = Field(description="what the owning member granted a ceiling above GREEN by; empty for none")
    secret_sha256: bytes
    created_ms: int = Field(sa_column=_number())
    expires_ms: int = Field(sa_column=_number())
    revoked_ms: int | None = Field(default=None, sa_column=_number(nullable=True))


class ConsumerUse(HubRow, table=True):
    """How far a consumer has come in one collection. Whoever can write here can hide that one began anew."""

    __tablename__ = "consumer_use"

    consumer: str = Field(primary_key=True)
    collection: str = Field(primary_key=True)
    polled_ms: int = Field(sa_column=_number())
    first_us: int | None = Field(default=None, sa_column=_number(nullable=True), description="date of the first item")
    cursor_us: int | None = Field(default=None, sa_column=_number(nullable=True), description="date of the last item")
    delivered: int = Field(sa_column=_number())
    restarted_ms: int | None = Field(default=None, sa_column=_number(nullable=True))


class ConsumerNetwork(HubRow, table=True):
    """A network that a consumer was used from. Whoever can write here can hide that a secret is used elsewhere."""

    __tablename__ = "consumer_network"

    consumer: str = Field(primary_key=True)
    network: str = Field(primary_key=True)
    first_ms: int = Field(sa_column=_number())


class TaxiiSecret(HubRow, table=True):
    """The key (row 0) under which cursors are signed, the same for every replica.

    Whoever can read it can make a cursor: it moves a reader within what that reader may read, and nothing else.
    """

    __tablename__ = "taxii_secret"

    id: int = Field(sa_column=_number(primary_key=True))
    secret: bytes


# --- collections: folded from the log but for intakes, of which nothing is in the log --------------------------------


class TaxiiHead(HubRow, table=True):
    """How far the collections were folded (row 0), and up to when readers are served. Locked by every writer.

    ``root`` says of which log, so that another one is folded anew. ``witnessed`` entries have the second version of
    their attestation. ``posted`` counts what was ever posted to an intake.
    """

    __tablename__ = "taxii_head"

    id: int = Field(sa_column=_number(primary_key=True))
    next: int = Field(sa_column=_number())
    root: bytes
    horizon_us: int = Field(sa_column=_number())
    witnessed: int = Field(sa_column=_number())
    posted: int = Field(sa_column=_number())


class TaxiiClass(HubRow, table=True):
    """A visibility class within a collection: its last date, and for intakes (class 0) what they hold."""

    __tablename__ = "taxii_class"

    collection: int = Field(sa_column=_number(primary_key=True))
    visibility: int = Field(sa_column=_number(primary_key=True))
    rank: int = Field(sa_column=_number(), description="order among classes that share a date; follows from the class")
    last_us: int = Field(sa_column=_number())
    objects: int = Field(sa_column=_number())
    held_bytes: int = Field(sa_column=_number())


class TaxiiItem(HubRow, table=True):
    """One version of one object in one collection, under its visibility class; within a class no two share a date.

    Whoever can write here can hide an object from TAXII clients, date it wrongly, or show it to whom it is not for;
    he cannot change what its author signed: attestations prove that.
    """

    __tablename__ = "taxii_item"
    __table_args__ = (
        sa.Index("ix_taxii_item_newest", "collection", "visibility", "newest", "date_us"),
        sa.Index("ix_taxii_item_kind", "collection", "visibility", "newest", "kind", "date_us"),
        sa.Index("ix_taxii_item_object", "collection", "stix_id", "visibility", "edge"),
        sa.Index("ix_taxii_item_expires", "expires_ms"),
    )

    collection: int = Field(sa_column=_number(primary_key=True))
    visibility: int = Field(sa_column=_number(primary_key=True))
    date_us: int = Field(sa_column=_number(primary_key=True))
    rank: int = Field(sa_column=_number())
    newest: int = Field(description="1: the newest version of its object in its class")
    edge: int = Field(
        description="1: the oldest, 2: the newest version of its object in its class, 3: both, 0: neither"
    )
    kind: str
    issuer: str
    stix_id: str
    version: str
    version_us: int = Field(sa_column=_number())
    digest: bytes = Field(description="the first 16 bytes of the SHA-256 of the object")
    body: int = Field(sa_column=_number())
    expires_ms: int | None = Field(default=None, sa_column=_number(nullable=True), description="announced again then")


class TaxiiBody(HubRow, table=True):
    """An object byte for byte, once for all collections. Whoever can write here: as ``taxii_item``."""

    __tablename__ = "taxii_body"

    number: int = Field(
        sa_column=_number(primary_key=True), description="of the log 256 x index + place; else negative"
    )
    raw: bytes


class TaxiiQuiet(HubRow, table=True):
    """An object that plain feeds leave out for whoever may know why: suspended, or to be observed only."""

    __tablename__ = "taxii_quiet"

    issuer: str = Field(primary_key=True)
    stix_id: str = Field(primary_key=True)
    visibility: int = Field(sa_column=_number(primary_key=True), description="of the statement that says so")
    until: int = Field(sa_column=_number(), description="what has a greater number than this is shown again")


class TaxiiStatus(HubRow, table=True):
    """What became of a POST. Whoever can write here can tell a terminal that it was heard, or was not."""

    __tablename__ = "taxii_status"
    __table_args__ = (sa.Index("ix_taxii_status_collection", "collection", "requested_ms"),)

    id: str = Field(primary_key=True)
    collection: int = Field(sa_column=_number())
    principal: str
    requested_ms: int = Field(sa_column=_number())
    objects: str = Field(description="canonical JSON: id, version and reason of each")


CONSUMER: Final = table(Consumer)
CONSUMER_USE: Final = table(ConsumerUse)
CONSUMER_NETWORK: Final = table(ConsumerNetwork)
TAXII_SECRET: Final = table(TaxiiSecret)
TAXII_HEAD: Final = table(TaxiiHead)
TAXII_CLASS: Final = table(TaxiiClass)
TAXII_ITEM: Final = table(TaxiiItem)
TAXII_BODY: Final = table(TaxiiBody)
TAXII_QUIET: Final = table(TaxiiQuiet)
TAXII_STATUS: Final = table(TaxiiStatus)
