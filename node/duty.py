"""The duty rota: who is on duty at an instant, and who is called next.

Shifts are weekday patterns on the port's wall clock. A wall time is one instant: the first of the two when clocks go
back, the change itself when they go forward and skip it; so a shift that begins when another ends leaves no gap and
no double on any night of the year. Swaps exchange two people of two dated shifts, in the file or on the screen
(``node.duty_swaps``); replacements stand in from-to.
Whoever can write the rota file decides who is called; what is sent to him says nothing but that an item waits.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationError

from port2port.errors import ConfigurationError
from port2port.settings import Settings

ZONE: Final = ZoneInfo("Europe/Brussels")
ROTA_BYTES: Final = 256 * 1024
HORIZON_DAYS: Final = 8  # a weekly pattern has said everybody by then
CALLED_MOST: Final = 8
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}", re.ASCII)
_LOCAL: Final = re.compile(r"\d\d:\d\d", re.ASCII)


class RotaError(ConfigurationError):
    """The rota file is not a rota; the text says what to change."""

    code = "ROTA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """``email`` is where he is called, "" where he is not."""

    pseudonym: str
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A weekly pattern: the ``days`` (0 is Monday) on which it starts. One that ends no later than it starts ends on
    the day after; people are in the order in which they are called.
    """

    name: str
    days: frozenset[int]
    starts: time
    ends: time
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One person's turn in the shift that starts on a date."""

    shift: str
    on: date
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """``stands_in`` for ``absent`` from an instant until, and without, another."""

    absent: str
    stands_in: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A shift of one date, as it was planned with its swaps; instants in UTC, the end is without."""

    shift: str
    on: date
    starts_at: datetime
    ends_at: datetime
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Everything that decides who is on duty."""

    people: Mapping[str, Person]
    shifts: tuple[Shift, ...]
    swaps: tuple[tuple[Turn, Turn], ...] = ()
    replacements: tuple[Replacement, ...] = ()
    zone: ZoneInfo = ZONE

    def watches(self, at: datetime) -> tuple[Watch, ...]:
        """The watches that are on at an instant, in the order of the file."""
        today = at.astimezone(self.zone).date()
        near = (watch for days in (-2, -1, 0, 1) for watch in self.starting_on(today + timedelta(days=days)))
        order = {shift.name: number for number, shift in enumerate(self.shifts)}
        return tuple(sorted((w for w in near if w.starts_at <= at < w.ends_at), key=lambda w: order[w.shift]))

    def on_duty(self, at: datetime) -> tuple[Person, ...]:
        """Who is on duty at an instant, each once."""
        return self._persons(name for watch in self.watches(at) for name in watch.people for name in self._at(name, at))

    def called(self, at: datetime) -> tuple[Person, ...]:
        """Who is called at an instant when nobody answers: the others on duty, who comes on next, and, at the end, who
        sits at the desk already.
        """
        first, *others = self.on_duty(at) or (None,)
        coming = (p for watch in self._coming(at) for name in watch.people for p in self._at(name, watch.starts_at))
        after = self._persons([*(person.pseudonym for person in others if person), *coming])
        later = [person for person in after if first is None or person.pseudonym != first.pseudonym]
        last = [] if first is None else [first]
        return (*later[: CALLED_MOST - 1], *last)

    def starting_on(self, day: date) -> Iterator[Watch]:
        """The watches whose shift starts on a date."""
        for shift in self.shifts:
            if day.weekday() in shift.days:
                until = day if shift.ends > shift.starts else day + timedelta(days=1)
                starts_at = instant_of(datetime.combine(day, shift.starts), self.zone)
                ends_at = instant_of(datetime.combine(until, shift.ends), self.zone)
                people = tuple(self._swapped(shift.name, day, name) for name in shift.people)
                yield Watch(shift=shift.name, on=day, starts_at=starts_at, ends_at=ends_at, people=people)

    @property
    def swapped(self) -> frozenset[Turn]:
        """The turns that were exchanged."""
        return frozenset(turn for swap in self.swaps for turn in swap)

    def has(self, turn: Turn) -> bool:
        """Whether the weekly pattern gives this turn to this person."""
        planned = next((shift for shift in self.shifts if shift.name == turn.shift), None)
        return planned is not None and turn.on.weekday() in planned.days and turn.person in planned.people

    def with_swaps(self, more: Iterable[tuple[Turn, Turn]]) -> Rota:
        """The same with further exchanges; a turn that is not there, or exchanged already, stays as it is."""
        swaps, taken = list(self.swaps), set(self.swapped)
        for both in more:
            if all(self.has(turn) for turn in both) and not taken & set(both):
                swaps.append(both)
                taken |= set(both)
        return replace(self, swaps=tuple(swaps))

    def next_watches(self, at: datetime) -> tuple[Watch, ...]:
        """The watches that begin next, all at the same instant; none where the coming days have none."""
        coming = self._coming(at)
        return tuple(watch for watch in coming if watch.starts_at == coming[0].starts_at)

    def _coming(self, at: datetime) -> list[Watch]:
        today = at.astimezone(self.zone).date()
        found = [w for days in range(HORIZON_DAYS) for w in self.starting_on(today + timedelta(days=days))]
        return sorted((w for w in found if at < w.starts_at < w.ends_at), key=lambda w: w.starts_at)

    def _swapped(self, shift: str, day: date, name: str) -> str:
        turn = Turn(shift=shift, on=day, person=name)
        for first, second in self.swaps:
            if turn == first:
                return second.person
            if turn == second:
                return first.person
        return name

    def _at(self, name: str, at: datetime) -> tuple[str, ...]:
        """Who really comes for somebody: stand-ins may be replaced in turn; nobody when they go round in a circle."""
        seen = {name}
        while (other := self._stand_in(name, at)) is not None:
            if other in seen:
                return ()
            seen.add(other)
            name = other
        return (name,)

    def _stand_in(self, name: str, at: datetime) -> str | None:
        fitting = (one for one in self.replacements if one.absent == name and one.starts_at <= at < one.ends_at)
        return next((one.stands_in for one in fitting), None)

    def _persons(self, names: Iterator[str] | list[str]) -> tuple[Person, ...]:
        return tuple(self.people[name] for name in dict.fromkeys(names))


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The one instant (UTC) of a time on the wall: the first of two, and the change of clocks for one it skips."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    before = low.astimezone(zone).utcoffset()
    while high - low >= timedelta(seconds=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high.replace(microsecond=0)  # clocks change at whole seconds


# --- the file -----------------------------------------------------------------------------------------------------


def _clock(value: str) -> str:
    if not _LOCAL.fullmatch(value) or not (value[:2] < "24" and value[3:] < "60"):
        raise ValueError("must look like 06:00")
    return value


def _email(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError("must be one e-mail address")
    return value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
Clock = Annotated[str, AfterValidator(_clock)]
Day = Annotated[str, Field(pattern="^(?:" + "|".join(DAYS) + ")$")]


class PersonTable(Settings):
    """One ``[[people]]`` table."""

    pseudonym: Name = Field(description="The officer's pseudonym.")
    email: Annotated[str, AfterValidator(_email)] = Field(default="", description="Where he is called.")


class ShiftTable(Settings):
    """One ``[[shifts]]`` table."""

    name: Name = Field(description="Name of the shift.")
    days: tuple[Day, ...] = Field(default=DAYS, min_length=1, max_length=7, description="Days it starts on.")
    starts: Clock = Field(alias="from", description="When it starts.")
    ends: Clock = Field(alias="until", description="When it ends; on the next day where no later than it starts.")
    people: tuple[Name, ...] = Field(min_length=1, max_length=20, description="In the order they are called.")


class TurnTable(Settings):
    """One side of a swap."""

    shift: Name = Field(description="Name of the shift.")
    on: date = Field(description="The date it starts on.")
    person: Name = Field(description="Whose turn it was.")


class SwapTable(Settings):
    """One ``[[swaps]]`` table."""

    first: TurnTable = Field(description="One turn.")
    second: TurnTable = Field(description="The other.")


class ReplacementTable(Settings):
    """One ``[[replacements]]`` table. Times without an offset are on the port's wall."""

    absent: Name = Field(description="Who does not come.")
    stands_in: Name = Field(description="Who comes instead.")
    starts: datetime = Field(alias="from", description="From when.")
    ends: datetime = Field(alias="until", description="Until when, without it.")


class RotaFile(Settings):
    """The rota file."""

    people: tuple[PersonTable, ...] = Field(min_length=1, max_length=200, description="Everybody.")
    shifts: tuple[ShiftTable, ...] = Field(min_length=1, max_length=50, description="The weekly pattern.")
    swaps: tuple[SwapTable, ...] = Field(default=(), max_length=500, description="Turns exchanged.")
    replacements: tuple[ReplacementTable, ...] = Field(default=(), max_length=500, description="Stand-ins.")


def parse(raw: bytes) -> Rota:
    """The rota in a TOML file. Raises RotaError, whatever the bytes."""
    if len(raw) > ROTA_BYTES:
        raise RotaError(f"the rota is larger than {ROTA_BYTES} bytes")
    try:
        file = RotaFile.model_validate(tomllib.loads(raw.decode()))
        rota = _rota_of(file)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise RotaError(f"rota: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise RotaError("the rota is not TOML in UTF-8 with times that exist") from error
    _require_known(rota)
    return rota


def _rota_of(file: RotaFile) -> Rota:
    return Rota(
        people={one.pseudonym: Person(pseudonym=one.pseudonym, email=one.email) for one in file.people},
        shifts=tuple(_shift(one) for one in file.shifts),
        swaps=tuple((_turn(one.first), _turn(one.second)) for one in file.swaps),
        replacements=tuple(
            Replacement(
                absent=one.absent, stands_in=one.stands_in, starts_at=_instant(one.starts), ends_at=_instant(one.ends)
            )
            for one in file.replacements
        ),
    )


def _shift(one: ShiftTable) -> Shift:
    days = frozenset(DAYS.index(day) for day in one.days)
    starts, ends = time.fromisoformat(one.starts), time.fromisoformat(one.ends)
    return Shift(name=one.name, days=days, starts=starts, ends=ends, people=one.people)


def _turn(one: TurnTable) -> Turn:
    return Turn(shift=one.shift, on=one.on, person=one.person)


def _instant(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else instant_of(value, ZONE)


def _require_known(rota: Rota) -> None:
    named = [name for shift in rota.shifts for name in shift.people]
    named += [turn.person for swap in rota.swaps for turn in swap]
    named += [name for one in rota.replacements for name in (one.absent, one.stands_in)]
    for name in named:
        if name not in rota.people:
            raise RotaError(f"rota: {name} is not among the people")
    if len({shift.name for shift in rota.shifts}) != len(rota.shifts):
        raise RotaError("rota: two shifts have the same name")
    for one in rota.replacements:
        if one.starts_at >= one.ends_at or one.absent == one.stands_in:
            raise RotaError(f"rota: a replacement of {one.absent} ends before it begins, or is by himself")
    for turn in (turn for swap in rota.swaps for turn in swap):
        _require_turn(rota, turn)
    turns = [turn for swap in rota.swaps for turn in swap]
    if len(set(turns)) != len(turns):
        raise RotaError("rota: a turn is swapped twice")


def _require_turn(rota: Rota, turn: Turn) -> None:
    if not rota.has(turn):
        raise RotaError(f"rota: {turn.person} has no turn in {turn.shift} on {turn.on.isoformat()} to swap")
