"""The fields of a control statement's body, read strictly. Raises RosterError or RosterConflictError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from port2port.canonical import Json
from port2port.ids import is_member_id
from port2port.roster.values import Member, Roster, RosterConflictError, RosterError

_END_MS: Final = 253_402_300_800_000  # the year 10000


def require_unused(roster: Roster, public: bytes) -> None:
    """One key has one role, for ever: a key that any role has or had is not taken again."""
    taken = {roster.genesis.log_key, roster.genesis.hub_key, *roster.witness_retired}
    taken.update(key for keys in roster.witness_table.values() for key in keys)
    taken.update(key.public for key in roster.genesis.coordinators)
    taken.update(key.public for key in roster.coordinators.values())
    taken.update(key.public.public for key in roster.keys.values())
    if public in taken:
        raise RosterConflictError("this key is or was in the roster already")


def is_number(value: Json, expected: int) -> bool:
    """Whether it is this very number, and not ``true`` in place of 1."""
    return not isinstance(value, bool) and value == expected


def exactly(op: Mapping[str, Json], *names: str) -> None:
    """That an operation has these fields and no others."""
    if op.keys() != {"op", *names}:
        raise RosterError(f"{op['op']} has exactly {', '.join(names)}")


def text_in(op: Mapping[str, Json], name: str, limit: int) -> str:
    """A printable text of at most ``limit`` characters."""
    value = op[name]
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise RosterError(f"{name} must be printable text of at most {limit} characters")
    return value


def moment_in(op: Mapping[str, Json], name: str) -> int:
    """A moment in milliseconds since 1970."""
    value = op[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _END_MS:
        raise RosterError(f"{name} must be milliseconds since 1970")
    return value


def member_in(op: Mapping[str, Json]) -> str:
    """The member id that an operation names."""
    value = op["member"]
    if not isinstance(value, str) or not is_member_id(value):
        raise RosterError("member must be a member id")
    return value


def known_member(roster: Roster, op: Mapping[str, Json]) -> Member:
    """The member that an operation names, as it is in the roster."""
    entry = roster.member_table.get(member_in(op))
    if entry is None:
        raise RosterConflictError(f"{member_in(op)} is not in the roster")
    return entry
