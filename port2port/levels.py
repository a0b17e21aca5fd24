"""The security level of a port (ISPS Code, part A 4.1 and 7.1): who may set it, and what a level statement says.

A level statement is a signed statement of the kind ``level`` by the member that the roster names as the authority of
that LOCODE, signed by two officers, for all members: a level that somebody may not know is none. Body: exactly
``port`` (UN/LOCODE), ``level`` (1 to 3), ``effective`` (UTC) and ``reason``. Of the changes in effect, the one logged
last is in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from port2port.canonical import Json
from port2port.clock import from_text, to_text
from port2port.errors import MalformedError, PolicyError
from port2port.ids import is_locode
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.tlp import Tlp

LEVELS: Final = (1, 2, 3)
REASON_CHARS: Final = 500
EARLIEST: Final = timedelta(days=1)
LATEST: Final = timedelta(days=90)
_FIELDS: Final = frozenset({"effective", "level", "port", "reason"})


class LevelError(PolicyError):
    """A level statement that is none, or by a member that is not the authority of that place."""

    code = "LEVEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A change of the security level of one LOCODE, from ``effective`` on."""

    locode: str
    level: int
    effective: datetime
    reason: str

    def to_body(self) -> dict[str, Json]:
        """The body of the statement that says it."""
        return {
            "effective": to_text(self.effective),
            "level": self.level,
            "port": self.locode,
            "reason": self.reason,
        }


class Standing(Enum):
    """Where a change stands now. ``REPLACED``: another is in force instead, or will be before this one ever is."""

    IN_FORCE = "in-force"
    COMING = "coming"
    REPLACED = "replaced"
    DISPUTED = "disputed"


def standings(logged: Sequence[tuple[Level, bool]], now: datetime) -> list[Standing]:
    """Where each change stands, given all of them in log order, each with whether it is disputed.

    An announced change comes only where nothing logged after it takes effect before it: the last one logged wins.
    """
    found = [Standing.DISPUTED] * len(logged)
    earliest: dict[str, datetime] = {}  # the earliest effect of what was logged later, by place
    decided: set[str] = set()
    for number in range(len(logged) - 1, -1, -1):
        level, disputed = logged[number]
        if disputed:
            continue
        later = earliest.get(level.locode)
        if level.effective <= now:
            found[number] = Standing.REPLACED if level.locode in decided else Standing.IN_FORCE
            decided.add(level.locode)
        else:
            found[number] = Standing.REPLACED if later is not None and later <= level.effective else Standing.COMING
        earliest[level.locode] = level.effective if later is None else min(later, level.effective)
    return found


def level_of(said: Statement) -> Level:
    """What a level statement says. Raises LevelError."""
    body = said.body
    if said.kind != "level" or body.keys() != _FIELDS:
        raise LevelError("a level statement has exactly effective, level, port and reason")
    port, level, effective, reason = body["port"], body["level"], body["effective"], body["reason"]
    if not isinstance(port, str) or not is_locode(port) or isinstance(level, bool) or level not in LEVELS:
        raise LevelError("a security level is 1, 2 or 3, of a UN/LOCODE")
    if not isinstance(reason, str) or not 0 < len(reason) <= REASON_CHARS or not reason.isprintable():
        raise LevelError(f"the reason is printable text of at most {REASON_CHARS} characters")
    try:
        moment = from_text(str(effective))
    except MalformedError as error:
        raise LevelError("the effective time is UTC text") from error
    return Level(locode=port, level=int(str(level)), effective=moment, reason=reason)


def require_competent(said: Statement, roster: Roster) -> Level:
    """That the issuer sets this LOCODE's level, for about now. Raises LevelError."""
    level = level_of(said)
    if roster.level_authorities.get(level.locode) != said.issuer:
        raise LevelError("the roster names another authority for the level of this place, or none")
    if not said.issued - EARLIEST <= level.effective <= said.issued + LATEST:
        raise LevelError("a level takes effect between a day before and 90 days after it is issued")
    return level


def require_for_all(said: Statement) -> None:
    """That every member may read a level, and that it is about no person; other kinds pass. Raises LevelError."""
    if said.kind != "level":
        return
    if said.tlp not in {Tlp.CLEAR, Tlp.GREEN} or said.personal_data or said.objects:
        raise LevelError("a level is for all members, marked TLP:GREEN or TLP:CLEAR, without objects or personal data")
