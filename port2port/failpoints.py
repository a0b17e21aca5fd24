"""Places where a test may kill this process: ``reach("hub.before_commit")``.

``P2P_FAILPOINTS`` holds ``name=probability`` pairs joined by commas, and ``seed=N`` to make the dice repeatable:
``P2P_FAILPOINTS=hub.before_commit=0.01,seed=7``. Without it (read once, at the first place reached) a place costs
one comparison. Dying is SIGKILL to oneself, so that no handler and no ``finally`` runs, as in a power cut.

Points: ``hub.before_commit`` (written, not committed), ``hub.after_commit`` (durable, nobody told),
``hub.before_reply`` (answer ready, not sent); ``node.*`` alike.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from port2port.errors import ConfigurationError

VARIABLE: Final = "P2P_FAILPOINTS"


def reach(name: str) -> None:
    """Die here if the dice say so. Raises ConfigurationError where the variable cannot be read."""
    dice = _from_environment()
    if dice is not None and dice(name):
        os.kill(os.getpid(), signal.SIGKILL)


def parse(text: str) -> Callable[[str], bool]:
    """The dice that ``text`` describes: whether to die at a point. Raises ConfigurationError."""
    chances: dict[str, float] = {}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        try:
            chances[name] = float(value)
        except ValueError as error:
            raise ConfigurationError(f"{VARIABLE} must look like hub.before_commit=0.01,seed=7") from error
    seed = chances.pop("seed", None)
    return _dice(chances, random.Random(seed))  # noqa: S311  # not a secret: a test wants it repeatable


def _dice(chances: Mapping[str, float], source: random.Random) -> Callable[[str], bool]:
    return lambda name: name in chances and source.random() < chances[name]


@cache
def _from_environment() -> Callable[[str], bool] | None:
    text = os.environ.get(VARIABLE)
    return parse(text) if text else None
