"""Incidents: entries of the log that people handle as one, with a lead, notes and clocks.

An incident is its events, and an event is about one entry and told to those who may read that entry, nobody else: a
reader's incident is folded from the events he may read. There is no state beside the events, and none is ever changed
or removed. State only advances: open, acknowledged, contained, closed; a merged incident is part of another until the
merge is taken back. Two people never hold the lead: it is offered by the one and taken by the other.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.picture import Item, Reading, items_at, one_item
from hub.picture.reading import rows
from hub.store import audit, lock_head
from hub.tables import BODY, INCIDENT_EVENT, PICTURE_ITEM
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.errors import ConflictError, NotFoundError, PolicyError
from port2port.statement import decode
from port2port.wire import decode_envelope

STATES: Final = ("open", "acknowledged", "contained", "closed")
OUTCOMES: Final = ("true-positive", "false-positive", "exercise", "duplicate", "handed-to-authority")
NOTE_CHARS: Final = 2_000
SIGNIFICANT: Final = "significant"
CLOCKS: Final = {
    "acknowledge": timedelta(minutes=5),
    "contain": timedelta(minutes=60),
    "nis2-warning": timedelta(hours=24),
    "nis2-notification": timedelta(hours=72),
    "nis2-final": timedelta(days=30),
    "gdpr": timedelta(hours=72),
}
_STOPS: Final = {"acknowledge": "acknowledged", "contain": "contained"}
_REPORTED: Final = frozenset({"nis2-warning", "nis2-notification", "nis2-final", "gdpr"})


class IncidentError(PolicyError):
    """This cannot be done with the incident as it stands; the text says why."""

    code = "INCIDENT"


class NoIncidentError(NotFoundError):
    """There is no such incident."""

    code = "NO_INCIDENT"


class IncidentMovedError(ConflictError):
    """Somebody else did something with it since it was shown."""

    code = "INCIDENT_MOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A person at the hub's console: pseudonym and member."""

    pseudonym: str
    member: str

    @property
    def name(self) -> str:
        """Both, as audit rows and events have it."""
        return f"{self.member}/{self.pseudonym}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step, as its reader may see it."""

    at: datetime
    about: int
    who: str
    what: str
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClock:
    """``stopped_at`` is when it was done; late means that it was done, or now is, after ``due``."""

    name: str
    due: datetime
    stopped_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as far as its reader may know of it. ``lead`` and ``offered_to`` are ``member/pseudonym``.

    ``version`` counts the events seen: a change names the version that it was decided on.
    """

    id: str
    opened_at: datetime
    state: str
    lead: str
    offered_to: str
    items: tuple[Item, ...]
    events: tuple[Event, ...]
    clocks: tuple[IncidentClock, ...]
    significant: bool
    outcome: str
    merged_into: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    opened_at: datetime
    state: str = "open"
    lead: str = ""
    offered_to: str = ""
    items: frozenset[int] = frozenset()
    stops: Mapping[str, datetime] | None = None
    significant_at: datetime | None = None
    personal_at: datetime | None = None
    outcome: str = ""
    merged_into: str = ""


def board(connection: Connection, reading: Reading, *, closed: bool = False) -> tuple[Incident, ...]:
    """The incidents that the reader may know of, newest first; closed and merged ones only on request."""
    found = _read(connection, reading, None)
    shown = [one for one in found if closed or (one.state != "closed" and not one.merged_into)]
    return tuple(sorted(shown, key=lambda one: (one.opened_at, one.id), reverse=True))


def incident(connection: Connection, reading: Reading, ident: str) -> Incident:
    """One incident. Raises NoIncidentError, the same for what is hidden and what is not there."""
    for found in _read(connection, reading, ident):
        return found
    raise NoIncidentError("there is no such incident")


def open_incident(
    connection: Connection, reading: Reading, who: Who, index: int, *, note: str = "", ident: str = ""
) -> str:
    """A new incident about an entry, led by whoever opens it; its id, random unless given. Raises NotFoundError."""
    item = one_item(connection, reading, index)
    ident = ident or secrets.token_hex(8)
    facts: dict[str, Json] = {"personal": _personal(connection, item.index)}
    _write(connection, reading, who, ident, item.index, "open", facts)
    if note:
        add_note(connection, reading, who, ident, note)
    return ident


def link(connection: Connection, reading: Reading, who: Who, ident: str, indices: Iterable[int]) -> None:
    """Add entries. Raises NoIncidentError, NotFoundError or IncidentError."""
    known = _live(connection, reading, ident)
    there = {item.index for item in known.items}
    for index in sorted(set(indices) - there):
        item = one_item(connection, reading, index)
        _write(connection, reading, who, ident, item.index, "link", {"personal": _personal(connection, item.index)})


def unlink(connection: Connection, reading: Reading, who: Who, ident: str, index: int, *, reason: str) -> None:
    """Take an entry out again; the last one stays. Raises as ``link``."""
    known = _live(connection, reading, ident)
    if index not in {item.index for item in known.items}:
        raise NotFoundError("there is no such entry in this incident")
    if len(known.items) == 1:
        raise IncidentError("an incident keeps at least one entry")
    _write(connection, reading, who, ident, index, "unlink", {"reason": _text(reason)})


def add_note(
    connection: Connection, reading: Reading, who: Who, ident: str, text: str, *, about: int | None = None
) -> None:
    """A note about one of its entries, by default the first: its readers alone read it. Raises as ``link``."""
    known = incident(connection, reading, ident)
    index = _first(known) if about is None else about
    if index not in {item.index for item in known.items}:
        raise NotFoundError("there is no such entry in this incident")
    _write(connection, reading, who, ident, index, "note", {"text": _text(text)})


def advance(connection: Connection, reading: Reading, who: Who, ident: str, state: str, *, outcome: str = "") -> None:
    """To acknowledged, contained or closed (with an outcome), never back. Raises NoIncidentError or IncidentError."""
    known = _live(connection, reading, ident)
    if state not in STATES or STATES.index(state) <= STATES.index(known.state):
        raise IncidentError(f"it is {known.state} already; an incident only advances")
    if (state == "closed") != (outcome in OUTCOMES):
        raise IncidentError("closing, and nothing else, takes an outcome from the list")
    if state == "closed":
        _require_lead(known, who)
    _write(connection, reading, who, ident, _first(known), state, {"outcome": outcome})


def tick_significant(connection: Connection, reading: Reading, who: Who, ident: str, *, reason: str) -> None:
    """Say that it is significant under NIS 2: its three clocks run from now. Raises as ``advance``."""
    known = _live(connection, reading, ident)
    if known.significant:
        raise IncidentError("it is significant already")
    _write(connection, reading, who, ident, _first(known), SIGNIFICANT, {"reason": _text(reason)})


def reported(connection: Connection, reading: Reading, who: Who, ident: str, clock: str, *, reference: str) -> None:
    """A legal clock stops: the authority was told, under this reference. Raises as ``advance``."""
    known = incident(connection, reading, ident)
    running = {one.name for one in known.clocks if one.stopped_at is None}
    if clock not in _REPORTED & running:
        raise IncidentError("this clock does not run")
    _write(connection, reading, who, ident, _first(known), "reported", {"clock": clock, "reference": _text(reference)})


def take_lead(connection: Connection, reading: Reading, who: Who, ident: str) -> None:
    """Take the lead that was offered to one, or that nobody has. Raises as ``advance``."""
    known = _live(connection, reading, ident)
    if known.lead and known.offered_to != who.name:
        raise IncidentError(f"the lead is {known.lead}: it must be offered to you first")
    _write(connection, reading, who, ident, _first(known), "lead", {"from": known.lead})


def offer_lead(connection: Connection, reading: Reading, who: Who, ident: str, to: Who) -> None:
    """Offer the lead to somebody, who takes it or not. Raises as ``advance``."""
    known = _live(connection, reading, ident)
    _require_lead(known, who)
    if to.name == who.name:
        raise IncidentError("offer it to somebody else")
    _write(connection, reading, who, ident, _first(known), "offer", {"to": to.name})


def merge(connection: Connection, reading: Reading, who: Who, ident: str, into: str) -> None:
    """Make one incident part of another, which gets its entries. Raises as ``advance``."""
    known, other = _live(connection, reading, ident), _live(connection, reading, into)
    if known.id == other.id:
        raise IncidentError("an incident is not part of itself")
    # Told to those who may know of both: for others there is no other incident to be part of.
    _write(connection, reading, who, ident, _first(other), "merge", {"into": other.id})
    link(connection, reading, who, into, [item.index for item in known.items])


def unmerge(connection: Connection, reading: Reading, who: Who, ident: str) -> None:
    """Take a merge back: it is an incident of its own again, with its entries and its state. Raises as ``advance``."""
    known = incident(connection, reading, ident)
    if not known.merged_into:
        raise IncidentError("it is not part of another incident")
    other = next(event.about for event in reversed(known.events) if event.what == "merge")
    _write(connection, reading, who, ident, other, "unmerge", {"from": known.merged_into})


def require_version(known: Incident, version: int) -> None:
    """That nothing happened since a page showed it. Raises IncidentMovedError."""
    if known.version != version:
        raise IncidentMovedError("somebody did something with this incident since: look again")


# --- events -------------------------------------------------------------------------------------------------------


def _read(connection: Connection, reading: Reading, ident: str | None) -> list[Incident]:
    query = sa.select(INCIDENT_EVENT).where(reading.sees(INCIDENT_EVENT.c.visibility))
    if ident is not None:
        query = query.where(INCIDENT_EVENT.c.incident == ident)
    by_incident: dict[str, list[Any]] = defaultdict(list)
    for row in rows(connection, query.order_by(INCIDENT_EVENT.c.number)):
        by_incident[row.incident].append(row)
    folded = [_incident(connection, reading, name, found) for name, found in by_incident.items()]
    return [one for one in folded if one.items]


def _incident(connection: Connection, reading: Reading, ident: str, found: list[Any]) -> Incident:
    events = [
        Event(at=from_ms(row.at_ms), about=row.about, who=row.who, what=row.what, facts=orjson.loads(row.facts))
        for row in found
    ]
    state = _Folded(opened_at=events[0].at)
    for event in events:
        state = _step(state, event)
    return Incident(
        id=ident,
        opened_at=state.opened_at,
        state=state.state,
        lead=state.lead,
        offered_to=state.offered_to,
        items=items_at(connection, reading, state.items),
        events=tuple(events),
        clocks=_clocks(state, reading.now),
        significant=state.significant_at is not None,
        outcome=state.outcome,
        merged_into=state.merged_into,
        version=len(events),
    )


def _step(state: _Folded, event: Event) -> _Folded:
    facts, what = event.facts, event.what
    if facts.get("personal") is True and state.personal_at is None:
        state = replace(state, personal_at=event.at)
    if what in {"open", "link"}:
        state = replace(state, items=state.items | {event.about})
    elif what == "unlink":
        state = replace(state, items=state.items - {event.about})
    if what in {"open", "lead"}:
        return replace(state, lead=event.who, offered_to="")
    if what in STATES:
        return _advanced(state, event)
    changes: dict[str, dict[str, Any]] = {
        "offer": {"offered_to": str(facts.get("to"))},
        "merge": {"merged_into": str(facts.get("into"))},
        "unmerge": {"merged_into": ""},
        SIGNIFICANT: {"significant_at": event.at},
        "reported": {"stops": {**(state.stops or {}), str(facts.get("clock")): event.at}},
    }
    return replace(state, **changes.get(what, {}))


def _advanced(state: _Folded, event: Event) -> _Folded:
    stops = dict(state.stops or {})
    for clock, at_state in _STOPS.items():
        if STATES.index(event.what) >= STATES.index(at_state):
            stops.setdefault(clock, event.at)
    return replace(state, state=event.what, stops=stops, outcome=str(event.facts.get("outcome", "")))


def _clocks(state: _Folded, now: datetime) -> tuple[IncidentClock, ...]:
    starts = {"acknowledge": state.opened_at, "contain": state.opened_at}
    if state.significant_at is not None:
        starts.update(dict.fromkeys(("nis2-warning", "nis2-notification", "nis2-final"), state.significant_at))
    if state.personal_at is not None:
        starts["gdpr"] = state.personal_at
    stops = state.stops or {}
    return tuple(
        IncidentClock(
            name=name,
            due=start + CLOCKS[name],
            stopped_at=stops.get(name),
            late=stops.get(name, now) > start + CLOCKS[name],
        )
        for name, start in starts.items()
    )


def _live(connection: Connection, reading: Reading, ident: str) -> Incident:
    """One that can still change. The head's lock makes whoever writes next see what was written before."""
    lock_head(connection)
    known = incident(connection, reading, ident)
    if known.state == "closed" or known.merged_into:
        raise IncidentError("it is closed, or part of another incident")
    return known


def _first(known: Incident) -> int:
    """The entry that the incident was opened about, as far as its reader may know."""
    there = {item.index for item in known.items}
    return next(event.about for event in known.events if event.about in there)


def _require_lead(known: Incident, who: Who) -> None:
    if known.lead != who.name:
        raise IncidentError("only the lead can do this")


def _text(given: str) -> str:
    text = given.strip()
    if not 0 < len(text) <= NOTE_CHARS:
        raise IncidentError(f"say why, in at most {NOTE_CHARS} characters")
    return text


def _personal(connection: Connection, index: int) -> bool:
    raw = connection.execute(sa.select(BODY.c.envelope).where(BODY.c.index == index)).scalar_one()
    return decode(decode_envelope(bytes(raw)).statement).personal_data


def _write(  # noqa: PLR0917  # an event column by column, private to this module
    connection: Connection, reading: Reading, who: Who, ident: str, about: int, what: str, facts: Mapping[str, Json]
) -> None:
    lock_head(connection)
    visibility = sa.select(PICTURE_ITEM.c.visibility).where(PICTURE_ITEM.c.index == about)
    highest = sa.select(sa.func.max(INCIDENT_EVENT.c.number)).where(INCIDENT_EVENT.c.incident == ident)
    row = {
        "id": secrets.token_hex(16),
        "incident": ident,
        "number": (connection.execute(highest).scalar() or 0) + 1,
        "at_ms": to_ms(reading.now),
        "about": about,
        "visibility": connection.execute(visibility).scalar_one(),
        "member": who.member,
        "who": who.name,
        "what": what,
        "facts": canonical.dumps(dict(facts)).decode(),
    }
    connection.execute(INCIDENT_EVENT.insert(), [row])
    about_it = {"about": about, "incident": ident, "who": who.name}
    audit(connection, at_ms=to_ms(reading.now), event=f"incident.{what}", member=who.member, facts=about_it)
