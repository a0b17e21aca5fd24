"""The time by which things expire: what the log proved, carried on by the monotonic clock.

The system clock alone would let whoever can set it switch every indicator off, or revive them. So the node starts
from its clock or the verified log time, whichever is later, goes on with monotonic time, and is moved forward by
each verified log time. A hub whose clock differs by more than two minutes is believed over our own clock, but never
to before a time the log has proved.
"""

from __future__ import annotations

from typing import Final

from port2port.clock import Clock, to_ms

TOLERANCE_MS: Final = 120_000


class TrustedTime:
    """Milliseconds since the epoch that never go back. ``floor_ms`` is the log time verified before this start."""

    def __init__(self, clock: Clock, *, floor_ms: int = 0) -> None:
        self._clock = clock
        self._floor_ms = floor_ms
        self._anchor_ms = max(to_ms(clock.now()), floor_ms)
        self._since_s = clock.monotonic()

    def now_ms(self) -> int:
        """The trusted time."""
        return self._anchor_ms + int((self._clock.monotonic() - self._since_s) * 1000)

    def proved(self, received_ms: int) -> None:
        """The log holds an entry of this time under a verified checkpoint: it is not earlier than that."""
        self._floor_ms = max(self._floor_ms, received_ms)
        self._anchor(max(self.now_ms(), received_ms))

    def compare_hub(self, hub_ms: int) -> int:
        """Our clock minus the hub's, in milliseconds; beyond the tolerance the hub's is taken over."""
        off_ms = to_ms(self._clock.now()) - hub_ms
        if abs(self.now_ms() - hub_ms) > TOLERANCE_MS:
            self._anchor(max(hub_ms, self._floor_ms))
        return off_ms

    def _anchor(self, at_ms: int) -> None:
        self._anchor_ms = at_ms
        self._since_s = self._clock.monotonic()
