"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Satisfies ``port2port.clock.Clock``. ``advance`` moves it and wakes the sleepers whose time has come."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._passed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_s)

    def monotonic(self) -> float:
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed_s + seconds, future))
        await future

    @property
    def sleepers(self) -> int:
        """How many wait for time to pass."""
        return sum(not future.done() for _, future in self._sleepers)

    def advance(self, seconds: float) -> None:
        self._passed_s += seconds
        due = [future for at, future in self._sleepers if at <= self._passed_s]
        self._sleepers = [item for item in self._sleepers if item[0] > self._passed_s]
        for future in due:
            if not future.done():
                future.set_result(None)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back without any time passing."""
        self._start += timedelta(seconds=seconds)
