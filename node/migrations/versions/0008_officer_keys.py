"""Officers' keys on their way into the roster, and those that were reported lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "officer_key",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("passkey", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("lost_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_officer_key")),
    )


def downgrade() -> None:
    op.drop_table("officer_key")
