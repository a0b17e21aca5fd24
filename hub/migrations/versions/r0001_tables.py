"""The first tables: the log, what is folded from it, and the hub's own rows."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

# As the tables had it at this revision: a migration never follows the models.
LARGE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _log()
    _folded()
    _invitations()
    _receipts()


def _log() -> None:
    op.create_table(
        "log_body",
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_body")),
    )
    op.create_table(
        "log_control",
        sa.Column("version", LARGE, autoincrement=False, nullable=False),
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_log_control")),
    )
    op.create_table(
        "log_entry",
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("statement_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("seq", LARGE, autoincrement=False, nullable=False),
        sa.Column("received_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("realm", sa.String(), nullable=False),
        sa.Column("visibility", LARGE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_entry")),
        sa.UniqueConstraint("digest", name=op.f("uq_log_entry_digest")),
        sa.UniqueConstraint("signer", "seq", name=op.f("uq_log_entry_signer_seq")),
        sa.UniqueConstraint("statement_id", "issuer", name=op.f("uq_log_entry_statement_id_issuer")),
    )
    op.create_table(
        "log_head",
        sa.Column("id", LARGE, autoincrement=False, nullable=False),
        sa.Column("next", LARGE, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("roster_version", LARGE, autoincrement=False, nullable=False),
        sa.Column("last_received_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_leaf",
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_leaf")),
    )


def _folded() -> None:
    op.create_table(
        "cosignature",
        sa.Column("size", LARGE, autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_cosignature")),
    )
    op.create_table(
        "object_ref",
        sa.Column("stix_id", sa.String(), nullable=False),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.Column("modified", sa.String(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("stix_id", "issuer", "index", name=op.f("pk_object_ref")),
    )
    op.create_table(
        "visibility",
        sa.Column("id", LARGE, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visibility")),
        sa.UniqueConstraint("digest", name=op.f("uq_visibility_digest")),
    )


def _invitations() -> None:
    op.create_table(
        "invitation",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("created_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("expires_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("used_ms", LARGE, autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_invitation")),
    )
    op.create_table(
        "join_request",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("offered", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", LARGE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_join_request")),
    )
    op.create_table(
        "tls_certificate",
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("not_before_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("not_after_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("denied_ms", LARGE, autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_tls_certificate")),
    )
    op.create_index(op.f("ix_tls_certificate_member"), "tls_certificate", ["member"], unique=False)


def _receipts() -> None:
    op.create_table(
        "audit",
        sa.Column("id", LARGE, autoincrement=True, nullable=False),
        sa.Column("at_ms", LARGE, autoincrement=False, nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("facts", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_event"), "audit", ["event"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("number", LARGE, autoincrement=False, nullable=False),
        sa.Column("index", LARGE, autoincrement=False, nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sig", sa.LargeBinary(), nullable=False),
        sa.Column("received_ms", LARGE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "number", name=op.f("pk_receipt")),
        sa.UniqueConstraint("index", "member", "state", name=op.f("uq_receipt_index_member_state")),
    )
