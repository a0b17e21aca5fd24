"""What waits at the desk, in two classes: what needs a decision, and what an officer should only know.

Drafts, acts that wait for a signature, overrides that wait for their second check, and alarms; the worst first, then
the oldest. Small on purpose: the pages ask only for ``Item``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from node import act_store, alarms, drafts, review
from node.act_store import Prepared
from node.alarms import Level, RaisedAlarm
from node.drafts import Draft
from port2port.clock import from_ms

SEVERITIES: Final = ("low", "medium", "high", "critical")
_LOW: Final = frozenset({"", "info", "low"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the queue. ``kind`` is draft, act, check or alarm; ``id`` is unique among all of them."""

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    at: datetime
    href: str
    tlp: str = ""
    who: str = ""
    seen_by: str = ""
    decide: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Both classes, each in the order in which they are to be read."""

    decide: tuple[Item, ...]
    know: tuple[Item, ...]

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest decision waits."""
        return min((item.at for item in self.decide), default=None)


def load(connection: Connection) -> Queue:
    """The queue as it stands."""
    waiting = {act.subject: act for act in act_store.listed(connection)}
    found = [_of_draft(one) for one in drafts.listed(connection) if one.id not in waiting]
    found += [_of_act(act) for act in waiting.values()]
    found += [_of_check(act) for act in act_store.unchecked(connection)]
    found += [_of_alarm(one) for one in alarms.standing(connection)]
    ordered = sorted(found, key=lambda item: (-SEVERITIES.index(item.severity), item.at, item.id))
    return Queue(
        decide=tuple(item for item in ordered if item.decide),
        know=tuple(item for item in ordered if not item.decide),
    )


def following(queue: Queue, subject: str) -> Item | None:
    """What to do after ``subject`` is done with."""
    return next((item for item in queue.decide if item.subject != subject and item.kind != "alarm"), None)


def fingerprint(queue: Queue) -> Sequence[tuple[str, str, str]]:
    """Changes whenever somebody should look again."""
    return [(item.id, item.title, item.seen_by) for item in (*queue.decide, *queue.know)]


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


def _of_draft(draft: Draft) -> Item:
    return Item(
        id=f"draft-{draft.id}",
        kind="draft",
        subject=draft.id,
        title=review.headline(draft),
        severity=severity_of(draft),
        at=draft.made_at,
        href=f"/drafts/{draft.id}",
        tlp=draft.proposal.tlp.value,
    )


def _of_act(act: Prepared) -> Item:
    return Item(
        id=f"act-{act.id}",
        kind="act",
        subject=act.subject,
        title=f"{act.kind} {act.subject}",
        severity="high",
        at=act.made_at,
        href=f"/acts/{act.id}",
        who=act.author,
    )


def _of_check(act: Prepared) -> Item:
    return Item(
        id=f"check-{act.id}",
        kind="check",
        subject=act.id,
        title=f"{act.kind} {act.subject}",
        severity="critical",
        at=act.closed_at or act.made_at,
        href=f"/acts/{act.id}",
        who=act.author,
    )


def _of_alarm(alarm: RaisedAlarm) -> Item:
    critical = alarm.level is Level.CRITICAL
    return Item(
        id=f"alarm-{alarm.id}",
        kind="alarm",
        subject=str(alarm.id),
        title=alarm.text,
        severity="critical" if critical else "medium",
        at=from_ms(alarm.raised_ms),
        href="/status",
        who=alarm.code.value,
        seen_by=alarm.seen_by,
        decide=critical and not alarm.seen_by,
    )
