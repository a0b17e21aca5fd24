"""Co-signing checkpoints, and noticing when nobody else does.

A witness's line says: I have seen no other history than this one. It is given only for a checkpoint that this node
verified and stored (the inbox commits first, then the witness signs), at most every five seconds, and not where the
newest leaves carry times more than two minutes off our own clock: a hub that back-dates entries finds no witness.

The other half watches: entries that a majority of witness organisations has not co-signed within a minute mean that
the hub may be showing the halves of the federation two histories. Delivery never waits for that; it is said aloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from node.alarms import Alarm, Code
from port2port import checkpoint as cp
from port2port.checkpoint import SignedCheckpoint
from port2port.clock import Clock, to_ms
from port2port.keys import SigningKey
from port2port.roster import Roster

EVERY_S: Final = 5.0
CLOCK_OFF_MS: Final = 120_000
UNWITNESSED_S: Final = 60.0


class Witness:
    """Decides when to co-sign, and signs. ``name`` is the member id; ``key`` is for this role alone."""

    def __init__(self, *, name: str, key: SigningKey, clock: Clock) -> None:
        self._name = name
        self._key = key
        self._clock = clock
        self._offered: SignedCheckpoint | None = None
        self._signed_size = 0
        self._signed_at_s: float | None = None

    def offer(self, note: bytes, received_ms: Iterable[int]) -> bool:
        """A checkpoint that was just verified and stored, and the times of its new entries.

        False where one of them is too far off our clock: this checkpoint will not be signed.
        """
        now_ms = to_ms(self._clock.now())
        if any(abs(now_ms - at) > CLOCK_OFF_MS for at in received_ms):
            self._offered = None
            return False
        self._offered = SignedCheckpoint.parse(note)
        return True

    def wait_s(self) -> float | None:
        """Seconds until there is something to sign; None where nothing is offered."""
        if self._offered is None or self._offered.checkpoint.size <= self._signed_size:
            return None
        if self._signed_at_s is None:
            return 0.0
        return max(0.0, self._signed_at_s + EVERY_S - self._clock.monotonic())

    def line(self, roster: Roster | None) -> bytes | None:
        """The note with our line, if it is time and the roster names this very key as ours; at most once a size."""
        offered = self._offered
        named = () if roster is None else roster.witness_keys().get(self._name, ())
        if offered is None or self.wait_s() != 0.0 or self._key.public not in named:
            return None
        time_s = to_ms(self._clock.now()) // 1000
        line = cp.cosign(offered.checkpoint, witness=self._name, key=self._key, time=time_s)
        self._signed_size = offered.checkpoint.size
        self._signed_at_s = self._clock.monotonic()
        return offered.with_signatures([line]).note


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """What the witnesses say of our head. ``since_s`` (monotonic) is when the first unwitnessed entry came."""

    __test__ = False
    witnessed: bool
    size: int
    since_s: float | None


class WitnessWatch:
    """Follows which size a majority of witness organisations has co-signed."""

    def __init__(self, clock: Clock, *, size: int = 0) -> None:
        self._clock = clock
        self._witnessed = size
        self._arrivals: list[tuple[int, float]] = []
        self._heard: dict[str, int] = {}

    def arrived(self, size: int) -> None:
        """The verified head has grown to ``size`` by new entries."""
        if size > max(self._witnessed, self._arrivals[-1][0] if self._arrivals else 0):
            self._arrivals.append((size, self._clock.monotonic()))

    def heard(self, size: int, witnesses: Iterable[str], organisations: Mapping[str, str]) -> None:
        """Valid cosignatures of a checkpoint that fits our tree. ``organisations``: witness name to organisation.

        Whoever co-signed a size has seen all smaller ones: witnesses need not meet at one size, which they would
        rarely do while entries keep coming.
        """
        for name in witnesses:
            self._heard[name] = max(size, self._heard.get(name, 0))
        for reached in sorted({*self._heard.values()}, reverse=True):
            if reached <= self._witnessed:
                return
            if cp.witnessed([name for name, most in self._heard.items() if most >= reached], organisations):
                self._witnessed = reached
                self._arrivals = [item for item in self._arrivals if item[0] > reached]
                return

    def testimony(self) -> Testimony:
        """Witnessed up to which size, or unwitnessed since when."""
        since_s = self._arrivals[0][1] if self._arrivals else None
        return Testimony(witnessed=since_s is None, size=self._witnessed, since_s=since_s)

    def alarm(self, organisations: Mapping[str, str]) -> Alarm | None:
        """What to raise now; nothing where the roster names no witness yet."""
        since_s = self.testimony().since_s
        if not organisations or since_s is None or self._clock.monotonic() - since_s < UNWITNESSED_S:
            return None
        text = f"no majority of the witnesses has co-signed entries beyond {self._witnessed} for a minute"
        return Alarm(code=Code.UNWITNESSED, text=text)
