"""An event loop that knows when nothing is left to do but wait, so that a fake clock never outruns real work.

    def test_it(tmp_path: Path) -> None:
        run_settling(story(tmp_path), deadline_s=60)

    async def story(home: Path) -> None:
        ...
        await settled()
        clock.advance(5)

However loaded the machine, everything that is due at one time of the fake clock is done before the next begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_QUIET_ROUNDS = 25
_POLL_S = 0.0005


class SettlingLoop(asyncio.SelectorEventLoop):
    """Counts what its threads have been given and not yet brought back."""

    def __init__(self) -> None:
        super().__init__()
        self.in_threads = 0

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # as the base class does: a future
        given = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        given.add_done_callback(self._brought_back)
        return given

    def _brought_back(self, _given: asyncio.Future[Any]) -> None:
        self.in_threads -= 1


async def settled() -> None:
    """Return once no thread works for this loop and its tasks have had their turns: all wait for time or for us."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SettlingLoop), "run the test with run_settling"
    quiet = 0
    while quiet < _QUIET_ROUNDS:
        quiet = 0 if loop.in_threads else quiet + 1
        await asyncio.sleep(_POLL_S if loop.in_threads else 0)


def run_settling(story: Coroutine[Any, Any, T], *, deadline_s: float) -> T:
    """``asyncio.run`` on such a loop, for at most ``deadline_s`` of real time."""
    with asyncio.Runner(loop_factory=SettlingLoop) as runner:
        return runner.run(asyncio.wait_for(story, deadline_s))
