"""Who is looking at what: a courtesy between officers, so that two of them do not work on one draft.

It stops nobody: what two officers decide at once is settled by the database, where the first one wins. Kept in memory,
forgotten after a few minutes without a sign of life.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FORGOTTEN_AFTER: Final = timedelta(minutes=3)
_MOST: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An officer, by pseudonym, who has something before him ``since`` a time; last heard ``at``."""

    who: str
    since: datetime
    at: datetime


class Looking:
    """The looks of one console."""

    def __init__(self) -> None:
        self._looks: OrderedDict[str, Look] = OrderedDict()

    def at(self, subject: str, now: datetime) -> Look | None:
        """Who looks at something now."""
        found = self._looks.get(subject)
        return found if found is not None and now - found.at <= FORGOTTEN_AFTER else None

    def open(self, subject: str, who: str, now: datetime, *, take_over: bool = False) -> Look:
        """``who`` opens something: the look that counts is his, or that of whoever was there before."""
        before = self.at(subject, now)
        if before is not None and before.who != who and not take_over:
            return before
        since = before.since if before is not None and before.who == who else now
        found = Look(who=who, since=since, at=now)
        self._looks[subject] = found
        self._looks.move_to_end(subject)
        if len(self._looks) > _MOST:
            self._looks.popitem(last=False)
        return found

    def leave(self, subject: str) -> None:
        """It is done with."""
        self._looks.pop(subject, None)

    def all(self, now: datetime) -> dict[str, str]:
        """Subject to pseudonym, for the list."""
        return {subject: look.who for subject, look in self._looks.items() if now - look.at <= FORGOTTEN_AFTER}
