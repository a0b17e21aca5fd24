"""Keeps the collections folded behind the log, and lets dates that run ahead, and expiries, come into view."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from hub.taxii.fold import Folding, fold
from port2port.clock import Clock, to_ms
from port2port.database import Database, StorageError

logger = logging.getLogger(__name__)
_AGAIN_S: Final = 1.0
_SOONEST_S: Final = 0.005
EXPIRED_S: Final = 30.0  # how late an expired indicator may be announced again


async def catch_up(database: Database, folding: Folding, clock: Clock) -> int:
    """Fold until nothing is left; microseconds by which dates lie beyond what is served. Raises StorageError."""
    while True:
        now_ms = to_ms(clock.now())
        folded = await database.write(partial(fold, folding=folding, now_ms=now_ms))
        if not folded.worked:
            return folded.ahead_us


async def keep(database: Database, folding: Folding, moved: Callable[[int], Awaitable[int]], clock: Clock) -> None:
    """For ever: ``moved(seen)`` returns once the log is longer than ``seen``."""
    seen = 0
    while True:
        try:
            ahead_us = await catch_up(database, folding, clock)
        except StorageError as error:
            logger.warning("collections not folded, trying again", extra={"cause": repr(error.__cause__)})
            await clock.sleep(_AGAIN_S)
            continue
        pause_s = max(_SOONEST_S, ahead_us / 1_000_000) if ahead_us else EXPIRED_S
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                seen = await moved(seen)
