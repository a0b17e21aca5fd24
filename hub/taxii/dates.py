"""When an object was added: ``date_added``, so that whoever polls misses nothing (docs/decisions/0020-taxii-dates.md).

Microseconds since the epoch. Every writer of collections holds one lock, and has a moment: later than that of every
writer before. What it adds is dated from its moment on, each object of a visibility class at least one step behind the
one before; readers are served what is dated at most the moment of the last fold. So nothing is ever added behind what
a reader was served, and the dates of a class tell nothing of others.
"""

from __future__ import annotations

from typing import Final

MILLISECOND: Final = 1_000
SMALL_STEP: Final = 10
AHEAD_MOST: Final = 1_000_000  # a class that has run further ahead takes small steps


def moment_after(horizon_us: int, now_ms: int) -> int:
    """The moment of a transaction: now, but later than every one before, in whole milliseconds."""
    return max(now_ms * MILLISECOND, (horizon_us // MILLISECOND + 1) * MILLISECOND)


def next_date(last_us: int, moment_us: int) -> int:
    """The date of what is added to a class behind ``last_us``, in a transaction of ``moment_us``."""
    if last_us - moment_us > AHEAD_MOST:
        return last_us + SMALL_STEP
    return max(moment_us, (last_us // MILLISECOND + 1) * MILLISECOND)
