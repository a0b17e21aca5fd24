"""Run by Alembic. The connection comes from the caller, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

import hub.taxii_tables  # noqa: F401 - its tables belong to the metadata
from hub.tables import HubRow
from port2port.console.tables import console_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[HubRow.metadata, console_metadata],
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
