"""What TAXII collections hold: objects by version and when each was added."""

from __future__ import annotations

from typing import Final

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing to take back."""
