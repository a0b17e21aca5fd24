"""A console beside a program: what its database does not take for a moment stops neither of them."""

from __future__ import annotations

import asyncio

import pytest

from port2port.console.opening import kept
from port2port.database import StorageError
from port2port.errors import MalformedError
from tests.fakes.clock import FakeClock


def test_a_service_goes_on_after_its_database_was_away() -> None:
    asked = 0

    async def service() -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise StorageError("the database did not answer")

    async def scene() -> None:
        clock = FakeClock()
        running = asyncio.create_task(kept(service, clock))
        while not running.done():
            await asyncio.sleep(0)
            if clock.sleepers:
                clock.advance(1)
        await running

    asyncio.run(scene())
    assert asked == 3


def test_what_is_no_storage_error_ends_it() -> None:
    async def service() -> None:
        raise MalformedError("a defect")

    with pytest.raises(MalformedError):
        asyncio.run(kept(service, FakeClock()))
