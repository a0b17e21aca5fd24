"""Values that network sensors saw, by hour, and how far each file was read."""

from __future__ import annotations

from typing import Final

revision: Final = "0014"
down_revision: Final = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
