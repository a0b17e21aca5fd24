"""Prepare: freeze the exact bytes an act would publish, so that officers can sign them one after the other.

1. The draft is open, and no other act about it waits. 2. What the officer chose is applied, what he unticked is taken
out and sealed. 3. The port's rule says how many officers sign. 4. A key is found to number the statements. 5. They go
through every step that hub and receivers will run. 6. They are numbered, and nothing of them changes any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import act_store, drafts, indicators, photos, publish, review, sightings, two_person
from node.act_store import Part, Prepared
from node.acts import asked as asking
from node.acts.asked import ActWaitsError, Asked
from node.acts.similar import relate, similar
from node.drafts import Draft, Proposal
from node.publish import Act, Author
from node.redaction import Choices, redact, scan
from node.review import Choice
from node.two_person import Facts, Need, TwoPersonError
from port2port import sharing
from port2port.canonical import Json
from port2port.clock import to_text
from port2port.errors import ConflictError, NotFoundError
from port2port.levels import Level
from port2port.statement import Statement
from port2port.tlp import Tlp

PUBLISH: Final = "publish"
REJECT: Final = act_store.REJECT
REJECT_MANY: Final = act_store.REJECT_MANY
RETRACT: Final = "retract"
LEVEL: Final = "level"
SAY: Final = "say"
CONFIRM: Final = "confirm-override"
_PUBLISHING: Final = frozenset({"publish", "report", "note", "import", "reshare"})
_SUBJECTS: Final = {
    "vessel": "vessel",
    "freight-container": "container",
    "uas": "drone",
    "domain-name": "domain",
}
_CARRIERS: Final = frozenset(
    {"extension-definition", "grouping", "identity", "location", "marking-definition", "note", "relationship", "report"}
)
_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
# Labels of notes about what has no number that others could match, and so no object of its own (``report_kinds``).
_LABELS: Final = {"no-ais": "vessel", "small-craft": "vessel", "drone": "drone", "broken-seal": "container"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """An act before it is frozen."""

    kind: str
    subject: str
    need: Need
    facts: Mapping[str, Json]
    proposals: Sequence[Proposal] = ()
    barred: tuple[str, ...] = ()
    work: Mapping[str, Json] = field(default_factory=dict)
    sealed: Mapping[str, Json] = field(default_factory=dict)


def publish_draft(
    connection: Connection,
    author: Author,
    draft_id: str,
    choice: Choice,
    asked: Asked,
    *,
    left_out: Choices | None = None,
) -> Prepared:
    """An act that publishes a draft. Raises NoDraftError, DraftDecidedError or that of the first rule met."""
    draft = _open(connection, draft_id)
    told = _with_pictures(connection, draft, review.chosen(draft.proposal, choice), choice)
    kept = redact(told, draft.evidence, left_out or Choices())
    about = subjects_of(kept.proposal.objects)
    proposal = _related(connection, author, kept.proposal, choice, asked)
    publishes = proposal.kind in _PUBLISHING
    found = Facts(
        action=PUBLISH if publishes else SAY,
        tlp=proposal.tlp,
        subjects=about,
        personal_data=proposal.personal_data,
        wider=is_wider(connection, author, draft.proposal, proposal, asked),
        severity=str(draft.why.get("severity", "")),
    )
    facts = review.facts_of(draft, proposal, asked.now)
    if kept.sealed:
        facts["left_out"] = {"digest": kept.digest, **{name: len(_list(item)) for name, item in kept.sealed.items()}}
    work: dict[str, Json] = {
        "draft": draft.id,
        "lines": [dict(line) for line in kept.lines],
        "proposal": drafts.proposal_to_json(proposal),
        "version": drafts.version(draft),
    }
    plan = _Plan(
        kind=PUBLISH,
        subject=draft.id,
        need=two_person.weigh(found, asked.rule),
        facts=facts,
        proposals=(proposal,),
        barred=writers_of(draft),
        work=work,
        sealed=kept.sealed,
    )
    return _freeze(connection, author, plan, asked)


def _with_pictures(connection: Connection, draft: Draft, proposal: Proposal, choice: Choice) -> Proposal:
    """The report with the pictures that the officer ticked; what he says of one may itself be personal data."""
    if choice.pictures is None:
        return proposal
    objects = photos.tell(proposal.objects, photos.of_draft(connection, draft.id), choice.pictures)
    renewed = replace(proposal, objects=objects)
    return replace(renewed, personal_data=proposal.personal_data or bool(choice.pictures and scan(renewed)))


def _related(connection: Connection, author: Author, proposal: Proposal, choice: Choice, asked: Asked) -> Proposal:
    if not choice.relates:
        return proposal
    known = similar(connection, author.member, proposal.objects, asked.now)
    return relate(proposal, choice.relates, known, asked.now)


def reject_draft(connection: Connection, author: Author, draft_id: str, reason: str, asked: Asked) -> Prepared:
    """An act that closes a draft without publishing it. Raises ReasonError, NoDraftError or DraftDecidedError."""
    review.require_reason(reason)
    draft = _open(connection, draft_id)
    found = Facts(action=REJECT, severity=str(draft.why.get("severity", "")))
    plan = _Plan(
        kind=REJECT,
        subject=draft.id,
        need=two_person.weigh(found, asked.rule),
        facts={**review.facts_of(draft, draft.proposal, asked.now), "reason": reason},
        barred=writers_of(draft),
        work={"draft": draft.id, "reason": reason, "version": drafts.version(draft)},
    )
    return _freeze(connection, author, plan, asked)


def reject_drafts(
    connection: Connection, author: Author, draft_ids: Sequence[str], reason: str, asked: Asked
) -> tuple[Prepared, tuple[str, ...]]:
    """One act that closes several drafts, and the ids of those that are left to be looked at one by one.

    Left is what takes two officers, and what somebody has decided or prepared meanwhile. Raises ReasonError, or
    TwoPersonError where nothing else is among them.
    """
    review.require_reason(reason)
    names = tuple(dict.fromkeys(name.upper() for name in draft_ids))
    found = [one for name in names if (one := _alone(connection, name, asked)) is not None]
    kept = {one.id for one in found}
    left = tuple(name for name in names if name not in kept)
    if not found:
        raise TwoPersonError("none of these can be rejected together: two officers reject each on its own page")
    named: list[Json] = [[one.id, drafts.version(one)] for one in found]
    plan = _Plan(
        kind=REJECT_MANY,
        subject=" ".join(one.id for one in found),
        need=two_person.weigh(Facts(action=REJECT), asked.rule),
        facts={"at": to_text(asked.now), "drafts": named, "reason": reason},
        work={"drafts": named, "reason": reason},
    )
    return _freeze(connection, author, plan, asked), left


def _alone(connection: Connection, draft_id: str, asked: Asked) -> Draft | None:
    """The open draft, where one officer may reject it now."""
    try:
        draft = _open(connection, draft_id)
    except (NotFoundError, ConflictError):
        return None
    need = two_person.weigh(Facts(action=REJECT, severity=str(draft.why.get("severity", ""))), asked.rule)
    return draft if need.officers == 1 else None


def retract(connection: Connection, author: Author, ident: str, reason: str, asked: Asked) -> Prepared:
    """An act that takes back what we published under this id. Raises ReasonError or NothingToRetractError."""
    _require_none_waits(connection, ident)
    proposals, ids = review.retractions(connection, author.member, ident, reason, asked.now)
    found = Facts(
        action=RETRACT,
        personal_data=any(one.personal_data for one in proposals),
        sighted=any(sightings.seen_of(connection, stix_id) for stix_id in ids),
    )
    plan = _Plan(
        kind=RETRACT,
        subject=ident,
        need=two_person.weigh(found, asked.rule),
        facts={"at": to_text(asked.now), "objects": [*ids], "reason": reason},
        proposals=proposals,
    )
    return _freeze(connection, author, plan, asked)


def say(connection: Connection, author: Author, subject: str, proposal: Proposal, asked: Asked) -> Prepared:
    """An act that says something that has no draft: a confirmed sighting, a reaffirmation, a note.

    Raises the error of the first rule in the way.
    """
    _require_none_waits(connection, subject)
    found = Facts(action=SAY, tlp=proposal.tlp, personal_data=proposal.personal_data)
    facts: dict[str, Json] = {"at": to_text(asked.now), "what": proposal.kind, "tlp": proposal.tlp.value}
    plan = _Plan(
        kind=SAY, subject=subject, need=two_person.weigh(found, asked.rule), facts=facts, proposals=(proposal,)
    )
    return _freeze(connection, author, plan, asked)


def set_levels(connection: Connection, author: Author, levels: Sequence[Level], tlp: Tlp, asked: Asked) -> Prepared:
    """An act that sets security levels: one statement for each change, logged in this order; two officers, always.

    Raises ActWaitsError where one about such a place waits, or the error of the first rule in the way.
    """
    places = {one.locode for one in levels}
    for act in act_store.listed(connection):
        if act.kind == LEVEL and places & set(act.subject.split()):
            raise ActWaitsError(f"act {act.id} about {act.subject} waits for signatures", act=act.id)
    said: list[Json] = [one.to_body() for one in levels]
    plan = _Plan(
        kind=LEVEL,
        subject=" ".join(sorted(places)),
        need=two_person.weigh(Facts(action=LEVEL, tlp=tlp), asked.rule),
        facts={"at": to_text(asked.now), "levels": said, "reason": levels[0].reason, "tlp": tlp.value},
        proposals=[Proposal(kind="level", objects=(), tlp=tlp, handling="act", body=one.to_body()) for one in levels],
    )
    return _freeze(connection, author, plan, asked)


def decide(
    connection: Connection,
    author: Author,
    asked: Asked,
    *,
    action: str,
    subject: str,
    facts: Mapping[str, Json],
    barred: tuple[str, ...] = (),
) -> Prepared:
    """An act that leaves the port unsaid: a suppression, a rule, a second check. ``facts`` say all that is decided.

    What follows from it is the caller's to do, in the transaction in which ``add_signature`` says it is done.
    """
    _require_none_waits(connection, subject)
    plan = _Plan(
        kind=action,
        subject=subject,
        need=two_person.weigh(Facts(action=action), asked.rule),
        facts={"at": to_text(asked.now), **facts},
        barred=barred,
    )
    return _freeze(connection, author, plan, asked)


def subjects_of(objects: Sequence[bytes]) -> frozenset[str]:
    """The kinds of thing that objects are about, in the words of ``node.two_person``; others by their STIX type."""
    found: set[str] = set()
    for data in map(orjson.loads, objects):
        kind = data["type"]
        if kind == "indicator":
            found |= {_SUBJECTS.get(name, name) for name in _types_in(str(data.get("pattern", "")))}
        elif kind not in _CARRIERS:
            found.add(_SUBJECTS.get(kind, kind))
        found |= {_LABELS[label] for label in data.get("labels", []) if label in _LABELS}
    return frozenset(found)


def is_wider(connection: Connection, author: Author, proposed: Proposal, chosen: Proposal, asked: Asked) -> bool:
    """Whether a choice goes further than what was proposed (by its marking) or published before (by its readers)."""
    if chosen.tlp.strictness < proposed.tlp.strictness:
        return True
    said = _bare(connection, author, chosen, asked)
    audience = sharing.audience_of(said)
    for raw in chosen.objects:
        for earlier in indicators.by_stix_id(connection, str(orjson.loads(raw)["id"])):
            ours = earlier.issuer == author.member and earlier.realm == said.realm and earlier.stix
            if ours and not sharing.no_wider_than(audience, earlier.audience, asked.roster):
                return True
    return False


def writers_of(draft: Draft) -> tuple[str, ...]:
    """Who wrote the report behind a draft; a detector's finding has no author."""
    name = draft.why.get("author")
    return (name,) if isinstance(name, str) and name else ()


def _open(connection: Connection, draft_id: str) -> Draft:
    draft = drafts.get_open(connection, draft_id)
    _require_none_waits(connection, draft.id)
    return draft


def _require_none_waits(connection: Connection, subject: str) -> None:
    waiting = act_store.waits(connection, subject)
    if waiting is not None:
        raise ActWaitsError(f"act {waiting} about {subject} waits for signatures: sign it or give it up", act=waiting)


def _freeze(connection: Connection, author: Author, plan: _Plan, asked: Asked) -> Prepared:
    settled = asking.settle(plan.need, asked)
    bare = [_bare(connection, author, proposal, asked) for proposal in plan.proposals]
    readers = asking.readers_of(bare, asked.roster)
    raw = asking.document(plan.kind, plan.subject, settled, asked, {**plan.facts, "readers": readers})
    outbox = asking.choose_outbox(connection, author, asked) if plan.proposals else None
    act = Act(roster=asked.roster, decided_by=f"officer:{asked.officer}", now=asked.now, realm=asked.realm)
    made = [
        one
        for proposal in plan.proposals
        for one in publish.compose(
            connection,
            author,
            proposal,
            act,
            voices=asked.voices(author.member, settled.officers),
            signer=None if outbox is None else outbox.key_id,
            context=review.decision_context(raw),
        )
    ]
    asking.require_enough(settled, plan.need, asked)
    parts = (
        [Part(statement=outbox.number(connection, one.statement), objects=one.objects) for one in made]
        if outbox is not None
        else []
    )
    newest = {name: number for said in bare for name, number in said.groups}
    fixed = {name for proposal in plan.proposals for name, _ in proposal.fixed_groups}
    groups: dict[str, Json] = {name: number for name, number in newest.items() if name not in fixed}
    prepared = Prepared(
        id=act_store.next_id(connection),
        kind=plan.kind,
        subject=plan.subject,
        state=act_store.WAITING,
        author=asked.officer,
        need=settled.officers,
        signer="" if outbox is None else outbox.key_id,
        made_at=asked.now,
        closes_at=asked.now + asked.rule.waits,
        document=raw,
        parts=tuple(parts),
        reasons=settled.reasons,
        barred=plan.barred,
        work={
            **plan.work,
            "check_minutes": asked.rule.check_within.total_seconds() / 60,
            "groups": groups,
            "readers": readers,
        },
        sealed=plan.sealed,
        override=settled.override,
    )
    act_store.insert(connection, prepared)
    return prepared


def _bare(connection: Connection, author: Author, proposal: Proposal, asked: Asked) -> Statement:
    said = publish.draft_statement(
        author.member, proposal, asked.roster, now=asked.now, seen=publish.log_seen(connection)
    )
    return replace(said, realm=asked.realm)


def _types_in(pattern: str) -> set[str]:
    """The object types that a STIX pattern speaks of, literals aside."""
    words = _LITERAL.sub(" ", pattern).replace("[", " ").replace("(", " ").split()
    return {word.partition(":")[0] for word in words if ":" in word}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
