"""What feeds and files brought from outside, and how far each was followed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed",
        *_texts("name", "kind"),
        *_bytes("position"),
        *_numbers("at_ms"),
        *_bytes("body"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feed")),
    )
    op.create_table(
        "foreign_object",
        *_texts("source", "stix_id"),
        *_bytes("digest"),
        *_texts("modified", "outcome", "reason", "tlp", "container_tlp", "draft"),
        *_numbers("at_ms"),
        *_bytes("salt", "raw"),
        sa.PrimaryKeyConstraint("source", "stix_id", name=op.f("pk_foreign_object")),
    )
    with op.batch_alter_table("foreign_object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_foreign_object_outcome"), ["outcome"], unique=False)
    op.create_table(
        "foreign_value",
        *_bytes("digest"),
        *_texts("source", "stix_id"),
        sa.PrimaryKeyConstraint("digest", "source", "stix_id", name=op.f("pk_foreign_value")),
    )
    op.create_table(
        "foreign_quarantine",
        *_texts("source"),
        *_bytes("digest"),
        *_texts("stix_id", "code", "text"),
        *_numbers("at_ms", "size"),
        *_bytes("sample"),
        sa.PrimaryKeyConstraint("source", "digest", name=op.f("pk_foreign_quarantine")),
    )
    with op.batch_alter_table("foreign_quarantine", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_foreign_quarantine_at_ms"), ["at_ms"], unique=False)


def downgrade() -> None:
    for table in ("foreign_quarantine", "foreign_value", "foreign_object", "feed"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _bytes(*names: str) -> list[sa.Column[bytes]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
