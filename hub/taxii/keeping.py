"""Keeps the collections folded behind the log, and lets dates that run ahead, and expiries, come into view.

Where folding fails in a way that nobody foresaw, the collections stand still, said aloud in log and metric, and are
tried again: one entry may stop this outlet, and never the hub behind it.
"""

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
from port2port.errors import InvariantError

logger = logging.getLogger(__name__)
_AGAIN_S: Final = 1.0
_SOONEST_S: Final = 0.005
STUCK_S: Final = 30.0
EXPIRED_S: Final = 30.0  # how late an expired indicator may be announced again


async def catch_up(database: Database, folding: Folding, clock: Clock) -> int:
    """Fold until nothing is left; microseconds by which dates lie beyond what is served. Raises StorageError."""
    while True:
        now_ms = to_ms(clock.now())
        folded = await database.write(partial(fold, folding=folding, now_ms=now_ms))
        if not folded.worked:
            return folded.ahead_us


async def keep(
    database: Database,
    folding: Folding,
    moved: Callable[[int], Awaitable[int]],
    clock: Clock,
    stuck: Callable[[bool], None] = lambda _: None,
) -> None:
    """For ever: ``moved(seen)`` returns once the log is longer than ``seen``; ``stuck`` hears whether it stands still.

    Raises InvariantError: a hub whose log is wrong must not serve.
    """
    seen = 0
    while True:
        try:
            ahead_us = await catch_up(database, folding, clock)
        except StorageError as error:
            logger.warning("collections not folded, trying again", extra={"cause": repr(error.__cause__)})
            await clock.sleep(_AGAIN_S)
            continue
        except InvariantError:
            raise
        except Exception:
            logger.exception("collections not folded: this outlet stands still")
            stuck(True)
            await clock.sleep(STUCK_S)
            continue
        stuck(False)
        pause_s = max(_SOONEST_S, ahead_us / 1_000_000) if ahead_us else EXPIRED_S
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                seen = await moved(seen)
