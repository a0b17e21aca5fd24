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


CONSUMER: Final = table(Consumer)
CONSUMER_USE: Final = table(ConsumerUse)
CONSUMER_NETWORK: Final = table(ConsumerNetwork)
TAXII_SECRET: Final = table(TaxiiSecret)
