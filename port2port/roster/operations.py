"""What coordinators can do to a roster: one function for each operation, from one roster to the next.

Each checks its fields and whether it follows the roster it meets. Raises RosterError or RosterConflictError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from port2port.canonical import Json
from port2port.genesis import from_b64
from port2port.ids import is_locode, is_member_id
from port2port.keys import PublicKey
from port2port.roster.fields import exactly, is_number, known_member, member_in, moment_in, require_unused, text_in
from port2port.roster.values import (
    ACTIVE,
    MEMBER_KINDS,
    REMOVED,
    SUSPENDED,
    VERSION,
    Affiliate,
    Member,
    Roster,
    RosterConflictError,
    RosterError,
    RosterKey,
)
from port2port.tlp import parse as tlp_of

MAX_LOCODES: Final = 32
MAX_WITNESS_KEYS: Final = 16
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where in the log the statement stands, and when the hub received it."""

    index: int
    received_ms: int


def _add_member(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "kind", "locodes", "member", "name", "organisation", "witness")
    name = member_in(op)
    if name in roster.member_table or name in roster.affiliates:
        raise RosterConflictError(f"{name} is in the roster already")
    locodes, kind = op["locodes"], op["kind"]
    if not isinstance(locodes, list) or not all(isinstance(code, str) and is_locode(code) for code in locodes):
        raise RosterError("locodes must be UN/LOCODEs")
    if not isinstance(kind, str) or kind not in MEMBER_KINDS or not isinstance(op["witness"], bool):
        raise RosterError("kind or witness has a value it cannot have")
    if len(set(map(str, locodes))) != len(locodes) or len(locodes) > MAX_LOCODES:
        raise RosterError(f"at most {MAX_LOCODES} distinct locodes")
    entry = Member(
        id=name,
        name=text_in(op, "name", 100),
        kind=kind,
        locodes=tuple(str(code) for code in locodes),
        witness=op["witness"],
        organisation=text_in(op, "organisation", 100),
    )
    return replace(roster, member_table={**roster.member_table, name: entry})


def _set_status(status: str) -> Callable[[Roster, Mapping[str, Json], At], Roster]:
    def operation(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
        exactly(op, "member", "reason")
        text_in(op, "reason", 300)
        entry = known_member(roster, op)
        if entry.status == REMOVED:
            raise RosterConflictError(f"{entry.id} was removed; removal is for ever")
        return replace(roster, member_table={**roster.member_table, entry.id: replace(entry, status=status)})

    return operation


def _set_witness(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "member", "witness")
    entry = known_member(roster, op)
    if not isinstance(op["witness"], bool):
        raise RosterError("witness must be true or false")
    changed = replace(entry, witness=op["witness"])
    return replace(roster, member_table={**roster.member_table, entry.id: changed})


def _set_witness_key(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    """The one key from now on, in place of all it had."""
    exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    require_unused(roster, public)
    return _with_witness_keys(roster, name, (public,))


def _add_witness_key(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    require_unused(roster, public)
    known = roster.witness_table.get(name, ())
    if len(known) >= MAX_WITNESS_KEYS:
        raise RosterConflictError(f"{name} has {MAX_WITNESS_KEYS} witness keys already: drop one first")
    return _with_witness_keys(roster, name, (*known, public))


def _drop_witness_key(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    known = roster.witness_table.get(name, ())
    if public not in known:
        raise RosterConflictError(f"this is no witness key of {name}")
    return _with_witness_keys(roster, name, tuple(key for key in known if key != public))


def _witness_key(roster: Roster, op: Mapping[str, Json]) -> tuple[str, bytes]:
    entry = known_member(roster, op)
    public = from_b64(text_in(op, "public", 100))
    if len(public) != 32:
        raise RosterError("a witness key is an Ed25519 public key")
    return entry.id, public


def _with_witness_keys(roster: Roster, name: str, keys: tuple[bytes, ...]) -> Roster:
    gone = set(roster.witness_table.get(name, ())) - set(keys)
    return replace(
        roster,
        witness_table={**roster.witness_table, name: keys},
        witness_retired=roster.witness_retired | gone,
    )


def _add_key(roster: Roster, op: Mapping[str, Json], at: At) -> Roster:
    exactly(op, "key", "member", "not_after_ms", "pseudonym")
    entry = known_member(roster, op)
    public = PublicKey.from_json(op["key"])
    pseudonym = op["pseudonym"]
    if public.key_class not in {"machine", "officer"}:
        raise RosterError("a member's key is of class machine or officer")
    if (public.key_class == "officer") != (pseudonym is not None):
        raise RosterError("an officer's key has a pseudonym, a machine's has none")
    if pseudonym is not None and not _PSEUDONYM.fullmatch(text_in(op, "pseudonym", 40)):
        raise RosterError("a pseudonym has 1 to 40 letters, digits, '-' or '_'")
    require_unused(roster, public.public)
    key = RosterKey(
        public=public,
        member=entry.id,
        pseudonym=None if pseudonym is None else str(pseudonym),
        added_index=at.index,
        not_after_ms=moment_in(op, "not_after_ms"),
    )
    return replace(roster, keys={**roster.keys, public.key_id: key})


def _revoke_key(roster: Roster, op: Mapping[str, Json], at: At) -> Roster:
    exactly(op, "invalid_since_ms", "key_id", "reason")
    text_in(op, "reason", 300)
    key = roster.keys.get(str(op["key_id"]))
    if key is None:
        raise RosterConflictError("this key is not in the roster")
    since = None if op["invalid_since_ms"] is None else moment_in(op, "invalid_since_ms")
    if since is not None and since > at.received_ms:
        raise RosterError("a revocation cannot lie in the future")
    earlier = key.invalid_since_ms
    if earlier is not None and (since is None or since > earlier):
        since = earlier
    revoked = replace(key, revoked_index=at.index if key.revoked_index is None else key.revoked_index)
    return replace(roster, keys={**roster.keys, key.public.key_id: replace(revoked, invalid_since_ms=since)})


def _set_group(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "group", "members", "version")
    name, members, version = op["group"], op["members"], op["version"]
    if not isinstance(name, str) or not is_member_id(name) or not isinstance(members, list):
        raise RosterError("a group has a name and a list of members")
    following = (roster.latest_group(name) or 0) + 1
    if not is_number(version, following):
        raise RosterConflictError(f"the next version of {name} is {following}")
    unknown = [item for item in members if not isinstance(item, str) or item not in roster.member_table]
    if unknown or len(set(map(str, members))) != len(members):
        raise RosterConflictError(f"{name} names a member that is unknown or named twice")
    return replace(roster, groups={**roster.groups, (name, following): frozenset(map(str, members))})


def _add_affiliate(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "affiliate", "ceiling", "member", "name")
    entry = known_member(roster, op)
    name = op["affiliate"]
    if not isinstance(name, str) or not is_member_id(name) or name in roster.member_table:
        raise RosterError("an affiliate's id is a name of its own in lower-case words")
    known = roster.affiliates.get(name)
    if known is not None and known.member != entry.id:
        raise RosterConflictError(f"{name} is an affiliate of another member")
    made = Affiliate(
        id=name, member=entry.id, name=text_in(op, "name", 100), ceiling=tlp_of(text_in(op, "ceiling", 20))
    )
    return replace(roster, affiliates={**roster.affiliates, name: made})


def _set_coordinators(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "coordinators", "threshold")
    raw, threshold = op["coordinators"], op["threshold"]
    if not isinstance(raw, list) or not 1 <= len(raw) <= 16:
        raise RosterError("1 to 16 coordinator keys")
    keys = {key.key_id: key for key in map(PublicKey.from_json, raw)}
    if len(keys) != len(raw):
        raise RosterError("a coordinator key is named twice")
    low = 1 if roster.genesis.demo else 2
    if not isinstance(threshold, int) or isinstance(threshold, bool) or not low <= threshold <= len(keys):
        raise RosterError(f"the threshold must be between {low} and the number of coordinators")
    if any(key.key_class != "coordinator" for key in keys.values()):
        raise RosterError("a coordinator's key must be of class coordinator")
    for key in keys.values():
        if key.key_id not in roster.coordinators:
            require_unused(roster, key.public)
    return replace(roster, coordinators=keys, threshold=threshold)


def _set_minimum(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    exactly(op, "minimum_version")
    if not VERSION.fullmatch(text_in(op, "minimum_version", 20)):
        raise RosterError("a version looks like 1.2.3")
    return replace(roster, minimum_version=text_in(op, "minimum_version", 20))


def _set_level_authority(roster: Roster, op: Mapping[str, Json], _at: At) -> Roster:
    """The one member that sets the security level of a LOCODE from now on; levels set before stay as they are."""
    exactly(op, "locode", "member")
    locode = op["locode"]
    if not isinstance(locode, str) or not is_locode(locode):
        raise RosterError("locode must be a UN/LOCODE")
    return replace(roster, level_authorities={**roster.level_authorities, locode: known_member(roster, op).id})


OPS: Final[Mapping[str, Callable[[Roster, Mapping[str, Json], At], Roster]]] = {
    "add-member": _add_member,
    "remove-member": _set_status(REMOVED),
    "suspend-member": _set_status(SUSPENDED),
    "reinstate-member": _set_status(ACTIVE),
    "set-witness": _set_witness,
    "set-witness-key": _set_witness_key,
    "add-witness-key": _add_witness_key,
    "drop-witness-key": _drop_witness_key,
    "add-key": _add_key,
    "revoke-key": _revoke_key,
    "set-group": _set_group,
    "add-affiliate": _add_affiliate,
    "set-coordinators": _set_coordinators,
    "set-minimum-version": _set_minimum,
    "set-level-authority": _set_level_authority,
}
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "roster": frozenset(OPS) - {"revoke-key", "set-group"},
    "group": frozenset({"set-group"}),
    "revoke-key": frozenset({"revoke-key"}),
}
