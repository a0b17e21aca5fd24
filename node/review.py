"""What officers decide on, and how a decision is written down so that it can be checked next year.

An officer signs once. Where the decision makes a statement, that is what is signed, and the statement names the
decision's document by its digest; else the document itself is. The document says what was decided about which
version of what, and for which readers by name; it stays in the port's audit trail, which names pseudonyms, never
persons. Deciding is done in ``node.acts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy.engine import Connection

from node import drafts, explain, store
from node.drafts import Draft, Proposal
from node.outbox import REFUSED
from node.publish import Officer
from node.store import AuditLine
from port2port import canonical, imported, keys
from port2port import envelope as dsse
from port2port.canonical import Json
from port2port.clock import from_text, to_ms, to_text
from port2port.errors import MalformedError, NotFoundError, PolicyError, VerificationError
from port2port.ids import is_stix_id
from port2port.roster import Roster
from port2port.statement import Statement, decode
from port2port.stix import objects as stix
from port2port.stix.discriminators import Discriminators, of_indicator, to_extension
from port2port.stix.normalise import normalise
from port2port.stix.profile import DISCRIMINATORS_EXTENSION
from port2port.tlp import UNMARKED, Tlp, at_least_as_strict

DECISION_TYPE: Final = "application/vnd.port2port.decision+json;v=1"
PUBLISH: Final = "publish"
REJECT: Final = "reject"
RETRACT: Final = "retract"
REASON_CHARS: Final = 300
_OBJECT_CHARS: Final = 200


class ReasonError(PolicyError):
    """A decision that needs a reason has none, or a very long one."""

    code = "REASON"


class ValidityError(PolicyError):
    """An indicator would end before it begins."""

    code = "VALIDITY"


class LooserError(PolicyError):
    """An officer may mark what came from outside more strictly than its source did, never less."""

    code = "LOOSER"


class NothingToRetractError(NotFoundError):
    """No object of ours has this id, or none that has versions."""

    code = "NOTHING_TO_RETRACT"


class DecisionError(VerificationError):
    """A line of the audit trail is not what its officer signed."""

    code = "DECISION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What an officer changes about a proposal; None leaves it as proposed.

    ``suspect`` names the track ("older" or "newer") that is thought false, ``valid_until`` ends every indicator.
    ``pictures`` are the digests of the photos that are told of, ``relates`` the indicators that his words are about
    instead of one of our own: both are for ``node.acts.preparing``.
    """

    tlp: Tlp | None = None
    groups: tuple[str, ...] | None = None
    recipients: tuple[str, ...] | None = None
    handling: str | None = None
    purpose: str | None = None
    personal_data: bool = False
    suspect: str | None = None
    valid_until: datetime | None = None
    pictures: frozenset[str] | None = None
    relates: tuple[str, ...] = ()


def chosen(proposal: Proposal, choice: Choice) -> Proposal:
    """The proposal with an officer's changes. Personal data may be added to what is proposed, never taken away.

    Naming nobody where the marking goes to all members anyway is not a contradiction: the proposal's groups are
    dropped with its marking. What was imported keeps its source's marking at least. Raises LooserError or
    ValidityError.
    """
    tlp = choice.tlp or proposal.tlp
    if proposal.kind == imported.KIND and not at_least_as_strict(tlp, proposal.tlp):
        raise LooserError("its source marked it more strictly: that may be tightened here, not loosened")
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
    ending = made if choice.valid_until is None else _ending(made, choice.valid_until)
    return ending if choice.suspect is None else _suspecting(ending, choice.suspect)


def retractions(
    connection: Connection, member: str, ident: str, reason: str, now: datetime
) -> tuple[list[Proposal], list[str]]:
    """What takes back all that we published under this id, to the same readers; and the ids of the objects.

    ``ident`` is a draft, a statement or an object of ours: the next version of each object says revoked. Raises
    ReasonError or NothingToRetractError.
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
    made = [_retraction(said, bodies, member, reason, now) for said, bodies in by_statement.values()]
    return made, [*newest]


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
    """A sighting is taken back by its name alone: a new version of it would have to name another's indicator, on which
    a retraction may not act. So is what was imported: its versions are its source's to make.
    """
    found = {str(orjson.loads(body)["id"]): body for body in bodies}
    refs: list[Json] = [{"id": stix_id, "issuer": member} for stix_id in found]
    ours = said.kind != imported.KIND
    said_anew = [body for stix_id, body in found.items() if ours and not stix_id.startswith("sighting--")]
    return Proposal(
        kind="retract",
        objects=tuple(stix.revoked(body, now) for body in said_anew),
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


def decision_context(document: bytes) -> str:
    """How a statement names the decision behind it: who signs the one has signed the other.

    The document holds a salt, so that whoever reads the digest cannot try out what it says.
    """
    return f"decision:{sha256(document).hexdigest()}"


def decision_message(document: bytes, officer: str) -> bytes:
    """What an officer signs of a decision that makes no statement."""
    facts = canonical.loads_object(document, limit=canonical.SAFE_INTEGER)
    return dsse.pae(DECISION_TYPE, canonical.dumps({**facts, "officer": officer}))


def verify_line(line: AuditLine, roster: Roster) -> None:
    """That a line says what its officer signed. Raises DecisionError or SignatureError.

    Under a decision that made a statement stands the officer's signature of that statement, which names the
    decision by its digest. A key revoked since still counts: the line says what was decided then.
    """
    known = roster.keys.get(line.key_id)
    if known is None or known.pseudonym != line.officer:
        raise DecisionError("the decision is signed by a key that the roster does not know as this officer's")
    facts = _facts_in(line.facts)
    statement = facts.pop("statement", None)
    if isinstance(statement, str):
        keys.verify(known.public, dsse.pae(dsse.PAYLOAD_TYPE, statement.encode()), line.signature)
        document = canonical.dumps({name: value for name, value in facts.items() if name != "officer"})
        if decode(statement.encode()).context != decision_context(document):
            raise DecisionError("the statement that was signed names another decision")
    else:
        keys.verify(known.public, dsse.pae(DECISION_TYPE, line.facts), line.signature)
    if (facts.get("action"), facts.get("subject"), facts.get("officer")) != (line.action, line.subject, line.officer):
        raise DecisionError("the columns of an audit line differ from what was signed")


def _facts_in(raw: bytes) -> dict[str, Json]:
    try:
        return canonical.loads_object(raw, limit=canonical.SAFE_INTEGER)
    except MalformedError as error:
        raise DecisionError("the facts of an audit line are not canonical JSON") from error


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
    lines += _outside(why.get("import"))
    lines += [f"number     {text}" for text in _numbers(why.get("numbers"))]
    if "confidence" in why:
        lines.append(f"confidence {why['confidence']} of 100, from {_joined(why.get('source_classes'))}")
    if why.get("single_open_source"):
        lines.append("caution    single open source: anybody with a transmitter can make this up")
    lines += [f"track      {text}" for text in _tracks(why.get("tracks"))]
    lines.append(f"evidence   raw lines: {len(draft.evidence)}, findings of the same cause: {len(draft.findings)}")
    lines += [f"object     {_object(orjson.loads(raw))}" for raw in said.objects]
    return lines


def _object(data: Mapping[str, Any]) -> str:
    """Id, and what it looks for or is called: one draft of an import speaks of many things."""
    text = str(data.get("pattern") or data.get("name") or "")[:_OBJECT_CHARS]
    return f"{data['id']}  {text if text.isprintable() else ascii(text)}".rstrip()


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


def facts_of(draft: Draft, proposal: Proposal, now: datetime) -> dict[str, Json]:
    """What is decided about a draft, for the decision's document."""
    return {
        "at": to_text(now),
        "digest": sha256(b"\n".join(proposal.objects)).hexdigest(),
        "draft_version": drafts.version(draft),
        "groups": [*proposal.groups, *(name for name, _ in proposal.fixed_groups)],
        "handling": proposal.handling,
        "personal_data": proposal.personal_data,
        "purpose": proposal.purpose,
        "recipients": [*proposal.recipients],
        "source": draft.source,
        "tlp": proposal.tlp.value,
    }


def _ending(proposal: Proposal, until: datetime) -> Proposal:
    return replace(proposal, objects=tuple(_ended(raw, until) for raw in proposal.objects))


def _ended(raw: bytes, until: datetime) -> bytes:
    data = orjson.loads(raw)
    if data["type"] != "indicator":
        return raw
    if until <= datetime.fromisoformat(data["valid_from"]):
        raise ValidityError("an indicator ends after it begins")
    return normalise({**data, "valid_until": to_text(until)})


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


def _outside(told: Json) -> list[str]:
    """Of what was imported: from whom, how far that is trusted, and what the federation had said before."""
    if not isinstance(told, dict):
        return []
    grade = f"{told.get('reliability')}{told.get('credibility')}"
    lines = [f"source     {told.get('source')}", f"reliable   {grade}: {_joined(told.get('words'))}"]
    echoes = told.get("echoes")
    for one in echoes if isinstance(echoes, list) else ():
        said = one.get("said") if isinstance(one, dict) else None
        who = sorted({str(item["issuer"]) for item in said if isinstance(item, dict)}) if isinstance(said, list) else []
        lines.append(f"echo       {one['id'] if isinstance(one, dict) else one}: said before by {', '.join(who)}")
    return lines


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
