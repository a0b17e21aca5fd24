"""What must be told to a human: a closed list of alarms, each with a level, raised, repeated and cleared.

An alarm is one row for each code and subject. Raising it again counts; clearing it keeps the row, so that an
operator sees in the morning what happened at night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import tables
from port2port.roster import Roster

_ALARM: Final = tables.Alarm.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_TEXT_MAX: Final = 500
MINIMUM_VERSION: Final = "minimum version"  # the subject of UPGRADE_NEEDED where the roster asks for more


class Level(Enum):
    """How bad. The names are those of monitoring plug-ins, whose exit codes ``exit_code`` has."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def exit_code(self) -> int:
        """0, 1 or 2."""
        return list(Level).index(self)


class Code(Enum):
    """Every alarm there is."""

    SPLIT_VIEW = "SPLIT_VIEW"
    ROLLBACK = "ROLLBACK"
    LOG_ROOT = "LOG_ROOT"
    UPGRADE_NEEDED = "UPGRADE_NEEDED"
    FOREIGN_SELF = "FOREIGN_SELF"
    CONTROL_REFUSED = "CONTROL_REFUSED"
    EQUIVOCATION = "EQUIVOCATION"
    QUARANTINED = "QUARANTINED"
    UNWITNESSED = "UNWITNESSED"
    BAD_COSIGNATURE = "BAD_COSIGNATURE"
    NOT_DELIVERED = "NOT_DELIVERED"
    RETURNED = "RETURNED"
    PROMISE = "PROMISE"
    CLOCK = "CLOCK"
    CUT_OFF = "CUT_OFF"
    RENEWAL = "RENEWAL"
    SEQUENCE_BEHIND = "SEQUENCE_BEHIND"
    INVARIANT = "INVARIANT"
    UNCHECKED_OVERRIDE = "UNCHECKED_OVERRIDE"
    NOTICE_FAILED = "NOTICE_FAILED"
    NOTICES_HELD = "NOTICES_HELD"
    NOBODY_ON_DUTY = "NOBODY_ON_DUTY"
    ROTA_WRONG = "ROTA_WRONG"
    NOT_SEEN = "NOT_SEEN"
    WARNING_LISTS = "WARNING_LISTS"
    SENSOR_FAILED = "SENSOR_FAILED"
    SENSOR_SILENT = "SENSOR_SILENT"


_WARNINGS: Final = frozenset(
    {
        Code.QUARANTINED,
        Code.NOT_DELIVERED,
        Code.RETURNED,
        Code.PROMISE,
        Code.BAD_COSIGNATURE,
        Code.RENEWAL,
        Code.EQUIVOCATION,
        Code.NOTICES_HELD,
        Code.NOT_SEEN,
        Code.WARNING_LISTS,
        Code.SENSOR_FAILED,
        Code.SENSOR_SILENT,
    }
)
LEVELS: Final[Mapping[Code, Level]] = {code: Level.WARNING if code in _WARNINGS else Level.CRITICAL for code in Code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm to raise. ``subject`` tells apart what can go wrong several times, such as a log index."""

    code: Code
    subject: str = ""
    text: str

    @property
    def level(self) -> Level:
        """As ``LEVELS`` has it."""
        return LEVELS[self.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedAlarm:
    """An alarm as it stands in the table; times in milliseconds since the epoch."""

    id: int
    code: Code
    subject: str
    level: Level
    text: str
    raised_ms: int
    last_ms: int
    times: int
    cleared_ms: int | None
    seen_by: str


def raise_alarm(connection: Connection, alarm: Alarm, at_ms: int) -> bool:
    """Raise an alarm, or count it again; True where it was not standing already."""
    key = (_ALARM.c.code == alarm.code.value, _ALARM.c.subject == alarm.subject)
    known = connection.execute(sa.select(_ALARM.c.times, _ALARM.c.cleared_ms).where(*key)).first()
    values: dict[str, Any] = {"text": alarm.text[:_TEXT_MAX], "last_ms": at_ms, "level": alarm.level.value}
    if known is None:
        row = {"code": alarm.code.value, "subject": alarm.subject, "raised_ms": at_ms, "times": 1, "seen_by": ""}
        connection.execute(sa.insert(_ALARM).values(**row, **values))
        return True
    new = known.cleared_ms is not None
    again = {"times": known.times + 1, "cleared_ms": None}
    if new:
        again |= {"raised_ms": at_ms, "seen_by": ""}
    connection.execute(sa.update(_ALARM).where(*key).values(**values, **again))
    return new


def clear_alarm(connection: Connection, code: Code, subject: str, at_ms: int) -> bool:
    """Note that the cause is gone; False where the alarm was not standing."""
    cleared = connection.execute(
        sa.update(_ALARM)
        .where(_ALARM.c.code == code.value, _ALARM.c.subject == subject, _ALARM.c.cleared_ms.is_(None))
        .values(cleared_ms=at_ms)
    )
    return cleared.rowcount > 0


def compare_version(connection: Connection, roster: Roster, version: str, at_ms: int) -> None:
    """Raise or clear what the roster says of software of this version.

    Whoever folded this roster understands its control entries: an alarm over one that was not understood ends here.
    """
    clear_alarm(connection, Code.UPGRADE_NEEDED, "", at_ms)
    if roster.admits(version):
        clear_alarm(connection, Code.UPGRADE_NEEDED, MINIMUM_VERSION, at_ms)
        return
    text = f"this software is {version}, the federation asks for {roster.minimum_version} or newer: upgrade this node"
    raise_alarm(connection, Alarm(code=Code.UPGRADE_NEEDED, subject=MINIMUM_VERSION, text=text), at_ms)


def acknowledge(connection: Connection, alarm_id: int, officer: str) -> bool:
    """Note that an officer (pseudonym) has seen an alarm; it stands until its cause is gone."""
    seen = connection.execute(sa.update(_ALARM).where(_ALARM.c.id == alarm_id).values(seen_by=officer))
    return seen.rowcount > 0


def standing(connection: Connection) -> list[RaisedAlarm]:
    """The alarms not cleared, worst first, then newest."""
    rows = connection.execute(sa.select(_ALARM).where(_ALARM.c.cleared_ms.is_(None)))
    found = [_raised(dict(row._mapping)) for row in rows]  # noqa: SLF001  # the documented view of a row
    return sorted(found, key=lambda item: (-item.level.exit_code, -item.last_ms, -item.id))


def _raised(row: dict[str, Any]) -> RaisedAlarm:
    return RaisedAlarm(**{**row, "code": Code(row["code"]), "level": Level(row["level"])})
