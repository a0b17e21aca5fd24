"""Who may sign what, folded from control entries in log order.

Entry i is judged by the roster folded from the entries before i. A roster is a value: ``apply`` returns the next
one. Roster n+1 needs the coordinators' threshold of signatures valid under roster n; the statements form a
chain (``version`` and ``prev``), so that two of them cannot both be next. A member's own ``rekey`` stands outside
the chain: it is signed by the old and the new key and brings no new right.

Body of roster, group and revoke-key: {"ops": [...], "prev": hex digest of the last control statement of the
chain, "version": n+1}. The operations are in ``_OPS``. Source: DESIGN of the trust model, docs/protocol.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import ConflictError, MalformedError
from port2port.genesis import Genesis, from_b64
from port2port.ids import is_locode, is_member_id
from port2port.keys import PublicKey
from port2port.statement import Statement
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

MEMBER_KINDS: Final = frozenset({"port", "authority", "police", "waterway", "defence"})
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
REMOVED: Final = "removed"
MAX_OPS: Final = 100
MAX_LOCODES: Final = 32
MAX_WITNESS_KEYS: Final = 16
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_VERSION: Final = re.compile(r"(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){2}", re.ASCII)
_END_MS: Final = 253_402_300_800_000  # the year 10000
_YEAR_MS: Final = 366 * 24 * 3_600_000


class RosterError(MalformedError):
    """A control statement whose body is not what its kind asks for."""

    code = "ROSTER"


class RosterConflictError(ConflictError):
    """A control statement that does not follow the roster it meets: stale version, unknown member, known key."""

    code = "ROSTER_CONFLICT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member; ``witness`` says whether its cosignatures count, ``organisation`` as whose."""

    id: str
    name: str
    kind: str
    locodes: tuple[str, ...]
    witness: bool
    organisation: str
    status: str = ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterKey:
    """A member's signing key. Indices are log indices of the entries that added and revoked it."""

    public: PublicKey
    member: str
    pseudonym: str | None
    added_index: int
    not_after_ms: int
    revoked_index: int | None = None
    invalid_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affiliate:
    """A facility of a member: reads what the member may hand it, up to its ceiling."""

    id: str
    member: str
    name: str
    ceiling: Tlp


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Everything the log has said so far about who belongs. Satisfies ``sharing.RosterView``."""

    genesis: Genesis
    version: int
    prev: str
    coordinators: Mapping[str, PublicKey]
    threshold: int
    member_table: Mapping[str, Member] = field(default_factory=dict)
    keys: Mapping[str, RosterKey] = field(default_factory=dict)
    groups: Mapping[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    affiliates: Mapping[str, Affiliate] = field(default_factory=dict)
    minimum_version: str = "0.0.0"
    witness_table: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    witness_retired: frozenset[bytes] = frozenset()
    level_authorities: Mapping[str, str] = field(default_factory=dict)

    def is_member(self, member: str) -> bool:
        """Whether ``member`` belongs now: not removed, not suspended."""
        entry = self.member_table.get(member)
        return entry is not None and entry.status == ACTIVE

    def members(self) -> frozenset[str]:
        """All who belong now."""
        return frozenset(name for name, entry in self.member_table.items() if entry.status == ACTIVE)

    def group(self, name: str, version: int) -> frozenset[str] | None:
        """The members of one version of a sharing group, or None if there is no such version."""
        return self.groups.get((name, version))

    def latest_group(self, name: str) -> int | None:
        """The newest version of a sharing group, or None."""
        return max((version for known, version in self.groups if known == name), default=None)

    def affiliate(self, name: str) -> tuple[str, Tlp] | None:
        """(member, ceiling) of an affiliate, or None."""
        found = self.affiliates.get(name)
        return None if found is None else (found.member, found.ceiling)

    def admits(self, version: str) -> bool:
        """Whether software of this version (``1.2.3``, whatever follows) is as new as the federation asks for.

        What is no version is not.
        """
        given = _VERSION.match(version)
        return given is not None and _numbers(given[0]) >= _numbers(self.minimum_version)

    def keys_of(self, member: str, key_class: str | None = None) -> tuple[RosterKey, ...]:
        """The unrevoked keys of a member, optionally of one class."""
        return tuple(
            key
            for key in self.keys.values()
            if key.member == member and key.revoked_index is None and key_class in (None, key.public.key_class)
        )

    def witnesses(self) -> dict[str, str]:
        """Witness name (= member id) to organisation, of the active witnesses."""
        return {
            name: entry.organisation
            for name, entry in self.member_table.items()
            if entry.witness and entry.status == ACTIVE
        }

    def witness_keys(self) -> dict[str, tuple[bytes, ...]]:
        """Witness name to raw Ed25519 keys, one for each of its nodes, of the active witnesses that have any.

        However many it has, a member is one witness, and an organisation counts once.
        """
        active = self.witnesses()
        return {name: keys for name, keys in self.witness_table.items() if keys and name in active}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


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
    if not _is_number(body["version"], roster.version + 1) or body["prev"] != roster.prev:
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
    allowed = _ALLOWED.get(statement.kind, frozenset())
    at = _At(index=index, received_ms=received_ms)
    for op in ops:
        name = op.get("op") if isinstance(op, dict) else None
        if not isinstance(op, dict) or not isinstance(name, str) or name not in allowed:
            raise RosterError(f"a {statement.kind} statement cannot carry this operation")
        roster = _OPS[name](roster, op, at)
    return replace(roster, version=roster.version + 1, prev=digest.hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    index: int
    received_ms: int


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
    _require_unused(roster, public.public)
    fresh = replace(
        old,
        public=public,
        added_index=index,
        not_after_ms=min(_ms(body, "not_after_ms"), _latest(old, statement)),
    )
    retired = replace(old, revoked_index=index)
    return replace(roster, keys={**roster.keys, old.public.key_id: retired, public.key_id: fresh})


def _latest(old: RosterKey, statement: Statement) -> int:
    """A rekey may not stretch validity beyond a year from its own date: no new rights."""
    return max(old.not_after_ms, to_ms(statement.issued) + _YEAR_MS)


def _add_member(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "kind", "locodes", "member", "name", "organisation", "witness")
    name = _member(op)
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
        name=_text(op, "name", 100),
        kind=kind,
        locodes=tuple(str(code) for code in locodes),
        witness=op["witness"],
        organisation=_text(op, "organisation", 100),
    )
    return replace(roster, member_table={**roster.member_table, name: entry})


def _set_status(status: str) -> Callable[[Roster, Mapping[str, Json], _At], Roster]:
    def operation(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
        _exactly(op, "member", "reason")
        _text(op, "reason", 300)
        entry = _known(roster, op)
        if entry.status == REMOVED:
            raise RosterConflictError(f"{entry.id} was removed; removal is for ever")
        return replace(roster, member_table={**roster.member_table, entry.id: replace(entry, status=status)})

    return operation


def _set_witness(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "member", "witness")
    entry = _known(roster, op)
    if not isinstance(op["witness"], bool):
        raise RosterError("witness must be true or false")
    changed = replace(entry, witness=op["witness"])
    return replace(roster, member_table={**roster.member_table, entry.id: changed})


def _set_witness_key(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    """The one key from now on, in place of all it had."""
    _exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    _require_unused(roster, public)
    return _with_witness_keys(roster, name, (public,))


def _add_witness_key(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    _require_unused(roster, public)
    known = roster.witness_table.get(name, ())
    if len(known) >= MAX_WITNESS_KEYS:
        raise RosterConflictError(f"{name} has {MAX_WITNESS_KEYS} witness keys already: drop one first")
    return _with_witness_keys(roster, name, (*known, public))


def _drop_witness_key(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "member", "public")
    name, public = _witness_key(roster, op)
    known = roster.witness_table.get(name, ())
    if public not in known:
        raise RosterConflictError(f"this is no witness key of {name}")
    return _with_witness_keys(roster, name, tuple(key for key in known if key != public))


def _witness_key(roster: Roster, op: Mapping[str, Json]) -> tuple[str, bytes]:
    entry = _known(roster, op)
    public = from_b64(_text(op, "public", 100))
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


def _add_key(roster: Roster, op: Mapping[str, Json], at: _At) -> Roster:
    _exactly(op, "key", "member", "not_after_ms", "pseudonym")
    entry = _known(roster, op)
    public = PublicKey.from_json(op["key"])
    pseudonym = op["pseudonym"]
    if public.key_class not in {"machine", "officer"}:
        raise RosterError("a member's key is of class machine or officer")
    if (public.key_class == "officer") != (pseudonym is not None):
        raise RosterError("an officer's key has a pseudonym, a machine's has none")
    if pseudonym is not None and not _PSEUDONYM.fullmatch(_text(op, "pseudonym", 40)):
        raise RosterError("a pseudonym has 1 to 40 letters, digits, '-' or '_'")
    _require_unused(roster, public.public)
    key = RosterKey(
        public=public,
        member=entry.id,
        pseudonym=None if pseudonym is None else str(pseudonym),
        added_index=at.index,
        not_after_ms=_ms(op, "not_after_ms"),
    )
    return replace(roster, keys={**roster.keys, public.key_id: key})


def _revoke_key(roster: Roster, op: Mapping[str, Json], at: _At) -> Roster:
    _exactly(op, "invalid_since_ms", "key_id", "reason")
    _text(op, "reason", 300)
    key = roster.keys.get(str(op["key_id"]))
    if key is None:
        raise RosterConflictError("this key is not in the roster")
    since = None if op["invalid_since_ms"] is None else _ms(op, "invalid_since_ms")
    if since is not None and since > at.received_ms:
        raise RosterError("a revocation cannot lie in the future")
    earlier = key.invalid_since_ms
    if earlier is not None and (since is None or since > earlier):
        since = earlier
    revoked = replace(key, revoked_index=at.index if key.revoked_index is None else key.revoked_index)
    return replace(roster, keys={**roster.keys, key.public.key_id: replace(revoked, invalid_since_ms=since)})


def _set_group(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "group", "members", "version")
    name, members, version = op["group"], op["members"], op["version"]
    if not isinstance(name, str) or not is_member_id(name) or not isinstance(members, list):
        raise RosterError("a group has a name and a list of members")
    following = (roster.latest_group(name) or 0) + 1
    if not _is_number(version, following):
        raise RosterConflictError(f"the next version of {name} is {following}")
    unknown = [item for item in members if not isinstance(item, str) or item not in roster.member_table]
    if unknown or len(set(map(str, members))) != len(members):
        raise RosterConflictError(f"{name} names a member that is unknown or named twice")
    return replace(roster, groups={**roster.groups, (name, following): frozenset(map(str, members))})


def _add_affiliate(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "affiliate", "ceiling", "member", "name")
    entry = _known(roster, op)
    name = op["affiliate"]
    if not isinstance(name, str) or not is_member_id(name) or name in roster.member_table:
        raise RosterError("an affiliate's id is a name of its own in lower-case words")
    known = roster.affiliates.get(name)
    if known is not None and known.member != entry.id:
        raise RosterConflictError(f"{name} is an affiliate of another member")
    made = Affiliate(id=name, member=entry.id, name=_text(op, "name", 100), ceiling=tlp_of(_text(op, "ceiling", 20)))
    return replace(roster, affiliates={**roster.affiliates, name: made})


def _set_coordinators(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "coordinators", "threshold")
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
            _require_unused(roster, key.public)
    return replace(roster, coordinators=keys, threshold=threshold)


def _set_minimum(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    _exactly(op, "minimum_version")
    if not _VERSION.fullmatch(_text(op, "minimum_version", 20)):
        raise RosterError("a version looks like 1.2.3")
    return replace(roster, minimum_version=_text(op, "minimum_version", 20))


def _set_level_authority(roster: Roster, op: Mapping[str, Json], _at: _At) -> Roster:
    """The one member that sets the security level of a LOCODE from now on; levels set before stay as they are."""
    _exactly(op, "locode", "member")
    locode = op["locode"]
    if not isinstance(locode, str) or not is_locode(locode):
        raise RosterError("locode must be a UN/LOCODE")
    return replace(roster, level_authorities={**roster.level_authorities, locode: _known(roster, op).id})


_OPS: Final[Mapping[str, Callable[[Roster, Mapping[str, Json], _At], Roster]]] = {
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
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "roster": frozenset(_OPS) - {"revoke-key", "set-group"},
    "group": frozenset({"set-group"}),
    "revoke-key": frozenset({"revoke-key"}),
}


def _require_unused(roster: Roster, public: bytes) -> None:
    """One key has one role, for ever: a key that any role has or had is not taken again."""
    taken = {roster.genesis.log_key, roster.genesis.hub_key, *roster.witness_retired}
    taken.update(key for keys in roster.witness_table.values() for key in keys)
    taken.update(key.public for key in roster.genesis.coordinators)
    taken.update(key.public for key in roster.coordinators.values())
    taken.update(key.public.public for key in roster.keys.values())
    if public in taken:
        raise RosterConflictError("this key is or was in the roster already")


def _is_number(value: Json, expected: int) -> bool:
    """Whether it is this very number, and not ``true`` in place of 1."""
    return not isinstance(value, bool) and value == expected


def _exactly(op: Mapping[str, Json], *names: str) -> None:
    if op.keys() != {"op", *names}:
        raise RosterError(f"{op['op']} has exactly {', '.join(names)}")


def _text(op: Mapping[str, Json], name: str, limit: int) -> str:
    value = op[name]
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise RosterError(f"{name} must be printable text of at most {limit} characters")
    return value


def _ms(op: Mapping[str, Json], name: str) -> int:
    value = op[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _END_MS:
        raise RosterError(f"{name} must be milliseconds since 1970")
    return value


def _member(op: Mapping[str, Json]) -> str:
    value = op["member"]
    if not isinstance(value, str) or not is_member_id(value):
        raise RosterError("member must be a member id")
    return value


def _known(roster: Roster, op: Mapping[str, Json]) -> Member:
    entry = roster.member_table.get(_member(op))
    if entry is None:
        raise RosterConflictError(f"{_member(op)} is not in the roster")
    return entry
