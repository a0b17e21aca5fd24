"""Who reads and posts through TAXII: consumers, their secrets and their use."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"

LARGE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _make(
        "consumer",
        "name",
        [
            *(_text("name"), _text("member"), _text("affiliate", nullable=True), _text("ceiling")),
            *(_text("purpose", nullable=True), _text("networks"), _text("word"), _bytes("secret_sha256")),
            *(_large("created_ms"), _large("expires_ms"), _large("revoked_ms", nullable=True)),
        ],
    )
    op.create_index(op.f("ix_consumer_member"), "consumer", ["member"])
    _make(
        "consumer_use",
        "consumer collection",
        [
            *(_text("consumer"), _text("collection"), _large("polled_ms"), _large("first_us", nullable=True)),
            *(_large("cursor_us", nullable=True), _large("delivered"), _large("restarted_ms", nullable=True)),
        ],
    )
    _make("consumer_network", "consumer network", [_text("consumer"), _text("network"), _large("first_ms")])
    _make("taxii_secret", "id", [_large("id"), _bytes("secret")])


def _make(name: str, key: str, columns: list[sa.Column[Any]]) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key.split(), name=op.f(f"pk_{name}")))


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _large(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, LARGE, autoincrement=False, nullable=nullable)
