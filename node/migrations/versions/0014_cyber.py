"""Values that network sensors saw, by hour, and how far each file was read."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0014"
down_revision: Final = "0013"
branch_labels = None
depends_on = None

TABLES: Final = ("tail", "tail_line", "bad_line", "record_value", "record_coverage")
_COUNTED: Final = ("updated_ms", "lines", "records", "repeated", "bad", "too_long", "lost")


def upgrade() -> None:
    op.create_table(
        "tail",
        sa.Column("source", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("device", "inode", "offset")),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("head_bytes", sa.Integer(), nullable=False),
        sa.Column("skipping", sa.Boolean(), nullable=False),
        sa.Column("written_ns", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_tail")),
    )
    op.create_table(
        "tail_line",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("read_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tail_line")),
    )
    _index("tail_line", "read_ms")
    op.create_table(
        "bad_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bad_line")),
    )
    op.create_table(
        "record_value",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sensor", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first_ms", "last_ms", "count")),
        sa.PrimaryKeyConstraint("digest", "hour_ms", "sensor", name=op.f("pk_record_value")),
    )
    _index("record_value", "hour_ms")
    op.create_table(
        "record_coverage",
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sensor", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour_ms", "sensor", "path", name=op.f("pk_record_coverage")),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)


def _index(table: str, column: str) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)
