"""What TAXII collections hold: objects by version and when each was added."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

LARGE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ITEM: Final = "taxii_item"


def upgrade() -> None:
    """Make the tables, with the one row that every writer locks."""
    _make("taxii_head", "id", [*_larges("id", "next"), _bytes("root"), *_larges("horizon_us", "witnessed", "posted")])
    head = sa.table("taxii_head", *_larges("id", "next"), _bytes("root"), *_larges("horizon_us", "witnessed", "posted"))
    start = {"id": 0, "next": 0, "root": b"", "horizon_us": 0, "witnessed": 0, "posted": 0}
    op.bulk_insert(head, [start])
    _make(
        "taxii_class",
        "collection visibility",
        _larges("collection", "visibility", "rank", "last_us", "objects", "held_bytes"),
    )
    _items()
    _make("taxii_body", "number", [*_larges("number"), _bytes("raw")])
    _make(
        "taxii_quiet", "issuer stix_id visibility", [_text("issuer"), _text("stix_id"), *_larges("visibility", "until")]
    )
    _make(
        "taxii_status",
        "id",
        [_text("id"), *_larges("collection"), _text("principal"), *_larges("requested_ms"), _text("objects")],
    )
    op.create_index("ix_taxii_status_collection", "taxii_status", ["collection", "requested_ms"])


def _items() -> None:
    _make(
        _ITEM,
        "collection visibility date_us",
        [
            *_larges("collection", "visibility", "date_us", "rank"),
            sa.Column("newest", sa.Integer(), nullable=False),
            sa.Column("edge", sa.Integer(), nullable=False),
            *(_text("kind"), _text("issuer"), _text("stix_id"), _text("version")),
            *(*_larges("version_us"), _bytes("digest"), *_larges("body")),
            sa.Column("expires_ms", LARGE, nullable=True),
        ],
    )
    op.create_index("ix_taxii_item_newest", _ITEM, ["collection", "visibility", "newest", "date_us"])
    op.create_index("ix_taxii_item_kind", _ITEM, ["collection", "visibility", "newest", "kind", "date_us"])
    op.create_index("ix_taxii_item_object", _ITEM, ["collection", "stix_id", "visibility", "edge"])
    op.create_index("ix_taxii_item_expires", _ITEM, ["expires_ms"])


def _make(name: str, key: str, columns: list[sa.Column[Any]], **options: Any) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key.split(), name=op.f(f"pk_{name}")), **options)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _larges(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, LARGE, autoincrement=False, nullable=False) for name in names]
