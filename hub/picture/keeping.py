"""Keeps the picture folded behind the log, in slices short enough that appends go on between them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from hub.picture.fold import fold
from port2port.clock import Clock
from port2port.database import Database, StorageError

logger = logging.getLogger(__name__)
_AGAIN_S: Final = 1.0


async def catch_up(database: Database) -> int:
    """Fold until nothing is left; how many entries that were. Raises StorageError."""
    total = 0
    while taken := await database.write(fold):
        total += taken
    return total


async def keep(
    database: Database, moved: Callable[[int], Awaitable[int]], clock: Clock, folded: Callable[[], None] = lambda: None
) -> None:
    """For ever: ``moved(seen)`` returns once the log is longer than ``seen``; ``folded`` is called after each step."""
    seen = 0
    while True:
        try:
            if await catch_up(database):
                folded()
        except StorageError as error:
            logger.warning("picture not folded, trying again", extra={"cause": repr(error.__cause__)})
            await clock.sleep(_AGAIN_S)
            continue
        seen = await moved(seen)
