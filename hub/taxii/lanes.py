"""One request of a principal at a time, so that whoever asks much waits behind himself alone. Of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from hub.quota import QuotaError

MOST_AT_ONCE: Final = 16  # of one principal: asked and not yet taken
_LATER_MS: Final = 1_000


@dataclass(slots=True)
class _Lane:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    inside: int = 0


class Lanes:
    """The requests that are inside, by principal."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    @contextmanager
    def entered(self, name: str) -> Iterator[asyncio.Lock]:
        """Inside until its answer was taken; the lock is for being answered. Raises QuotaError: too many are inside."""
        lane = self._lanes.setdefault(name, _Lane())
        if lane.inside >= MOST_AT_ONCE:
            raise QuotaError("too many of your requests are waiting or were not taken yet", delay_ms=_LATER_MS)
        lane.inside += 1
        try:
            yield lane.turn
        finally:
            lane.inside -= 1
            if not lane.inside:
                del self._lanes[name]
