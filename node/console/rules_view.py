"""Every rule in force at this port with its numbers, where each is set, and how often it fired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import drafts, hits, notices, suppressions, tables, two_person, works
from node.console import rules_network
from node.console.context import DeskContext
from node.console.rules_network import Number
from node.detectors import Geofence, IdentityClone
from node.detectors.geofence import FenceSettings
from node.detectors.identity_clone import CloneSettings
from node.places import INNER_BUFFER_M, Place
from node.rules import PER_HOUR_MOST, AutomaticRule, RuleFile
from node.two_person import TwoPersonRule
from port2port.clock import to_ms
from port2port.console.words import N_

_FINDING: Final = tables.FindingRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_DRAFT: Final = tables.DraftRow.__table__  # type: ignore[attr-defined]  # as above
DAY: Final = timedelta(hours=24)
WEEK: Final = timedelta(days=7)
FALSE_POSITIVE: Final = "False positive"  # as the button of the draft's page says
DRAFTS_MOST: Final = 5_000
NAMES: Final[Mapping[str, str]] = {
    IdentityClone.name: N_("Two ships under one number"),
    Geofence.name: N_("A fence is crossed, or a ship is too fast inside it"),
    **rules_network.NAMES,
}
STORIES: Final[Mapping[str, str]] = {
    IdentityClone.name: N_("Two tracks far apart under one MMSI, both confirmed and reporting in turns."),
    Geofence.name: N_(
        "A ship without leave enters or leaves a fence of the port's map, or goes faster than it allows."
    ),
    **rules_network.STORIES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """How often: findings of a day and a week, of these silenced, and of the week's decided drafts the false ones."""

    day: int = 0
    week: int = 0
    silenced: int = 0
    decided: int = 0
    false: int = 0

    @property
    def false_percent(self) -> int | None:
        """Of a hundred decided, how many were rejected as false positives; None where nothing was decided."""
        return round(100 * self.false / self.decided) if self.decided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One detector with its limits."""

    name: str
    version: int
    title: str
    story: str
    numbers: tuple[Number, ...]
    fired: Fired


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """One rule that publishes by itself, and how often it did."""

    rule: AutomaticRule
    day: int
    week: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """All that the page shows."""

    detectors: tuple[Detector, ...]
    fences: tuple[Place, ...]
    automatic: tuple[Automatic, ...]
    two_person: TwoPersonRule
    file: RuleFile
    suppressions: tuple[Number, ...]
    notices: tuple[Number, ...]


def in_force(connection: Connection, desk: DeskContext) -> InForce:
    """The rules as they stand now, with what they did in the last week."""
    fired = _fired(connection, desk.now)
    published = _published(connection, desk.now)
    ships = ((IdentityClone.name, IdentityClone.version, _clone()), (Geofence.name, Geofence.version, _fence()))
    return InForce(
        detectors=tuple(
            Detector(
                name=name,
                version=version,
                title=NAMES[name],
                story=STORIES[name],
                numbers=numbers,
                fired=fired.get(name, Fired()),
            )
            for name, version, numbers in (*ships, *rules_network.makers())
        ),
        fences=desk.places.fences,
        automatic=tuple(
            Automatic(rule=rule, day=published[DAY][_by(rule)], week=published[WEEK][_by(rule)])
            for rule in desk.rules.automatic()
        ),
        two_person=desk.rule,
        file=desk.rules,
        suppressions=_silence(),
        notices=_calls(),
    )


def _clone() -> tuple[Number, ...]:
    said = CloneSettings()
    return (
        Number(label=N_("Distance that says two ships"), value=said.separation_nm, unit="nm"),
        Number(label=N_("Speed no ship exceeds"), value=said.speed_kn, unit="kn"),
        Number(label=N_("Speed no high-speed craft exceeds"), value=said.high_speed_kn, unit="kn"),
        Number(label=N_("Reports that confirm the newer track"), value=said.confirm_newer, unit=N_("reports")),
        Number(label=N_("Reports of the older track meanwhile"), value=said.confirm_older, unit=N_("reports")),
        Number(label=N_("Silence after which a track counts no more"), value=_hours(said.forget), unit="h"),
        Number(label=N_("Time before the same number is found again"), value=_hours(said.again_after), unit="h"),
    )


def _fence() -> tuple[Number, ...]:
    said, places = FenceSettings(), N_("properties of the fence, in the file of “places” in node.toml")
    return (
        Number(label=N_("Reports in a row that make a crossing"), value=said.reports, unit=N_("reports")),
        Number(label=N_("Time between two crossings"), value=said.hysteresis.total_seconds(), unit="s"),
        Number(label=N_("Wait for the ship's type"), value=said.type_wait.total_seconds(), unit="s"),
        Number(label=N_("How far inside counts as inside"), value=INNER_BUFFER_M, unit="m", key=places),
    )


def _silence() -> tuple[Number, ...]:
    return (
        Number(label=N_("A suppression lasts at most"), value=suppressions.LONGEST.days, unit=N_("days")),
        Number(label=N_("A muted pair of hit and indicator, at most"), value=hits.MUTE_LONGEST.days, unit=N_("days")),
        Number(label=N_("Expected works last at most"), value=works.LONGEST.days, unit=N_("days")),
        Number(label=N_("Works are announced at most ahead"), value=works.AHEAD.days, unit=N_("days")),
    )


def _calls() -> tuple[Number, ...]:
    duty = N_("who is called: [duty] in node.toml")
    return (
        Number(label=N_("Somebody is called after"), value=_minutes(notices.EVERY), unit="min", key=duty),
        Number(label=N_("People called one after the other"), value=notices.RUNGS, unit=N_("people"), key=duty),
        Number(label=N_("Messages of one cause, at most"), value=notices.MESSAGES_MOST, unit=N_("messages")),
        Number(label=N_("Messages an hour to one receiver"), value=notices.PER_HOUR, unit=N_("messages")),
        Number(label=N_("A rule publishes an hour, at most"), value=PER_HOUR_MOST, unit=N_("statements")),
        Number(
            label=N_("An override is checked within, at most"),
            value=_minutes(two_person.CHECK_WITHIN),
            unit="min",
            key=N_("check_minutes in [two_person] of the rules file"),
        ),
    )


def _fired(connection: Connection, now: datetime) -> dict[str, Fired]:
    """By detector without its version."""
    day, week, silenced = (_count(connection, found) for found in _since(now))
    decided, false = _decided(connection, now)
    return {
        name: Fired(day=day[name], week=week[name], silenced=silenced[name], decided=decided[name], false=false[name])
        for name in NAMES
    }


def _since(now: datetime) -> Iterable[sa.ColumnElement[bool]]:
    week = _FINDING.c.found_ms > to_ms(now - WEEK)
    return (_FINDING.c.found_ms > to_ms(now - DAY), week, sa.and_(week, _FINDING.c.suppressed_by != ""))


def _count(connection: Connection, found: sa.ColumnElement[bool]) -> Counter[str]:
    query = sa.select(_FINDING.c.detector, sa.func.count()).where(found).group_by(_FINDING.c.detector)
    counted: Counter[str] = Counter()
    for detector, count in connection.execute(query):
        counted[detector.partition("@")[0]] += count
    return counted


def _decided(connection: Connection, now: datetime) -> tuple[Counter[str], Counter[str]]:
    """The week's decided drafts by detector, and of these the false positives; at most the newest 5,000."""
    query = (
        sa.select(_DRAFT.c.source, _DRAFT.c.state, _DRAFT.c.reason)
        .where(_DRAFT.c.decided_ms > to_ms(now - WEEK))
        .order_by(_DRAFT.c.decided_ms.desc())
        .limit(DRAFTS_MOST)
    )
    decided: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for row in connection.execute(query):
        name = row.source.partition("/")[0]
        decided[name] += 1
        false[name] += row.state == drafts.REJECTED and row.reason == FALSE_POSITIVE
    return decided, false


def _published(connection: Connection, now: datetime) -> dict[timedelta, Counter[str]]:
    """What rules published by themselves, by the name that stands where an officer's would."""
    found: dict[timedelta, Counter[str]] = {}
    for span in (DAY, WEEK):
        query = (
            sa.select(_DRAFT.c.officer, sa.func.count().label("times"))
            .where(_DRAFT.c.decided_ms > to_ms(now - span), _DRAFT.c.officer.contains("@"))
            .group_by(_DRAFT.c.officer)
        )
        found[span] = Counter({row.officer: row.times for row in connection.execute(query)})
    return found


def _by(rule: AutomaticRule) -> str:
    return f"{rule.id}@{rule.version}"


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)


def _minutes(span: timedelta) -> float:
    return span / timedelta(minutes=1)
