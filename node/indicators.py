"""Indicators in force: what other ports, and our own officers, have said to look for.

Keyed by (realm, issuer, STIX id): what is said in an exercise acts on that exercise's objects alone.
Order is log order: every change carries the log index of the entry that made it, and a
reader that remembers the last index it saw finds all that changed since. The newest ``modified`` wins, ``revoked`` is
terminal and comes even before the object itself, a coordinator's suspension survives later versions. Exercise objects
are kept and never watched. The handler runs in the transaction that stores the entry: a retraction that is in the
verified log has stopped matching.
Whoever can write here can make this port blind to an indicator or look for things; nothing of that leaves signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import tables
from port2port import statement, verify
from port2port.authority import Voice
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.envelope import SaltedObject
from port2port.ids import FEDERATION_ISSUER
from port2port.patterns import IndexKey, PatternError, guards_in
from port2port.roster import Roster
from port2port.sharing import Audience
from port2port.statement import Statement
from port2port.stix.validate import ValidObject
from port2port.tlp import UNMARKED, Tlp
from port2port.tlp import parse as tlp_of
from port2port.verify import VerifiedEntry
from port2port.wire import decode_envelope

_TABLE: Final = tables.IndicatorRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_ENTRY: Final = tables.Entry.__table__  # type: ignore[attr-defined]  # as above
_OBJECT: Final = tables.EntryObject.__table__  # type: ignore[attr-defined]  # as above
_VALUE: Final = tables.IndicatorValueRow.__table__  # type: ignore[attr-defined]  # as above
CARRIERS: Final = frozenset({"publish", "report", "import", "reshare"})
REAL: Final = "real"
OBSERVE_ONLY: Final = "observe_only"
Key: TypeAlias = tuple[str, str, str]  # (realm, issuer, STIX id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """``index`` is the log index of the last entry that touched it, ``entry_index`` that of this version.

    ``stix`` is empty for what was revoked or suspended before it was ever received.
    """

    issuer: str
    stix_id: str
    index: int
    entry_index: int
    statement_id: str
    realm: str
    modified: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    handling: str
    tlp: Tlp
    groups: tuple[tuple[str, int], ...]
    recipients: tuple[str, ...]
    purpose: str | None
    personal_data: bool
    revoked: bool
    suspended: bool
    disputed: bool
    machine_only: bool
    state: str
    reason: str
    stix: bytes
    past: Mapping[str, Json] | None
    listed: tuple[str, ...] = ()  # the warning lists for which it is not watched

    @property
    def key(self) -> Key:
        return self.realm, self.issuer, self.stix_id

    @property
    def may_match(self) -> bool:
        """Whether the watch may run it at all, over what is really seen; validity in time is the watch's question."""
        return bool(self.stix) and not (self.revoked or self.suspended) and self.realm == REAL

    def may_act(self, now: datetime) -> bool:
        """Whether a machine may act on it now: as far as this row says. Who may read it is the outlet's question."""
        begun = self.valid_from is None or self.valid_from <= now
        in_time = begun and (self.valid_until is None or now < self.valid_until)
        return self.may_match and in_time and not self.disputed and self.handling != OBSERVE_ONLY

    @property
    def audience(self) -> Audience:
        """Who may know of it: the bound of what may be said about it."""
        return Audience(
            issuer=self.issuer,
            kind="publish",
            tlp=self.tlp,
            groups=self.groups,
            recipients=self.recipients,
            handling=self.handling or None,
            purpose=self.purpose,
            personal_data=self.personal_data,
            realm=self.realm,
        )


def handle(connection: Connection, entry: VerifiedEntry, roster: Roster) -> None:
    """Take in one verified entry: the ``EntryHandler`` of the inbox. What is not understood is never matched."""
    if not entry.understood:
        return
    said = entry.statement
    if said.kind in CARRIERS:
        for found, raw in zip(entry.objects, entry.envelope.objects, strict=False):
            if found.type == "indicator":
                _take(connection, entry, found, raw)
    elif said.kind == "retract":
        _retract(connection, entry)
    elif said.kind == "suspend" and said.issuer == FEDERATION_ISSUER:
        reason = said.body.get("reason")
        for key in keys_in(said):
            _touch(connection, key, entry.index, suspended=True, reason=str(reason or "suspended by a coordinator"))
    elif said.kind == "reaffirm":
        _reaffirm(connection, said, entry.index)
    elif said.is_control:
        _dispute(connection, entry.index, roster)


def keys_in(said: Statement) -> tuple[Key, ...]:
    """The objects that a statement refers to: those of its own realm."""
    return tuple((said.realm, issuer, stix_id) for issuer, stix_id in said.refs())


def get(connection: Connection, key: Key) -> Indicator | None:
    """One indicator as it stands."""
    row = connection.execute(sa.select(_TABLE).where(*_is(key))).one_or_none()
    return None if row is None else _of_row(row)


def asking() -> sa.Select[tuple[str, str]]:
    """(issuer, STIX id) of real indicators, not taken back, that ask for more than to be observed: a sub-query."""
    stands = (_TABLE.c.realm == REAL, ~_TABLE.c.revoked, ~_TABLE.c.suspended)
    return sa.select(_TABLE.c.issuer, _TABLE.c.stix_id).where(*stands, _TABLE.c.handling != OBSERVE_ONLY)


def held_since(connection: Connection, index: int) -> tuple[int, frozenset[Key]]:
    """What its author put on hold by entries beyond a log index, and the last index there is: no machine acts on it."""
    last = connection.scalar(sa.select(sa.func.max(_ENTRY.c.index)))
    query = sa.select(_ENTRY.c.envelope).where(_ENTRY.c.index > index, _ENTRY.c.kind == "hold", _ENTRY.c.understood)
    said = [statement.decode(decode_envelope(raw).statement) for raw in connection.scalars(query)]
    named = frozenset(key for one in said for key in keys_in(one) if key[1] == one.issuer)
    return (index if last is None else last), named


def by_stix_id(connection: Connection, stix_id: str) -> list[Indicator]:
    """The indicators of one STIX id, in whatever realm; several issuers may use the same."""
    return [_of_row(row) for row in connection.execute(sa.select(_TABLE).where(_TABLE.c.stix_id == stix_id))]


def naming(connection: Connection, keys: Iterable[IndexKey], now: datetime, *, most: int) -> list[Indicator]:
    """The real indicators in force whose pattern names one of these values, the newest first, ``most`` of them.

    Found by the value: what it costs does not grow with the indicators there are on other things.
    """
    of = [_VALUE.c[name] for name in ("realm", "issuer", "stix_id")]
    named = sa.select(*of).where(_VALUE.c.digest.in_({_digest(key) for key in keys})).distinct().subquery()
    query = (
        sa.select(_TABLE)
        .join(named, sa.and_(*(_TABLE.c[column.name] == named.c[column.name] for column in of)))
        .where(~_TABLE.c.revoked, ~_TABLE.c.suspended)
        .where(sa.or_(_TABLE.c.valid_until_ms.is_(None), _TABLE.c.valid_until_ms > to_ms(now)))
        .order_by(_TABLE.c.modified_ms.desc(), _TABLE.c.issuer, _TABLE.c.stix_id)
        .limit(most)
    )
    return [_of_row(row) for row in connection.execute(query)]


def values_in(raw: bytes) -> frozenset[IndexKey]:
    """What an object names by value; nothing for what is no indicator, or is not looked for by a value."""
    data = orjson.loads(raw)
    try:
        return frozenset((guards_in(str(data["pattern"])) or ()) if data["type"] == "indicator" else ())
    except PatternError:
        return frozenset()


def changed_since(connection: Connection, index: int) -> list[Indicator]:
    """All that an entry beyond a log index has touched, in log order; -1 for everything."""
    query = sa.select(_TABLE).where(_TABLE.c.index > index).order_by(_TABLE.c.index, _TABLE.c.stix_id)
    return [_of_row(row) for row in connection.execute(query)]


def note_state(connection: Connection, key: Key, state: str, *, index: int) -> None:
    """How the watch took it (watched, quarantined, not evaluated here) as it was after the entry at ``index``.

    What a later entry has touched meanwhile is left alone: it will be looked at again.
    """
    connection.execute(sa.update(_TABLE).where(*_is(key), _TABLE.c.index == index).values(state=state))


def ended_by(connection: Connection, said: Statement) -> list[tuple[int, bytes]]:
    """(log index, digest) of the entries of which, after this retraction, nothing matches any more.

    An entry counts once all its indicators are revoked: of one whose other indicators go on nobody may say so.
    """
    named = [stix_id for _, issuer, stix_id in keys_in(said) if issuer == said.issuer]
    brought, other = _OBJECT.alias("brought"), _OBJECT.alias("other")
    goes_on = (
        sa.exists()
        .where(other.c.index == brought.c.index, other.c.stix_id.like("indicator--%"))
        .where(
            ~sa.exists().where(
                *(_TABLE.c[name] == other.c[name] for name in ("realm", "issuer", "stix_id")), _TABLE.c.revoked
            )
        )
    )
    query = (
        sa.select(_ENTRY.c.index, _ENTRY.c.digest)
        .join(brought, brought.c.index == _ENTRY.c.index)
        .where(brought.c.stix_id.in_(named), brought.c.stix_id.like("indicator--%"))
        .where(brought.c.issuer == said.issuer, brought.c.realm == said.realm)
        .where(_ENTRY.c.kind.in_(CARRIERS), ~goes_on)
        .distinct()
        .order_by(_ENTRY.c.index)
    )
    return [(index, digest) for index, digest in connection.execute(query)] if named else []


def note_listed(connection: Connection, key: Key, lists: Sequence[str]) -> None:
    """The warning lists on which stands what it names, for whoever opens the indicator."""
    row = connection.execute(sa.select(_TABLE.c.body).where(*_is(key))).one_or_none()
    if row is not None:
        body = {**orjson.loads(row.body), "listed": list(lists)}
        connection.execute(sa.update(_TABLE).where(*_is(key)).values(body=orjson.dumps(body)))


def note_past(connection: Connection, key: Key, past: Mapping[str, Json]) -> None:
    """What looking back said, for whoever opens the indicator."""
    row = connection.execute(sa.select(_TABLE.c.body).where(*_is(key))).one_or_none()
    if row is not None:
        body = {**orjson.loads(row.body), "past": dict(past)}
        connection.execute(sa.update(_TABLE).where(*_is(key)).values(body=orjson.dumps(body)))


def _is(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return _TABLE.c.realm == key[0], _TABLE.c.issuer == key[1], _TABLE.c.stix_id == key[2]


def _take(connection: Connection, entry: VerifiedEntry, found: ValidObject, raw: SaltedObject) -> None:
    said = entry.statement
    key = (said.realm, said.issuer, found.id)
    known = connection.execute(sa.select(_TABLE).where(*_is(key))).one_or_none()
    modified_ms = 0 if found.modified is None else to_ms(found.modified)
    if known is not None and (known.revoked or modified_ms <= known.modified_ms):
        return
    values = {
        **_validity(found),
        "index": entry.index,
        "modified_ms": modified_ms,
        "handling": said.handling or "",
        "tlp": (said.tlp or UNMARKED).value,
        "revoked": found.revoked,
        "disputed": False,
        "machine_only": entry.machine_only,
        "state": "",
        "reason": "" if known is None else known.reason,
        "body": orjson.dumps(_body(entry, raw.body)),
    }
    if known is None:
        connection.execute(sa.insert(_TABLE).values(_named(key) | {"suspended": False} | values))
    else:
        connection.execute(sa.update(_TABLE).where(*_is(key)).values(values))
    _take_values(connection, key, raw.body)


def _take_values(connection: Connection, key: Key, raw: bytes) -> None:
    """What this version names, in place of what an earlier one did; what is of an exercise is never asked for so."""
    if key[0] != REAL:
        return
    columns = zip((_VALUE.c.realm, _VALUE.c.issuer, _VALUE.c.stix_id), key, strict=True)
    connection.execute(sa.delete(_VALUE).where(*(column == value for column, value in columns)))
    digests = {_digest(one) for one in values_in(raw)}
    if digests:
        connection.execute(sa.insert(_VALUE), [{**_named(key), "digest": digest} for digest in digests])


def _digest(key: IndexKey) -> bytes:
    """A path and a value of whatever length as a key of an index."""
    return sha256(f"{key[0]}\0{key[1]}".encode()).digest()


def _named(key: Key) -> dict[str, Any]:
    return {"realm": key[0], "issuer": key[1], "stix_id": key[2]}


def _validity(found: ValidObject) -> dict[str, int | None]:
    return {
        "valid_from_ms": None if found.valid_from is None else to_ms(found.valid_from),
        "valid_until_ms": None if found.valid_until is None else to_ms(found.valid_until),
    }


def _body(entry: VerifiedEntry, raw: bytes) -> dict[str, Any]:
    said = entry.statement
    return {
        "digest": entry.digest.hex(),
        "entry_index": entry.index,
        "groups": said.groups,
        "key_ids": [voice.key_id for voice in entry.voices],
        "personal_data": said.personal_data,
        "purpose": said.purpose,
        "received_ms": entry.received_ms,
        "recipients": said.recipients,
        "statement_id": said.id,
        "stix": raw.decode(),
    }


def _retract(connection: Connection, entry: VerifiedEntry) -> None:
    said = entry.statement
    named = [key for key in keys_in(said) if key[1] == said.issuer]
    named += [(said.realm, said.issuer, found.id) for found in entry.objects if found.revoked]
    reason = str(said.body.get("reason") or "retracted by its author")
    for key in dict.fromkeys(named):
        if key[2].startswith("indicator--"):
            _touch(connection, key, entry.index, revoked=True, reason=reason)


def _touch(connection: Connection, key: Key, index: int, **values: Any) -> None:
    """Change a row, or leave a mark for an object that may come later."""
    changed = connection.execute(sa.update(_TABLE).where(*_is(key)).values(index=index, **values))
    if not changed.rowcount:
        blank = {"modified_ms": 0, "body": b"{}", "revoked": False, "suspended": False}
        bare = {"disputed": False, "machine_only": False, "handling": "", "tlp": UNMARKED.value, "state": ""}
        connection.execute(sa.insert(_TABLE).values(_named(key) | {"index": index} | blank | bare | values))


def _dispute(connection: Connection, index: int, roster: Roster) -> None:
    """A key was declared stolen as of before: what it signed since, in whatever realm, is flagged, and stays."""
    since = {key_id for key_id, key in roster.keys.items() if key.invalid_since_ms is not None}
    if not since:
        return
    for row in connection.execute(sa.select(_TABLE).where(~_TABLE.c.revoked, ~_TABLE.c.disputed)).all():
        body = orjson.loads(row.body)
        voices = [Voice(key_id=key, owner=row.issuer, key_class="machine") for key in body.get("key_ids", [])]
        if body.get("reaffirmed") or not since.intersection(voice.key_id for voice in voices):
            continue
        if verify.is_disputed(body["received_ms"], voices, roster):
            _touch(connection, (row.realm, row.issuer, row.stix_id), index, disputed=True)


def _reaffirm(connection: Connection, said: Statement, index: int) -> None:
    digests = said.body.get("digests")
    named = {item for item in digests if isinstance(item, str)} if isinstance(digests, list) else set()
    own = sa.select(_TABLE).where(_TABLE.c.realm == said.realm, _TABLE.c.issuer == said.issuer)
    for row in connection.execute(own).all():
        body = orjson.loads(row.body)
        if body.get("digest") in named:
            cleared = orjson.dumps({**body, "reaffirmed": True})
            _touch(connection, (row.realm, row.issuer, row.stix_id), index, disputed=False, body=cleared)


def _of_row(row: Row[Any]) -> Indicator:
    body = orjson.loads(row.body)
    values = row._mapping  # noqa: SLF001  # the documented view; a row's own ``index`` is a method
    return Indicator(
        issuer=row.issuer,
        stix_id=row.stix_id,
        index=values["index"],
        entry_index=body.get("entry_index", values["index"]),
        statement_id=body.get("statement_id", ""),
        realm=row.realm,
        modified=from_ms(row.modified_ms),
        valid_from=None if row.valid_from_ms is None else from_ms(row.valid_from_ms),
        valid_until=None if row.valid_until_ms is None else from_ms(row.valid_until_ms),
        handling=row.handling,
        tlp=tlp_of(row.tlp),
        groups=_pairs(body.get("groups", [])),
        recipients=tuple(body.get("recipients", [])),
        purpose=body.get("purpose"),
        personal_data=body.get("personal_data", False),
        revoked=row.revoked,
        suspended=row.suspended,
        disputed=row.disputed,
        machine_only=row.machine_only,
        state=row.state,
        reason=row.reason,
        stix=body.get("stix", "").encode(),
        past=body.get("past"),
        listed=tuple(body.get("listed", ())),
    )


def _pairs(groups: Iterable[Sequence[Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(version)) for name, version in groups)
