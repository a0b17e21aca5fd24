"""From a match to a signed sighting, and from others' sightings to "seen at Antwerp-Bruges".

An automatic sighting says the port and the hour, never the place or the minute. It is marked as what it refers to and
goes to nobody who may not read that. What is really seen is told of real indicators alone, and what exercises say
they saw is not shown among it. A ship in view for an hour is one sighting, told again at most every fifteen
minutes as a later version of the same object. Nothing is sent about protected identities, by disputed indicators, or
beyond an author's hourly share: a member must not be able to use us as its radar.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from node import drafts, indicators, publish, suppressions, tables
from node.drafts import Proposal
from node.indicators import Indicator, Key
from node.publish import Act, Author
from node.visits import Verdict, hour_of
from node.watch import Decision, Match, Past, SightingWindow, Track, fold, published
from node.watch import due as is_due
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.ids import identity_of
from port2port.roster import Roster
from port2port.sharing import Audience, explain, no_wider_than
from port2port.stix import objects as stix
from port2port.stix.profile import SIGHTING_EXTENSION
from port2port.tlp import Tlp
from port2port.verify import VerifiedEntry

_TABLE: Final = tables.SightingRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
RULE: Final = "rule:auto-sighting@1"
INCOMING: Final = "incoming"
TAKEN_BACK: Final = "incoming, taken back"
_OTHERS: Final = (INCOMING, TAKEN_BACK)
SENT: Final = "sent"
DUTY_OFFICER: Final = "duty officer only"
NEEDS_OFFICERS: Final = "needs officers"
QUIET: Final = "quiet: disputed"
OVER_QUOTA: Final = "over quota"
MUTED: Final = "muted"
NOT_THE_SAME: Final = "not the same"
PER_AUTHOR_AND_HOUR: Final = 60
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """What is seen under an indicator: of which subject, on which track, looking live or back."""

    indicator: Indicator
    subject: str
    track: str | None
    looking: stix.Looking
    handling: str
    window: SightingWindow
    sighting_id: uuid.UUID
    created: datetime

    @property
    def row_subject(self) -> str:
        """One row per subject, track and way of looking."""
        return "|".join((self.subject, self.track or "", self.looking))

    @property
    def pair(self) -> str:
        """This object under this indicator, as ``suppressions`` names what an officer has muted."""
        return f"{self.indicator.issuer}/{self.indicator.stix_id}/{self.row_subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Somebody else's sighting of our indicator; times to the hour. ``told_at`` is when he first said so.

    A ``count`` of 0 says that he looked and did not see it.
    """

    by: str
    stix_id: str
    indicator_id: str
    first_seen: datetime
    last_seen: datetime
    count: int
    port: str | None
    track: str | None
    looking: str | None
    told_at: datetime


class Sighter:
    """Keeps the windows of what is in view, and says when a sighting is due. Not shared between threads.

    ``new_id`` makes the ids of sightings.
    """

    def __init__(self, *, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._new_id = new_id
        self._open: dict[tuple[Key, str], Sighted] = {}

    def load(self, connection: Connection) -> None:
        """Take up the windows as they were told before a restart."""
        for row in connection.execute(sa.select(_TABLE).where(_TABLE.c.state.not_in(_OTHERS))):
            indicator = indicators.get(connection, (indicators.REAL, row.issuer, row.stix_id))
            if indicator is not None:
                one = _of_row(row, indicator)
                self._open[indicator.key, one.row_subject] = one

    def note(self, match: Match, indicator: Indicator, now: datetime) -> Sighted | None:
        """Fold a match into its window; the sighting if it is to be told now."""
        subject = "=".join(map(str, match.subject)) if match.subject is not None else "pattern"
        track = None if match.track is None else match.track.value
        key = (indicator.key, f"{subject}|{track or ''}|live")
        known = self._open.get(key)
        window = fold(None if known is None else known.window, match.observed_at)
        if known is None or window.first_seen > known.window.last_seen:
            sighting_id, created = self._new_id(), now
        else:
            sighting_id, created = known.sighting_id, known.created
        one = Sighted(
            indicator=indicator,
            subject=subject,
            track=track,
            looking="live",
            handling=match.handling.value,
            window=window,
            sighting_id=sighting_id,
            created=created,
        )
        self._open[key] = one
        return one if is_due(window, now) else None

    def past(self, past: Past, indicator: Indicator, now: datetime) -> Sighted | None:
        """The sighting that looking back amounts to: only "seen" is told without an officer.

        Nothing is told of a value of the network where the pattern asks for more than that value.
        """
        answer = past.answer
        if past.network and past.partial:
            return None
        if answer.verdict is not Verdict.SEEN or answer.first_seen is None or answer.last_seen is None:
            return None
        window = SightingWindow(first_seen=answer.first_seen, last_seen=answer.last_seen, count=answer.count)
        return Sighted(
            indicator=indicator,
            subject=",".join(past.identities),
            track=Track.UNDETERMINED.value if past.partial else None,
            looking="back",
            handling=indicator.handling,
            window=window,
            sighting_id=self._new_id(),
            created=now,
        )

    def told(self, one: Sighted, now: datetime) -> None:
        """Note that it was told, once that is durable."""
        key = (one.indicator.key, one.row_subject)
        known = self._open.get(key)
        if known is not None and known.sighting_id == one.sighting_id:
            self._open[key] = replace(known, window=published(known.window, now))

    def forget(self, before: datetime) -> None:
        """Let go of windows last seen before a time."""
        self._open = {key: one for key, one in self._open.items() if one.window.last_seen >= before}


def tell(
    connection: Connection,
    author: Author,
    one: Sighted,
    *,
    roster: Roster,
    now: datetime,
    decision: Decision = Decision.SIGHT,
) -> str:
    """Store a sighting and send it where that may be done without an officer; the state it ended in.

    The indicator is read again in this transaction, so that one retracted meanwhile is not answered.
    """
    indicator = indicators.get(connection, one.indicator.key)
    if indicator is None or not indicator.may_match:
        return ""
    one = replace(one, indicator=indicator)
    state = _held(connection, one, now) or _state(connection, one, author, decision, now)
    if state in {SENT, NEEDS_OFFICERS}:
        proposal = proposal_of(one, author, roster, now=now)
        if state == SENT:
            publish.publish(connection, author, proposal, Act(roster=roster, decided_by=RULE, now=now))
        else:
            why: dict[str, Json] = {
                "reason": "a sighting under an indicator with personal data",
                "subjects": [one.subject],
            }
            source = f"sighting/{indicator.issuer}/{indicator.stix_id}/{one.row_subject}"
            drafts.renew(connection, source, proposal, why, now=now)
    _save(connection, one, state, now)
    return state


def proposal_of(one: Sighted, author: Author, roster: Roster, *, now: datetime) -> Proposal:
    """The sighting as it would be published: rounded to the hour, no wider than its target."""
    target = one.indicator
    header = stix.Header(
        ident=one.sighting_id,
        issuer=identity_of(author.federation, author.member),
        created=one.created,
        modified=now if now > one.created else None,
        tlp=target.tlp,
    )
    made = stix.sighting(
        header,
        indicator_id=target.stix_id,
        first_seen=hour_of(one.window.first_seen),
        last_seen=hour_of(one.window.last_seen),
        count=one.window.count,
        track=one.track,
        port=port_of(author.member, roster),
        looking=one.looking,
        outcome="seen",
    )
    groups, recipients = readers_of(target, author.member, roster)
    return Proposal(
        kind="sighting",
        objects=(made,),
        tlp=target.tlp,
        fixed_groups=groups,
        recipients=recipients,
        handling=target.handling or None,
        purpose=target.purpose,
        personal_data=target.personal_data,
        body={"refs": [{"id": target.stix_id, "issuer": target.issuer}]},
    )


def port_of(member: str, roster: Roster) -> str | None:
    """The LOCODE that a member's sightings name: its first; None for a member that is no port."""
    known = roster.member_table.get(member)
    return None if known is None or not known.locodes else known.locodes[0]


def readers_of(target: Indicator, member: str, roster: Roster) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """(groups, recipients) of a sighting: the target's readers if its author is among them, else its author alone."""
    if target.tlp in {Tlp.CLEAR, Tlp.GREEN}:
        return (), ()
    recipients = tuple(sorted({*target.recipients, target.issuer} - {member})) if target.recipients else ()
    child = Audience(issuer=member, kind="sighting", tlp=target.tlp, groups=target.groups, recipients=recipients)
    reaches_author = explain(child, target.issuer, roster).allowed
    if reaches_author and no_wider_than(child, target.audience, roster):
        return target.groups, recipients
    return (), (target.issuer,)


def handle_incoming(member: str) -> Callable[[Connection, VerifiedEntry, Roster], None]:
    """The inbox's handler for what others saw of our indicators."""

    def handler(connection: Connection, entry: VerifiedEntry, _roster: Roster) -> None:
        said = entry.statement
        if not entry.understood or said.issuer == member or said.realm != indicators.REAL:
            return
        if said.kind in {"retract", "sighting"}:
            _take_back(connection, entry)
        if said.kind != "sighting":
            return
        ours = {stix_id for issuer, stix_id in said.refs() if issuer == member}
        for found in entry.objects:
            if found.type == "sighting" and not found.revoked and found.data.get("sighting_of_ref") in ours:
                _take_incoming(connection, said.issuer, found.data)

    return handler


def seen_of(connection: Connection, indicator_id: str) -> list[Seen]:
    """What others saw of one of our indicators, by port, the latest first."""
    query = sa.select(_TABLE).where(_TABLE.c.subject == indicator_id, _TABLE.c.state == INCOMING)
    return [
        Seen(
            by=row.issuer,
            stix_id=row.stix_id,
            indicator_id=row.subject,
            first_seen=from_ms(row.first_ms),
            last_seen=from_ms(row.last_ms),
            count=row._mapping["count"],  # noqa: SLF001  # a row's own ``count`` is the tuple method
            **_told(orjson.loads(row.body)),
        )
        for row in connection.execute(query.order_by(_TABLE.c.last_ms.desc(), _TABLE.c.issuer))
    ]


def describe(seen: Seen, roster: Roster) -> str:
    """One line for the author's officer; the port by its name."""
    known = roster.member_table.get(seen.by)
    name = known.name if known is not None else seen.by
    port = f" ({seen.port})" if seen.port else ""
    track = f", {which_ship(seen.track)}" if seen.track else ""
    back = ", from its records" if seen.looking == "back" else ""
    # To the hour: no sighting says more.
    first, last = f"{seen.first_seen:%Y-%m-%d %H:00}", f"{seen.last_seen:%Y-%m-%d %H:00} UTC"
    if not seen.count:
        return f"looked for at {name}{port}, from {first} to {last}, and not seen{back}"
    return f"seen at {name}{port}, first {first}, last {last}, {times(seen.count)}{track}{back}"


def which_ship(track: str) -> str:
    """Which ship of a cloned identity it was, for a person."""
    return "which of the ships cannot be told" if track == Track.UNDETERMINED.value else track


def times(count: int) -> str:
    """How often, for a person."""
    return "once" if count == 1 else f"{count} times"


def hits(connection: Connection, *, limit: int = 100) -> list[dict[str, Any]]:
    """Our own matches, the newest first; handling is the first thing in each."""
    query = sa.select(_TABLE).where(_TABLE.c.state.not_in(_OTHERS)).order_by(_TABLE.c.last_ms.desc()).limit(limit)
    found = []
    for row in connection.execute(query):
        body = orjson.loads(row.body)
        found.append(
            {
                "handling": body.get("handling", ""),
                "issuer": row.issuer,
                "indicator": row.stix_id,
                "subject": body.get("subject", ""),
                "track": body.get("track"),
                "looking": body.get("looking"),
                "first_seen": from_ms(row.first_ms),
                "last_seen": from_ms(row.last_ms),
                "count": row._mapping["count"],  # noqa: SLF001  # as above
                "state": row.state,
            }
        )
    return found


def stays(
    connection: Connection, *, limit: int = 100, sighting_id: str = "", asking: bool = False
) -> list[tuple[Sighted, str]]:
    """Our own matches, the newest first, each with the state of what was sent of it; optionally one of them alone.

    ``asking`` leaves only those of indicators in force that ask for more than to be observed.
    """
    query = sa.select(_TABLE).where(_TABLE.c.state.not_in(_OTHERS)).order_by(_TABLE.c.last_ms.desc()).limit(limit)
    if asking:
        query = query.where(sa.tuple_(_TABLE.c.issuer, _TABLE.c.stix_id).in_(indicators.asking()))
    if sighting_id:
        query = query.where(sa.func.instr(_TABLE.c.body, sighting_id.encode()) > 0)
    found = []
    for row in connection.execute(query):
        indicator = indicators.get(connection, (indicators.REAL, row.issuer, row.stix_id))
        if indicator is not None:
            found.append((_of_row(row, indicator), row.state))
    return found


def hold(connection: Connection, one: Sighted) -> None:
    """An officer says it is not the same object: nothing more is sent of this stay in view."""
    issuer, stix_id = one.indicator.issuer, one.indicator.stix_id
    where = (_TABLE.c.issuer == issuer, _TABLE.c.stix_id == stix_id, _TABLE.c.subject == one.row_subject)
    connection.execute(sa.update(_TABLE).where(*where).values(state=NOT_THE_SAME))


def _held(connection: Connection, one: Sighted, now: datetime) -> str:
    """What an officer said of this very stay, or of the pair: it is stored and counted, and nothing is sent."""
    if one.pair in suppressions.muted_pairs(connection, now):
        return MUTED
    known = stays(connection, limit=1, sighting_id=str(one.sighting_id))
    return NOT_THE_SAME if known and known[0][1] == NOT_THE_SAME else ""


def _state(connection: Connection, one: Sighted, author: Author, decision: Decision, now: datetime) -> str:
    if decision is not Decision.SIGHT:
        return DUTY_OFFICER if decision is Decision.DUTY_OFFICER_ONLY else Decision.QUARANTINE.value
    if one.indicator.disputed:
        return QUIET
    if one.indicator.issuer == author.member:
        return "own"
    if one.indicator.personal_data:
        return NEEDS_OFFICERS
    return OVER_QUOTA if _sent_to(connection, one.indicator.issuer, now) >= PER_AUTHOR_AND_HOUR else SENT


def _sent_to(connection: Connection, issuer: str, now: datetime) -> int:
    query = sa.select(sa.func.count()).select_from(_TABLE)
    recent = (_TABLE.c.state == SENT, _TABLE.c.issuer == issuer, _TABLE.c.published_ms > to_ms(now - HOUR))
    return connection.scalar(query.where(*recent)) or 0


def _save(connection: Connection, one: Sighted, state: str, now: datetime) -> None:
    body = {
        "created_ms": to_ms(one.created),
        "handling": one.handling,
        "looking": one.looking,
        "sighting_id": str(one.sighting_id),
        "subject": one.subject,
        "track": one.track,
    }
    key = {"issuer": one.indicator.issuer, "stix_id": one.indicator.stix_id, "subject": one.row_subject}
    values = {
        "state": state,
        "first_ms": to_ms(one.window.first_seen),
        "last_ms": to_ms(one.window.last_seen),
        "published_ms": to_ms(now),
        "count": one.window.count,
        "body": orjson.dumps(body),
    }
    _upsert(connection, key, values)


def _of_row(row: Any, indicator: Indicator) -> Sighted:
    body = orjson.loads(row.body)
    told_at = None if row.published_ms is None else from_ms(row.published_ms)
    count = row._mapping["count"]  # noqa: SLF001  # as above
    window = SightingWindow(
        first_seen=from_ms(row.first_ms),
        last_seen=from_ms(row.last_ms),
        count=count,
        told_at=told_at,
        told_count=count,
    )
    return Sighted(
        indicator=indicator,
        subject=body["subject"],
        track=body["track"],
        looking=body["looking"],
        handling=body["handling"],
        window=window,
        sighting_id=uuid.UUID(body["sighting_id"]),
        created=from_ms(body["created_ms"]),
    )


def _take_incoming(connection: Connection, issuer: str, data: Mapping[str, Json]) -> None:
    key = {"issuer": issuer, "stix_id": str(data["id"]), "subject": str(data["sighting_of_ref"])}
    modified_ms = _ms(data, "modified")
    where = [_TABLE.c[name] == value for name, value in key.items()]
    known = connection.execute(sa.select(_TABLE.c.state, _TABLE.c.published_ms).where(*where)).one_or_none()
    if known is not None and (known.state == TAKEN_BACK or known.published_ms >= modified_ms):
        return
    count = data.get("count")
    values = {
        "state": INCOMING,
        "first_ms": _ms(data, "first_seen"),
        "last_ms": _ms(data, "last_seen"),
        "published_ms": modified_ms,
        "count": count if isinstance(count, int) else 1,
        "body": orjson.dumps(dict(data)),
    }
    _upsert(connection, key, values)


def _take_back(connection: Connection, entry: VerifiedEntry) -> None:
    """Sightings that their author retracts: shown no more, whatever versions come later."""
    issuer = entry.statement.issuer
    named = {found.id for found in entry.objects if found.revoked}
    if entry.statement.kind == "retract":
        named |= {stix_id for who, stix_id in entry.statement.refs() if who == issuer}
    where = (_TABLE.c.issuer == issuer, _TABLE.c.stix_id.in_(named), _TABLE.c.state == INCOMING)
    connection.execute(sa.update(_TABLE).where(*where).values(state=TAKEN_BACK))


def _ms(data: Mapping[str, Json], name: str) -> int:
    """A time of a validated object; a sighting without first and last is of when it was made."""
    return to_ms(datetime.fromisoformat(str(data.get(name) or data["modified"])))


def _upsert(connection: Connection, key: Mapping[str, str], values: Mapping[str, Any]) -> None:
    where = [_TABLE.c[name] == value for name, value in key.items()]
    if not connection.execute(sa.update(_TABLE).where(*where).values(**values)).rowcount:
        connection.execute(sa.insert(_TABLE).values(**key, **values))


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    content = data.get("extensions", {}).get(SIGHTING_EXTENSION, {})
    found = {name: content.get(name) for name in ("port", "track", "looking")}
    return {**found, "told_at": datetime.fromisoformat(data["created"])}
