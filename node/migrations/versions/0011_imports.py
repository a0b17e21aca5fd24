"""What feeds and files brought from outside, and how far each was followed."""

from __future__ import annotations

from typing import Final

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
