"""Time as an argument: everything that needs the time is handed a ``Clock``."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from port2port.errors import InvariantError, MalformedError

# Hours stop at 23: newer Pythons read 24:00 as the next day, a second spelling of the same moment.
_RFC3339_MS = re.compile(r"\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the time is. ``now`` is aware UTC; ``monotonic`` is in seconds and never goes back."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00:00Z of an aware time, rounded down."""
    since = moment - EPOCH  # normalised: only days can be negative
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def from_ms(ms: int) -> datetime:
    """The aware UTC time of milliseconds since the epoch."""
    try:
        return EPOCH + timedelta(milliseconds=ms)
    except OverflowError as error:
        raise MalformedError("the time is out of range") from error


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC with exactly three fraction digits, rounded down: the only form our statements use.

    Raises InvariantError for a naive time, which would otherwise pass for local time.
    """
    if moment.tzinfo is None:
        raise InvariantError("a time without a zone is never written")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def from_text(text: str) -> datetime:
    """The reverse of ``to_text``. Raises MalformedError for every other spelling and for impossible dates."""
    if not _RFC3339_MS.fullmatch(text):
        raise MalformedError("a time must look like 2026-11-22T00:00:00.000Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("a time names an impossible date") from error
