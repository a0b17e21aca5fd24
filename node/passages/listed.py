"""Whether a value is looked for: real indicators in force that ask to act or to call first, and that machines may use.

Never one that is to be observed only, held, disputed, suspended or in quarantine; never one that ``sharing.permits``
does not let into a hot list for the asking system. The list itself is never made: one value is asked at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import indicators
from node.indicators import Indicator, Key
from node.passage_settings import GateSettings
from node.watch import Admission
from port2port import sharing
from port2port.identifiers import IdentifierError, check_container
from port2port.patterns import IndexKey, PatternError, TemplateCache, compile_pattern
from port2port.roster import Roster
from port2port.sharing import Outlet, consumer_reader
from port2port.tlp import Tlp

PATHS: Final[Mapping[str, str]] = {
    "badge": "badge:pseudonym",
    "container": "freight-container:number",
    "vehicle": "vehicle:pseudonym",
}
MOST: Final = 20  # indicators of one value that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """An asking system as a reader: a machine of this member, up to its ceiling, for the purposes it was given."""

    member: str
    gate: GateSettings
    roster: Roster

    def may_use(self, one: Indicator) -> bool:
        """Whether the rule of sharing lets this indicator into a hot list for it."""
        reader = consumer_reader(self.member, ceiling=Tlp(self.gate.ceiling))
        purposes = (*self.gate.purposes, None)
        return any(
            sharing.permits(one.audience, reader, purpose, Outlet.HOT_LIST, self.roster).allowed for purpose in purposes
        )


def spelled(kind: str, text: str) -> IndexKey:
    """The (path, value) that a question is about. What is no such number is taken as it is: it is looked for by nobody.

    It raises nothing: a wrong number is answered as any other.
    """
    if kind == "container":
        try:
            return PATHS[kind], check_container(text)
        except IdentifierError:
            return PATHS[kind], text.strip().upper()
    return PATHS[kind], text.strip().lower()


def find(
    connection: Connection,
    key: IndexKey,
    asker: Asker,
    now: datetime,
    *,
    held: frozenset[Key],
    templates: TemplateCache,
) -> list[Indicator]:
    """The indicators on which the asking system acts where it meets this value."""
    return [
        one
        for one in indicators.naming(connection, [key], now, most=MOST)
        if one.may_act(now)
        and one.key not in held
        and (one.issuer == asker.member or one.state == Admission.WATCHED.value)
        and asker.may_use(one)
        and _means(one, key, templates)
    ]


def _means(one: Indicator, key: IndexKey, templates: TemplateCache) -> bool:
    """Whether the value alone fulfils the pattern: what asks for more cannot be answered at a gate."""
    try:
        pattern = compile_pattern(str(orjson.loads(one.stix)["pattern"]), templates)
    except PatternError:
        return False
    return pattern.single and pattern.touches(dict([key]))
