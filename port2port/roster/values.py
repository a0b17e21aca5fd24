"""What the log has said so far about who belongs: a roster is a value that never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from port2port.errors import ConflictError, MalformedError
from port2port.genesis import Genesis
from port2port.keys import PublicKey
from port2port.tlp import Tlp

MEMBER_KINDS: Final = frozenset({"port", "authority", "police", "waterway", "defence"})
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
REMOVED: Final = "removed"
VERSION: Final = re.compile(r"(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){2}", re.ASCII)


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
        given = VERSION.match(version)
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
