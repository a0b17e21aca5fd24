"""A draft as its page shows it, and what an officer's form makes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy.engine import Connection
from starlette.datastructures import FormData

from node import explain, redaction, review
from node.acts import reach
from node.console.evidence_points import Point, points_of
from node.drafts import Draft, Proposal
from node.redaction import KEPT_FIELDS, Choices, Found
from node.review import Choice
from port2port.clock import from_ms
from port2port.errors import MalformedError
from port2port.roster import Roster
from port2port.statement import PURPOSES
from port2port.tlp import Tlp
from port2port.tlp import parse as tlp_of

MARKINGS: Final = (Tlp.AMBER_STRICT, Tlp.AMBER, Tlp.GREEN, Tlp.CLEAR)
HANDLINGS: Final = ("act", "call_first", "observe_only")
HOURS: Final = ("6", "24", "72", "168", "720")
TO_ALL: Final = frozenset({Tlp.CLEAR, Tlp.GREEN})
_REASONS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One measured number beside its limit."""

    name: str
    value: float
    unit: str
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One raw line of evidence; ``at`` is its place in the draft."""

    at: int
    station: str
    source_class: str
    observed: datetime
    received: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object that would be published: its exact bytes, and the fields that can be left out of it."""

    id: str
    kind: str
    name: str
    raw: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything the page shows of a draft that it does not read from the draft itself."""

    title: str
    numbers: tuple[Number, ...]
    lines: tuple[Line, ...]
    things: tuple[Thing, ...]
    personal: tuple[Found, ...]
    points: tuple[Point, ...] = ()
    valid_until: datetime | None = None

    @property
    def points_json(self) -> str:
        """The positions as the map reads them."""
        return orjson.dumps([point.to_json() for point in self.points]).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A member who would read it, or why not; ``is_new`` where it read none of the last publications."""

    member: str
    name: str
    reads: bool
    reason: str
    is_new: bool
    is_member: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who would read a proposal, by name. ``roster_age`` says how old what we know of them is."""

    reads: tuple[Reading, ...]
    others: tuple[Reading, ...]
    roster_age: str

    @property
    def nobody(self) -> bool:
        """Whether publishing would tell no member: the hub's operators alone are nobody to tell."""
        return not any(one.is_member for one in self.reads)


def shown(draft: Draft) -> Shown:
    """What the page shows."""
    return Shown(
        title=review.headline(draft),
        numbers=_numbers(draft.why.get("numbers")),
        lines=tuple(_line(at, line) for at, line in enumerate(draft.evidence)),
        things=tuple(_thing(raw) for raw in draft.proposal.objects),
        personal=tuple(redaction.scan(draft.proposal)),
        points=points_of(draft.evidence),
        valid_until=_valid_until(draft.proposal),
    )


def readers(
    connection: Connection, member: str, proposal: Proposal, roster: Roster, *, usual: Iterable[str], now: datetime
) -> Readers:
    """Every other member with the rule that decides. Raises UnknownGroupError."""
    preview = explain.preview(connection, member, proposal, roster, now)
    known = reach.known(connection, roster, usual=usual)
    rows = [
        Reading(
            member=row.member,
            name=row.name,
            reads=row.state == "reads",
            reason=row.reason,
            is_new=row.member not in known and roster.is_member(row.member),
            is_member=roster.is_member(row.member),
        )
        for row in preview.rows
    ]
    return Readers(
        reads=tuple(row for row in rows if row.reads),
        others=tuple(row for row in rows if not row.reads),
        roster_age=preview.roster_age,
    )


def groups_of(roster: Roster) -> list[tuple[str, list[str]]]:
    """Every sharing group with the names of its members."""
    found = []
    for name in sorted({known for known, _ in roster.groups}):
        version = roster.latest_group(name)
        members = roster.group(name, version) if version is not None else None
        found.append((name, sorted(explain.name_of(one, roster) for one in members or ())))
    return found


def choice_of(form: FormData, now: datetime) -> Choice:
    """What an officer chose, ``now``. Raises MalformedError."""
    marking = _one(form, "tlp")
    handling = _one(form, "handling")
    if handling and handling not in HANDLINGS:
        raise MalformedError("there is no such handling")
    tlp = tlp_of(marking) if marking else None
    to_all = tlp in TO_ALL
    return Choice(
        tlp=tlp,
        groups=() if to_all else tuple(_many(form, "group")),
        recipients=() if to_all else tuple(_many(form, "recipient")),
        handling=handling or None,
        personal_data=_one(form, "personal") == "yes",
        suspect=_one(form, "suspect") or None,
        purpose=_purpose(form),
        pictures=frozenset(_many(form, "picture")) if _one(form, "pictures") == "asked" else None,
        relates=tuple(_many(form, "relates")),
        valid_until=_until(_one(form, "hours"), now),
    )


def _purpose(form: FormData) -> str | None:
    found = _one(form, "purpose")
    if found and found not in PURPOSES:
        raise MalformedError("there is no such purpose")
    return found or None


def _until(hours: str, now: datetime) -> datetime | None:
    if not hours:
        return None
    if hours not in HOURS:
        raise MalformedError("there is no such time of validity")
    return now + timedelta(hours=int(hours))


def left_out(form: FormData) -> Choices:
    """What he unticked: ``object:<id>``, ``field:<id> <pointer>``, ``line:<place>``. Raises MalformedError."""
    objects, fields, lines = set(), set(), set()
    for text in _many(form, "out"):
        kind, _, value = text.partition(":")
        ident, _, path = value.partition(" ")
        if kind == "object":
            objects.add(value)
        elif kind == "field" and path:
            fields.add((ident, path))
        elif kind == "line" and value.isascii() and value.isdigit() and len(value) < 6:
            lines.add(int(value))
        else:
            raise MalformedError("the form names something that cannot be left out")
    return Choices(objects=frozenset(objects), fields=frozenset(fields), lines=frozenset(lines))


def after(draft: Draft, choice: Choice, out: Choices) -> Proposal:
    """The proposal as it would be frozen. Raises RedactionError."""
    return redaction.redact(review.chosen(draft.proposal, choice), draft.evidence, out).proposal


def _valid_until(proposal: Proposal) -> datetime | None:
    found = [text for raw in proposal.objects if (text := orjson.loads(raw).get("valid_until"))]
    return max(map(datetime.fromisoformat, found), default=None)


def _numbers(value: Any) -> tuple[Number, ...]:
    items = value.items() if isinstance(value, dict) else ()
    return tuple(
        Number(name=name.replace("_", " "), value=one["value"], unit=one["unit"], limit=one["limit"])
        for name, one in items
        if isinstance(one, dict)
    )


def _line(at: int, line: Mapping[str, Any]) -> Line:
    raw = base64.b64decode(line["line"])
    return Line(
        at=at,
        station=str(line["station"]),
        source_class=str(line["source_class"]).replace("_", " "),
        observed=from_ms(line["observed_ms"]),
        received=from_ms(line["received_ms"]),
        text=raw.decode(errors="backslashreplace"),
    )


def _thing(raw: bytes) -> Thing:
    data = orjson.loads(raw)
    return Thing(
        id=data["id"],
        kind=data["type"],
        name=str(data.get("name") or data.get("abstract") or data.get("value") or data["type"]),
        raw=raw.decode(),
        fields=tuple(
            (f"/{name}", _short(value))
            for name, value in data.items()
            if name not in KEPT_FIELDS and not name.endswith(("_ref", "_refs"))
        ),
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _REASONS else f"{text[:_REASONS]}…"


def _one(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise MalformedError("this form takes no files")
    return value.strip()


def _many(form: FormData, name: str) -> Sequence[str]:
    values = form.getlist(name)
    if not all(isinstance(value, str) for value in values):
        raise MalformedError("this form takes no files")
    return [str(value) for value in values]
