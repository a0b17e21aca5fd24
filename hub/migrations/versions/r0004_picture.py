"""The tables of the national picture."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"

LARGE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _folded()
    _people()
    _incidents()
    _make(
        "node_contact",
        "member node",
        [
            *(_text("member"), sa.Column("node", sa.Integer(), nullable=False)),
            *(_large("at_ms"), _text("version"), _large("cursor")),
        ],
    )


def _folded() -> None:
    _make("picture_head", "id", [_large("id"), _large("next"), sa.Column("root", sa.LargeBinary(), nullable=False)])
    _make(
        "picture_item",
        "index",
        [
            *(_large("index"), _large("visibility"), _text("statement_id"), _text("kind"), _text("issuer")),
            *(_text("realm"), _large("received_ms"), _large("issued_ms")),
            sa.Column("decides", sa.Boolean(), nullable=False),
            sa.Column("severity", sa.Integer(), nullable=False),
            *(_text("modus"), _text("title"), _text("text"), _large("until_ms", nullable=True), _text("tlp")),
            *(_text("handling", nullable=True), _text("decided_by"), _text("facts")),
        ],
    )
    for column in ("visibility", "issuer", "received_ms"):
        op.create_index(op.f(f"ix_picture_item_{column}"), "picture_item", [column])
    _make("picture_fact", "index name value", [_large("index"), _text("name"), _text("value"), _large("visibility")])
    op.create_index("ix_picture_fact_name_value", "picture_fact", ["name", "value"])


def _people() -> None:
    _make("picture_seen", "member index", [_text("member"), _large("index"), _text("who"), _large("at_ms")])
    _make("saved_view", "account name", [_text("account"), _text("name"), _text("query"), _large("saved_ms")])
    _make(
        "not_related",
        "member first second",
        [_text("member"), _large("first"), _large("second"), _text("reason"), _text("who"), _large("at_ms")],
    )


def _incidents() -> None:
    _make(
        "incident_event",
        "id",
        [
            *(_text("id"), _text("incident"), _large("number"), _large("at_ms"), _large("about")),
            *(_large("visibility"), _text("member"), _text("who"), _text("what"), _text("facts")),
        ],
    )
    for column in ("incident", "visibility"):
        op.create_index(op.f(f"ix_incident_event_{column}"), "incident_event", [column])


def _make(name: str, key: str, columns: list[sa.Column[Any]]) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key.split(), name=op.f(f"pk_{name}")))


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _large(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, LARGE, autoincrement=False, nullable=nullable)
