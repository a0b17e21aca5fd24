"""A ship in view for an hour is one sighting, told again at most every fifteen minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

UPDATE_EVERY: Final = timedelta(minutes=15)
GONE_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingWindow:
    """One stay in view of one object under one indicator; its caller keeps it per (indicator, subject, track)."""

    first_seen: datetime
    last_seen: datetime
    count: int = 1
    told_at: datetime | None = None
    told_count: int = 0


def fold(window: SightingWindow | None, seen_at: datetime) -> SightingWindow:
    """The stay with one more observation; a new stay after an hour out of view. Order of arrival does not matter."""
    if window is None or seen_at - window.last_seen > GONE_AFTER:
        return SightingWindow(first_seen=seen_at, last_seen=seen_at)
    return replace(
        window,
        first_seen=min(window.first_seen, seen_at),
        last_seen=max(window.last_seen, seen_at),
        count=window.count + 1,
    )


def due(window: SightingWindow, now: datetime) -> bool:
    """Whether the sighting should be published or updated now."""
    if window.told_at is None:
        return True
    return window.count > window.told_count and now - window.told_at >= UPDATE_EVERY


def published(window: SightingWindow, now: datetime) -> SightingWindow:
    """The stay after its sighting was published or updated."""
    return replace(window, told_at=now, told_count=window.count)
