"""From one roster to the next, in log order: the founding, the coordinators' chain, and a member's own rekey."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from port2port.clock import to_ms
from port2port.genesis import Genesis
from port2port.keys import PublicKey
from port2port.roster.fields import is_number, moment_in, require_unused
from port2port.roster.operations import ALLOWED, OPS, At
from port2port.roster.values import Roster, RosterConflictError, RosterError, RosterKey
from port2port.statement import Statement

MAX_OPS: Final = 100
_YEAR_MS: Final = 366 * 24 * 3_600_000


def found(genesis: Genesis, digest: bytes) -> Roster:
    """Roster 1, from the genesis entry whose signed message has ``digest``."""
    return Roster(
        genesis=genesis,
        version=1,
        prev=digest.hex(),
        coordinators={key.key_id: key for key in genesis.coordinators},
        threshold=genesis.threshold,
    )


def require_next(roster: Roster, statement: Statement) -> None:
    """Whether a coordinators' statement is the next of the chain. Raises RosterConflictError or RosterError."""
    body = statement.body
    if body.keys() != {"ops", "prev", "version"}:
        raise RosterError("a roster statement has exactly ops, prev and version")
    if not is_number(body["version"], roster.version + 1) or body["prev"] != roster.prev:
        raise RosterConflictError(
            f"made for another roster; the next version is {roster.version + 1}", version=roster.version
        )


def apply(roster: Roster, statement: Statement, *, digest: bytes, index: int, received_ms: int) -> Roster:
    """The roster after a verified control entry. Raises RosterError or RosterConflictError, changing nothing."""
    if statement.kind == "rekey":
        return _apply_rekey(roster, statement, index)
    require_next(roster, statement)
    ops = statement.body["ops"]
    if not isinstance(ops, list) or not 1 <= len(ops) <= MAX_OPS:
        raise RosterError(f"a roster statement has 1 to {MAX_OPS} operations")
    allowed = ALLOWED.get(statement.kind, frozenset())
    at = At(index=index, received_ms=received_ms)
    for op in ops:
        name = op.get("op") if isinstance(op, dict) else None
        if not isinstance(op, dict) or not isinstance(name, str) or name not in allowed:
            raise RosterError(f"a {statement.kind} statement cannot carry this operation")
        roster = OPS[name](roster, op, at)
    return replace(roster, version=roster.version + 1, prev=digest.hex())


def _apply_rekey(roster: Roster, statement: Statement, index: int) -> Roster:
    body = statement.body
    if body.keys() != {"key", "not_after_ms", "old"}:
        raise RosterError("a rekey has exactly key, not_after_ms and old")
    old = roster.keys.get(str(body["old"]))
    if old is None or old.member != statement.issuer or old.revoked_index is not None:
        raise RosterConflictError("the old key is not a current key of this member")
    public = PublicKey.from_json(body["key"])
    if public.key_class != old.public.key_class:
        raise RosterConflictError("a rekey brings a key of the same class")
    require_unused(roster, public.public)
    fresh = replace(
        old,
        public=public,
        added_index=index,
        not_after_ms=min(moment_in(body, "not_after_ms"), _latest(old, statement)),
    )
    retired = replace(old, revoked_index=index)
    return replace(roster, keys={**roster.keys, old.public.key_id: retired, public.key_id: fresh})


def _latest(old: RosterKey, statement: Statement) -> int:
    """A rekey may not stretch validity beyond a year from its own date: no new rights."""
    return max(old.not_after_ms, to_ms(statement.issued) + _YEAR_MS)
