"""Who would read it, who did, and why not: answers for the author alone.

Before publishing, ``preview`` names the readers that the roster gives, the hub's operators among them; it needs no
connection and says how old the roster is. Afterwards ``explain`` says for each member what is known: delivered and
seen are signed by the receiving node. For everybody but the author, an id that is hidden, one that belongs to another
port and one that does not exist get one and the same answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import drafts, outbox, publish, receipts, sightings, store, tables
from node.drafts import Proposal
from node.receipts import DeliveryState
from port2port import sharing, statement
from port2port.clock import from_ms, to_ms
from port2port.errors import NotFoundError
from port2port.ids import is_stix_id
from port2port.roster import Roster
from port2port.statement import Statement
from port2port.wire import decode_envelope

_OUTBOX: Final = tables.Outbox.__table__  # type: ignore[attr-defined]  # SQLModel adds it
NOT_OURS: Final = "Nothing of this id was published by this port. Only the author of a statement can ask who got it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One of our statements, with the hub's answer so far."""

    statement: Statement
    state: str
    index: int | None
    text: str


def preview(connection: Connection, member: str, proposal: Proposal, roster: Roster, now: datetime) -> list[str]:
    """Every member by name with the rule that decides, then the hub's operators. Raises UnknownGroupError."""
    seen = publish.log_seen(connection)
    said = publish.draft_statement(member, proposal, roster, now=now, seen=seen)
    rows = sharing.resolve_readers(sharing.audience_of(said), roster, said.purpose)
    readers = [(who, decision) for who, decision in rows if decision.allowed and who != member]
    lines = [f"{proposal.tlp.label}: {len([who for who, _ in readers if who != sharing.HUB_OPERATORS])} other members"]
    lines += [f"  reads     {name_of(who, roster)}: {_sentences(decision)}" for who, decision in readers]
    lines += [
        f"  does not  {name_of(who, roster)}: {_sentences(decision)}" for who, decision in rows if not decision.allowed
    ]
    return [*lines, roster_age(connection, roster, now)]


def roster_age(connection: Connection, roster: Roster, now: datetime) -> str:
    """How old what we know of the members is."""
    head = store.head(connection)
    minutes = max(0, (to_ms(now) - head.verified_at_ms) // 60_000)
    old = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} days"
    return f"roster version {roster.version}, verified {old} ago at {from_ms(head.verified_at_ms):%Y-%m-%d %H:%M} UTC"


def explain(connection: Connection, member: str, ident: str, roster: Roster) -> list[str]:
    """What became of a statement of ours, member by member; ``NOT_OURS`` for everything else, whatever it is."""
    own = [one for one in find_own(connection, ident) if one.statement.issuer == member]
    if not own:
        return [NOT_OURS]
    lines: list[str] = []
    for one in own:
        lines += _of_statement(connection, one, roster)
        lines += [
            f"  {sightings.describe(seen, roster)}"
            for ref in one.statement.objects
            for seen in sightings.seen_of(connection, ref.id)
        ]
    return lines


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


def _of_statement(connection: Connection, one: Own, roster: Roster) -> list[str]:
    said = one.statement
    marking = "" if said.tlp is None else f", {said.tlp.label}"
    head = f"{said.kind} {said.id}{marking}, issued {said.issued:%Y-%m-%d %H:%M:%S} UTC"
    if one.index is None:
        waits = {
            outbox.QUEUED: "waits for the hub",
            outbox.REFUSED: f"refused by the hub: {one.text}",
        }
        return [head, f"  {waits.get(one.state, one.state)}"]
    known = {item.member: item for item in receipts.deliveries(connection, one.index)}
    audience = sharing.audience_of(said)
    lines = [head, f"  in the log at index {one.index}{'' if one.state == outbox.CLEARED else ' (as the hub says)'}"]
    for who in sorted((roster.members() | known.keys()) - {said.issuer}):
        decision = sharing.explain(audience, who, roster)
        lines.append(f"  {name_of(who, roster)}: {_fate(known.get(who), decision)}")
    return lines


def _fate(known: DeliveryState | None, decision: sharing.Decision) -> str:
    parts = []
    if known is not None and known.delivered_ms is not None:
        parts.append(f"delivered (signed) {_at(known.delivered_ms)}")
    if known is not None and known.seen_ms is not None:
        parts.append(f"seen by an officer {_at(known.seen_ms)}")
    if known is not None and known.retracted_ms is not None:
        parts.append(f"retracted there {_at(known.retracted_ms)}")
    if parts:
        return ", ".join(parts)
    if not decision.allowed:
        return f"not entitled: {_sentences(decision)}"
    return "entitled, nothing heard yet" if known is None else f"unacknowledged since {_at(known.expected_ms)}"


def _at(ms: int) -> str:
    return f"{from_ms(ms):%Y-%m-%d %H:%M:%S} UTC"


def _sentences(decision: sharing.Decision) -> str:
    reasons: Sequence[sharing.Reason] = decision.reasons
    return " ".join(reason.sentence for reason in reasons)


def _own(row: Row[Any]) -> Own:
    values = row._mapping  # noqa: SLF001  # the documented view; a row's own ``index`` is a method
    return Own(
        statement=statement.decode(decode_envelope(row.envelope).statement),
        state=row.state,
        index=values["index"],
        text=row.text,
    )
