"""An act as its page shows it: the frozen bytes, who reads them, who has signed, and whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, acts, drafts, officers, two_person
from node.act_store import Given, Prepared
from node.acts import Reader, preparing, silencing
from node.console.context import DeskContext
from node.two_person import Reason, TwoPersonError
from port2port import canonical
from port2port import statement as stm
from port2port.canonical import Json
from port2port.clock import from_text
from port2port.console import passkeys
from port2port.console.people import Person
from port2port.console.roles import Role
from port2port.console.words import N_
from port2port.errors import NotFoundError
from port2port.levels import Level, level_of

REASONS: Final[Mapping[str, str]] = {
    Reason.PERSONAL_DATA.value: N_("it holds personal data"),
    Reason.WIDER.value: N_("it goes further than it was proposed or published before"),
    Reason.SIGHTED.value: N_("others have seen what is to be taken back"),
    Reason.SEVERE.value: N_("the finding is of high severity"),
    Reason.SUBJECT.value: N_("it is about more than a vessel, a container, a drone or a domain"),
    Reason.MARKING.value: N_("one officer publishes TLP:CLEAR to TLP:AMBER only"),
    Reason.LEVEL.value: N_("it sets a security level"),
    Reason.PORT_RULE.value: N_("this port's own rule asks for two"),
}
KINDS: Final[Mapping[str, str]] = {
    preparing.PUBLISH: N_("Publish"),
    preparing.REJECT: N_("Reject"),
    preparing.RETRACT: N_("Take back"),
    preparing.SAY: N_("Say"),
    preparing.LEVEL: N_("Security level"),
    preparing.CONFIRM: N_("Second check"),
    preparing.REJECT_MANY: N_("Reject several"),
    silencing.SUPPRESS: N_("Silence"),
    silencing.END: N_("End a suppression"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPart:
    """One frozen statement: its id and digest, its exact bytes, its objects."""

    id: str
    digest: str
    statement: str
    objects: tuple[str, ...]
    tlp: str
    handling: str
    realm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What differs from the draft that the rule or detector proposed."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whether this person may sign now; ``why_not`` is empty then. ``passkey`` and ``file`` say with what."""

    why_not: str
    passkey: bool
    file: bool

    @property
    def open(self) -> bool:
        """Whether there is a button to press."""
        return not self.why_not and (self.passkey or self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """What a decision silences, as it is signed; ``starts`` None: from the last signature on."""

    kind: str
    what: tuple[str, ...]
    starts: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAct:
    """Everything the page of one act shows."""

    act: Prepared
    kind: str
    digest: str
    parts: tuple[ShownPart, ...]
    readers: tuple[Reader, ...]
    given: tuple[Given, ...]
    missing: int
    reasons: tuple[str, ...]
    reason: str
    purpose: str
    levels: tuple[Level, ...]
    changes: tuple[Change, ...]
    left_out: int
    turn: Turn
    drafts: tuple[str, ...] = ()
    silence: Silence | None = None


def load(connection: Connection, desk: DeskContext, person: Person, act_id: str) -> ShownAct:
    """Raises NoActError."""
    act = act_store.get(connection, act_id)
    document = canonical.loads_object(act.document, limit=canonical.SAFE_INTEGER)
    roster = desk.known_roster()
    given = act_store.signatures(connection, act.id)
    return ShownAct(
        act=act,
        kind=KINDS.get(act.kind, act.kind),
        digest=sha256(act.document).hexdigest(),
        parts=tuple(_part(part) for part in act.parts),
        readers=tuple(acts.readers(connection, act, roster, usual=desk.defaults.groups)),
        given=tuple(one for one in given if one.part == 0),
        missing=acts.missing(connection, act),
        reasons=tuple(REASONS.get(one, one) for one in act.reasons),
        reason=str(document.get("reason", "")),
        purpose=str(document.get("purpose") or ""),
        levels=tuple(level_of(stm.decode(part.statement)) for part in act.parts) if act.kind == preparing.LEVEL else (),
        changes=tuple(_changes(connection, act, document)),
        left_out=sum(len(item) for item in act.sealed.values() if isinstance(item, list)),
        turn=_turn(connection, desk, person, act, given),
        drafts=tuple(str(one[0]) for one in _lists(act.work.get("drafts"))),
        silence=_silence(document) if act.kind == silencing.SUPPRESS else None,
    )


def _silence(document: Mapping[str, Json]) -> Silence:
    starts = document.get("starts")
    named = (document.get("what"), document.get("where"), *_texts(document.get("identities")))
    return Silence(
        kind=str(document["kind"]),
        what=tuple(str(one) for one in named if one),
        starts=from_text(starts) if isinstance(starts, str) else None,
        until=from_text(str(document["until"])),
    )


def _texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _lists(value: Json) -> list[list[Json]]:
    return [one for one in value if isinstance(one, list)] if isinstance(value, list) else []


def _turn(connection: Connection, desk: DeskContext, person: Person, act: Prepared, given: Sequence[Given]) -> Turn:
    roster, account = desk.known_roster(), person.account
    mine = officers.usable(connection, roster, desk.member, person.pseudonym, now=desk.now)
    ids = {key.key_id for key in mine}
    rp_id = desk.signin.relying.rp_id
    enrolled = passkeys.of_account(connection, account)
    return Turn(
        why_not=_why_not(person, act, given, known=bool(mine)),
        passkey=any(one.key_id in ids and one.rp_id == rp_id for one in enrolled),
        file=bool(desk.settings.keys.officers) and any(key.rp_id is None for key in mine),
    )


def _why_not(person: Person, act: Prepared, given: Sequence[Given], *, known: bool) -> str:
    if act.state != act_store.WAITING:
        return "closed"
    if not person.has(Role.APPROVER):
        return "role"
    if not known:
        return "roster"
    signed = {one.officer for one in given}
    if not signed:
        return "" if person.pseudonym == act.author else "author-first"
    try:
        two_person.require_second(person.pseudonym, author=act.author, barred=act.barred, signed=signed)
    except TwoPersonError:
        return "signed" if person.pseudonym in signed else "wrote"
    return ""


def _part(part: act_store.Part) -> ShownPart:
    said = stm.decode(part.statement)
    return ShownPart(
        id=said.id,
        digest=sha256(part.statement).hexdigest(),
        statement=part.statement.decode(),
        objects=tuple(item.body.decode() for item in part.objects),
        tlp="" if said.tlp is None else said.tlp.value,
        handling=said.handling or "",
        realm=said.realm,
    )


def _changes(connection: Connection, act: Prepared, document: Mapping[str, Json]) -> list[Change]:
    """Marking, handling and readers that are not as they were proposed."""
    try:
        said = drafts.get(connection, str(act.work.get("draft", ""))).proposal
    except NotFoundError:
        return []
    if act.kind != preparing.PUBLISH:
        return []
    pairs = (
        (N_("Marking"), said.tlp.value, document.get("tlp")),
        (N_("Handling"), said.handling, document.get("handling")),
        (N_("Groups"), ", ".join(said.groups), _joined(document.get("groups"))),
        (N_("Single recipients"), ", ".join(said.recipients), _joined(document.get("recipients"))),
    )
    return [
        Change(what=what, before=str(before or "-"), after=str(after or "-"))
        for what, before, after in pairs
        if (before or "") != (after or "")
    ]


def _joined(value: Json) -> str:
    return ", ".join(_texts(value))
