"""Collections, folded from the log in log order and made again at will (``port2port-hub rebuild``).

An object stands in the collection of its issuer, in that of each topic its statement is about, and in the plain one
where a machine may act on it. Where the log in this database is another one than was folded (recovered, or brought back
from a copy), everything but the intakes starts anew; dates never go back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.audience import audience_from
from hub.store import Lookup, Query
from hub.tables import BODY, ENTRY, LEAF, VISIBILITY
from hub.taxii.adding import EVERYBODY, Addition, Batch, Head, announce_again, digest_of, lock
from hub.taxii.attesting import Witnessed
from hub.taxii.catalogue import TOPICS, number
from hub.taxii.model import Kind
from hub.taxii.telling import ATTESTED, PLACES, TAKEN_BACK, WITNESSED, Entry, Told, tell, version_of
from hub.taxii.topics import OTHER, ends_ms
from hub.taxii.trial import trial_indicator
from hub.taxii_tables import TAXII_BODY, TAXII_CLASS, TAXII_HEAD, TAXII_ITEM, TAXII_QUIET
from port2port.clock import from_ms
from port2port.errors import MalformedError, ProfileError
from port2port.ids import FEDERATION_ISSUER
from port2port.roster import Roster
from port2port.sharing import Audience
from port2port.stix.objects import revoked
from port2port.tlp import Tlp, at_least_as_strict

logger = logging.getLogger(__name__)
PER_FOLD: Final = 256
FOR_EVER: Final = 2**62
_TRIAL_BODY: Final = -1


class Attests(Protocol):
    """Who makes the proofs of entries: ``attesting.Attestor``."""

    def attest(self, connection: Connection, index: int, *, under: Witnessed | None = None) -> bytes | None: ...
    def newest_witnessed(self, connection: Connection, roster: Roster) -> Witnessed | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """What folding needs beside the database. Without ``attests`` nothing is proved; ``roster`` names the witnesses."""

    genesis_hash: str
    federation: str
    attests: Attests | None = None
    roster: Callable[[], Roster | None] = lambda: None

    def number(self, kind: Kind, key: str = "") -> int:
        """The number of a collection."""
        return number(self.genesis_hash, kind, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """``entries`` were taken in; ``worked``: more may follow; ``ahead_us``: how far dates lie beyond what is served."""

    entries: int
    worked: bool
    ahead_us: int


@dataclass(slots=True)
class _Work:
    """One transaction's additions, in the order in which they are dated."""

    folding: Folding
    additions: list[tuple[Addition, bytes]] = field(default_factory=list)
    quiet: dict[tuple[str, str, int], int] = field(default_factory=dict)
    plain: set[tuple[str, str]] = field(default_factory=set)
    topics: dict[str, set[str]] = field(default_factory=dict)

    def put(self, entry: Entry, told: Told, kinds: Iterable[tuple[Kind, str]]) -> None:
        """One object of an entry into collections."""
        version, version_us = version_of(told.data)
        for kind, key in kinds:
            made = Addition(
                collection=self.folding.number(kind, key),
                visibility=entry.visibility,
                issuer=entry.issuer,
                kind=str(told.data["type"]),
                stix_id=told.stix_id,
                version=version,
                version_us=version_us,
                digest=digest_of(told.raw),
                body=entry.index * PLACES + told.place,
                expires_ms=ends_ms(told.data) if kind is Kind.SIEM else None,
            )
            self.additions.append((made, told.raw))


def fold(connection: Connection, folding: Folding, now_ms: int, limit: int = PER_FOLD) -> Folded:
    """Take up to ``limit`` further entries in, in a writing transaction, and serve readers up to now."""
    return _fold(connection, folding, now_ms, limit, again=False)


def rebuild(connection: Connection, folding: Folding, now_ms: int) -> int:
    """Fold everything anew, in one transaction; the number of entries. What is the same as before keeps its date."""
    lock(connection, now_ms)
    connection.execute(TAXII_ITEM.update().where(_FOLDED).values(collection=-TAXII_ITEM.c.collection))
    _forget_beside_items(connection)
    total = 0
    while (folded := _fold(connection, folding, now_ms, PER_FOLD, again=True)).worked:
        total += folded.entries
    connection.execute(TAXII_ITEM.delete().where(TAXII_ITEM.c.collection < 0))
    return total


def folded_to(connection: Connection) -> int:
    """How many entries were folded."""
    return int(connection.execute(sa.select(TAXII_HEAD.c.next).where(TAXII_HEAD.c.id == 0)).scalar_one())


def _fold(connection: Connection, folding: Folding, now_ms: int, limit: int, *, again: bool) -> Folded:
    head = lock(connection, now_ms)
    start = _start(connection, head)
    rows = _ENTRIES(connection, first=start, end=start + limit)
    found = [_Logged(*row) for row in rows]
    work = _Work(folding)
    if start == 0:
        _put_trial(work)
    entries = [entry for row in found if (entry := tell(row, folding.federation)) is not None]
    _put_entries(connection, work, entries)
    after = start + len(found)
    witnessed = _put_witnessed(connection, work, min(head.witnessed, start), after, limit)
    added = _add(connection, work, head, again=again)
    expired = 0 if again else announce_again(connection, head.moment_us, now_ms, limit)
    last = _last_us(connection)
    worked = bool(found or added or expired or witnessed != head.witnessed or after != head.next)
    if not worked and last <= head.horizon_us:
        return Folded(entries=0, worked=False, ahead_us=0)
    root = bytes(found[-1].root) if found else head.root
    moved = {"next": after, "root": root, "horizon_us": head.moment_us, "witnessed": witnessed}
    connection.execute(TAXII_HEAD.update().where(TAXII_HEAD.c.id == 0).values(**moved))
    return Folded(entries=len(found), worked=worked, ahead_us=max(0, last - head.moment_us))


def _add(connection: Connection, work: _Work, head: Head, *, again: bool) -> int:
    batch = Batch(connection, head.moment_us, again=again)
    batch.prepare(one for one, _ in work.additions)
    added = sum(batch.add(one, raw) for one, raw in work.additions)
    batch.write()
    _write_quiet(connection, work)
    return added


@dataclass(frozen=True, slots=True)
class _Logged:
    """A row of the log."""

    index: int
    visibility: int
    received_ms: int
    digest: bytes
    envelope: bytes
    root: bytes


def _start(connection: Connection, head: Head) -> int:
    if head.next == 0:
        return 0
    root = connection.execute(sa.select(LEAF.c.root).where(LEAF.c.index == head.next - 1)).scalar()
    if root is not None and bytes(root) == head.root:
        return head.next
    connection.execute(TAXII_ITEM.delete().where(_FOLDED))
    _forget_beside_items(connection)
    return 0


def _forget_beside_items(connection: Connection) -> None:
    """Everything folded but the items, whose dates may be wanted, and the last dates, which never go back."""
    connection.execute(TAXII_BODY.delete().where(TAXII_BODY.c.number >= _TRIAL_BODY))
    connection.execute(TAXII_QUIET.delete())
    connection.execute(TAXII_HEAD.update().where(TAXII_HEAD.c.id == 0).values(next=0, root=b"", witnessed=0))


def _put_trial(work: _Work) -> None:
    raw = trial_indicator(work.folding.federation)
    data = orjson.loads(raw)
    version, version_us = version_of(data)
    made = Addition(
        collection=work.folding.number(Kind.SIEM),
        visibility=EVERYBODY,
        issuer=FEDERATION_ISSUER,
        kind="indicator",
        stix_id=data["id"],
        version=version,
        version_us=version_us,
        digest=digest_of(raw),
        body=_TRIAL_BODY,
        expires_ms=ends_ms(data),
    )
    work.additions.append((made, raw))


def _put_entries(connection: Connection, work: _Work, entries: Sequence[Entry]) -> None:
    ids = {item.stix_id for entry in entries for item in entry.objects if item.data.get("type") == "indicator"}
    ids |= {ref[1] for entry in entries for ref in entry.takes_back}
    siem = work.folding.number(Kind.SIEM)
    work.plain = {(issuer, stix_id) for issuer, stix_id in _NAMED(connection, sorted(ids), of=siem)}
    about = sorted(frozenset().union(*(entry.about for entry in entries)))
    for topic in TOPICS if about else ():
        for _, stix_id in _NAMED(connection, about, of=work.folding.number(Kind.TOPIC, topic)):
            work.topics.setdefault(stix_id, set()).add(topic)
    for entry in entries:
        _put_entry(connection, work, entry)


def _put_entry(connection: Connection, work: _Work, entry: Entry) -> None:
    for name in entry.suspends:
        work.quiet[*name, entry.visibility] = FOR_EVER
    topics = set(entry.topics) or set().union(*(work.topics.get(name, ()) for name in entry.about)) or {OTHER}
    kinds = [(Kind.PORT, entry.issuer), *((Kind.TOPIC, topic) for topic in sorted(topics))]
    for told in entry.objects:
        work.topics.setdefault(told.stix_id, set()).update(topics)
        work.put(entry, told, kinds)
        _put_plain(work, entry, told)
    for place, name in enumerate(entry.takes_back):
        _take_back(connection, work, entry, TAKEN_BACK + place, name)
    proof = _attested(connection, work.folding, entry, ATTESTED) if entry.objects else None
    if proof is not None:
        work.put(entry, proof, kinds)


def _attested(
    connection: Connection, folding: Folding, entry: Entry, place: int, under: Witnessed | None = None
) -> Told | None:
    """The proof of an entry; None where there is none to be had, which takes no other entry with it."""
    if folding.attests is None:
        return None
    try:
        raw = folding.attests.attest(connection, entry.index, under=under)
    except MalformedError as error:
        logger.warning("entry has no attestation", extra={"index": entry.index, "cause": error.code})
        return None
    return None if raw is None else Told(place=place, raw=raw, data=orjson.loads(raw))


def _put_plain(work: _Work, entry: Entry, told: Told) -> None:
    """Into the plain collection, or, as another version of what is there that no machine may act on, against it."""
    name = (entry.issuer, told.stix_id)
    there = name in work.plain
    if told.plain or (there and told.revoked):
        work.plain.add(name)
        work.put(entry, told, [(Kind.SIEM, "")])
    elif there:
        at = (*name, entry.visibility)
        work.quiet[at] = max(work.quiet.get(at, 0), entry.index * PLACES + told.place)


def _take_back(connection: Connection, work: _Work, entry: Entry, place: int, name: tuple[str, str]) -> None:
    """A retraction without a new version: the hub says it for machines, which would go on alerting.

    It is told to those alone who may read both the retraction and the version that it is made of.
    """
    if name not in work.plain or name[0] != entry.issuer:
        return
    found = _newest_plain(connection, work, name, entry.visibility)
    if found is None:
        work.quiet[*name, entry.visibility] = FOR_EVER
        return
    visibility, raw = found
    if orjson.loads(raw).get("revoked") is True:
        return
    try:
        made = revoked(raw, from_ms(entry.received_ms))
    except ProfileError:
        work.quiet[*name, entry.visibility] = FOR_EVER
        return
    told = Told(place=place, raw=made, data=orjson.loads(made))
    work.put(replace(entry, visibility=visibility), told, [(Kind.SIEM, "")])


def _newest_plain(connection: Connection, work: _Work, name: tuple[str, str], told_to: int) -> tuple[int, bytes] | None:
    """The newest version that may be told of by an entry of class ``told_to``, and the class that reads both."""
    siem = work.folding.number(Kind.SIEM)
    rows = [
        (one.version_us, one.visibility, raw)
        for one, raw in work.additions
        if one.collection == siem and (one.issuer, one.stix_id) == name
    ]
    rows += _NEWEST_BODY(connection, of=siem, issuer=name[0], ident=name[1])
    audiences = _audiences(connection, {told_to, *(row[1] for row in rows)})
    both = []
    for version_us, visibility, raw in rows:
        if visibility == told_to or _reaches_all_of(audiences[visibility], audiences[told_to]):
            both.append((version_us, told_to, bytes(raw)))
        elif _reaches_all_of(audiences[told_to], audiences[visibility]):
            both.append((version_us, visibility, bytes(raw)))
    return max(both)[1:] if both else None


def _audiences(connection: Connection, classes: Iterable[int]) -> dict[int, Audience]:
    rows = connection.execute(sa.select(VISIBILITY.c.id, VISIBILITY.c.key).where(VISIBILITY.c.id.in_(classes)))
    return {row[0]: audience_from(row[1]) for row in rows}


def _reaches_all_of(wide: Audience, narrow: Audience) -> bool:
    """Whether all members read ``wide``, with all their systems that read ``narrow``, for any purpose."""
    named = wide.groups or wide.recipients or wide.personal_data or wide.held or wide.handling is not None
    marked = not at_least_as_strict(wide.marking, Tlp.AMBER) and at_least_as_strict(narrow.marking, wide.marking)
    return marked and not named and wide.realm == narrow.realm


def _put_witnessed(connection: Connection, work: _Work, start: int, after: int, limit: int) -> int:
    """The second version of attestations that witnesses have come to stand behind; how far that is."""
    folding, roster = work.folding, work.folding.roster()
    if folding.attests is None or roster is None or start >= after:
        return start
    found = folding.attests.newest_witnessed(connection, roster)
    end = start if found is None else min(after, found.size, start + limit)
    rows = _ENTRIES(connection, first=start, end=end) if end > start else []
    entries = [entry for row in rows if (entry := tell(_Logged(*row), folding.federation)) and entry.objects]
    for entry in entries:
        proof = _attested(connection, folding, entry, WITNESSED, found)
        if proof is not None:
            work.put(entry, proof, _where(connection, work, entry, proof.stix_id))
    return max(start, end)


def _where(connection: Connection, work: _Work, entry: Entry, stix_id: str) -> list[tuple[Kind, str]]:
    """The collections that hold the first version of an attestation."""
    fresh = {one.collection for one, _ in work.additions if one.stix_id == stix_id}
    kinds = [(Kind.PORT, entry.issuer), *((Kind.TOPIC, topic) for topic in TOPICS)]
    numbers = {work.folding.number(kind, key): (kind, key) for kind, key in kinds}
    query = sa.select(TAXII_ITEM.c.collection).where(
        TAXII_ITEM.c.collection.in_(numbers), TAXII_ITEM.c.stix_id == stix_id
    )
    there = fresh | set(connection.execute(query).scalars())
    return [numbers[known] for known in numbers if known in there]


def _write_quiet(connection: Connection, work: _Work) -> None:
    for (issuer, stix_id, visibility), until in work.quiet.items():
        key = {"issuer": issuer, "stix_id": stix_id, "visibility": visibility}
        this = sa.and_(*(TAXII_QUIET.c[name] == value for name, value in key.items()))
        known = connection.execute(sa.select(TAXII_QUIET.c.until).where(this)).scalar()
        if known is None:
            connection.execute(TAXII_QUIET.insert(), [{**key, "until": until}])
        elif known < until:
            connection.execute(TAXII_QUIET.update().where(this).values(until=until))


def _last_us(connection: Connection) -> int:
    query = sa.select(sa.func.max(TAXII_CLASS.c.last_us)).where(TAXII_CLASS.c.visibility != EVERYBODY)
    return int(connection.execute(query).scalar() or 0)


_FOLDED: Final = TAXII_ITEM.c.body >= _TRIAL_BODY  # what was posted has lower numbers
_ENTRIES: Final = Query(
    sa.select(*(ENTRY.c.index, ENTRY.c.visibility, ENTRY.c.received_ms, ENTRY.c.digest, BODY.c.envelope, LEAF.c.root))
    .join(BODY, BODY.c.index == ENTRY.c.index)
    .join(LEAF, LEAF.c.index == ENTRY.c.index)
    .where(ENTRY.c.index >= sa.bindparam("first"), ENTRY.c.index < sa.bindparam("end"))
    .order_by(ENTRY.c.index)
)
_NAMED: Final = Lookup(
    sa.select(TAXII_ITEM.c.issuer, TAXII_ITEM.c.stix_id).where(
        TAXII_ITEM.c.collection == sa.bindparam("of"), TAXII_ITEM.c.edge > 0
    ),
    TAXII_ITEM.c.stix_id,
)
_NEWEST_BODY: Final = Query(
    sa.select(TAXII_ITEM.c.version_us, TAXII_ITEM.c.visibility, TAXII_BODY.c.raw)
    .join(TAXII_BODY, TAXII_BODY.c.number == TAXII_ITEM.c.body)
    .where(
        TAXII_ITEM.c.collection == sa.bindparam("of"),
        TAXII_ITEM.c.stix_id == sa.bindparam("ident"),
        TAXII_ITEM.c.issuer == sa.bindparam("issuer"),
        TAXII_ITEM.c.newest == 1,
    )
)
