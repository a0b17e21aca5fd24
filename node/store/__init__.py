"""The node's database: opening it, and plain functions over one open transaction.

Flows run ``await store.write(action)`` with an action that calls several of these functions: what belongs together
is one transaction. What each table may do to whom when someone else writes it is said in ``node.tables``.
"""

from node.store.log import (
    Head,
    StoredEntry,
    advance_head,
    control_entries,
    dispute,
    entries_from,
    entry_at,
    entry_by_statement,
    head,
    insert_entries,
    insert_leaves,
    last_sequence,
    leaf_hashes,
    own_entry,
    quarantine,
    quarantined,
    quarantined_count,
    reaffirm,
    realm_of,
    root_at,
    versions_of,
)
from node.store.marks import AuditLine, audit, audit_lines, mark, marked, marked_at, own_keys, remember_own_key
from node.store.opening import NodeStore, open_store

__all__ = [
    "AuditLine",
    "Head",
    "NodeStore",
    "StoredEntry",
    "advance_head",
    "audit",
    "audit_lines",
    "control_entries",
    "dispute",
    "entries_from",
    "entry_at",
    "entry_by_statement",
    "head",
    "insert_entries",
    "insert_leaves",
    "last_sequence",
    "leaf_hashes",
    "mark",
    "marked",
    "marked_at",
    "open_store",
    "own_entry",
    "own_keys",
    "quarantine",
    "quarantined",
    "quarantined_count",
    "reaffirm",
    "realm_of",
    "remember_own_key",
    "root_at",
    "versions_of",
]
