"""Officers decide: publish a draft, or reject it with a reason; every decision is written down and signed.

The officer's key signs twice: the statement, which everybody verifies, and the decision, which stays in the port's
audit trail. Personal data takes two officers: the rule is that of ``port2port.authority``, asked before any key is
used. The trail names pseudonyms, never persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import drafts, explain, publish, store
from node.drafts import Draft, Proposal
from node.outbox import REFUSED, Queued
from node.publish import Act, Author, Officer
from node.store import AuditLine
from port2port import canonical, keys
from port2port import envelope as dsse
from port2port.canonical import Json
from port2port.clock import from_text, to_ms, to_text
from port2port.errors import NotFoundError, PolicyError, VerificationError
from port2port.ids import is_stix_id
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.stix import objects as stix
from port2port.stix.discriminators import Discriminators, of_indicator, to_extension
from port2port.stix.normalise import normalise
from port2port.stix.profile import DISCRIMINATORS_EXTENSION
from port2port.tlp import UNMARKED, Tlp

DECISION_TYPE: Final = "application/vnd.port2port.decision+json;v=1"
PUBLISH: Final = "publish"
REJECT: Final = "reject"
RETRACT: Final = "retract"
REASON_CHARS: Final = 300


class ReasonError(PolicyError):
    """A decision that needs a reason has none, or a very long one."""

    code = "REASON"


class NothingToRetractError(NotFoundError):
    """No object of ours has this id, or none that has versions."""

    code = "NOTHING_TO_RETRACT"


class DecisionError(VerificationError):
    """A line of the audit trail is not what its officer signed."""

    code = "DECISION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What an officer changes about a proposal; None leaves it as proposed.

    ``suspect`` names the track ("older" or "newer") that is thought false.
    """

    tlp: Tlp | None = None
    groups: tuple[str, ...] | None = None
    recipients: tuple[str, ...] | None = None
    handling: str | None = None
    purpose: str | None = None
    personal_data: bool = False
    suspect: str | None = None


def chosen(proposal: Proposal, choice: Choice) -> Proposal:
    """The proposal with an officer's changes. Personal data may be added to what is proposed, never taken away.

    Naming nobody where the marking goes to all members anyway is not a contradiction: the proposal's groups are
    dropped with its marking.
    """
    tlp = choice.tlp or proposal.tlp
    open_to_all = tlp in {Tlp.CLEAR, Tlp.GREEN}
    kept = () if open_to_all else proposal.groups
    made = drafts.settled(
        proposal,
        tlp=tlp,
        fixed_groups=() if open_to_all or choice.groups is not None else proposal.fixed_groups,
        groups=kept if choice.groups is None else choice.groups,
        recipients=(() if open_to_all else proposal.recipients) if choice.recipients is None else choice.recipients,
        handling=choice.handling or proposal.handling,
        purpose=choice.purpose or proposal.purpose,
        personal_data=proposal.personal_data or choice.personal_data,
    )
    return made if choice.suspect is None else _suspecting(made, choice.suspect)


def publish_draft(
    connection: Connection, author: Author, draft_id: str, choice: Choice, act: Act
) -> tuple[Draft, list[Queued]]:
    """Publish under the officers' keys and write the decision down: one transaction.

    Raises NoDraftError, DraftDecidedError, or the error of the first rule in the way.
    """
    draft = drafts.get_open(connection, draft_id)
    proposal = chosen(draft.proposal, choice)
    queued = publish.release(connection, author, draft, proposal, act)
    facts: dict[str, Json] = {
        **_facts(draft, proposal, act.now),
        "statements": [item.statement_id for item in queued],
    }
    for officer in act.officers:
        record(connection, officer, act.now, action=PUBLISH, subject=draft.id, facts=facts)
    return draft, queued


def reject_draft(connection: Connection, member: str, draft_id: str, reason: str, act: Act) -> Draft:
    """Close a draft without publishing it. Raises ReasonError, NoDraftError, DraftDecidedError or OfficerError."""
    require_reason(reason)
    (officer,) = act.officers
    publish.require_officer(act.roster, member, officer, act.now)
    draft = drafts.get_open(connection, draft_id)
    drafts.decide(connection, draft, state=drafts.REJECTED, officer=officer.pseudonym, reason=reason, now=act.now)
    facts = {**_facts(draft, draft.proposal, act.now), "reason": reason}
    record(connection, officer, act.now, action=REJECT, subject=draft.id, facts=facts)
    return draft


def retract(connection: Connection, author: Author, ident: str, reason: str, act: Act) -> list[Queued]:
    """Take back what we published under this id: the next version of each object says revoked, to the same readers.

    ``ident`` is a draft, a statement or an object of ours. One transaction. Raises ReasonError, NothingToRetractError
    or as ``publish.publish``.
    """
    require_reason(reason)
    newest = _newest_of(connection, ident)
    if not newest:
        raise NothingToRetractError("this port has published nothing of this id that can be taken back")
    for stix_id in [one for one in newest if _taken_back(connection, one)]:
        del newest[stix_id]
    if not newest:
        raise NothingToRetractError("this was taken back already")
    by_statement: dict[str, tuple[Statement, list[bytes]]] = {}
    for body, said in newest.values():
        by_statement.setdefault(said.id, (said, []))[1].append(body)
    queued: list[Queued] = []
    for said, bodies in by_statement.values():
        queued += publish.publish(connection, author, _retraction(said, bodies, author.member, reason, act.now), act)
    facts: dict[str, Json] = {"at": to_text(act.now), "objects": [*newest], "reason": reason}
    for officer in act.officers:
        record(connection, officer, act.now, action=RETRACT, subject=ident, facts=facts)
    return queued


def _newest_of(connection: Connection, ident: str) -> dict[str, tuple[bytes, Statement]]:
    """By id: the newest version of each object under ``ident``, with what it was said in; not what the hub refused."""
    newest: dict[str, tuple[bytes, Statement]] = {}
    for own in explain.find_own(connection, ident):
        for item in own.envelope.objects if own.state != REFUSED and own.statement.kind != RETRACT else ():
            data = orjson.loads(item.body)
            if "modified" in data and (not is_stix_id(ident) or data["id"] == ident):
                newest[data["id"]] = (item.body, own.statement)
    return newest


def _taken_back(connection: Connection, stix_id: str) -> bool:
    said = [own for own in explain.find_own(connection, stix_id) if own.statement.kind == RETRACT]
    return any(own.state != REFUSED for own in said)


def _retraction(said: Statement, bodies: Sequence[bytes], member: str, reason: str, now: datetime) -> Proposal:
    refs: list[Json] = [{"id": str(orjson.loads(body)["id"]), "issuer": member} for body in bodies]
    return Proposal(
        kind="retract",
        objects=tuple(stix.revoked(body, now) for body in bodies),
        tlp=said.tlp or UNMARKED,
        fixed_groups=said.groups,
        recipients=said.recipients,
        handling=said.handling,
        purpose=said.purpose,
        personal_data=said.personal_data,
        body={"reason": reason, "refs": refs},
    )


def require_reason(reason: str) -> None:
    """A reason that somebody can read next week. Raises ReasonError."""
    if not reason.strip():
        raise ReasonError('say why: --reason "..."')
    if len(reason) > REASON_CHARS:
        raise ReasonError(f"a reason has at most {REASON_CHARS} characters")


def record(
    connection: Connection, officer: Officer, now: datetime, *, action: str, subject: str, facts: Mapping[str, Json]
) -> AuditLine:
    """Sign a decision with the officer's key and write it into the audit trail."""
    raw = canonical.dumps({**facts, "action": action, "officer": officer.pseudonym, "subject": subject})
    line = AuditLine(
        at_ms=to_ms(now),
        officer=officer.pseudonym,
        action=action,
        subject=subject,
        facts=raw,
        key_id=officer.key.key_id,
        signature=officer.key.sign(dsse.pae(DECISION_TYPE, raw)),
    )
    store.audit(connection, line)
    return line


def verify_line(line: AuditLine, roster: Roster) -> None:
    """That a line says what its officer signed. Raises DecisionError or SignatureError.

    A key revoked since still counts: the line says what was decided then.
    """
    known = roster.keys.get(line.key_id)
    if known is None or known.pseudonym != line.officer:
        raise DecisionError("the decision is signed by a key that the roster does not know as this officer's")
    keys.verify(known.public, dsse.pae(DECISION_TYPE, line.facts), line.signature)
    facts = canonical.loads_object(line.facts, limit=canonical.SAFE_INTEGER)
    if (facts.get("action"), facts.get("subject"), facts.get("officer")) != (line.action, line.subject, line.officer):
        raise DecisionError("the columns of an audit line differ from what was signed")


def describe(draft: Draft) -> list[str]:
    """A draft for an officer: what to do about it first, then what, the numbers beside their limits, and why."""
    said, why = draft.proposal, draft.why
    lines = [
        f"{draft.id}   {headline(draft)}",
        f"handling   {said.handling or 'not set'}",
        f"marking    {said.tlp.label}, to {audience_text(said)}",
    ]
    if said.personal_data:
        lines.append("personal   yes: two officers must sign")
    if draft.state != drafts.OPEN:
        lines.append(f"state      {draft.state} by {draft.officer}{': ' + draft.reason if draft.reason else ''}")
    lines.append(f"why        {why.get('reason', '')}")
    lines += [f"number     {text}" for text in _numbers(why.get("numbers"))]
    if "confidence" in why:
        lines.append(f"confidence {why['confidence']} of 100, from {_joined(why.get('source_classes'))}")
    if why.get("single_open_source"):
        lines.append("caution    single open source: anybody with a transmitter can make this up")
    lines += [f"track      {text}" for text in _tracks(why.get("tracks"))]
    lines.append(f"evidence   raw lines: {len(draft.evidence)}, findings of the same cause: {len(draft.findings)}")
    lines += [f"object     {orjson.loads(raw)['id']}" for raw in said.objects]
    return lines


def headline(draft: Draft) -> str:
    """One line for the list."""
    first = orjson.loads(draft.proposal.objects[0]) if draft.proposal.objects else {}
    return str(first.get("name") or first.get("abstract") or draft.why.get("reason") or draft.proposal.kind)


def audience_text(said: Proposal) -> str:
    """To whom, in words."""
    if said.tlp in {Tlp.CLEAR, Tlp.GREEN}:
        return "everybody" if said.tlp is Tlp.CLEAR else "all members"
    groups = [*said.groups, *(name for name, _ in said.fixed_groups)]
    if groups and said.recipients:
        return f"those of group {', '.join(groups)} who are also among {', '.join(said.recipients)}"
    return (
        ", ".join([*(f"group {name}" for name in groups), *said.recipients])
        or "nobody but ourselves: name a group or a recipient"
    )


def _facts(draft: Draft, proposal: Proposal, now: datetime) -> dict[str, Json]:
    return {
        "at": to_text(now),
        "digest": sha256(b"\n".join(proposal.objects)).hexdigest(),
        "groups": [*proposal.groups, *(name for name, _ in proposal.fixed_groups)],
        "handling": proposal.handling,
        "personal_data": proposal.personal_data,
        "purpose": proposal.purpose,
        "recipients": [*proposal.recipients],
        "source": draft.source,
        "tlp": proposal.tlp.value,
    }


def _suspecting(proposal: Proposal, track: str) -> Proposal:
    """The newer track is proposed as the false one; an officer may know better."""
    if track == "newer":
        return proposal
    return replace(proposal, objects=tuple(_swapped(raw) for raw in proposal.objects))


def _swapped(raw: bytes) -> bytes:
    data = orjson.loads(raw)
    found = of_indicator(data)
    if found is None or found.other is None:
        return raw
    extension = to_extension(Discriminators(suspect=found.other, other=found.suspect))
    return normalise({**data, "extensions": {**data["extensions"], DISCRIMINATORS_EXTENSION: extension}})


def _numbers(numbers: Json) -> list[str]:
    found = []
    for name, item in numbers.items() if isinstance(numbers, dict) else ():
        if isinstance(item, dict):
            limit = "" if item.get("limit") is None else f" (limit {item['limit']:g} {item['unit']})"
            found.append(f"{name.replace('_', ' ')}: {item['value']:g} {item['unit']}{limit}")
    return found


def _tracks(tracks: Json) -> list[str]:
    return [
        f"{item['track']}: {item['cell']}, {_minute(item['first_seen'])} to {_minute(item['last_seen'])} UTC"
        f"{_named(item.get('names'))}"
        for item in (tracks if isinstance(tracks, list) else ())
        if isinstance(item, dict)
    ]


def _minute(text: Json) -> str:
    return f"{from_text(str(text)):%Y-%m-%d %H:%M}"


def _named(names: Json) -> str:
    return f", calls itself {_joined(names)}" if names else ""


def _joined(values: Json) -> str:
    items: Sequence[Json] = values if isinstance(values, list) else ()
    return ", ".join(str(item).replace("_", " ") for item in items) or "nothing"
