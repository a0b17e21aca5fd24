"""Which indicators leave for machines that act, by the one rule of sharing, and why the others do not.

Real ones in force that name a thing of a network by its value, that ask for more than to be observed, and that nobody
holds, disputes, suspends, has in quarantine or calls harmless. One that asks for two things at once is left out: as two
rules it would hit what was not meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import indicators
from node.indicators import Indicator
from node.warning_lists.gate import Gate
from node.watch import Admission
from port2port import sharing
from port2port.errors import TooLargeError, UnavailableError
from port2port.patterns import PatternError, TemplateCache, compile_pattern
from port2port.roster import Roster
from port2port.sharing import Outlet, consumer_reader
from port2port.tlp import Tlp

VALUES_MOST: Final = 100_000
NAME_CHARS: Final = 200
PATHS: Final = frozenset({"domain-name:value", "ipv4-addr:value", "ipv6-addr:value", "url:value", "email-addr:value"})
_HASHES: Final = "file:hashes."


class LeftOut(StrEnum):
    """Why an indicator in force is not in the file."""

    SHARING = "its marking, audience or purpose keeps it from machines"
    QUIET = "held, disputed or to be observed only"
    NOT_WATCHED = "not watched here"
    HARMLESS = "on a warning list, or a protected identity"
    OTHER = "asks for more than one value of a network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """For whose system: of this member, up to this marking, for these purposes (personal data, IP addresses too)."""

    member: str
    ceiling: Tlp
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One value to look for, and who asks for it. ``name`` is foreign text."""

    issuer: str
    stix_id: str
    name: str
    tlp: Tlp
    handling: str
    modified: datetime
    valid_until: datetime | None
    path: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What goes out, in a stable order, and how many indicators were left out, by why."""

    values: tuple[Ordered, ...]
    left_out: dict[LeftOut, int]


def choose(connection: Connection, roster: Roster, wanted: Wanted, now: datetime, *, gate: Gate) -> Chosen:
    """Everything as it stands. Raises TooLargeError, and UnavailableError while the warning lists cannot be asked."""
    gate.refresh(connection, now)
    if gate.fault:
        raise UnavailableError(f"nothing leaves without the warning lists: {gate.fault}")
    _, held = indicators.held_since(connection, -1)
    templates, values, left_out = TemplateCache(), list[Ordered](), dict[LeftOut, int]()
    for one in indicators.changed_since(connection, -1):
        if not one.may_match or not _in_time(one, now):
            continue
        why = LeftOut.QUIET if one.key in held or not one.may_act(now) else _refused(one, roster, wanted)
        found = [] if why is not None else list(_values(one, templates))
        if why is None:
            why = LeftOut.OTHER if not found else LeftOut.HARMLESS if _is_harmless(one, found, gate) else None
        if why is not None:
            left_out[why] = left_out.get(why, 0) + 1
            continue
        values += found
        if len(values) > VALUES_MOST:
            raise TooLargeError(f"more than {VALUES_MOST} values are too many for one file")
    values.sort(key=lambda value: (value.issuer, value.stix_id, value.path, value.value))
    return Chosen(values=tuple(values), left_out=left_out)


def _in_time(one: Indicator, now: datetime) -> bool:
    begun = one.valid_from is None or one.valid_from <= now
    return begun and (one.valid_until is None or now < one.valid_until)


def _refused(one: Indicator, roster: Roster, wanted: Wanted) -> LeftOut | None:
    reader = consumer_reader(wanted.member, ceiling=wanted.ceiling)
    purposes = (*wanted.purposes, None)
    if not any(sharing.permits(one.audience, reader, why, Outlet.RULE_EXPORT, roster).allowed for why in purposes):
        return LeftOut.SHARING
    watched = one.issuer == wanted.member or one.state == Admission.WATCHED.value
    return None if watched else LeftOut.NOT_WATCHED


def _is_harmless(one: Indicator, found: list[Ordered], gate: Gate) -> bool:
    listed = gate.lists_of(str(orjson.loads(one.stix)["pattern"]))
    return bool(listed) or any(gate.protects({value.path: value.value}) for value in found)


def _values(one: Indicator, templates: TemplateCache) -> Iterator[Ordered]:
    """One for each value of which any alone is a match; none for a pattern that asks for more, or for other things."""
    data = orjson.loads(one.stix)
    try:
        pattern = compile_pattern(str(data["pattern"]), templates)
    except PatternError:
        return
    keys = pattern.index_keys or frozenset()
    if not pattern.plain or not all(is_cyber(path) and isinstance(value, str) for path, value in keys):
        return
    for path, value in keys:
        yield Ordered(
            issuer=one.issuer,
            stix_id=one.stix_id,
            name=str(data.get("name", ""))[:NAME_CHARS],
            tlp=one.tlp,
            handling=one.handling,
            modified=one.modified,
            valid_until=one.valid_until,
            path=path,
            value=str(value),
        )


def is_cyber(path: str) -> bool:
    """Whether an object path names a thing of a network."""
    return path in PATHS or path.startswith(_HASHES)
