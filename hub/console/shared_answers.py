"""The answers of this second, each worked out once however many open pages ask for it when an entry arrives.

A hundred consoles read the same three pieces anew after every entry, and most of their readers are of a few members.
What is kept are values that a page is written from, never a page: words, tokens and buttons belong to a person. Who may
ask for which answer is in its key, which ``asking`` makes: nothing is kept that a reader with that key may not read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")
MOST: Final = 256


@dataclass(slots=True)
class _Answer:
    """One answer, or its absence, and who is working on it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    given: bool = False
    value: Any = None


class SharedAnswers:
    """At most so many, the longest unasked goes first. For one event loop; nobody changes what he is given."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, _Answer] = OrderedDict()

    async def once(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The answer for a key. Who comes while it is worked out waits; if the work fails, the next one does it."""
        answer = self._kept.setdefault(key, _Answer())
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        async with answer.turn:
            if not answer.given:
                answer.value = await work()
                answer.given = True
        value: T = answer.value
        return value

    def forget(self) -> None:
        """Somebody did something: whoever asks from now on is answered anew, also where work is under way."""
        self._kept.clear()
