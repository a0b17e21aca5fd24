"""Whose voice a key is, and which voices an act needs: the rules behind verification steps 9 and 12.

``machine`` keys are online at a node; ``officer`` keys are held by people; coordinators' keys lie outside hub
and nodes. An item that a machine alone signed says "no officer has seen this" and may not be an act that
changes what others rely on. Two-officer acts need two distinct pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import PolicyError
from port2port.genesis import from_statement
from port2port.ids import FEDERATION_ISSUER
from port2port.keys import PublicKey
from port2port.limits import LIMITS
from port2port.roster import Roster, RosterKey
from port2port.statement import Statement

CHAIN_KINDS: Final = frozenset({"roster", "group", "revoke-key"})
COORDINATOR_KINDS: Final = CHAIN_KINDS | {"genesis", "suspend"}
MACHINE_ALONE: Final = frozenset({"publish", "sighting"})  # what comes from outside always takes an officer
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


def find_voice(statement: Statement, key_id: str, roster: Roster | None, received_ms: int) -> tuple[PublicKey, Voice]:
    """The key behind a signature and whose voice it is, under the roster before the entry. Raises PolicyError.

    A genesis brings its own coordinators; a rekey is also signed by the key it brings, which no roster knows yet.
    """
    if statement.issuer == FEDERATION_ISSUER:
        return _coordinator(statement, key_id, roster)
    entry = None if roster is None else roster.keys.get(key_id)
    if entry is None:
        return _offered(statement, key_id)
    if entry.member != statement.issuer:
        raise PolicyError("a signature is by another member's key")
    if entry.revoked_index is not None:
        raise PolicyError("a signature is by a revoked or replaced key")
    _require_in_time(entry, statement, received_ms)
    voice = Voice(key_id=key_id, owner=entry.member, key_class=entry.public.key_class, pseudonym=entry.pseudonym)
    return entry.public, voice


def _coordinator(statement: Statement, key_id: str, roster: Roster | None) -> tuple[PublicKey, Voice]:
    known: Mapping[str, PublicKey] = {} if roster is None else roster.coordinators
    if statement.kind == "genesis":
        known = {key.key_id: key for key in from_statement(statement).coordinators}
    if key_id not in known:
        raise PolicyError("a signature is by no coordinator")
    return known[key_id], Voice(key_id=key_id, owner=FEDERATION_ISSUER, key_class="coordinator")


def _offered(statement: Statement, key_id: str) -> tuple[PublicKey, Voice]:
    if statement.kind == "rekey":
        offered = PublicKey.from_json(statement.body.get("key"))
        if offered.key_id == key_id:
            return offered, Voice(key_id=key_id, owner=statement.issuer, key_class=offered.key_class)
    raise PolicyError("a signature is by a key that is not in the roster")


def _require_in_time(entry: RosterKey, statement: Statement, received_ms: int) -> None:
    """Valid when logged; or valid when issued and logged after an absence of at most 90 days (flagged late).

    Within these 90 days an expired key still signs one thing: the rekey that replaces it, so that a node that was
    away renews without a human.
    """
    if received_ms <= entry.not_after_ms:
        return
    returning = statement.kind == "rekey" or to_ms(statement.issued) <= entry.not_after_ms
    if not returning or received_ms > entry.not_after_ms + LIMITS.max_age_ms:
        day = to_text(from_ms(entry.not_after_ms))[:10]
        raise PolicyError(f"signed by a key that expired on {day}: renew the key, then look at it and sign it again")


def require_signer(statement: Statement, voices: Sequence[Voice]) -> None:
    """That the key whose sequence the statement counts is among those that signed. Raises AuthorityError.

    Holds for what this version does not understand too: else anybody could use up another key's sequence.
    """
    if statement.signer not in {voice.key_id for voice in voices}:
        raise AuthorityError("the key whose sequence is counted did not sign")


def require_authority(statement: Statement, voices: Sequence[Voice], threshold: int) -> None:
    """That the voices may do what the statement does. Raises AuthorityError with the rule that is not met."""
    require_signer(statement, voices)
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
    key = statement.body.get("key")
    fresh = str(key.get("key_id")) if isinstance(key, Mapping) else None
    if signed != {statement.signer, fresh} or len(signed) != 2 or statement.signer != statement.body.get("old"):
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


def require_plain(said: Statement) -> None:
    """That a control statement is for everybody and of the real world. Raises PolicyError."""
    for_somebody = said.groups or said.recipients or said.tlp is not None
    if for_somebody or said.objects or said.personal_data or said.realm != "real":
        raise PolicyError("a control statement has no marking, audience, objects or exercise")
