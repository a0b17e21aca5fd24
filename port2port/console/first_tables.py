"""The console's tables as they were at first: one revision of the node's database and one of the hub's make them.

Frozen: a migration never follows the models. What changes later gets a module of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_TABLES = (
    "console_account",
    "console_attempt",
    "console_challenge",
    "console_link",
    "console_passkey",
    "console_preference",
    "console_recovery",
    "console_session",
)


def create() -> None:
    """Make them."""
    _people()
    _ways_in()
    _passing()


def drop() -> None:
    """Undo ``create``."""
    for table in _TABLES:
        op.drop_table(table)


def _people() -> None:
    op.create_table(
        "console_account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("totp_secret", sa.String(), nullable=False),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_account"),
        sa.UniqueConstraint("pseudonym", name="uq_console_account_pseudonym"),
        sa.UniqueConstraint("subject", name="uq_console_account_subject"),
    )
    op.create_table(
        "console_preference",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name="pk_console_preference"),
    )


def _ways_in() -> None:
    op.create_table(
        "console_passkey",
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("rp_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("synced", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("credential", name="pk_console_passkey"),
        sa.UniqueConstraint("key_id", name="uq_console_passkey_key_id"),
    )
    op.create_index("ix_console_passkey_account", "console_passkey", ["account"], unique=False)
    op.create_table(
        "console_recovery",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_console_recovery"),
    )
    op.create_index("ix_console_recovery_account", "console_recovery", ["account"], unique=False)
    op.create_table(
        "console_link",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_console_link"),
    )


def _passing() -> None:
    op.create_table(
        "console_session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("display", sa.Boolean(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_console_session"),
        sa.UniqueConstraint("name", name="uq_console_session_name"),
    )
    op.create_index("ix_console_session_account", "console_session", ["account"], unique=False)
    op.create_table(
        "console_attempt",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_console_attempt"),
    )
    op.create_table(
        "console_challenge",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.String(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_console_challenge"),
    )
