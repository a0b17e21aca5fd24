"""What an officer answers to a hit: confirm the sighting, say it is not the same, or mute this pair for a while.

A hit is one stay in view of one object under another port's indicator; a later stay is another hit. What a
confirmation sends is shown before, byte for byte, and the officer signs no other bytes. "Not the same" takes back what
was sent of this stay and stops the rest of it. A mute is a suppression with owner, reason and end: it silences one
object under one indicator, never the indicator, and what it silences is still stored and counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import act_store, explain, review, sightings, store, suppressions, tables
from node.act_store import Prepared
from node.acts import preparing, silencing
from node.acts.asked import Asked
from node.drafts import Proposal
from node.indicators import Indicator
from node.publish import Author
from node.sightings import Sighted
from node.store import AuditLine
from node.suppressions import Suppression
from node.visits import hour_of
from node.watch import NETWORK_TYPES, Handling
from port2port import canonical
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import ConflictError, NotFoundError, PolicyError
from port2port.geo import Position
from port2port.ids import NAMESPACE, identity_of
from port2port.roster import Roster
from port2port.stix import objects as stix

_TABLE: Final = tables.HitAnswerRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
CONFIRMED: Final = "confirmed"
NOT_THE_SAME: Final = "not the same"
MUTED: Final = "muted"
OFFICER_CONFIRMED: Final = "officer-confirmed"  # a label of the sighting
MUTE_LONGEST: Final = timedelta(days=7)
WORDS_CHARS: Final = 1_000
COUNT_MOST: Final = 999_999_999  # STIX 2.1 section 5.2
UNDECIDED_MOST: Final = 5_000  # a page of them is shown at a time; more is a storm, which is counted elsewhere
_DECIDES: Final = frozenset({Handling.ACT.value, Handling.CALL_FIRST.value})


class NoHitError(NotFoundError):
    """There is no hit of this id now; a later stay in view is another hit."""

    code = "NO_HIT"


class HitAnsweredError(ConflictError):
    """An officer answered this hit already."""

    code = "HIT_ANSWERED"


class HitChangedError(ConflictError):
    """What would go back is not what the officer was shown: he looks again."""

    code = "HIT_CHANGED"


class HitAnswerError(PolicyError):
    """An answer that says too much, too little, or cannot be."""

    code = "HIT_ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``what`` is confirmed, not the same, or muted; ``act`` what waits for signatures or was signed, if anything."""

    what: str
    officer: str
    at: datetime
    reason: str
    act: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One stay in view. ``state`` says what was sent by itself; ``mute`` silences the pair now."""

    sighted: Sighted
    state: str
    answer: Answer | None
    mute: Suppression | None

    @property
    def id(self) -> str:
        return str(self.sighted.sighting_id)

    @property
    def indicator(self) -> Indicator:
        return self.sighted.indicator

    @property
    def handling(self) -> str:
        """What its author asks: the first line of everything that is shown of it."""
        return self.sighted.handling

    @property
    def subject(self) -> tuple[str, str]:
        """(path, value) of what was seen, as in ("vessel:mmsi", "205123456"); ("", text) for a whole pattern."""
        path, sign, value = self.sighted.subject.partition("=")
        if sign:
            return path, value.replace(f",{path}=", ", ")  # looked back, several of them
        kind, colon, value = self.sighted.subject.partition(":")  # looked back: mmsi:205123456
        return (f"vessel:{kind}", value) if colon else ("", self.sighted.subject)

    @property
    def is_of_network(self) -> bool:
        """Whether it is a value that network sensors see: it was at no quay."""
        return self.subject[0].partition(":")[0] in NETWORK_TYPES

    @property
    def title(self) -> str:
        """The indicator's name, as its author wrote it: foreign text."""
        return str(self.facts.get("name", ""))

    @property
    def facts(self) -> Mapping[str, Any]:
        """The indicator as STIX."""
        found: Mapping[str, Any] = orjson.loads(self.indicator.stix) if self.indicator.stix else {}
        return found

    @property
    def needs_decision(self) -> bool:
        """Whether an officer must still say something: somebody asks for action, and nobody has answered."""
        asks = self.handling in _DECIDES and self.indicator.may_match
        return asks and self.answer is None and self.mute is None and self.state != "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What an officer tells beyond port and hour, each by his choice. ``count`` None is as often as was counted."""

    exact_times: bool = False
    place: str = ""
    position: Position | None = None
    count: int | None = None
    words: str = ""

    def __post_init__(self) -> None:
        if len(self.words) > WORDS_CHARS or len(self.place) > WORDS_CHARS:
            raise HitAnswerError(f"say it in at most {WORDS_CHARS} characters")
        if self.count is not None and not 0 <= self.count <= COUNT_MOST:
            raise HitAnswerError("count from 0 (looked, and not seen) to 999,999,999")
        if self.position is not None and not self.position.is_on_earth:
            raise HitAnswerError("this position is not on Earth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a confirmation would send, to the byte, to whom, and the digest by which the officer means exactly this."""

    proposal: Proposal
    readers: explain.Preview
    at: datetime
    digest: str


# --- reading ------------------------------------------------------------------------------------------------------


def listed(connection: Connection, now: datetime, *, limit: int = 100) -> list[Hit]:
    """The newest hits first."""
    return _hits(connection, sightings.stays(connection, limit=limit), now)


def get(connection: Connection, hit_id: str, now: datetime) -> Hit:
    """One hit. Raises NoHitError."""
    try:
        wanted = str(uuid.UUID(hit_id))
    except ValueError as error:
        raise NoHitError("there is no such hit") from error
    found = [one for one in _hits(connection, sightings.stays(connection, sighting_id=wanted), now) if one.id == wanted]
    if not found:
        raise NoHitError("there is no such hit now: a later stay in view is another one")
    return found[0]


def undecided(connection: Connection, now: datetime) -> list[Hit]:
    """Those that still ask for an officer's answer, however many newer ones ask for none."""
    asking = sightings.stays(connection, limit=UNDECIDED_MOST, asking=True)
    return [one for one in _hits(connection, asking, now) if one.needs_decision]


def _hits(connection: Connection, stays: Sequence[tuple[Sighted, str]], now: datetime) -> list[Hit]:
    answers = _answers(connection, [str(one.sighting_id) for one, _ in stays])
    muted = suppressions.muted_pairs(connection, now)
    return [
        Hit(sighted=one, state=state, answer=answers.get(str(one.sighting_id)), mute=muted.get(one.pair))
        for one, state in stays
    ]


def _answers(connection: Connection, ids: Sequence[str]) -> dict[str, Answer]:
    """Answers that hold: one whose act went back or was given up is none."""
    found = {
        row.sighting_id: _answer_of(row)
        for row in connection.execute(sa.select(_TABLE).where(_TABLE.c.sighting_id.in_(ids)))
    }
    gone = {act_store.RETURNED, act_store.WITHDRAWN}
    return {
        sighting_id: answer
        for sighting_id, answer in found.items()
        if answer.what != MUTED and not (answer.act and act_store.get(connection, answer.act).state in gone)
    }


def _answer_of(row: Row[Any]) -> Answer:
    return Answer(what=row.what, officer=row.officer, at=from_ms(row.at_ms), reason=row.reason, act=row.act)


# --- confirming ---------------------------------------------------------------------------------------------------


def preview(
    connection: Connection, author: Author, hit: Hit, said: Confirmation, *, roster: Roster, at: datetime
) -> Preview:
    """Exactly what would go back, and to whom. Raises HitAnswerError where nothing may."""
    proposal = _confirmation(author, hit, said, roster, at)
    readers = explain.preview(connection, author.member, proposal, roster, at)
    return Preview(proposal=proposal, readers=readers, at=at, digest=_digest(proposal))


def confirm(
    connection: Connection,
    author: Author,
    hit_id: str,
    said: Confirmation,
    asked: Asked,
    *,
    shown_at: datetime,
    digest: str,
) -> Prepared:
    """An act that tells the author what this officer saw: the bytes of the preview made ``shown_at``, or nothing.

    Raises NoHitError, HitAnsweredError, HitChangedError, or the error of the first rule in the way.
    """
    hit = _open(connection, hit_id, asked.now)
    proposal = _confirmation(author, hit, said, asked.roster, shown_at)
    if _digest(proposal) != digest or shown_at > asked.now:
        raise HitChangedError("it was seen again since you looked: look once more at what goes back")
    act = preparing.say(connection, author, f"hit:{hit.id}", proposal, asked)
    _note(connection, hit, Answer(what=CONFIRMED, officer=asked.officer, at=asked.now, reason=said.words, act=act.id))
    return act


def _confirmation(author: Author, hit: Hit, said: Confirmation, roster: Roster, at: datetime) -> Proposal:
    """A sighting of its own beside the automatic one, which goes on: this one is an officer's word."""
    if hit.indicator.issuer == author.member:
        raise HitAnswerError("this is our own indicator: nobody needs to be told")
    if not hit.indicator.may_match:
        raise HitAnswerError("its author took this indicator back: nothing goes to anybody")
    window, issuer = hit.sighted.window, identity_of(author.federation, author.member)
    count = window.count if said.count is None else said.count
    where = None if said.position is None else _location(hit, said, issuer, at)
    first, last = window.first_seen, window.last_seen
    made = stix.sighting(
        stix.Header(
            ident=_id_of(hit, "sighting"),
            issuer=issuer,
            created=at,
            tlp=hit.indicator.tlp,
            labels=(OFFICER_CONFIRMED,),
        ),
        indicator_id=hit.indicator.stix_id,
        first_seen=first if said.exact_times else hour_of(first),
        last_seen=last if said.exact_times else hour_of(last),
        count=count,
        track=hit.sighted.track,
        port=sightings.port_of(author.member, roster),
        looking=hit.sighted.looking,
        outcome="seen" if count else "looked and not seen",
        where_refs=() if where is None else (str(orjson.loads(where)["id"]),),
        description=_description(said),
    )
    groups, recipients = sightings.readers_of(hit.indicator, author.member, roster)
    return Proposal(
        kind="sighting",
        objects=(made,) if where is None else (made, where),
        tlp=hit.indicator.tlp,
        fixed_groups=groups,
        recipients=recipients,
        handling=hit.indicator.handling or None,
        purpose=hit.indicator.purpose,
        personal_data=hit.indicator.personal_data,
        body={"refs": [{"id": hit.indicator.stix_id, "issuer": hit.indicator.issuer}]},
    )


def _location(hit: Hit, said: Confirmation, issuer: str, at: datetime) -> bytes:
    assert said.position is not None  # its caller asks
    return stix.location(
        stix.Header(ident=_id_of(hit, "location"), issuer=issuer, created=at, tlp=hit.indicator.tlp),
        name=said.place or "where it was seen",
        latitude=said.position.latitude_deg,
        longitude=said.position.longitude_deg,
    )


def _description(said: Confirmation) -> str | None:
    place = f"Seen at {said.place}." if said.place else ""
    return " ".join(filter(None, (said.words.strip(), place))) or None


def _id_of(hit: Hit, kind: str) -> uuid.UUID:
    """The same for the preview and for what is signed."""
    return uuid.uuid5(NAMESPACE, f"hit/{kind}/{hit.id}")


def _digest(proposal: Proposal) -> str:
    facts = [proposal.tlp.value, *proposal.recipients, *(f"{name}@{number}" for name, number in proposal.fixed_groups)]
    return sha256(b"\n".join((*proposal.objects, *(fact.encode() for fact in facts)))).hexdigest()


# --- the other answers --------------------------------------------------------------------------------------------


def not_the_same(
    connection: Connection, author: Author, hit_id: str, reason: str, asked: Asked
) -> tuple[Prepared, ...]:
    """It is another ship, box or address: nothing more is sent of this stay, and what was sent is taken back.

    The acts that take it back wait for signatures like all others; none where nothing was sent. Raises NoHitError,
    HitAnsweredError, ReasonError, or the error of the first rule in the way.
    """
    review.require_reason(reason)
    hit = get(connection, hit_id, asked.now)
    if hit.answer is not None and hit.answer.what == NOT_THE_SAME:
        raise HitAnsweredError(f"{hit.answer.officer} said so already")
    told = [f"sighting--{ident}" for ident in (hit.sighted.sighting_id, _id_of(hit, "sighting"))]
    acts = tuple(
        preparing.retract(connection, author, ident, reason, asked)
        for ident in told
        if explain.find_own(connection, ident)
    )
    sightings.hold(connection, hit.sighted)
    answer = Answer(
        what=NOT_THE_SAME, officer=asked.officer, at=asked.now, reason=reason, act=acts[0].id if acts else ""
    )
    _note(connection, hit, answer)
    return acts


def mute(
    connection: Connection, author: Author, hit_id: str, *, reason: str, until: datetime, asked: Asked
) -> Prepared:
    """An act that silences this object under this indicator for at most a week, from its last signature on.

    Raises NoHitError, SuppressionError or ReasonError.
    """
    hit = get(connection, hit_id, asked.now)
    if until > asked.now + MUTE_LONGEST:
        raise HitAnswerError("a pair is muted for at most 7 days: what lasts longer is an exception with a permit")
    return silencing.suppress(
        connection, author, asked, kind=suppressions.PAIR, what=hit.sighted.pair, reason=reason, until=until
    )


def _open(connection: Connection, hit_id: str, now: datetime) -> Hit:
    hit = get(connection, hit_id, now)
    if hit.answer is not None:
        raise HitAnsweredError(f"{hit.answer.officer} answered this already: {hit.answer.what}")
    return hit


def _note(connection: Connection, hit: Hit, answer: Answer) -> None:
    values = {
        "what": answer.what,
        "officer": answer.officer,
        "at_ms": to_ms(answer.at),
        "reason": answer.reason,
        "act": answer.act,
    }
    changed = connection.execute(sa.update(_TABLE).where(_TABLE.c.sighting_id == hit.id).values(values))
    if not changed.rowcount:
        connection.execute(sa.insert(_TABLE).values(sighting_id=hit.id, **values))
    facts = {"act": answer.act, "at": to_text(answer.at), "reason": answer.reason}
    _audit(connection, hit, answer.what, facts, officer=answer.officer, now=answer.at)


def _audit(
    connection: Connection, hit: Hit, what: str, facts: Mapping[str, canonical.Json], *, officer: str, now: datetime
) -> None:
    action = f"hit-{what.replace(' ', '-')}"
    about = {**facts, "indicator": hit.indicator.stix_id, "issuer": hit.indicator.issuer}
    line = AuditLine(
        at_ms=to_ms(now), officer=officer, action=action, subject=f"hit:{hit.id}", facts=canonical.dumps(about)
    )
    store.audit(connection, line)
