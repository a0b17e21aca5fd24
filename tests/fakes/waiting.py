"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.01


def wait_until(condition: Callable[[], object], *, what: str, deadline_s: float = 10.0) -> None:
    """Return as soon as ``condition()`` is true. Raises AssertionError naming ``what`` after ``deadline_s``."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        pause.wait(_POLL_S)
