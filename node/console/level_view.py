"""The security levels as the desk shows them: in force and coming here, who has read each change, and what a form asks.

Everybody at a port reads for himself: the hub's board says which members have not, this page which officers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.datastructures import FormData

from node import levels, receipts
from node.duty import Rota, instant_of
from node.levels import Change, Reading
from node.receipts import DeliveryState
from port2port.console import accounts
from port2port.console.roles import Role
from port2port.console.words import N_
from port2port.errors import MalformedError
from port2port.levels import EARLIEST, LATEST, LEVELS, REASON_CHARS, Level, Standing
from port2port.roster import Roster
from port2port.tlp import Tlp, parse

SHOWN: Final = 100  # changes on the page
PLACES_MOST: Final = 10  # in one act: each is a statement, signed by itself
NAMES: Final[Mapping[int, str]] = {1: N_("normal"), 2: N_("heightened"), 3: N_("exceptional")}
ICONS: Final[Mapping[int, str]] = {1: "shield", 2: "shield-alert", 3: "siren"}
STANDINGS: Final[Mapping[Standing, tuple[str, str]]] = {
    Standing.IN_FORCE: ("ok", N_("in force")),
    Standing.COMING: ("wait", N_("coming")),
    Standing.REPLACED: ("off", N_("replaced")),
    Standing.DISPUTED: ("bad", N_("disputed, not in force")),
}
NO_PLACE: Final = N_("Choose at least one port.")
MANY_PLACES: Final = N_("At most ten ports at a time.")
NO_LEVEL: Final = N_("Choose a level.")
NO_REASON: Final = N_("Give a reason, in at most 500 characters.")
BAD_TIME: Final = N_("A day and a time, as in 22:41.")
TOO_EARLY: Final = N_("Not more than a day ago.")
TOO_LATE: Final = N_("At most 90 days from now.")
WRONG_END: Final = N_("The end comes after the beginning.")
SAME_LEVEL: Final = N_("After its end another level is in force.")
NO_MARKING: Final = N_("A level is for all: TLP:GREEN or TLP:CLEAR.")
_OFFICERS: Final = (Role.OFFICER, Role.APPROVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """An officer of a member, who looks now."""

    roster: Roster
    member: str
    officer: str
    now: datetime

    @property
    def places(self) -> tuple[str, ...]:
        """The places he asks about first: his port's own, or those it sets; none means every place."""
        entry = self.roster.member_table.get(self.member)
        own = () if entry is None else tuple(entry.locodes)
        return own or levels.places_of(self.roster, self.member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A change with who of this port has read it, who of the shift has not, and where own, what became of it."""

    change: Change
    readings: tuple[Reading, ...]
    missing: tuple[str, ...]
    deliveries: tuple[DeliveryState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All that the page shows. ``places`` are those that this port asks about first: its own."""

    shown: tuple[Shown, ...]
    places: tuple[str, ...]
    unread: tuple[Change, ...]
    more: int

    @property
    def in_force(self) -> tuple[Change, ...]:
        """By place, this port's own first."""
        found = (one.change for one in self.shown if one.change.standing is Standing.IN_FORCE)
        return tuple(sorted(found, key=lambda one: (one.level.locode not in self.places, one.level.locode)))

    @property
    def coming(self) -> tuple[Change, ...]:
        """The soonest first."""
        found = (one.change for one in self.shown if one.change.standing is Standing.COMING)
        return tuple(sorted(found, key=lambda one: one.level.effective))


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What stands in the frame of every page: the highest level in force here, the next change, what is unread.

    ``lower`` says that other places of this port have a lower one.
    """

    worst: Change | None
    lower: bool
    coming: Change | None
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form asks for, or by field what is wrong with it."""

    levels: tuple[Level, ...] = ()
    tlp: Tlp = Tlp.GREEN
    wrong: Mapping[str, str] = field(default_factory=dict)


def load(connection: Connection, who: Looker, rota: Rota | None) -> Board:
    """The page for one officer."""
    found = levels.changes(connection, who.now)
    known = levels.readings(connection, found, who.roster)
    duty = _on_duty(connection, who.now, rota)
    kept = [one for number, one in enumerate(reversed(found)) if number < SHOWN or one.stands]
    return Board(
        shown=tuple(_shown(connection, one, known[one.index], duty) for one in kept),
        places=who.places,
        unread=levels.unread(found, known, who.officer),
        more=len(found) - len(kept),
    )


def banner(connection: Connection, who: Looker) -> Banner:
    """The frame's part for one officer."""
    found = levels.changes(connection, who.now)
    here = who.places
    mine = [one for one in found if not here or one.level.locode in here]
    standing = sorted(
        (one for one in mine if one.standing is Standing.IN_FORCE), key=lambda one: (-one.level.level, one.index)
    )
    coming = sorted((one for one in mine if one.standing is Standing.COMING), key=lambda one: one.level.effective)
    return Banner(
        worst=standing[0] if standing else None,
        lower=bool(standing) and standing[-1].level.level < standing[0].level.level,
        coming=coming[0] if coming else None,
        unread=len(levels.unread(found, levels.readings(connection, found, who.roster), who.officer)),
    )


def fingerprint(connection: Connection, now: datetime) -> str:
    """Changes whenever somebody should look again, be it only because a time has come."""
    found = levels.changes(connection, now)
    told = [receipts.deliveries(connection, one.index) for one in found if one.own and one.stands]
    return repr([[(one.index, one.standing.value) for one in found], levels.reading_count(connection), told])


def asked_levels(form: FormData, places: Sequence[str], now: datetime, zone: ZoneInfo) -> Asked:
    """What the form asks for; what is wrong with it stands by its field, in words for ``_``."""
    wrong: dict[str, str] = {}
    chosen = [one for one in places if one in form.getlist("port")]
    if not chosen:
        wrong["port"] = NO_PLACE
    elif len(chosen) > PLACES_MOST:
        wrong["port"] = MANY_PLACES
    number = _number(form, "level", wrong)
    reason = " ".join(_text(form, "reason").split())
    if not 0 < len(reason) <= REASON_CHARS or not reason.isprintable():
        wrong["reason"] = NO_REASON
    marking = _marking(form, wrong)
    starts = _moment(form, "from", zone, wrong) if form.get("start") == "at" else now
    ends, after = None, 0
    if form.get("end") == "at":
        ends = _moment(form, "until", zone, wrong)
        after = _number(form, "after", wrong)
        if after == number:
            wrong.setdefault("after", SAME_LEVEL)
    if starts is not None:
        _require_in_time(starts, ends, now, wrong)
    if wrong or starts is None:
        return Asked(wrong=wrong)
    made = [Level(locode=one, level=number, effective=starts, reason=reason) for one in chosen]
    if ends is not None:
        made += [Level(locode=one, level=after, effective=ends, reason=reason) for one in chosen]
    return Asked(levels=tuple(made), tlp=marking)


def _require_in_time(starts: datetime, ends: datetime | None, now: datetime, wrong: dict[str, str]) -> None:
    if starts < now - EARLIEST:
        wrong.setdefault("from", TOO_EARLY)
    if starts > now + LATEST:
        wrong.setdefault("from", TOO_LATE)
    if ends is not None and ends <= max(starts, now):
        wrong.setdefault("until", WRONG_END)
    if ends is not None and ends > now + LATEST:
        wrong.setdefault("until", TOO_LATE)


def _marking(form: FormData, wrong: dict[str, str]) -> Tlp:
    try:
        found = parse(_text(form, "tlp") or "green")
    except MalformedError:
        found = Tlp.RED
    if found not in {Tlp.CLEAR, Tlp.GREEN}:
        wrong["tlp"] = NO_MARKING
    return found


def _number(form: FormData, name: str, wrong: dict[str, str]) -> int:
    said = _text(form, name)
    if said not in {str(one) for one in LEVELS}:
        wrong[name] = NO_LEVEL
        return 0
    return int(said)


def _moment(form: FormData, name: str, zone: ZoneInfo, wrong: dict[str, str]) -> datetime | None:
    """A day and a time on the port's clock, as the instant that the clock means first."""
    try:
        day, at = date.fromisoformat(_text(form, f"{name}_day")), time.fromisoformat(_text(form, f"{name}_at"))
        found = instant_of(datetime.combine(day, at.replace(tzinfo=None)), zone)
    except (ValueError, OverflowError):
        found = None
    if found is None or at.tzinfo is not None:  # another clock than the port's would be read as the port's
        wrong[name] = BAD_TIME
        return None
    return found


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise MalformedError("this form takes no files")
    return value.strip()


def _shown(connection: Connection, one: Change, readings: tuple[Reading, ...], duty: Sequence[str]) -> Shown:
    read = {given.officer for given in readings}
    return Shown(
        change=one,
        readings=readings,
        missing=tuple(who for who in duty if who not in read) if one.stands else (),
        deliveries=tuple(receipts.deliveries(connection, one.index)) if one.own else (),
    )


def _on_duty(connection: Connection, now: datetime, rota: Rota | None) -> tuple[str, ...]:
    """The officers of the shift; without a rota every officer who may sign in."""
    if rota is not None:
        return tuple(one.pseudonym for one in rota.on_duty(now))
    everybody = accounts.everybody(connection)
    return tuple(one.pseudonym for one in everybody if not one.disabled and not one.roles.isdisjoint(_OFFICERS))
