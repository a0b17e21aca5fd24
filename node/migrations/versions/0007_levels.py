"""Which officers of this port have read a change of the security level."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "level_reading",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("officer", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("index", "officer", name=op.f("pk_level_reading")),
    )


def downgrade() -> None:
    op.drop_table("level_reading")
