"""Who reads and posts through TAXII: consumers, their secrets and their use."""

from __future__ import annotations

from typing import Final

revision: Final = "0006"
down_revision: Final = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
