"""What waits at the desk, in two classes: what needs a decision, and what an officer should only know.

What waits is ``node.desk_items``; here it gets its address and what a row shows beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, desk_items, drafts, levels
from node.drafts import Draft
from port2port.levels import Level

SEVERITIES: Final = ("low", "medium", "high", "critical")
_LOW: Final = frozenset({"", "info", "low"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the queue; ``kind`` as in ``node.desk_items``, ``id`` unique among all of them."""

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    at: datetime
    href: str
    tlp: str = ""
    who: str = ""
    looking: str = ""
    seen_by: str = ""
    decide: bool = True
    by: str = ""
    act: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Both classes, each in the order in which they are to be read."""

    decide: tuple[Item, ...]
    know: tuple[Item, ...]

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest decision waits."""
        return min((item.at for item in self.decide), default=None)


def load(connection: Connection, now: datetime) -> Queue:
    """The queue as it stands."""
    found = desk_items.items(connection, now)
    said = {draft.id: draft.proposal.tlp.value for draft in drafts.listed(connection)}
    authors = {act.id: act.author for act in (*act_store.listed(connection), *act_store.unchecked(connection))}
    changes = {one.index: one.level for one in levels.changes(connection, now)}
    return Queue(
        decide=tuple(_of(_titled(one, changes), said, authors) for one in found.needs_decision),
        know=tuple(_of(_titled(one, changes), said, authors) for one in found.for_information),
    )


def every(connection: Connection, now: datetime) -> Sequence[desk_items.Item]:
    """Both classes as one."""
    found = desk_items.items(connection, now)
    return (*found.needs_decision, *found.for_information)


def following(queue: Queue, subject: str) -> Item | None:
    """What to do after ``subject`` is done with."""
    return next((item for item in queue.decide if item.subject != subject and item.href != "/status"), None)


def fingerprint(queue: Queue) -> Sequence[tuple[str, str, str, str]]:
    """Changes whenever somebody should look again."""
    return [(item.id, item.title, item.seen_by, item.looking) for item in (*queue.decide, *queue.know)]


def subjects(connection: Connection) -> frozenset[str]:
    """The identities that open drafts are about, as ``mmsi:205123456``."""
    found: set[str] = set()
    for draft in drafts.listed(connection):
        named = draft.why.get("subjects")
        found |= {str(one) for one in named} if isinstance(named, list) else set()
    return frozenset(found)


def severity_of(draft: Draft) -> str:
    """One of the four of the screens; a report in words has none of its own and counts as medium."""
    found = str(draft.why.get("severity", "medium"))
    return "low" if found in _LOW else found if found in SEVERITIES else "medium"


def _titled(item: desk_items.Item, changes: Mapping[int, Level]) -> desk_items.Item:
    """A change of a security level says which and where."""
    said = changes.get(item.entry[0]) if item.kind == desk_items.LEVEL and item.entry else None
    return item if said is None else replace(item, title=f"ISPS {said.level} {said.locode} ({item.title})")


def _of(item: desk_items.Item, markings: Mapping[str, str], authors: Mapping[str, str]) -> Item:
    ident = item.id.partition("-")[2]
    return Item(
        id=item.id,
        kind=item.kind,
        subject=item.subject,
        title=item.title.removeprefix(f"{item.act} ") if item.act else item.title,
        severity=item.severity,
        at=item.since,
        href=_href(item, ident),
        tlp=markings.get(item.subject, ""),
        who=authors.get(ident, ""),
        looking=item.looking,
        seen_by=item.seen_by,
        decide=item.decide,
        by=item.by,
        act=item.act,
        until=item.until,
    )


def _href(item: desk_items.Item, ident: str) -> str:
    if item.kind in {desk_items.SECOND, desk_items.CHECK}:
        return f"/acts/{ident}"
    places = {
        desk_items.DRAFT: f"/drafts/{ident}",
        desk_items.HIT: f"/watch/hits/{ident}",
        desk_items.LEVEL: f"/levels#change-{ident}",
        desk_items.RECEIVED: f"/watch/indicators/{item.subject}",
        desk_items.NEWS: f"/sent/{item.subject}",
    }
    return places.get(item.kind, "/status")
