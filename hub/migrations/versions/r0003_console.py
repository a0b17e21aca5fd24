"""The tables behind sign-in at the national picture."""

from __future__ import annotations

from typing import Final

from port2port.console import first_tables

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    """Make them."""
    first_tables.create()
