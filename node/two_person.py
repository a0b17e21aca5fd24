"""How many officers an act takes, and who may be the second: a port's own rule, as data.

One officer may publish up to TLP:AMBER what is about a vessel, a container, a drone or a domain. Two distinct
officers decide on personal data, on widening a marking, on taking back what others have seen, and on rejecting a
finding of high severity. Whoever wrote it never approves it. A port may ask for more by its rules file, never for less.

Narrower than this stands the protocol's own rule (``port2port.authority``), which every reader checks: an emergency
override can pass this rule and cannot pass that one. No clock, no database: all that is asked comes in as ``Facts``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Literal

from pydantic import Field

from port2port.errors import PolicyError
from port2port.settings import Settings
from port2port.tlp import Tlp, at_least_as_strict
from port2port.tlp import parse as tlp_of

ONE_OFFICER_SUBJECTS: Final = frozenset({"vessel", "container", "drone", "domain"})
SEVERITIES: Final = ("info", "low", "medium", "high", "critical")
CHECK_WITHIN: Final = timedelta(minutes=30)
WAITS_AT_MOST: Final = timedelta(hours=4)


class TwoPersonError(PolicyError):
    """This act takes another officer than the one at hand; the text says why."""

    code = "TWO_PERSON"


class Reason(Enum):
    """Why an act takes two officers; the value is stable, ``sentence`` is for people."""

    PERSONAL_DATA = "personal-data"
    WIDER = "wider"
    SIGHTED = "sighted"
    SEVERE = "severe"
    SUBJECT = "subject"
    MARKING = "marking"
    LEVEL = "level"
    PORT_RULE = "port-rule"

    @property
    def sentence(self) -> str:
        """For the officer."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    Reason.PERSONAL_DATA: "it holds personal data",
    Reason.WIDER: "it goes further than it was proposed or published before",
    Reason.SIGHTED: "others have seen what is to be taken back",
    Reason.SEVERE: "the finding is of high severity",
    Reason.SUBJECT: "it is about more than a vessel, a container, a drone or a domain",
    Reason.MARKING: "one officer publishes TLP:CLEAR to TLP:AMBER only",
    Reason.LEVEL: "it sets a security level",
    Reason.PORT_RULE: "this port's own rule asks for two",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rule asks of an act. ``subjects`` are the kinds of thing it is about; empty for none in particular.

    ``action`` is publish, reject, retract, or another decision; ``wider`` compares with the proposal and with what
    was published before; ``sighted`` says whether anybody saw what is to be taken back.
    """

    action: str
    tlp: Tlp | None = None
    subjects: frozenset[str] = frozenset()
    personal_data: bool = False
    wider: bool = False
    sighted: bool = False
    severity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoPersonRule:
    """The default, or a port's stricter one: every field can only add cases that take two officers."""

    subjects: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    reject_from: str = "high"
    publish_from: str = ""
    widest_alone: Tlp = Tlp.CLEAR
    overrides: bool = True
    check_within: timedelta = CHECK_WITHIN
    waits: timedelta = WAITS_AT_MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many distinct officers sign, why, and whether an emergency may do with one for a while."""

    officers: int
    reasons: tuple[Reason, ...] = ()
    may_override: bool = False

    @property
    def sentence(self) -> str:
        """Why, for the officer."""
        return ", and ".join(reason.sentence for reason in self.reasons)


def weigh(facts: Facts, rule: TwoPersonRule) -> Need:
    """The officers an act takes under a rule."""
    found = [reason for reason, holds in _cases(facts, rule) if holds]
    if not found:
        return Need(officers=1)
    # These take two signatures at every reader: no port can override that for the others.
    everywhere = {Reason.PERSONAL_DATA, Reason.LEVEL}
    return Need(officers=2, reasons=tuple(found), may_override=rule.overrides and everywhere.isdisjoint(found))


def _cases(facts: Facts, rule: TwoPersonRule) -> list[tuple[Reason, bool]]:
    publishes, tlp = facts.action == "publish", facts.tlp
    return [
        (Reason.PERSONAL_DATA, facts.personal_data),
        (Reason.WIDER, facts.wider),
        (Reason.SIGHTED, facts.action == "retract" and facts.sighted),
        (Reason.SEVERE, facts.action == "reject" and _at_least(facts.severity, rule.reject_from)),
        (Reason.SUBJECT, publishes and not (facts.subjects and facts.subjects <= ONE_OFFICER_SUBJECTS)),
        (Reason.MARKING, publishes and tlp is Tlp.RED),
        (Reason.LEVEL, facts.action == "level"),
        (Reason.PORT_RULE, _by_port(facts, rule)),
    ]


def _by_port(facts: Facts, rule: TwoPersonRule) -> bool:
    if facts.action in rule.actions:
        return True
    if facts.action != "publish":
        return False
    too_wide = facts.tlp is not None and not at_least_as_strict(facts.tlp, rule.widest_alone)
    severe = bool(rule.publish_from) and _at_least(facts.severity, rule.publish_from)
    return too_wide or severe or bool(facts.subjects & rule.subjects)


def _at_least(severity: str, limit: str) -> bool:
    """What has no known severity is below every limit: a report in words is weighed by what it is about."""
    return severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(limit)


def require_second(officer: str, *, author: str, barred: Collection[str], signed: Collection[str]) -> None:
    """That this officer may approve what ``author`` prepared. Raises TwoPersonError.

    ``barred`` wrote what it is about: the report behind a draft, the act behind a second check.
    """
    if officer in signed:
        raise TwoPersonError(f"{officer} has signed this already: another officer approves it")
    if officer == author or officer in barred:
        raise TwoPersonError(f"{officer} wrote this: the author never approves, another officer does")


class TwoPersonSettings(Settings):
    """The ``[two_person]`` table of the rules file: each option can only make two officers necessary more often."""

    subjects: tuple[Literal["vessel", "container", "drone", "domain"], ...] = Field(
        default=(), description="Kinds of thing that two officers publish here."
    )
    actions: tuple[Literal["publish", "reject", "retract", "suppress", "say"], ...] = Field(
        default=(),
        description="Decisions that always take two officers here. `suppress` is beginning to silence; one ends it.",
    )
    reject_from: Literal["info", "low", "medium", "high"] = Field(
        default="high", description="Rejecting a finding of this severity or more takes two officers."
    )
    publish_from: Literal["", "info", "low", "medium", "high", "critical"] = Field(
        default="",
        description="Publishing a finding of this severity or more takes two; empty leaves that to its kind.",
    )
    widest_alone: Literal["clear", "green", "amber"] = Field(
        default="clear", description="The widest marking that one officer may publish alone."
    )
    overrides: bool = Field(default=True, description="Whether an emergency override is possible at all.")
    check_minutes: int = Field(
        default=30, ge=1, le=30, description="An override is checked by another officer within so many minutes."
    )
    wait_minutes: int = Field(
        default=240, ge=5, le=240, description="An act that waits for signatures goes back after so many minutes."
    )

    def rule(self) -> TwoPersonRule:
        """The rule."""
        return TwoPersonRule(
            subjects=frozenset(self.subjects),
            actions=frozenset(self.actions),
            reject_from=self.reject_from,
            publish_from=self.publish_from,
            widest_alone=tlp_of(self.widest_alone),
            overrides=self.overrides,
            check_within=timedelta(minutes=self.check_minutes),
            waits=timedelta(minutes=self.wait_minutes),
        )
