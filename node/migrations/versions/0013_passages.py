"""Questions about passages, the answers given, and the random checks among them."""

from __future__ import annotations

from typing import Final

revision: Final = "0013"
down_revision: Final = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
