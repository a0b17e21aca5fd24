"""The table of misspellings, made by ``fuzz`` in a process that is given a time and a number.

Made once at the start and never changed: the same table gives the same findings. Without it the engine goes on by its
rules, which find nearly everything that the table finds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from port2port.errors import UnavailableError

MOST: Final = 150_000  # names in all: some 30 MB
TIME_S: Final = 120.0
SHORTEST: Final = 5  # of "nsp" every misspelling is somebody's honest name
DOMAINS: Final = 50


class PermutationError(UnavailableError):
    """The table of misspellings could not be made."""

    code = "PERMUTATIONS"


def permutations(domains: Sequence[str], *, most: int = MOST, time_s: float = TIME_S) -> Mapping[str, tuple[str, str]]:
    """From each misspelling to (domain, way). Takes seconds: call it in a thread. Raises PermutationError."""
    asked = [one for one in dict.fromkeys(domains) if len(one.partition(".")[0]) >= SHORTEST][:DOMAINS]
    if not asked:
        return {}
    command = [sys.executable, "-m", "node.lookalikes.fuzz", str(most)]
    try:
        done = subprocess.run(  # noqa: S603 our own module with arguments made here
            command, input="\n".join(asked).encode(), capture_output=True, timeout=time_s, check=True
        )
        found: dict[str, list[str]] = orjson.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, orjson.JSONDecodeError) as error:
        raise PermutationError("the table of misspellings could not be made") from error
    return {name: (said[0], said[1]) for name, said in found.items()}
