"""Which keys must have signed for which act: the table behind verification step 12.

``machine`` keys are online at a node; ``officer`` keys are held by people; coordinators' keys lie outside hub
and nodes. An item that a machine alone signed says "no officer has seen this" and may not be an act that
changes what others rely on. Two-officer acts need two distinct pseudonyms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from port2port.errors import PolicyError
from port2port.ids import FEDERATION_ISSUER
from port2port.statement import Statement

CHAIN_KINDS: Final = frozenset({"roster", "group", "revoke-key"})
COORDINATOR_KINDS: Final = CHAIN_KINDS | {"genesis", "suspend"}
MACHINE_ALONE: Final = frozenset({"publish", "sighting", "import"})
TWO_OFFICERS: Final = frozenset({"level", "exercise", "erase"})
BY_COORDINATORS: Final = "coordinators"


class AuthorityError(PolicyError):
    """Signed by real keys, but not by those this act needs."""

    code = "AUTHORITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A key that signed: whose it is and of which class."""

    key_id: str
    owner: str
    key_class: str
    pseudonym: str | None = None


def require_authority(statement: Statement, voices: Sequence[Voice], threshold: int) -> None:
    """That the voices may do what the statement does. Raises AuthorityError with the rule that is not met."""
    if statement.signer not in {voice.key_id for voice in voices}:
        raise AuthorityError("the key whose sequence is counted did not sign")
    if statement.kind in COORDINATOR_KINDS:
        _require_coordinators(statement, voices, threshold)
    elif statement.kind == "rekey":
        _require_rekey(statement, voices)
    else:
        _require_member(statement, voices)


def is_machine_only(voices: Sequence[Voice]) -> bool:
    """Whether no officer has seen it."""
    return all(voice.key_class == "machine" for voice in voices)


def _require_coordinators(statement: Statement, voices: Sequence[Voice], threshold: int) -> None:
    if statement.decided_by != BY_COORDINATORS:
        raise AuthorityError("decided_by must say coordinators")
    needed = 1 if statement.kind == "suspend" else threshold
    distinct = {voice.key_id for voice in voices if voice.owner == FEDERATION_ISSUER}
    if len(distinct) != len(voices) or len(distinct) < needed:
        raise AuthorityError(f"{needed} coordinator signatures are needed, {len(distinct)} are there", needed=needed)


def _require_rekey(statement: Statement, voices: Sequence[Voice]) -> None:
    signed = {voice.key_id for voice in voices}
    if len(signed) != 2 or statement.body.get("old") not in signed or statement.signer != statement.body.get("old"):
        raise AuthorityError("a rekey is signed by the old and the new key, and by no other")


def _require_member(statement: Statement, voices: Sequence[Voice]) -> None:
    officers = {voice.pseudonym for voice in voices if voice.key_class == "officer"}
    who, _, name = statement.decided_by.partition(":")
    if who == "officer":
        if name not in officers:
            raise AuthorityError("the officer named in decided_by did not sign")
    elif who != "rule" or statement.kind not in MACHINE_ALONE:
        raise AuthorityError(f"a {statement.kind} must be decided by an officer")
    needed = 2 if statement.personal_data or statement.kind in TWO_OFFICERS else 0
    if len(officers) < needed:
        raise AuthorityError(f"this act needs two distinct officers, {len(officers)} signed", needed=needed)
