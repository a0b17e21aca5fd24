"""The tables behind sign-in at the desk."""

from __future__ import annotations

from port2port.console import first_tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    first_tables.create()


def downgrade() -> None:
    first_tables.drop()
