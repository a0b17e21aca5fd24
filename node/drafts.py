"""From a finding to a draft: a proposal of what a port might publish (``node.proposals``), and why.

A draft is a proposal; nothing of it leaves the port before an officer, or a rule that officers approved, says so.
Findings of the same cause (detector, identity, place) within 24 hours are one draft: the officer decides once.
Suppressed findings are stored and counted like all others, and make no draft. While officers sign a draft, later
findings of its cause are counted and change nothing of it.
Whoever can write drafts can put words in front of an officer; he cannot sign them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import act_store, tables, works
from node.findings import CYBER_KINDS, Discriminator, Evidence, Finding, Measure
from node.proposals import (
    Defaults,
    Proposal,
    discriminators_of,
    is_personal,
    marked,
    proposal_of_json,
    proposal_to_json,
    propose,
    settled,
)
from node.suppressions import Suppression, suppressing
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import ConflictError, NotFoundError

# What a draft proposes is made in ``node.proposals``; whoever works with drafts finds it here.
__all__ = [
    "OPEN", "PUBLISHED", "REJECTED", "SAME_CAUSE", "Defaults", "Draft", "DraftDecidedError", "NoDraftError", "Proposal",
    "Taken", "add", "cause_of", "decide", "discriminators_of", "get", "get_open", "grade", "is_personal", "listed",
    "marked", "open_count", "proposal_of_json", "proposal_to_json", "propose", "published_as", "renew", "settled",
    "suppressed_count", "take_in", "version", "why_of",
]  # fmt: skip

_DRAFT: Final = tables.DraftRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_FINDING: Final = tables.FindingRow.__table__  # type: ignore[attr-defined]  # as above
SAME_CAUSE: Final = timedelta(hours=24)
OPEN: Final = "open"
PUBLISHED: Final = "published"
REJECTED: Final = "rejected"
FOLDED: Final = "folded"  # in place of a suppression: one of a flood
EVIDENCE_OF_A_DRAFT: Final = 96  # lines


class NoDraftError(NotFoundError):
    """There is no draft of this id."""

    code = "NO_DRAFT"


class DraftDecidedError(ConflictError):
    """The draft was published or rejected already."""

    code = "DRAFT_DECIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """``source`` is the cause, ``why`` what the officer reads before deciding, ``evidence`` the lines behind it."""

    id: str
    source: str
    state: str
    made_at: datetime
    proposal: Proposal
    why: Mapping[str, Json]
    findings: tuple[str, ...] = ()
    evidence: tuple[Mapping[str, Json], ...] = ()
    statements: tuple[str, ...] = ()
    officer: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a finding: silenced, nothing to publish, or part of a draft (a new one or one known)."""

    finding: Finding
    suppression: Suppression | None = None
    draft: Draft | None = None
    is_new: bool = False


def cause_of(finding: Finding) -> str:
    """Findings with an equal cause are about the same thing: of network sensors, about the same first subject."""
    name = finding.detector.partition("@")[0]
    subjects = finding.subjects[:1] if finding.kind in CYBER_KINDS else finding.subjects
    return "/".join((name, str(finding.kind), ",".join(subjects), ",".join(finding.places)))


def why_of(finding: Finding) -> dict[str, Json]:
    """The numbers, the limits and the rest that an officer needs to judge it, as structure."""
    return {
        "confidence": finding.confidence,
        "detector": finding.detector,
        "found_at": to_text(finding.found_at),
        "inside": list(finding.inside),
        "kind": str(finding.kind),
        "numbers": {name: _measure(measure) for name, measure in sorted(finding.numbers.items())},
        "places": list(finding.places),
        "reason": finding.reason,
        "references": [f"{one.source} {one.ident}" for one in finding.references],
        "severity": finding.severity.name.lower(),
        "single_open_source": finding.single_open_source,
        "source_classes": [*sorted({line.source_class.name.lower() for line in finding.evidence})],
        "stations": [*sorted({line.station for line in finding.evidence})],
        "subjects": list(finding.subjects),
        "tracks": [_track(one) for one in finding.discriminators],
    }


# --- the store ----------------------------------------------------------------------------------------------------


def take_in(
    connection: Connection,
    finding: Finding,
    defaults: Defaults,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
) -> Taken:
    """Store a finding and, unless something silences it, make or update its draft. Known findings change nothing, and
    those of a flood make none.
    """
    if connection.execute(sa.select(_FINDING.c.id).where(_FINDING.c.id == str(finding.id))).first() is not None:
        return Taken(finding=finding)
    works.take_effect(connection, now)
    silenced = suppressing(connection, finding, now)
    connection.execute(
        sa.insert(_FINDING).values(
            id=str(finding.id),
            detector=finding.detector,
            kind=str(finding.kind),
            found_ms=to_ms(finding.found_at),
            suppressed_by=silenced.id if silenced is not None else FOLDED if finding.folded else "",
            body=orjson.dumps(why_of(finding)),
        )
    )
    if silenced is not None or finding.folded:
        return Taken(finding=finding, suppression=silenced)
    return _drafted(connection, finding, defaults, now=now, new_id=new_id)


def _drafted(
    connection: Connection, finding: Finding, defaults: Defaults, *, now: datetime, new_id: Callable[[], UUID]
) -> Taken:
    known = _same_cause(connection, cause_of(finding), now)
    if known is None:
        proposal = propose(finding, defaults, now=now, ident=new_id(), created=now)
        if proposal is None:
            return Taken(finding=finding)
        draft = add(connection, cause_of(finding), proposal, why_of(finding), now=now, about=(finding,))
        return Taken(finding=finding, draft=draft, is_new=True)
    draft = replace(known, findings=(*known.findings, str(finding.id)))
    if known.state == OPEN and not act_store.holds(
        connection, known.id, was=grade(known.why), now=grade(why_of(finding))
    ):
        header = orjson.loads(known.proposal.objects[0])
        ident, created = UUID(header["id"].partition("--")[2]), datetime.fromisoformat(header["created"])
        newer = propose(finding, defaults, now=now, ident=ident, created=created)
        lines = (*known.evidence, *map(_line, finding.evidence))[-EVIDENCE_OF_A_DRAFT:]
        draft = replace(draft, proposal=newer or known.proposal, why=why_of(finding), evidence=lines)
    _save(connection, draft)
    return Taken(finding=finding, draft=draft)


def add(
    connection: Connection,
    source: str,
    proposal: Proposal,
    why: Mapping[str, Json],
    *,
    now: datetime,
    about: tuple[Finding, ...] = (),
) -> Draft:
    """A new open draft; its id is short, because an officer types it."""
    count = connection.scalar(sa.select(sa.func.count()).select_from(_DRAFT)) or 0
    draft = Draft(
        id=f"D{count + 1}",
        source=source,
        state=OPEN,
        made_at=now,
        proposal=proposal,
        why=why,
        findings=tuple(str(finding.id) for finding in about),
        evidence=tuple(_line(line) for finding in about for line in finding.evidence),
    )
    connection.execute(
        sa.insert(_DRAFT).values(id=draft.id, source=source, state=OPEN, made_ms=to_ms(now), body=_body(draft))
    )
    return draft


def renew(
    connection: Connection, source: str, proposal: Proposal, why: Mapping[str, Json], *, now: datetime
) -> Draft | None:
    """The open draft of this cause with a newer proposal, or a new draft; None where one was rejected within a day.

    What an officer has signed and another is asked to sign stays as it is (``node.acts``), unless it is to be
    rejected and has become graver.
    """
    known = _same_cause(connection, source, now)
    if known is None or known.state == PUBLISHED:
        return add(connection, source, proposal, why, now=now)
    if known.state == REJECTED:
        return None
    if act_store.holds(connection, known.id, was=grade(known.why), now=grade(why)):
        return known
    draft = replace(known, proposal=proposal, why=why)
    _save(connection, draft)
    return draft


def amend(connection: Connection, draft: Draft, proposal: Proposal) -> None:
    """Another proposal in place of an open draft's: an act that waits about the older one goes back."""
    _save(connection, replace(draft, proposal=proposal))


def get(connection: Connection, draft_id: str) -> Draft:
    """The draft of this id, in either case of letters. Raises NoDraftError."""
    row = connection.execute(sa.select(_DRAFT).where(_DRAFT.c.id == draft_id.upper())).one_or_none()
    if row is None:
        raise NoDraftError(f"there is no draft {draft_id[:40]}; see: port2port-node review list")
    return _of_row(row)


def get_open(connection: Connection, draft_id: str) -> Draft:
    """As ``get``, for one that still waits. Raises DraftDecidedError for any other."""
    draft = get(connection, draft_id)
    if draft.state != OPEN:
        raise DraftDecidedError(f"draft {draft.id} was {draft.state} already, by {draft.officer}")
    return draft


def listed(connection: Connection, state: str = OPEN) -> list[Draft]:
    """The drafts in a state, the oldest first."""
    query = sa.select(_DRAFT).where(_DRAFT.c.state == state).order_by(_DRAFT.c.made_ms, sa.func.length(_DRAFT.c.id))
    return [_of_row(row) for row in connection.execute(query)]


def open_count(connection: Connection, source: str) -> int:
    """How many of one source are open."""
    of = (_DRAFT.c.state == OPEN, _DRAFT.c.source == source)
    return connection.scalar(sa.select(sa.func.count()).select_from(_DRAFT).where(*of)) or 0


def decide(connection: Connection, draft: Draft, *, state: str, officer: str, reason: str, now: datetime) -> None:
    """Close an open draft: compare-and-swap, so that two officers cannot decide it twice.

    Raises DraftDecidedError.
    """
    closed = replace(draft, state=state, officer=officer, reason=reason)
    changed = connection.execute(
        sa.update(_DRAFT)
        .where(_DRAFT.c.id == draft.id, _DRAFT.c.state == OPEN)
        .values(state=state, decided_ms=to_ms(now), officer=officer, reason=reason, body=_body(closed))
    )
    if changed.rowcount != 1:
        raise DraftDecidedError(f"somebody else decided draft {draft.id} just now")


def published_as(connection: Connection, statement_id: str) -> Draft | None:
    """The draft that became a statement."""
    return next((one for one in listed(connection, PUBLISHED) if statement_id in one.statements), None)


def suppressed_count(connection: Connection, since: datetime) -> dict[str, int]:
    """How many findings each suppression has silenced since then."""
    query = (
        sa.select(_FINDING.c.suppressed_by, sa.func.count())
        .where(_FINDING.c.suppressed_by != "", _FINDING.c.found_ms >= to_ms(since))
        .group_by(_FINDING.c.suppressed_by)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _same_cause(connection: Connection, source: str, now: datetime) -> Draft | None:
    query = sa.select(_DRAFT).where(_DRAFT.c.source == source, _DRAFT.c.made_ms > to_ms(now - SAME_CAUSE))
    row = connection.execute(query.order_by(_DRAFT.c.made_ms.desc()).limit(1)).one_or_none()
    return None if row is None else _of_row(row)


def _save(connection: Connection, draft: Draft) -> None:
    connection.execute(sa.update(_DRAFT).where(_DRAFT.c.id == draft.id).values(body=_body(draft)))


def version(draft: Draft) -> str:
    """Which proposal, of which severity, an officer had before him: hex, another one after any change of it."""
    shown = [proposal_to_json(draft.proposal), grade(draft.why)]
    return sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()


def grade(why: Mapping[str, Json]) -> str:
    """How severe a finding is; empty for a report in words."""
    return str(why.get("severity", ""))


def _body(draft: Draft) -> bytes:
    return orjson.dumps(
        {
            "proposal": proposal_to_json(draft.proposal),
            "why": dict(draft.why),
            "findings": draft.findings,
            "evidence": [dict(line) for line in draft.evidence],
            "statements": draft.statements,
        }
    )


def _of_row(row: Row[Any]) -> Draft:
    data = orjson.loads(row.body)
    return Draft(
        id=row.id,
        source=row.source,
        state=row.state,
        made_at=from_ms(row.made_ms),
        proposal=proposal_of_json(data["proposal"]),
        why=data["why"],
        findings=tuple(data["findings"]),
        evidence=tuple(data["evidence"]),
        statements=tuple(data["statements"]),
        officer=row.officer,
        reason=row.reason,
    )


def _measure(measure: Measure) -> dict[str, Json]:
    return {"limit": measure.limit, "unit": measure.unit, "value": measure.value}


def _track(one: Discriminator) -> dict[str, Json]:
    return {
        "cell": one.cell,
        "first_seen": to_text(one.first_seen),
        "last_seen": to_text(one.last_seen),
        "names": list(one.names),
        "track": one.track,
    }


def _line(line: Evidence) -> dict[str, Json]:
    return {
        "line": base64.b64encode(line.line).decode(),
        "observed_ms": to_ms(line.observed_at),
        "received_ms": to_ms(line.received_at),
        "source_class": line.source_class.name.lower(),
        "station": line.station,
    }
