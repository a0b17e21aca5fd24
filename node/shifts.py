"""The change of shift: all that the next officer must know, on one page, handed over by one and accepted by the other.

The page is read from the node as it stands; the outgoing officer adds what no table knows. When he hands over, what
stood on it is kept with his lines, and both officers' words for it are lines of the audit trail, signed with their keys
where these are at hand. Nothing waits for a hand-over: findings and alarms go to whoever is on duty by the rota.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import act_store, alarms, drafts, explain, hits, indicators, review, sightings, store, suppressions, tables
from node import works as expected
from node.act_store import Prepared
from node.alarms import RaisedAlarm
from node.drafts import Draft
from node.hits import Hit
from node.publish import Officer
from node.store import AuditLine
from node.suppressions import Suppression
from node.visits import ANYWHERE
from node.works import Standing
from port2port import canonical
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import ConflictError, NotFoundError, PolicyError
from port2port.roster import Roster

_TABLE: Final = tables.HandoverRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # as above
_RECEIPT: Final = tables.Receipt.__table__  # type: ignore[attr-defined]  # as above
_COVERAGE: Final = tables.CoverageRow.__table__  # type: ignore[attr-defined]  # as above
FIRST_LOOK: Final = timedelta(hours=24)
FARTHEST: Final = timedelta(days=14)
SILENT_AFTER: Final = timedelta(minutes=20)
KNOWN_FOR: Final = timedelta(days=7)
LED_FOR: Final = timedelta(days=30)
LINES: Final = 20
LINE_CHARS: Final = 500
UNSEEN_MOST: Final = 200
_MINUTE: Final = timedelta(minutes=1)


class ShiftError(PolicyError):
    """A hand-over that says too much, or that its own author would accept."""

    code = "SHIFT"


class NoHandoverError(NotFoundError):
    """There is no hand-over of this number."""

    code = "NO_HANDOVER"


class HandoverTakenError(ConflictError):
    """Somebody accepted this hand-over already."""

    code = "HANDOVER_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What another port said and no officer here has opened."""

    index: int
    statement_id: str
    kind: str
    issuer: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorOut:
    """A station that was heard within the week and is silent now; ``last_heard`` to the minute."""

    station: str
    last_heard: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """A report of ours that another port saw something by. ``after`` is from publishing to its first word of it."""

    draft: str
    by: str
    port: str
    told_at: datetime
    after: timedelta
    looked_back: bool

    @property
    def minutes(self) -> int:
        """Whole minutes, for a sentence."""
        return int(self.after / _MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """``page`` is what stood on it, by ids; ``incoming`` is empty until somebody accepts."""

    id: int
    outgoing: str
    made_at: datetime
    lines: tuple[str, ...]
    page: Mapping[str, Any]
    digest: str
    incoming: str = ""
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on the page of a shift, in the order in which it is printed."""

    officer: str
    since: datetime
    now: datetime
    alarms: tuple[RaisedAlarm, ...]
    drafts: tuple[Draft, ...]
    acts: tuple[Prepared, ...]
    hits: tuple[Hit, ...]
    unseen: tuple[Unseen, ...]
    sensors: tuple[SensorOut, ...]
    works: tuple[Standing, ...]
    suppressions: tuple[tuple[Suppression, int], ...]
    led: tuple[Led, ...]
    waiting: Handover | None

    def ids(self) -> dict[str, canonical.Json]:
        """What is kept of it when it is handed over."""
        return {
            "acts": [act.id for act in self.acts],
            "alarms": [f"{alarm.code.value} {alarm.subject}".strip() for alarm in self.alarms],
            "drafts": [draft.id for draft in self.drafts],
            "hits": [hit.id for hit in self.hits],
            "sensors": [sensor.station for sensor in self.sensors],
            "since": to_text(self.since),
            "suppressions": [one.id for one, _ in self.suppressions],
            "unseen": [item.statement_id for item in self.unseen],
            "works": [standing.work.id for standing in self.works],
        }


# --- the page -----------------------------------------------------------------------------------------------------


def page(connection: Connection, officer: str, roster: Roster | None, now: datetime) -> Page:
    """What has become of the port since this officer's last shift, and what waits for the next."""
    since = last_shift(connection, officer, now)
    counts = drafts.suppressed_count(connection, since)
    silencing = suppressions.in_force(connection, now)
    return Page(
        officer=officer,
        since=since,
        now=now,
        alarms=tuple(alarms.standing(connection)),
        drafts=tuple(drafts.listed(connection)),
        acts=tuple(act_store.listed(connection)),
        hits=tuple(hits.undecided(connection, now)),
        unseen=tuple(unseen(connection, since)),
        sensors=tuple(sensors_out(connection, now)),
        works=tuple(expected.listed(connection, now, since=since)),
        suppressions=tuple((one, counts.get(one.id, 0)) for one in sorted(silencing, key=lambda one: one.expires_at)),
        led=tuple(led_to(connection, officer, roster, since=since)),
        waiting=waiting(connection),
    )


def last_shift(connection: Connection, officer: str, now: datetime) -> datetime:
    """When this officer handed over last; a day ago for one who never did, and at most two weeks."""
    made_ms = connection.scalar(sa.select(sa.func.max(_TABLE.c.made_ms)).where(_TABLE.c.outgoing == officer))
    return now - FIRST_LOOK if made_ms is None else max(from_ms(made_ms), now - FARTHEST)


def unseen(connection: Connection, since: datetime, *, limit: int = UNSEEN_MOST) -> list[Unseen]:
    """What others have said since then and nobody here has opened, the newest first."""
    opened = sa.exists().where(_RECEIPT.c.index == _ENTRY.c.index, _RECEIPT.c.state == "seen")
    query = (
        sa.select(_ENTRY.c.index, _ENTRY.c.statement_id, _ENTRY.c.kind, _ENTRY.c.issuer, _ENTRY.c.received_ms)
        .where(_ENTRY.c.kind.in_((*indicators.CARRIERS, "note", "incident", "level")), ~_ENTRY.c.own, ~_ENTRY.c.control)
        .where(_ENTRY.c.received_ms >= to_ms(since), _ENTRY.c.realm == indicators.REAL, ~opened)
        .order_by(_ENTRY.c.index.desc())
        .limit(limit)
    )
    return [
        Unseen(index=index, statement_id=statement_id, kind=kind, issuer=issuer, received_at=from_ms(received_ms))
        for index, statement_id, kind, issuer, received_ms in connection.execute(query)
    ]


def sensors_out(connection: Connection, now: datetime) -> list[SensorOut]:
    """Stations heard within the week and silent for twenty minutes, the longest silent first."""
    query = sa.select(_COVERAGE.c.station, _COVERAGE.c.hour_ms, _COVERAGE.c.minutes).where(
        _COVERAGE.c.place == ANYWHERE, _COVERAGE.c.hour_ms > to_ms(now - KNOWN_FOR), _COVERAGE.c.minutes > 0
    )
    last: dict[str, datetime] = {}
    for station, hour_ms, minutes in connection.execute(query):
        heard = from_ms(hour_ms) + (minutes.bit_length() - 1) * _MINUTE
        last[station] = max(heard, last.get(station, heard))
    found = [SensorOut(station=name, last_heard=at) for name, at in last.items() if now - at > SILENT_AFTER]
    return sorted(found, key=lambda one: (one.last_heard, one.station))


def led_to(connection: Connection, officer: str, roster: Roster | None, *, since: datetime) -> list[Led]:
    """What others saw by this officer's reports and told us since then, the newest first; each port once per report."""
    found: dict[tuple[str, str], Led] = {}
    for draft in drafts.listed(connection, drafts.PUBLISHED):
        if draft.why.get("author") != officer or draft.made_at < since - LED_FOR:
            continue
        for one in _sightings_of(connection, draft, roster):
            known = found.get((one.draft, one.by))
            if known is None or one.told_at < known.told_at:
                found[one.draft, one.by] = one
    return sorted((one for one in found.values() if one.told_at >= since), key=lambda one: one.told_at, reverse=True)


def _sightings_of(connection: Connection, draft: Draft, roster: Roster | None) -> list[Led]:
    return [
        Led(
            draft=draft.id,
            by=seen.by,
            port=_name(seen.by, roster),
            told_at=seen.told_at,
            after=max(seen.told_at - own.statement.issued, timedelta(0)),
            looked_back=seen.looking == "back",
        )
        for own in explain.find_own(connection, draft.id)
        for ref in own.statement.objects
        for seen in sightings.seen_of(connection, ref.id)
        if seen.count
    ]


def _name(member: str, roster: Roster | None) -> str:
    known = None if roster is None else roster.member_table.get(member)
    return member if known is None else known.name


# --- handing over -------------------------------------------------------------------------------------------------


def hand_over(
    connection: Connection, shown: Page, lines: Sequence[str], *, now: datetime, key: Officer | None = None
) -> Handover:
    """Keep the page with the outgoing officer's lines, for another to accept. Raises ShiftError."""
    said = [line.strip() for line in lines if line.strip()]
    if len(said) > LINES or any(len(line) > LINE_CHARS for line in said):
        raise ShiftError(f"at most {LINES} lines of {LINE_CHARS} characters")
    body = canonical.dumps({"lines": [*said], "outgoing": shown.officer, "page": shown.ids()})
    values = {"outgoing": shown.officer, "incoming": "", "made_ms": to_ms(now), "body": body}
    made = _of_row(connection.execute(sa.insert(_TABLE).values(values).returning(_TABLE)).one())
    _sign_off(connection, made, shown.officer, "shift-handed-over", key, now=now)
    return made


def accept(
    connection: Connection, handover_id: int, *, incoming: str, now: datetime, key: Officer | None = None
) -> Handover:
    """The next officer has read it. Raises NoHandoverError, ShiftError or HandoverTakenError."""
    given = get(connection, handover_id)
    if incoming == given.outgoing or not incoming.strip():
        raise ShiftError("another officer accepts what you hand over")
    changed = connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id == handover_id, _TABLE.c.accepted_ms.is_(None))
        .values(incoming=incoming, accepted_ms=to_ms(now))
    )
    if changed.rowcount != 1:
        raise HandoverTakenError(f"{given.incoming or 'somebody'} accepted this already")
    _sign_off(connection, given, incoming, "shift-accepted", key, now=now)
    return get(connection, handover_id)


def get(connection: Connection, handover_id: int) -> Handover:
    """One hand-over. Raises NoHandoverError."""
    row = connection.execute(sa.select(_TABLE).where(_TABLE.c.id == handover_id)).one_or_none()
    if row is None:
        raise NoHandoverError("there is no such hand-over")
    return _of_row(row)


def waiting(connection: Connection) -> Handover | None:
    """The newest hand-over, where nobody has accepted it yet."""
    row = connection.execute(sa.select(_TABLE).order_by(_TABLE.c.id.desc()).limit(1)).one_or_none()
    return None if row is None or row.accepted_ms is not None else _of_row(row)


def handovers(connection: Connection, *, limit: int = 50) -> list[Handover]:
    """The newest first."""
    return [_of_row(row) for row in connection.execute(sa.select(_TABLE).order_by(_TABLE.c.id.desc()).limit(limit))]


def _sign_off(
    connection: Connection, given: Handover, officer: str, action: str, key: Officer | None, *, now: datetime
) -> None:
    """Both put their names under the same digest."""
    facts: dict[str, canonical.Json] = {"at": to_text(now), "digest": given.digest, "outgoing": given.outgoing}
    subject = f"shift:{given.id}"
    if key is not None:
        if key.pseudonym != officer:
            raise ShiftError("each officer signs off with his own key")
        review.record(connection, key, now, action=action, subject=subject, facts=facts)
        return
    line = AuditLine(at_ms=to_ms(now), officer=officer, action=action, subject=subject, facts=canonical.dumps(facts))
    store.audit(connection, line)


def _of_row(row: Row[Any]) -> Handover:
    body = orjson.loads(row.body)
    return Handover(
        id=row.id,
        outgoing=row.outgoing,
        made_at=from_ms(row.made_ms),
        lines=tuple(body["lines"]),
        page=body["page"],
        digest=sha256(row.body).hexdigest(),
        incoming=row.incoming,
        accepted_at=None if row.accepted_ms is None else from_ms(row.accepted_ms),
    )
