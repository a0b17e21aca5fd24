"""Automatic rules: what may leave the port while nobody is looking, as officers approved it beforehand.

A rule names one detector and its version of trust: the least confidence, the marking, the audience, how many an hour.
An officer signs exactly that; change a letter and the rule no longer counts. Open radio alone, personal data and
whatever needs an officer's key is never published by a rule, whatever the rule says.
Whoever can write the settings can remove a rule; he cannot make one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection

from node import drafts, publish, tables
from node.drafts import Draft
from node.outbox import Queued
from node.publish import Act, Author, Officer
from node.two_person import TwoPersonSettings
from port2port import canonical, imported, keys
from port2port import envelope as dsse
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import ConfigurationError, VerificationError
from port2port.keys import base64_exact
from port2port.roster import Roster
from port2port.settings import Settings
from port2port.statement import HANDLINGS, PURPOSES
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

RULE_TYPE: Final = "application/vnd.port2port.rule+json;v=1"
PER_HOUR_MOST: Final = 60
HOUR: Final = timedelta(hours=1)
_ID: Final = re.compile(r"[a-z0-9_-]{1,40}", re.ASCII)
_NUMBER: Final = re.compile(r"[a-z_]{1,40}", re.ASCII)
LEAST_MOST: Final = 8
REPORT: Final = "report"
# Those whose drafts a rule may name; what they find about people or addresses waits for officers all the same.
DETECTORS: Final = (
    "identity-clone", "geofence", "cyber-alerts", "industrial", "lookalike", "mail-fraud", "account-fraud", "beacon",
)  # fmt: skip
_DRAFT: Final = tables.DraftRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class RuleError(ConfigurationError):
    """A rule has a value it cannot have; the text says which."""

    code = "RULE"


class RuleApprovalError(VerificationError):
    """A rule is not approved by a current officer of this port as it stands."""

    code = "RULE_APPROVAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticRule:
    """``detector`` without its version. ``approved_by`` is a pseudonym, ``signature`` base64 by that officer's key.

    ``least`` asks for numbers on the finding, such as ``("breadth", 2)``: each at least so large.
    """

    id: str
    version: int
    detector: str
    min_confidence: int
    tlp: Tlp
    groups: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    handling: str = "call_first"
    purpose: str = "maritime-security"
    per_hour: int = 6
    least: tuple[tuple[str, float], ...] = ()
    approved_by: str = ""
    signature: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or not 1 <= self.version <= 999_999:
            raise RuleError("a rule has an id of lower-case letters, digits, '-' and '_', and a version from 1")
        if not 0 <= self.min_confidence <= 100 or not 1 <= self.per_hour <= PER_HOUR_MOST:
            raise RuleError(f"rule {self.id}: min_confidence is 0 to 100 and per_hour 1 to {PER_HOUR_MOST}")
        if self.handling not in HANDLINGS or self.purpose not in PURPOSES:
            raise RuleError(f"rule {self.id}: handling or purpose is not one of the known values")
        if len(self.least) > LEAST_MOST or not all(_NUMBER.fullmatch(name) for name, _ in self.least):
            raise RuleError(f"rule {self.id}: least names at most {LEAST_MOST} numbers, as in {{ breadth = 2 }}")
        if self.tlp is Tlp.RED:
            raise RuleError(f"rule {self.id}: TLP:RED is never published by a rule")

    @property
    def name(self) -> str:
        """How statements name it: ``rule:id@version``."""
        return f"rule:{self.id}@{self.version}"

    def to_bytes(self) -> bytes:
        """Canonical JSON of all that was approved: what the officer signs. A rule that asks for no numbers reads as it
        did before it could.
        """
        asked: dict[str, Json] = {"least": {name: repr(value) for name, value in self.least}} if self.least else {}
        return canonical.dumps(
            {
                **asked,
                "approved_by": self.approved_by,
                "detector": self.detector,
                "groups": sorted(self.groups),
                "handling": self.handling,
                "id": self.id,
                "min_confidence": self.min_confidence,
                "per_hour": self.per_hour,
                "purpose": self.purpose,
                "recipients": sorted(self.recipients),
                "tlp": self.tlp.value,
                "version": self.version,
            }
        )

    def why_not(self, draft: Draft) -> str | None:
        """Why this rule leaves a draft to an officer; None where it may publish it."""
        why, said = draft.why, draft.proposal
        confidence = why.get("confidence")
        short = (f"{name} below {least:g}" for name, least in self.least if not _reaches(why, name, least))
        reasons = (
            (said.kind == imported.KIND, "from outside: an officer decides"),
            (str(why.get("detector", "")).partition("@")[0] != self.detector, "another detector"),
            (why.get("single_open_source") is not False, "single open source: an officer decides"),
            (said.kind == REPORT, "a note about ourselves: two officers decide"),
            (said.personal_data, "personal data: two officers decide"),
            (
                not isinstance(confidence, int) or confidence < self.min_confidence,
                f"confidence below {self.min_confidence}",
            ),
        )
        return next((reason for holds, reason in reasons if holds), None) or next(short, None)


def _reaches(why: Mapping[str, Json], name: str, least: float) -> bool:
    numbers = why.get("numbers")
    measure = numbers.get(name) if isinstance(numbers, Mapping) else None
    value = measure.get("value") if isinstance(measure, Mapping) else None
    return isinstance(value, int | float) and value >= least


class RuleSettings(Settings):
    """One ``[[rules]]`` table of the rules file."""

    id: str = Field(description="Name of the rule; stands in every statement it makes.")
    version: int = Field(description="Raise it whenever you change the rule; it must be approved anew.")
    detector: str = Field(description=f"Which detector's drafts: {', '.join(DETECTORS)}.")
    min_confidence: int = Field(description="Least confidence, 0 to 100.")
    tlp: Literal["clear", "green", "amber", "amber+strict"] = Field(description="Marking.")
    groups: tuple[str, ...] = Field(default=(), description="Sharing groups.")
    recipients: tuple[str, ...] = Field(default=(), description="Members.")
    handling: str = Field(default="call_first", description="act, call_first or observe_only.")
    purpose: str = Field(default="maritime-security", description="Purpose, one of the closed list.")
    per_hour: int = Field(default=6, description="At most so many statements an hour.")
    least: dict[str, float] = Field(
        default_factory=dict,
        description="Numbers that the finding must reach, such as `{ breadth = 2 }`; by default none.",
    )
    approved_by: str = Field(default="", description="Pseudonym of the officer who approved it.")
    signature: str = Field(default="", description="Printed by `port2port-node approve-rule`.")

    def rule(self) -> AutomaticRule:
        """The rule. Raises RuleError."""
        least = tuple(sorted(self.least.items()))
        return AutomaticRule(**{**self.model_dump(), "tlp": tlp_of(self.tlp), "least": least})


class RuleFile(Settings):
    """The file that ``rules`` in the settings names. Who can write it can make this port quieter, not louder."""

    groups: tuple[str, ...] = Field(default=(), description="Sharing groups proposed for every draft.")
    handling: Literal["act", "call_first", "observe_only"] = Field(
        default="call_first", description="Handling proposed for every draft."
    )
    protected: tuple[str, ...] = Field(
        default=(),
        description="Identities such as mmsi:205123456 whose matches go to the duty officer alone and send nothing.",
    )
    match_own: bool = Field(default=False, description="Whether our own indicators are matched here too.")
    security_level: Literal[1, 2, 3] = Field(
        default=1, description="ISPS level in force; some fences stand from 2 or 3."
    )
    two_person: TwoPersonSettings = Field(
        default_factory=TwoPersonSettings, description="Where this port asks for two officers more often."
    )
    rules: tuple[RuleSettings, ...] = Field(default=(), max_length=100, description="Automatic rules.")

    def automatic(self) -> tuple[AutomaticRule, ...]:
        """The rules. Raises RuleError."""
        return tuple(one.rule() for one in self.rules)


def approval(rule: AutomaticRule, officer: Officer) -> str:
    """The signature that approves a rule, for the settings file; ``rule.approved_by`` must name the officer."""
    if rule.approved_by != officer.pseudonym:
        raise RuleError(f"rule {rule.id}: approved_by must say {officer.pseudonym}")
    return base64.b64encode(officer.key.sign(dsse.pae(RULE_TYPE, rule.to_bytes()))).decode()


def require_approved(rule: AutomaticRule, roster: Roster, member: str, now: datetime) -> None:
    """That a current officer of ours signed the rule as it stands. Raises RuleApprovalError or SignatureError."""
    for known in roster.keys_of(member, "officer"):
        if known.pseudonym == rule.approved_by and to_ms(now) <= known.not_after_ms:
            keys.verify(known.public, dsse.pae(RULE_TYPE, rule.to_bytes()), base64_exact(rule.signature))
            return
    raise RuleApprovalError(f"rule {rule.id}: {rule.approved_by or 'nobody'} is no current officer of {member}")


def apply(
    connection: Connection,
    author: Author,
    rules: Sequence[AutomaticRule],
    draft: Draft,
    *,
    roster: Roster,
    now: datetime,
    skipped: Callable[[str], None],
) -> list[Queued]:
    """Publish a draft by the first rule that may, within its quota; what no rule may publish waits for an officer.

    ``skipped`` is told why a rule did not act. Raises as ``publish.release``.
    """
    for rule in rules:
        reason = rule.why_not(draft) or _over_quota(connection, rule, now)
        if reason is None:
            require_approved(rule, roster, author.member, now)
            proposal = drafts.settled(
                draft.proposal,
                tlp=rule.tlp,
                groups=rule.groups,
                recipients=rule.recipients,
                handling=rule.handling,
                purpose=rule.purpose,
            )
            return publish.release(
                connection, author, draft, proposal, Act(roster=roster, decided_by=rule.name, now=now)
            )
        skipped(f"{rule.id}: {reason}")
    return []


def _over_quota(connection: Connection, rule: AutomaticRule, now: datetime) -> str | None:
    done = connection.scalar(
        sa.select(sa.func.count())
        .select_from(_DRAFT)
        .where(_DRAFT.c.officer == f"{rule.id}@{rule.version}", _DRAFT.c.decided_ms > to_ms(now - HOUR))
    )
    return f"more than {rule.per_hour} an hour: an officer decides" if (done or 0) >= rule.per_hour else None
