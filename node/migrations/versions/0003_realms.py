"""Exercise and real apart: indicators by realm, the realm of every object, and one code for "upgrade"."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from port2port import statement
from port2port.wire import decode_envelope

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ENTRY = sa.table("entry", sa.column("index"), sa.column("envelope"), sa.column("control"), sa.column("understood"))
_ALARM = sa.table("alarm", sa.column("code"))


def upgrade() -> None:
    with op.batch_alter_table("indicator", schema=None, recreate="always") as batch_op:
        batch_op.drop_constraint("pk_indicator", type_="primary")
        batch_op.create_primary_key("pk_indicator", ["realm", "issuer", "stix_id"])
    made = op.create_table(
        "entry_object",
        sa.Column("stix_id", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("realm", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("stix_id", "issuer", "index", name=op.f("pk_entry_object")),
    )
    with op.batch_alter_table("entry_object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entry_object_index"), ["index"], unique=False)
    _fill(made)
    op.execute(sa.update(_ALARM).where(_ALARM.c.code == "UPGRADE").values(code="UPGRADE_NEEDED"))


def _fill(made: sa.Table) -> None:
    """From the stored entries, whose bytes never change their meaning."""
    connection = op.get_bind()
    stored = sa.select(_ENTRY.c.index, _ENTRY.c.envelope).where(~_ENTRY.c.control, _ENTRY.c.understood)
    for index, envelope in connection.execute(stored).all():
        said = statement.decode(decode_envelope(envelope).statement)
        rows = [
            {"stix_id": ref.id, "issuer": said.issuer, "index": index, "realm": said.realm}
            for ref in said.objects
            if ref.modified is not None
        ]
        if rows:
            op.bulk_insert(made, rows)
