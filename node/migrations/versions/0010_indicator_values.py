"""What each real indicator names, by the value's digest; read from the patterns that are there."""

from __future__ import annotations

from hashlib import sha256

import orjson
import sqlalchemy as sa
from alembic import op

from port2port.patterns import PatternError, guards_in

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    made = op.create_table(
        "indicator_value",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("realm", "issuer", "stix_id")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("realm", "issuer", "stix_id", "digest", name=op.f("pk_indicator_value")),
    )
    with op.batch_alter_table("indicator_value", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_indicator_value_digest"), ["digest"], unique=False)
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT realm, issuer, stix_id, body FROM indicator WHERE realm = 'real'")).all()
    for realm, issuer, stix_id, body in rows:
        key = {"realm": realm, "issuer": issuer, "stix_id": stix_id}
        values = [{**key, "digest": digest} for digest in _digests(bytes(body))]
        if values:
            connection.execute(sa.insert(made), values)


def _digests(body: bytes) -> set[bytes]:
    pattern = orjson.loads(orjson.loads(body).get("stix") or "{}").get("pattern")
    try:
        named = guards_in(str(pattern)) if pattern else None
    except PatternError:
        named = None  # nothing that is looked for by its value
    return {sha256(f"{path}\0{value}".encode()).digest() for path, value in named or ()}


def downgrade() -> None:
    op.drop_table("indicator_value")
