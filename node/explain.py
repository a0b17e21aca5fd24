"""Who would read it, who did, and why not: answers for the author alone.

Before publishing, ``preview`` names the readers that the roster gives, the hub's operators among them; it needs no
connection and says how old the roster is. Afterwards ``explain`` says for each member what is known: delivered and
seen are signed by the receiving node. For everybody but the author, an id that is hidden, one that belongs to another
port and one that does not exist get one and the same answer.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import drafts, outbox, publish, receipts, sightings, store, tables
from node.drafts import Proposal
from node.receipts import DeliveryState
from node.sightings import Seen
from port2port import sharing, statement
from port2port.clock import from_ms, to_ms, to_text
from port2port.envelope import SignedEnvelope
from port2port.errors import NotFoundError
from port2port.ids import is_stix_id
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.wire import decode_envelope

_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
NOT_OURS: Final = "Nothing of this id was published by this port. Only the author of a statement can ask who got it."
NOT_ENTITLED: Final = "not entitled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One of our statements, with the hub's answer so far."""

    statement: Statement
    envelope: SignedEnvelope
    state: str
    index: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a statement at one member. ``reason`` is the rule, for those who are not entitled."""

    member: str
    name: str
    state: str
    at: datetime | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One statement: how far it got, what became of it at each member, and who saw what it is about."""

    statement_id: str
    headline: str
    state: str
    fates: tuple[Fate, ...]
    seen: tuple[tuple[Seen, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The resolved readers before anything is published; the hub's operators are one of the rows."""

    marking: str
    rows: tuple[Fate, ...]
    roster_age: str

    def lines(self) -> list[str]:
        """For a person."""
        reads = [f"  reads     {row.name}: {row.reason}" for row in self.rows if row.state == "reads"]
        others = [f"  does not  {row.name}: {row.reason}" for row in self.rows if row.state != "reads"]
        return [f"{self.marking}: would be read by {len(reads)}", *reads, *others, self.roster_age]

    def to_json(self) -> dict[str, object]:
        """For machines."""
        members = [
            {"member": row.member, "name": row.name, "reads": row.state == "reads", "reason": row.reason}
            for row in self.rows
        ]
        return {"marking": self.marking, "members": members, "roster": self.roster_age}


def preview(connection: Connection, member: str, proposal: Proposal, roster: Roster, now: datetime) -> Preview:
    """Every other member by name with the rule that decides, then the hub's operators. Raises UnknownGroupError."""
    said = publish.draft_statement(member, proposal, roster, now=now, seen=publish.log_seen(connection))
    rows = sharing.resolve_readers(sharing.audience_of(said), roster, said.purpose)
    return Preview(
        marking=proposal.tlp.label,
        rows=tuple(
            Fate(
                member=who,
                name=name_of(who, roster),
                state="reads" if decision.allowed else "does not read",
                at=None,
                reason=_sentences(decision),
            )
            for who, decision in rows
            if who != member
        ),
        roster_age=roster_age(connection, roster, now),
    )


def roster_age(connection: Connection, roster: Roster, now: datetime) -> str:
    """How old what we know of the members is."""
    head = store.head(connection)
    minutes = max(0, (to_ms(now) - head.verified_at_ms) // 60_000)
    old = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} days"
    return f"roster version {roster.version}, verified {old} ago at {_at(from_ms(head.verified_at_ms))}"


def explain(connection: Connection, member: str, ident: str, roster: Roster) -> list[Told]:
    """What became of our statements of this id, member by member; empty for everything else, whatever it is."""
    own = [one for one in find_own(connection, ident) if one.statement.issuer == member]
    return [_told(connection, one, roster) for one in own]


def lines(told: list[Told]) -> list[str]:
    """For a person; one and the same line for whatever is not ours."""
    if not told:
        return [NOT_OURS]
    out: list[str] = []
    for one in told:
        out += [one.headline, f"  {one.state}"]
        out += [f"  {fate.name}: {_fate_text(fate)}" for fate in one.fates]
        out += [f"  {text}" for _, text in one.seen]
    return out


def to_json(told: list[Told]) -> dict[str, object]:
    """For machines; one and the same object for whatever is not ours."""
    if not told:
        return {"answer": NOT_OURS, "members": [], "sightings": [], "statements": []}
    fates = [(one.statement_id, fate) for one in told for fate in one.fates]
    return {
        "answer": "",
        "members": [
            {
                "at": None if fate.at is None else to_text(fate.at),
                "member": fate.member,
                "name": fate.name,
                "reason": fate.reason,
                "state": fate.state,
                "statement": statement_id,
            }
            for statement_id, fate in fates
        ],
        "sightings": [
            {
                "count": seen.count,
                "first_seen": to_text(seen.first_seen),
                "id": seen.stix_id,
                "last_seen": to_text(seen.last_seen),
                "looking": seen.looking,
                "member": seen.by,
                "port": seen.port,
                "summary": text,
                "track": seen.track,
            }
            for one in told
            for seen, text in one.seen
        ],
        "statements": [{"id": one.statement_id, "state": one.state} for one in told],
    }


def find_own(connection: Connection, ident: str) -> list[Own]:
    """Our statements by statement id, draft id or the id of an object in them, the oldest first."""
    if is_stix_id(ident):
        rows = connection.execute(sa.select(_OUTBOX).order_by(_OUTBOX.c.id))
        every = (_own(row) for row in rows)
        return [one for one in every if ident in {ref.id for ref in one.statement.objects}]
    wanted = [ident if ident.startswith("urn:uuid:") else f"urn:uuid:{ident}"]
    with contextlib.suppress(NotFoundError):  # not a draft of ours: a statement's id, or nothing we know
        wanted = [*drafts.get(connection, ident).statements]
    rows = connection.execute(sa.select(_OUTBOX).where(_OUTBOX.c.statement_id.in_(wanted)).order_by(_OUTBOX.c.id))
    return [_own(row) for row in rows]


def name_of(who: str, roster: Roster) -> str:
    """A member by its full name and id."""
    known = roster.member_table.get(who)
    return who if known is None else f"{known.name} ({who})"


def _told(connection: Connection, one: Own, roster: Roster) -> Told:
    said = one.statement
    marking = "" if said.tlp is None else f", {said.tlp.label}"
    real = said.realm == sharing.REAL
    seen = [item for ref in (said.objects if real else ()) for item in sightings.seen_of(connection, ref.id)]
    return Told(
        statement_id=said.id,
        headline=f"{said.kind} {said.id}{marking}, {'' if real else said.realm + ', '}issued {_at(said.issued)}",
        state=_state_text(one),
        fates=() if one.index is None else _fates(connection, one.index, said, roster),
        seen=tuple((item, sightings.describe(item, roster)) for item in seen),
    )


def _state_text(one: Own) -> str:
    if one.index is None:
        return f"refused by the hub: {one.text}" if one.state == outbox.REFUSED else "waits for the hub"
    verified = "verified by us" if one.state == outbox.CLEARED else "as the hub says, not yet verified by us"
    return f"in the log at index {one.index}, {verified}"


def _fates(connection: Connection, index: int, said: Statement, roster: Roster) -> tuple[Fate, ...]:
    known = {item.member: item for item in receipts.deliveries(connection, index)}
    audience = sharing.audience_of(said)
    return tuple(
        _fate(who, name_of(who, roster), known.get(who), sharing.explain(audience, who, roster))
        for who in sorted((roster.members() | known.keys()) - {said.issuer})
    )


def _fate(who: str, name: str, known: DeliveryState | None, decision: sharing.Decision) -> Fate:
    if known is not None:
        for state, at_ms in (
            ("retracted", known.retracted_ms),
            ("seen", known.seen_ms),
            ("delivered", known.delivered_ms),
        ):
            if at_ms is not None:
                return Fate(member=who, name=name, state=state, at=from_ms(at_ms))
    if not decision.allowed:
        return Fate(member=who, name=name, state=NOT_ENTITLED, at=None, reason=_sentences(decision))
    since = None if known is None else from_ms(known.expected_ms)
    return Fate(member=who, name=name, state="unacknowledged", at=since)


def _fate_text(fate: Fate) -> str:
    if fate.state == NOT_ENTITLED:
        return f"not entitled. {fate.reason}"
    if fate.state == "unacknowledged":
        return "unacknowledged" if fate.at is None else f"unacknowledged since {_at(fate.at)}"
    signed = {"delivered": "delivered, signed", "seen": "seen by an officer, signed", "retracted": "retracted, signed"}
    return f"{signed[fate.state]} {'' if fate.at is None else _at(fate.at)}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _sentences(decision: sharing.Decision) -> str:
    return " ".join(reason.sentence for reason in decision.reasons)


def _own(row: Row[Any]) -> Own:
    opened = decode_envelope(row.envelope)
    values = row._mapping  # noqa: SLF001  # the documented view; a row's own ``index`` is a method
    return Own(
        statement=statement.decode(opened.statement),
        envelope=opened,
        state=row.state,
        index=values["index"],
        text=row.text,
    )
