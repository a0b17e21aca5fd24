"""Who may sign what, folded from control entries in log order.

Entry i is judged by the roster folded from the entries before i. A roster is a value: ``apply`` returns the next
one. Roster n+1 needs the coordinators' threshold of signatures valid under roster n; the statements form a
chain (``version`` and ``prev``), so that two of them cannot both be next. A member's own ``rekey`` stands outside
the chain: it is signed by the old and the new key and brings no new right.

Body of roster, group and revoke-key: {"ops": [...], "prev": hex digest of the last control statement of the
chain, "version": n+1}. The operations are in ``OPS``. Source: DESIGN of the trust model, docs/protocol.md.
"""

from port2port.roster.folding import MAX_OPS, apply, found, require_next
from port2port.roster.operations import MAX_LOCODES, MAX_WITNESS_KEYS, OPS
from port2port.roster.values import (
    ACTIVE,
    MEMBER_KINDS,
    REMOVED,
    SUSPENDED,
    Affiliate,
    Member,
    Roster,
    RosterConflictError,
    RosterError,
    RosterKey,
)

__all__ = [
    "ACTIVE",
    "MAX_LOCODES",
    "MAX_OPS",
    "MAX_WITNESS_KEYS",
    "MEMBER_KINDS",
    "OPS",
    "REMOVED",
    "SUSPENDED",
    "Affiliate",
    "Member",
    "Roster",
    "RosterConflictError",
    "RosterError",
    "RosterKey",
    "apply",
    "found",
    "require_next",
]
