"""What officers prepared, kept until enough of them have signed: the rows behind ``node.acts``.

An act waits, and then it is done, returned (it no longer holds: the reason says why) or withdrawn; it never goes back.
While it waits it holds the key that numbered its statements, so that nobody overtakes them on that key.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import tables
from node.findings import Severity
from port2port.canonical import Json
from port2port.clock import from_ms, to_ms
from port2port.envelope import SaltedObject
from port2port.errors import ConflictError, NotFoundError

_ACT: Final = tables.ActRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SIGNATURE: Final = tables.ActSignatureRow.__table__  # type: ignore[attr-defined]  # as above
WAITING: Final = "waiting"
DONE: Final = "done"
RETURNED: Final = "returned"
WITHDRAWN: Final = "withdrawn"
STATES: Final = (WAITING, DONE, RETURNED, WITHDRAWN)
REJECT: Final = "reject"
REJECT_MANY: Final = "reject-many"  # its subject is several drafts, with spaces between
_TEXT_MAX: Final = 1_000
_GRADES: Final = {one.name.lower(): one.value for one in Severity}


class NoActError(NotFoundError):
    """There is no act of this id."""

    code = "NO_ACT"


class ActClosedError(ConflictError):
    """The act was done, returned or withdrawn already."""

    code = "ACT_CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One frozen statement, numbered, with its objects and their salts."""

    statement: bytes
    objects: tuple[SaltedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One officer's signature over one part (or, part 0 of an act without statements, over the decision)."""

    officer: str
    part: int
    key_id: str
    signature: bytes
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A frozen act. ``document`` is the decision in canonical JSON, ``work`` what completing it needs.

    ``need`` officers sign; ``reasons`` are the rules that ask for so many. ``barred`` may not be the second officer.
    ``sealed`` is what was left out of the statements: it stays here, and its digests are in the document.
    """

    id: str
    kind: str
    subject: str
    state: str
    author: str
    need: int
    signer: str
    made_at: datetime
    closes_at: datetime
    document: bytes
    parts: tuple[Part, ...] = ()
    reasons: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    work: Mapping[str, Json] = field(default_factory=dict)
    sealed: Mapping[str, Json] = field(default_factory=dict)
    override: bool = False
    closed_at: datetime | None = None
    reason: str = ""
    check_by: datetime | None = None
    checked_at: datetime | None = None
    checked_by: str = ""


def next_id(connection: Connection) -> str:
    """A short id, because an officer types it."""
    return f"A{(connection.scalar(sa.select(sa.func.count()).select_from(_ACT)) or 0) + 1}"


def insert(connection: Connection, act: Prepared) -> None:
    """Keep a new act."""
    connection.execute(
        sa.insert(_ACT).values(
            id=act.id,
            kind=act.kind,
            subject=act.subject,
            state=act.state,
            author=act.author,
            need=act.need,
            signer=act.signer,
            made_ms=to_ms(act.made_at),
            closes_ms=to_ms(act.closes_at),
            override=act.override,
            body=_body(act),
        )
    )


def get(connection: Connection, act_id: str) -> Prepared:
    """The act of this id, in either case of letters. Raises NoActError."""
    row = connection.execute(sa.select(_ACT).where(_ACT.c.id == act_id.upper())).one_or_none()
    if row is None:
        raise NoActError(f"there is no act {act_id[:40]}; see: port2port-node review waiting")
    return _of_row(row)


def get_waiting(connection: Connection, act_id: str) -> Prepared:
    """As ``get``, for one that still waits. Raises ActClosedError."""
    act = get(connection, act_id)
    if act.state != WAITING:
        raise ActClosedError(f"act {act.id} was {act.state} already{': ' + act.reason if act.reason else ''}")
    return act


def listed(connection: Connection, state: str = WAITING) -> list[Prepared]:
    """The acts in a state, the oldest first."""
    query = sa.select(_ACT).where(_ACT.c.state == state).order_by(_ACT.c.made_ms, sa.func.length(_ACT.c.id), _ACT.c.id)
    return [_of_row(row) for row in connection.execute(query)]


def about(connection: Connection, subject: str) -> list[Prepared]:
    """Every act about a draft or a published thing, the oldest first."""
    query = sa.select(_ACT).where(_ACT.c.subject == subject).order_by(_ACT.c.made_ms, sa.func.length(_ACT.c.id))
    return [_of_row(row) for row in connection.execute(query)]


def waits(connection: Connection, subject: str) -> str | None:
    """The id of the act that waits about a subject, be it one of several."""
    one_of_several = (sa.literal(" ") + _ACT.c.subject + " ").contains(f" {subject} ", autoescape=True)
    named = sa.or_(_ACT.c.subject == subject, sa.and_(_ACT.c.kind == REJECT_MANY, one_of_several))
    return connection.scalar(sa.select(_ACT.c.id).where(named, _ACT.c.state == WAITING).limit(1))


def subjects(act: Prepared) -> tuple[str, ...]:
    """What an act is about, each by itself."""
    return tuple(act.subject.split()) if act.kind == REJECT_MANY else (act.subject,)


def holds(connection: Connection, draft_id: str, *, was: str, now: str) -> bool:
    """Whether a draft stays as it is because an act about it waits. Given how severe it was and would be now: what is
    graver than what was to be rejected is not held, and the rejection falls.
    """
    act_id = waits(connection, draft_id)
    if act_id is None:
        return False
    kind = connection.scalar(sa.select(_ACT.c.kind).where(_ACT.c.id == act_id))
    return kind not in {REJECT, REJECT_MANY} or _GRADES.get(now, -1) <= _GRADES.get(was, -1)


def held(connection: Connection) -> frozenset[str]:
    """The keys that waiting acts hold."""
    query = sa.select(_ACT.c.signer).where(_ACT.c.state == WAITING, _ACT.c.signer != "")
    return frozenset(connection.scalars(query))


def close(
    connection: Connection,
    act: Prepared,
    state: str,
    *,
    now: datetime,
    reason: str = "",
    check_by: datetime | None = None,
) -> Prepared:
    """End a waiting act: compare-and-swap, so that it ends once. Raises ActClosedError."""
    changed = connection.execute(
        sa.update(_ACT)
        .where(_ACT.c.id == act.id, _ACT.c.state == WAITING)
        .values(
            state=state,
            closed_ms=to_ms(now),
            reason=reason[:_TEXT_MAX],
            check_by_ms=None if check_by is None else to_ms(check_by),
        )
    )
    if changed.rowcount != 1:
        raise ActClosedError(f"somebody else ended act {act.id} just now")
    return get(connection, act.id)


def sign(connection: Connection, act_id: str, given: Given) -> None:
    """Keep a checked signature."""
    connection.execute(
        sa.insert(_SIGNATURE).values(
            act=act_id,
            officer=given.officer,
            part=given.part,
            key_id=given.key_id,
            signature=given.signature,
            at_ms=to_ms(given.at),
        )
    )


def signatures(connection: Connection, act_id: str) -> list[Given]:
    """All that came, in the order they came."""
    query = sa.select(_SIGNATURE).where(_SIGNATURE.c.act == act_id)
    return [
        Given(officer=row.officer, part=row.part, key_id=row.key_id, signature=row.signature, at=from_ms(row.at_ms))
        for row in connection.execute(query.order_by(_SIGNATURE.c.at_ms, _SIGNATURE.c.officer, _SIGNATURE.c.part))
    ]


def unchecked(connection: Connection) -> list[Prepared]:
    """The overrides that still wait for their second check, the first due first."""
    query = sa.select(_ACT).where(_ACT.c.check_by_ms.is_not(None), _ACT.c.checked_ms.is_(None))
    return [_of_row(row) for row in connection.execute(query.order_by(_ACT.c.check_by_ms, _ACT.c.id))]


def check(connection: Connection, act_id: str, *, officer: str, now: datetime) -> None:
    """Note the second check of an override. Raises ActClosedError where it was checked already."""
    changed = connection.execute(
        sa.update(_ACT)
        .where(_ACT.c.id == act_id, _ACT.c.check_by_ms.is_not(None), _ACT.c.checked_ms.is_(None))
        .values(checked_ms=to_ms(now), checked_by=officer)
    )
    if changed.rowcount != 1:
        raise ActClosedError(f"act {act_id} waits for no second check")


def counted(connection: Connection, kinds: frozenset[str], *, since: datetime, until: datetime) -> tuple[int, int]:
    """(overrides, all) of the acts of some kinds that were done in [since, until)."""
    during = (
        _ACT.c.state == DONE,
        _ACT.c.kind.in_(sorted(kinds)),
        _ACT.c.closed_ms >= to_ms(since),
        _ACT.c.closed_ms < to_ms(until),
    )
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.cast(_ACT.c.override, sa.Integer)), 0))
    every, overrides = connection.execute(query.where(*during)).one()
    return int(overrides), int(every)


def _body(act: Prepared) -> bytes:
    return orjson.dumps(
        {
            "barred": act.barred,
            "document": act.document.decode(),
            "parts": [
                {
                    "objects": [{"body": item.body.decode(), "salt": _b64(item.salt)} for item in part.objects],
                    "statement": part.statement.decode(),
                }
                for part in act.parts
            ],
            "reasons": act.reasons,
            "sealed": dict(act.sealed),
            "work": dict(act.work),
        }
    )


def _of_row(row: Row[Any]) -> Prepared:
    data = orjson.loads(row.body)
    return Prepared(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        state=row.state,
        author=row.author,
        need=row.need,
        signer=row.signer,
        made_at=from_ms(row.made_ms),
        closes_at=from_ms(row.closes_ms),
        document=data["document"].encode(),
        parts=tuple(map(_part, data["parts"])),
        reasons=tuple(data["reasons"]),
        barred=tuple(data["barred"]),
        work=data["work"],
        sealed=data["sealed"],
        override=bool(row.override),
        closed_at=_moment(row.closed_ms),
        reason=row.reason,
        check_by=_moment(row.check_by_ms),
        checked_at=_moment(row.checked_ms),
        checked_by=row.checked_by,
    )


def _part(data: Mapping[str, Any]) -> Part:
    objects = (
        SaltedObject(salt=base64.b64decode(item["salt"]), body=item["body"].encode()) for item in data["objects"]
    )
    return Part(statement=data["statement"].encode(), objects=tuple(objects))


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else from_ms(at_ms)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
