"""Expected works: a permit, divers, a tow. What their being there sets off is silenced from the hour they begin.

Works name ships, places, or ships in places; for as long as they last, each is a suppression of its own, with the
works' owner and reason, and ends with them. Silenced findings are stored and counted like all others, and the works
show how many. A cloned identity is never silenced by works: who takes a working ship's name is not at work.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from node import store, suppressions, tables
from node.store import AuditLine
from port2port import canonical
from port2port.clock import from_ms, to_ms, to_text
from port2port.errors import NotFoundError, PolicyError
from port2port.identifiers import check_eni, check_imo, check_mmsi

_TABLE: Final = tables.WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_FINDING: Final = tables.FindingRow.__table__  # type: ignore[attr-defined]  # as above
KINDS: Final = ("permit", "diving", "tow")
TEXT_CHARS: Final = 500
PAIRS_MOST: Final = 40
LONGEST: Final = timedelta(days=92)
AHEAD: Final = timedelta(days=366)
_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {"mmsi": check_mmsi, "imo": check_imo, "eni": check_eni}


class WorkError(PolicyError):
    """Works without an owner, a place or ship, or an end; or of a kind there is not."""

    code = "WORK"


class NoWorkError(NotFoundError):
    """There are no such works that are still to come or on their way."""

    code = "NO_WORK"


class Phase(StrEnum):
    """Where works stand."""

    PLANNED = "planned"
    ON = "on"
    OVER = "over"
    CALLED_OFF = "called off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """``places`` are ids of the port's map, ``identities`` as in ``mmsi:205123456``; ``where`` is for people.

    ``suppressions`` are what silences for it, made when it begins.
    """

    id: str
    kind: str
    what: str
    where: str
    owner: str
    made_at: datetime
    starts_at: datetime
    ends_at: datetime
    places: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    called_off_at: datetime | None = None
    suppressions: tuple[str, ...] = ()

    def phase(self, now: datetime) -> Phase:
        """From ``starts_at`` inclusive to ``ends_at`` exclusive."""
        if self.called_off_at is not None:
            return Phase.CALLED_OFF
        if now < self.starts_at:
            return Phase.PLANNED
        return Phase.ON if now < self.ends_at else Phase.OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Works with where they stand and how many findings they have silenced."""

    work: Work
    phase: Phase
    silenced: int


def planned(
    *,
    kind: str,
    what: str,
    owner: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    where: str = "",
    places: Sequence[str] = (),
    identities: Sequence[str] = (),
    ident: str = "",
) -> Work:
    """Works that could be announced, checked and not written down. Raises WorkError or IdentifierError."""
    work = Work(
        id=ident or f"W-{uuid.uuid4().hex[:8]}",
        kind=kind,
        what=what.strip(),
        where=where.strip() or ", ".join(places),
        owner=owner.strip(),
        made_at=now,
        starts_at=starts_at,
        ends_at=ends_at,
        places=tuple(sorted(set(places))),
        identities=tuple(sorted({_identity(one) for one in identities})),
    )
    _require_right(work, now)
    return work


def announce(connection: Connection, **given: Any) -> Work:
    """Write down works (``planned``) to come or begun; they silence from their start.

    Raises WorkError or IdentifierError. That it may silence is decided before (``node.acts.silencing``).
    """
    work = planned(**given)
    connection.execute(
        sa.insert(_TABLE).values(
            id=work.id,
            kind=work.kind,
            from_ms=to_ms(work.starts_at),
            until_ms=to_ms(work.ends_at),
            body=_body(work),
        )
    )
    facts: dict[str, canonical.Json] = {
        "from": to_text(work.starts_at),
        "identities": [*work.identities],
        "kind": work.kind,
        "places": [*work.places],
        "until": to_text(work.ends_at),
        "what": work.what,
    }
    now = work.made_at
    _audit(connection, work.id, work.owner, "announce-works", facts, now=now)
    take_effect(connection, now)
    return get(connection, work.id)


def call_off(connection: Connection, work_id: str, *, by: str, reason: str, now: datetime) -> Work:
    """End works before their time, and their silence with them. Raises NoWorkError or WorkError."""
    if not reason.strip():
        raise WorkError("say why they are called off")
    work = get(connection, work_id)
    changed = connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id == work.id, _TABLE.c.ended_ms.is_(None), _TABLE.c.until_ms > to_ms(now))
        .values(ended_ms=to_ms(now))
    )
    if changed.rowcount != 1:
        raise NoWorkError("these works are over")
    standing = {one.id for one in suppressions.in_force(connection, now)}
    for suppression_id in standing.intersection(work.suppressions):
        suppressions.end(connection, suppression_id, now)
    _audit(connection, work.id, by, "call-off-works", {"reason": reason}, now=now)
    return get(connection, work.id)


def take_effect(connection: Connection, now: datetime) -> None:
    """Let works that have begun silence. Asked before each finding is judged, so that no tick is waited for."""
    begun = (_TABLE.c.from_ms <= to_ms(now), _TABLE.c.until_ms > to_ms(now), _TABLE.c.ended_ms.is_(None))
    for row in connection.execute(sa.select(_TABLE).where(*begun)).all():
        work = _of_row(row)
        if work.suppressions:
            continue
        made = [
            suppressions.add(
                connection,
                kind=suppressions.WORK,
                subject=subject,
                owner=work.owner,
                reason=f"{work.kind}: {work.what}",
                now=now,
                expires_at=work.ends_at,
            ).id
            for subject in _subjects(work)
        ]
        body = {**orjson.loads(row.body), "suppressions": made}
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id == work.id).values(body=orjson.dumps(body)))


def get(connection: Connection, work_id: str) -> Work:
    """Works by their id. Raises NoWorkError."""
    row = connection.execute(sa.select(_TABLE).where(_TABLE.c.id == work_id)).one_or_none()
    if row is None:
        raise NoWorkError("there are no such works")
    return _of_row(row)


def listed(connection: Connection, now: datetime, *, since: datetime | None = None) -> list[Standing]:
    """Works on their way or to come, by their start; with ``since`` also those that ended after it."""
    ended_after = to_ms(since or now)
    query = sa.select(_TABLE).where(sa.func.coalesce(_TABLE.c.ended_ms, _TABLE.c.until_ms) > ended_after)
    found = [_of_row(row) for row in connection.execute(query.order_by(_TABLE.c.from_ms, _TABLE.c.id))]
    return [Standing(work=one, phase=one.phase(now), silenced=_silenced(connection, one)) for one in found]


def _silenced(connection: Connection, work: Work) -> int:
    query = sa.select(sa.func.count()).select_from(_FINDING).where(_FINDING.c.suppressed_by.in_(work.suppressions))
    return connection.scalar(query) or 0


def _subjects(work: Work) -> list[str]:
    """Every ship in every place; all ships of a place, or a ship wherever it is, where only one is named."""
    return [f"{who}@{where}" for who, where in itertools.product(work.identities or ("",), work.places or ("",))]


def _require_right(work: Work, now: datetime) -> None:
    if work.kind not in KINDS:
        raise WorkError(f"works are one of: {', '.join(KINDS)}")
    if not work.owner or not work.what or len(work.what) > TEXT_CHARS or len(work.where) > TEXT_CHARS:
        raise WorkError(f"say what is done, in at most {TEXT_CHARS} characters, and who answers for it")
    if not work.places and not work.identities:
        raise WorkError("name a place or a ship: works that name neither would silence everything")
    if any(not place.strip() or "@" in place for place in work.places):
        raise WorkError("a place is named by its id on the port's map")
    if len(_subjects(work)) > PAIRS_MOST:
        raise WorkError(f"works name at most {PAIRS_MOST} pairs of ship and place")
    if not max(work.starts_at, now) < work.ends_at <= work.starts_at + LONGEST or work.starts_at > now + AHEAD:
        raise WorkError(f"works end after they begin, in the future, and last at most {LONGEST.days} days")


def _identity(text: str) -> str:
    kind, _, number = text.strip().partition(":")
    check = _CHECKS.get(kind.lower())
    if check is None:
        raise WorkError("a ship is named as in mmsi:205123456, imo:9074729 or eni:06004321")
    return f"{kind.lower()}:{check(number)}"


def _audit(
    connection: Connection,
    work_id: str,
    officer: str,
    action: str,
    facts: Mapping[str, canonical.Json],
    *,
    now: datetime,
) -> None:
    raw = canonical.dumps({"at": to_text(now), **facts})
    line = AuditLine(at_ms=to_ms(now), officer=officer, action=action, subject=work_id, facts=raw)
    store.audit(connection, line)


def _body(work: Work) -> bytes:
    return orjson.dumps(
        {
            "identities": work.identities,
            "made_ms": to_ms(work.made_at),
            "owner": work.owner,
            "places": work.places,
            "suppressions": work.suppressions,
            "what": work.what,
            "where": work.where,
        }
    )


def _of_row(row: Row[Any]) -> Work:
    body = orjson.loads(row.body)
    return Work(
        id=row.id,
        kind=row.kind,
        what=body["what"],
        where=body["where"],
        owner=body["owner"],
        made_at=from_ms(body["made_ms"]),
        starts_at=from_ms(row.from_ms),
        ends_at=from_ms(row.until_ms),
        places=tuple(body["places"]),
        identities=tuple(body["identities"]),
        called_off_at=None if row.ended_ms is None else from_ms(row.ended_ms),
        suppressions=tuple(body["suppressions"]),
    )
