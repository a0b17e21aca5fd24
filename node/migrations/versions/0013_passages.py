"""Questions about passages, the answers given, and the random checks among them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0013"
down_revision: Final = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("gate", "kind", "place", "passage")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("found", sa.LargeBinary(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage")),
    )
    with op.batch_alter_table("passage", schema=None) as batch_op:
        for column in ("at_ms", "digest", "told"):
            batch_op.create_index(batch_op.f(f"ix_passage_{column}"), [column], unique=False)
        batch_op.create_index("ix_passage_gate_passage", ["gate", "passage"], unique=False)
    counts = ("asked", "questions", "listed", "checks", "random", "shown", "recent")
    op.create_table(
        "passage_day",
        sa.Column("gate", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.PrimaryKeyConstraint("gate", "day", name=op.f("pk_passage_day")),
    )


def downgrade() -> None:
    op.drop_table("passage_day")
    op.drop_table("passage")
