"""Take foreign objects in: mark, normalise, recognise, and make drafts of what an officer can decide on.

1. Definitions of markings, and what holds objects together, are read first, so that no order of objects loosens one.
2. Of each object: is it known, another version, taken back, past its end, a member's own, the same thing as another?
3. It is normalised under its effective marking; what is odd is set apart with the reason.
4. What remains becomes drafts of the kind ``import``, each of one marking, which no rule publishes (``node.rules``).

All of one page or stretch of a file happens in the caller's transaction.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy.engine import Connection

from node import drafts
from node.drafts import Defaults, Draft, Proposal
from node.foreign import keeping, markings
from node.foreign.keeping import Known
from node.foreign.markings import Markings
from node.foreign.normalising import DRAFTED, Normalised, Normaliser, moment
from node.foreign.reading import OddError, ident_of, read_object
from node.foreign.spellings import keys_in
from port2port import statement as stm
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.ids import is_stix_id
from port2port.imported import KIND, Brought, Grade, Imported
from port2port.limits import KIB, LIMITS
from port2port.tlp import Tlp, at_least_as_strict, strictest

logger = logging.getLogger(__name__)
PURPOSE: Final = "cyber-security"
PER_DRAFT: Final = 24  # with what is said of each, well within one statement
DRAFT_BYTES: Final = 512 * KIB
_UNFORESEEN: Final = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
_HOLDS_NOTHING: Final = frozenset({"note", "opinion"})  # they speak of objects; their marking is their own
_SETTLED: Final = frozenset({"drafted", "duplicate", "context", "expired", "revoked", "own"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whom it comes from, how far that is trusted, and how strict what it does not mark is; None: AMBER+STRICT."""

    name: str
    grade: Grade = field(default_factory=Grade)
    default: Tlp | None = None

    @property
    def drafts(self) -> str:
        """The source that its drafts name."""
        return f"{KIND}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object as it was received. ``data`` None: it is still to be read; ``container``: of what it came in."""

    raw: bytes
    data: Mapping[str, Any] | None = None
    original: str = ""
    container: Tlp | None = None
    odd: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What taking in needs of this port; ``members`` are the STIX identities of the federation.

    ``stopped`` says what the false-positive gate would not let out now: it gets drafts apart from its neighbours.
    """

    defaults: Defaults
    normaliser: Normaliser
    members: frozenset[str]
    now: datetime
    new_salt: Callable[[], bytes] = lambda: secrets.token_bytes(LIMITS.salt_bytes)
    stopped: Callable[[Connection, bytes], bool] = lambda _connection, _raw: False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One stretch being taken in."""

    connection: Connection
    source: Source
    desk: Desk
    defined: Markings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """An object on its way into a draft."""

    ident: str
    original: str
    made: Normalised
    tlp: Tlp
    salt: bytes
    raw: bytes
    before: tuple[tuple[str, str], ...]
    keys: frozenset[str]


def open_drafts(connection: Connection, source: Source) -> int:
    """How many drafts of a source wait for an officer."""
    return drafts.open_count(connection, source.drafts)


def survey(connection: Connection, source: Source, items: Iterable[Item], *, now: datetime) -> Counter[str]:
    """Step 1 alone, for whoever reads a file twice: nothing is taken in, and nothing is set apart."""
    held: dict[str, Tlp] = {}
    read = _read([item for item in items if b"marking-definition" in item.raw or b"object_refs" in item.raw])
    defined = _definitions(connection, source, [data for _, data in read if data is not None], now)
    for _, data in read:
        if data is not None:
            _hold(held, data, defined.own(data))
    return Counter(tightened=_tighten(connection, source, held, now))


def take(connection: Connection, source: Source, items: Sequence[Item], desk: Desk) -> Counter[str]:
    """Steps 1 to 4 for some objects; how many ended how."""
    counts: Counter[str] = Counter()
    read = _read(items)
    objects = [data for _, data in read if data is not None]
    defined = _definitions(connection, source, objects, desk.now)
    held: dict[str, Tlp] = {}
    for data in objects:
        _hold(held, data, defined.own(data))
    counts["tightened"] += _tighten(connection, source, held, desk.now)
    keeping.index_log(connection, desk.now)
    at = _Round(connection=connection, source=source, desk=desk, defined=defined)
    ready: dict[str, _Ready] = {}
    for item, met in read:
        outcome, one = _one(at, item, met, ready)
        counts.update(("met", outcome))
        if one is not None:
            ready[one.ident] = one
    counts["drafts"] += _draft(at, list(ready.values()))
    keeping.forget_apart(connection, source.name, OddError.code)
    return counts


def _read(items: Iterable[Item]) -> list[tuple[Item, Mapping[str, Any] | None]]:
    found: list[tuple[Item, Mapping[str, Any] | None]] = []
    for item in items:
        data = item.data
        if data is None and not item.odd:
            try:
                data = read_object(item.raw)
            except OddError:
                data = None
        found.append((item, data))
    return found


def _why_odd(raw: bytes) -> str:
    try:
        read_object(raw)
    except OddError as error:
        return error.text
    return "it could not be read"


def _definitions(
    connection: Connection, source: Source, objects: Sequence[Mapping[str, Any]], now: datetime
) -> Markings:
    """Every definition this source ever gave, its strictest reading, and those that came just now."""
    named = {str(ref) for data in objects for ref in _refs_of(data) if isinstance(ref, str)}
    before = keeping.known(connection, source.name, filter(is_stix_id, named))
    defined = Markings({ident: one.tlp for ident, one in before.items() if one.tlp is not None})
    for data in objects:
        if data.get("type") == "marking-definition":
            tlp, ident = defined.learn(data), str(data.get("id"))
            if is_stix_id(ident):
                values = {"tlp": tlp.value, "outcome": "context", "at_ms": to_ms(now)}
                keeping.keep(connection, source.name, ident, values)
    return defined


def _refs_of(data: Mapping[str, Any]) -> list[object]:
    granular, refs = data.get("granular_markings"), data.get("object_marking_refs")
    parts = granular if isinstance(granular, list) else []
    inside = [item.get("marking_ref") for item in parts if isinstance(item, dict)]
    return [*(refs if isinstance(refs, list) else [refs]), *inside, data.get("id")]


def _hold(held: dict[str, Tlp], data: Mapping[str, Any], own: Tlp | None) -> None:
    """What a container marks: each of its members at least as strictly."""
    refs = data.get("object_refs")
    if own is None or str(data.get("type")) in _HOLDS_NOTHING or not isinstance(refs, list):
        return
    for ref in refs:
        if isinstance(ref, str) and is_stix_id(ref):
            held[ref] = strictest(own, held.get(ref))


def _tighten(connection: Connection, source: Source, held: Mapping[str, Tlp], now: datetime) -> int:
    """Remember what containers say; what is in an open draft already is tightened, what went out is set apart."""
    before = keeping.known(connection, source.name, held)
    changed = 0
    news = {ident: tlp for ident, tlp in held.items() if not _is_held(before.get(ident), tlp)}
    keeping.contain(connection, source.name, news, before, to_ms(now))
    for ident, tlp in news.items():
        one = before.get(ident)
        if one is not None and one.draft and one.tlp is not None and not at_least_as_strict(one.tlp, tlp):
            _tighten_draft(connection, source, ident, one, tlp=tlp, now=now)
            changed += 1
    return changed


def _is_held(one: Known | None, tlp: Tlp) -> bool:
    return one is not None and one.container is not None and at_least_as_strict(one.container, tlp)


def _tighten_draft(connection: Connection, source: Source, ident: str, one: Known, *, tlp: Tlp, now: datetime) -> None:
    keeping.keep(connection, source.name, ident, {"tlp": tlp.value})
    draft = drafts.get(connection, one.draft)
    if draft.state == drafts.OPEN:
        stricter = strictest(draft.proposal.tlp, tlp)
        drafts.amend(connection, draft, drafts.settled(draft.proposal, tlp=stricter))
        return
    if draft.state == drafts.PUBLISHED:
        text = f"{ident} went out with draft {draft.id} before its source marked it {tlp.label}: take it back"
        _warn(connection, source, ident, ("MARKED_LATER", text), now)


def _warn(connection: Connection, source: Source, ident: str, error: tuple[str, str], now: datetime) -> None:
    keeping.set_apart(connection, source.name, error[1].encode(), error, stix_id=ident, at_ms=to_ms(now))


def _one(
    at: _Round, item: Item, data: Mapping[str, Any] | None, ready: Mapping[str, _Ready]
) -> tuple[str, _Ready | None]:
    """What becomes of one object; what is odd is set apart, alone."""
    try:
        if data is None:
            return _odd(at, item, data, item.odd or _why_odd(item.raw)), None
        return _met(at, item, data, ready)
    except OddError as error:
        return _odd(at, item, data, error.text), None
    except _UNFORESEEN:
        # As in ``StixValidator.validate``: what nobody foresaw is in this object, and costs no other.
        logger.exception("foreign object failed unexpectedly", extra={"feed": at.source.name})
        return _odd(at, item, data, "it could not be judged"), None


def _odd(at: _Round, item: Item, data: Mapping[str, Any] | None, text: str) -> str:
    ident = str(data.get("id", "")) if data is not None else item.original
    stamp = to_ms(at.desk.now)
    error = (OddError.code, text)
    keeping.set_apart(at.connection, at.source.name, item.raw, error, stix_id=ident, at_ms=stamp, size=item.size)
    return "quarantined"


def _met(at: _Round, item: Item, data: Mapping[str, Any], ready: Mapping[str, _Ready]) -> tuple[str, _Ready | None]:
    """Raises OddError."""
    ident, digest = ident_of(data), sha256(item.raw).digest()
    modified = str(data["modified"]) if moment(data.get("modified")) is not None else ""
    if data["type"] == "marking-definition":
        return "context", None
    before = keeping.known(at.connection, at.source.name, [ident]).get(ident)
    if before is not None and before.outcome in _SETTLED:
        if before.digest == digest:
            return "known", None
        if _older(modified, before.modified):
            return "older", None
    container = _both(item.container, None if before is None else before.container)
    tlp = markings.effective(at.defined.own(data), container, at.source.default)
    outcome, reason, one = _judged(at, item, data, tlp, ready)
    values = {"digest": digest, "modified": modified, "at_ms": to_ms(at.desk.now), "tlp": tlp.value}
    keeping.keep(at.connection, at.source.name, ident, {**values, "outcome": outcome, "reason": reason})
    if outcome == "revoked" and before is not None and before.draft:
        text = f"{ident} of draft {before.draft} was taken back by its source"
        _warn(at.connection, at.source, ident, ("TAKEN_BACK", text), at.desk.now)
    return outcome, one


def _judged(
    at: _Round, item: Item, data: Mapping[str, Any], tlp: Tlp, ready: Mapping[str, _Ready]
) -> tuple[str, str, _Ready | None]:
    """(what becomes of it, why, the object for a draft). Raises OddError."""
    ident, desk = str(data["id"]), at.desk
    left_out = _left_out(data, desk)
    if left_out is not None:
        return (*left_out, None)
    keys = keys_in(data)
    same = _same(at, ident, keys, ready)
    heard = tuple(one for one in keeping.said_before(at.connection, keys) if one[1] != ident)
    made = desk.normaliser.normalise(data, tlp=tlp, grade=at.source.grade, now=desk.now, echo=bool(heard))
    keeping.name_values(at.connection, at.source.name, ident, keys)
    if same:
        return "duplicate", same, None
    one = _Ready(
        ident=ident,
        original=item.original or ident,
        made=made,
        tlp=tlp,
        salt=desk.new_salt(),
        raw=item.raw,
        before=heard,
        keys=keys,
    )
    return "drafted", "", one


def _left_out(data: Mapping[str, Any], desk: Desk) -> tuple[str, str] | None:
    """(what becomes of it, why) of what makes no draft."""
    if {str(data.get("created_by_ref")), str(data["id"])} & desk.members:
        return "own", "of a member of this federation: it comes from that member itself"
    if data["type"] not in DRAFTED:
        return "context", ""
    if data.get("revoked") is True:
        return "revoked", "taken back by its source"
    ends = moment(data.get("valid_until"))
    return ("expired", "past its end") if ends is not None and ends <= desk.now else None


def _same(at: _Round, ident: str, keys: frozenset[str], ready: Mapping[str, _Ready]) -> str:
    """Which other object, in a draft or on its way there, names exactly the same; empty where none does."""
    twin = next((two for two in ready.values() if keys and two.keys == keys and two.ident != ident), None)
    if twin is not None:
        return f"the same thing as {twin.ident} of {at.source.name}"
    same = keeping.same_thing(at.connection, at.source.name, ident, keys)
    if same is None or drafts.get(at.connection, same[2]).state == drafts.REJECTED:
        return ""
    return f"the same thing as {same[1]} of {same[0]}, draft {same[2]}"


def _both(one: Tlp | None, other: Tlp | None) -> Tlp | None:
    return strictest(one, other) if one or other else None


def _older(modified: str, before: str) -> bool:
    new, known = moment(modified), moment(before)
    return new is not None and known is not None and new < known


# --- drafts -------------------------------------------------------------------------------------------------------


def _draft(at: _Round, ready: Sequence[_Ready]) -> int:
    """Drafts of one marking each, those that need two officers apart, and those that are stopped; how many."""
    groups: dict[tuple[Tlp, bool, bool], list[_Ready]] = {}
    for one in ready:
        stopped = at.desk.stopped(at.connection, one.made.raw)
        groups.setdefault((one.tlp, one.made.personal, stopped), []).append(one)
    made = 0
    for (tlp, personal, _), members in sorted(groups.items(), key=lambda item: (item[0][0].strictness, *item[0][1:])):
        for chunk in _chunks(members):
            draft = _add(at, chunk, tlp=tlp, personal=personal)
            for one in chunk:
                values = {"draft": draft.id, "salt": one.salt, "raw": one.raw}
                keeping.keep(at.connection, at.source.name, one.ident, values)
            made += 1
    return made


def _chunks(members: Sequence[_Ready]) -> list[list[_Ready]]:
    chunks: list[list[_Ready]] = [[]]
    size = 0
    for one in members:
        size += len(one.made.raw)
        if chunks[-1] and (len(chunks[-1]) >= PER_DRAFT or size > DRAFT_BYTES):
            chunks.append([])
            size = len(one.made.raw)
        chunks[-1].append(one)
    return chunks


def _add(at: _Round, chunk: Sequence[_Ready], *, tlp: Tlp, personal: bool) -> Draft:
    told = Imported(source=at.source.name, grade=at.source.grade, objects=tuple(map(_brought, chunk)))
    open_to_all = tlp in {Tlp.CLEAR, Tlp.GREEN}
    proposal = Proposal(
        kind=KIND,
        objects=tuple(one.made.raw for one in chunk),
        tlp=tlp,
        groups=() if open_to_all else at.desk.defaults.groups,
        handling=at.desk.defaults.handling,
        purpose=PURPOSE,
        personal_data=personal,
        body=told.to_body(),
    )
    why = _why(at.source, chunk)
    return drafts.add(at.connection, at.source.drafts, proposal, why, now=at.desk.now)


def _brought(one: _Ready) -> Brought:
    return Brought(id=one.ident, original=one.original, commitment=stm.commit(one.salt, one.raw), echo=bool(one.before))


def _why(source: Source, chunk: Sequence[_Ready]) -> dict[str, Json]:
    """What the officer reads before deciding: from whom, how far that is trusted, and what is no news."""
    echoes: list[Json] = [
        {"id": one.ident, "said": [{"id": ident, "issuer": issuer} for issuer, ident in one.before]}
        for one in chunk
        if one.before
    ]
    left: list[Json] = [*sorted({name for one in chunk for name in one.made.left})]
    return {
        "reason": f"Imported from {source.name}, graded {source.grade.code}; objects: {len(chunk)}",
        "import": {
            "source": source.name,
            "reliability": source.grade.reliability,
            "credibility": source.grade.credibility,
            "words": [*source.grade.words],
            "echoes": echoes,
            "left": left,
        },
    }
