"""Values that are known to be harmless, and which lists say so."""

from __future__ import annotations

from typing import Final

revision: Final = "0012"
down_revision: Final = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
