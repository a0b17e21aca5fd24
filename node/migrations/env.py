"""Alembic's entry: it is given an open connection by ``node.store`` and never makes its own."""

from __future__ import annotations

from alembic import context

from node.tables import metadata
from port2port.console.tables import console_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[metadata, console_metadata],
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
