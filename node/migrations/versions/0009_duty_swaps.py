"""Turns of the duty rota that officers exchange on the screen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duty_swap",
        sa.Column("id", sa.Integer(), nullable=False),
        *(
            sa.Column(f"{turn}_{name}", sa.String(), nullable=False)
            for turn in ("first", "second")
            for name in ("shift", "on", "person")
        ),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_swap")),
    )
    with op.batch_alter_table("duty_swap", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_duty_swap_state"), ["state"], unique=False)


def downgrade() -> None:
    op.drop_table("duty_swap")
