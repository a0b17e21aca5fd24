"""Who asks for an act and under which rules; the key that numbers it; the document that is decided."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, receipts, review
from node.outbox import Outbox, SequenceBehindError
from node.publish import Author, Officer, voice_of
from node.two_person import Need, TwoPersonError, TwoPersonRule
from port2port import canonical
from port2port.authority import Voice
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import ConflictError, PolicyError
from port2port.roster import Roster
from port2port.statement import Statement

SALT_BYTES: Final = 16
TO_COME: Final = "0" * 64  # the key of an officer who is still to sign


class NoDeskKeyError(PolicyError):
    """This node has no desk key with which a statement could wait for signatures."""

    code = "NO_DESK_KEY"


class DeskKeysTakenError(ConflictError):
    """Every desk key is held by an act that waits; the text names the oldest."""

    code = "DESK_KEYS_TAKEN"


class ActWaitsError(ConflictError):
    """An act about this waits for signatures already."""

    code = "ACT_WAITS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One officer prepares an act. ``officers`` are those whose keys are at hand to sign it at once, himself first.

    Without them it waits for signatures. ``override`` is the reason of an emergency, for which one officer's
    signature will do; another officer checks it afterwards.
    """

    roster: Roster
    officer: str
    now: datetime
    rule: TwoPersonRule = field(default_factory=TwoPersonRule)
    officers: tuple[Officer, ...] = ()
    override: str = ""
    realm: str = "real"

    def voices(self, member: str, need: int) -> list[Voice]:
        """Those who sign now, or who will."""
        if self.officers:
            return [voice_of(member, one.pseudonym, one.key.key_id) for one in self.officers]
        others = [voice_of(member, f"?{number}", TO_COME) for number in range(2, need + 1)]
        return [voice_of(member, self.officer, TO_COME), *others]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How many officers sign after all, and whether that is less than the rule asks for."""

    officers: int
    reasons: tuple[str, ...]
    override: bool


def settle(need: Need, asked: Asked) -> Settled:
    """What the rule and an emergency amount to. Raises TwoPersonError, or ReasonError for one that is too long."""
    reasons = tuple(reason.value for reason in need.reasons)
    if need.officers == 1 or not asked.override:
        return Settled(officers=need.officers, reasons=reasons, override=False)
    review.require_reason(asked.override)
    if not need.may_override:
        raise TwoPersonError(f"no emergency overrides this, two officers sign: {need.sentence}")
    return Settled(officers=1, reasons=reasons, override=True)


def require_enough(settled: Settled, need: Need, asked: Asked) -> None:
    """That those who sign at once are enough. Raises TwoPersonError."""
    if asked.officers and len({one.pseudonym for one in asked.officers}) < settled.officers:
        raise TwoPersonError(f"two officers decide this: {need.sentence}")


def choose_outbox(connection: Connection, author: Author, asked: Asked) -> Outbox:
    """The key that numbers an act: the machine key for what is signed at once, else a desk key that nobody holds.

    Raises NoDeskKeyError or DeskKeysTakenError.
    """
    if asked.officers:
        return author.outbox
    held = act_store.held(connection)
    for one in author.desk:
        if one.key_id not in held and _is_fit(connection, one, author.member, asked):
            return one
    if not held & {one.key_id for one in author.desk}:
        raise NoDeskKeyError(
            "this node has no desk key in the roster, so nothing can wait for signatures: "
            "make some with port2port-node officer desk-keys"
        )
    oldest = act_store.listed(connection)[0]
    raise DeskKeysTakenError(
        f"every desk key waits for signatures; the oldest act is {oldest.id}, prepared by {oldest.author} about "
        f"{oldest.subject} at {oldest.made_at:%H:%M} UTC: sign it or give it up",
        act=oldest.id,
    )


def is_current(roster: Roster, member: str, key_id: str, until: datetime) -> bool:
    """Whether a machine-class key of ours may still sign at a time."""
    known = roster.keys.get(key_id)
    return (
        known is not None
        and known.member == member
        and known.revoked_index is None
        and to_ms(until) <= known.not_after_ms
    )


def _is_fit(connection: Connection, outbox: Outbox, member: str, asked: Asked) -> bool:
    if not is_current(asked.roster, member, outbox.key_id, asked.now + asked.rule.waits):
        return False
    try:
        outbox.require_current(connection)
    except SequenceBehindError:
        return False  # restored or copied: this key signs no more, others may
    return True


def document(action: str, subject: str, settled: Settled, asked: Asked, facts: Mapping[str, Json]) -> bytes:
    """The decision in canonical JSON. The salt keeps its digest, which goes out, from telling what it says."""
    more: dict[str, Json] = {
        "action": action,
        "author": asked.officer,
        "need": settled.officers,
        "override": asked.override if settled.override else None,
        "rules": [*settled.reasons],
        "salt": secrets.token_hex(SALT_BYTES),
        "subject": subject,
    }
    return canonical.dumps({**facts, **more})


def readers_of(statements: Sequence[Statement], roster: Roster) -> list[Json]:
    """The other members who would read any of them, by id."""
    found: set[str] = set()
    for said in statements:
        found |= receipts.expected_readers(said, roster)
    return [*sorted(found)]
