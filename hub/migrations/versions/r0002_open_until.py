"""Which processes serve an open log, for ``admit``."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"

LARGE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "open_until",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("until_ms", LARGE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_open_until")),
    )
