"""Who is checked: those who are looked for, among three times as many drawn at random, so that nobody learns which.

A check lasts for an *episode* of 14 to 28 days: whoever asks again, anywhere, gets the same answer. Within six hours
nothing changes for a value at all. So repeated, spread and joint asking is worth one answer. The steps, in order:

1. asked here within the same six hours: the same answer;
2. in an episode: checked, at whatever gate, as far as the rule of three below lets this gate show it;
3. asked elsewhere within the same six hours, and let pass: let pass;
4. looked for: an episode begins, not again within 60 days, and only behind **cover**: the gate has begun three random
   episodes for each one of somebody looked for that it showed. A random one is counted at the gate where it began, and
   nowhere else, so the rule holds for any gates together;
5. else drawn: an episode begins with the probability ``share``, and at a secret place of each day at the latest.

Where a gate is asked about so many who are looked for that showing them all would tell, some pass: their officers
are told of each passage in any case. ``docs/decisions/0024-passages.md`` has the arithmetic.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
SLOT_MS: Final = 6 * HOUR_MS
EPISODE_MS: Final = 14 * DAY_MS
AGAIN_MS: Final = 60 * DAY_MS  # so long after it ended somebody looked for may begin another episode
WINDOW_DAYS: Final = 28
COVER: Final = 3  # random episodes for each one of somebody looked for
AIM: Final = 4  # what the probabilities aim at, so that the rule of three is seldom what decides
WARM: Final = 12  # random episodes before a gate shows anybody looked for
SHARE_MOST: Final = 0.25
PRIOR: Final = 50  # questions that a new gate is taken to have asked already, one of them a hit
RECENT: Final = 0.02  # what one question weighs in ``Gate.recent``
RECENT_UNIT: Final = 1_000_000
RANDOM, LISTED = "random", "listed"
_RESOLUTION: Final = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What an asking system has asked in the last 28 days, each value once in six hours.

    ``listed`` of ``questions`` were looked for; it began ``random`` episodes, and showed ``shown`` of somebody looked
    for. ``today`` and ``random_today`` are of this day (UTC), ``quietest`` the fewest questions of a day before.
    """

    questions: int = 0
    listed: int = 0
    random: int = 0
    shown: int = 0
    today: int = 0
    random_today: int = 0
    quietest: int = 0
    recent: int = 0

    @property
    def believed(self) -> float:
        """The share of those looked for among whom it asks about."""
        return (self.listed + 1) / (self.questions + PRIOR)

    @property
    def covered(self) -> bool:
        """Whether it may show one more who is looked for: the rule of three."""
        return self.random >= max(WARM, COVER * (self.shown + 1))

    def share(self, floor: float) -> float:
        """How many of the others are checked."""
        most = max(floor, SHARE_MOST)
        if self.random < WARM:
            return most
        return min(most, max(floor, AIM * self.believed / (1 - self.believed)))

    def shows(self, floor: float) -> float:
        """How many of those looked for it shows, where it is covered: all, unless it asks about very many."""
        believed = max(self.believed, self.recent / RECENT_UNIT)
        return min(1.0, self.share(floor) * (1 - believed) / (AIM * believed))

    def later(self, *, listed: bool) -> int:
        """``recent`` after one more question."""
        return self.recent + round((listed * RECENT_UNIT - self.recent) * RECENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The answer, why, and until when. ``slot`` is that of the answer which this one only repeats.

    ``begins`` and ``shows`` say what the gate's counts gain.
    """

    check: bool
    why: str = ""
    until_ms: int = 0
    slot: int | None = None
    begins: bool = False
    shows: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is an answer of its own."""
        return self.slot is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is known of the value asked about. ``asked`` says that another gate asked within the same six hours.

    ``episode`` is RANDOM or LISTED while one lasts, and "" otherwise; ``seen_here`` that this gate has shown it.
    ``spent``: an episode of somebody looked for ended within 60 days. ``here`` is the answer that this gate got for
    this passage, or within these six hours.
    """

    listed: bool = False
    here: Drawn | None = None
    asked: bool = False
    episode: str = ""
    until_ms: int = 0
    seen_here: bool = False
    spent: bool = False


class Dice:
    """Secret numbers in [0, 1): an HMAC under the node's key for passages. Whoever has the key can foretell them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, kind: str, value: str) -> bytes:
        """The name of a value in the records."""
        return self._mac("value", kind, value)

    def roll(self, *about: str) -> float:
        """A number in [0, 1)."""
        return (int.from_bytes(self._mac("roll", *about)[:7], "big") >> 3) / _RESOLUTION

    def slot(self, digest: bytes, now_ms: int) -> int:
        """Which six hours of this value: each has its own change of hours."""
        return (now_ms + int(self.roll("slot", digest.hex()) * SLOT_MS)) // SLOT_MS

    def _mac(self, *parts: str) -> bytes:
        framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.digest(self._key, b"P2P-passage-v1\0" + framed, "sha256")


def draw(gate: Gate, value: Value, dice: Dice, *, name: str, digest: bytes, floor: float, now_ms: int) -> Drawn:
    """The answer to one question of the gate ``name``; ``floor`` is the least share of random checks."""
    about = digest.hex()
    turn = f"{about}/{dice.slot(digest, now_ms)}"
    share = gate.share(floor)
    lot = dice.roll("draw", turn) < share
    shown = dice.roll("show", turn) < (share if value.spent else gate.shows(floor))
    fresh_ms = now_ms + EPISODE_MS + int(dice.roll("until", turn) * EPISODE_MS)
    if value.here is not None:
        return value.here
    if value.episode:
        return _going_on(gate, value, lot=lot)
    if value.asked:
        return Drawn(check=False)
    if value.listed:
        begins = gate.covered and shown
        return (
            Drawn(check=True, why=LISTED, until_ms=fresh_ms, begins=True, shows=True) if begins else Drawn(check=False)
        )
    if lot or _is_due(gate, dice, name, now_ms):
        return Drawn(check=True, why=RANDOM, until_ms=fresh_ms, begins=True)
    return Drawn(check=False)


def _going_on(gate: Gate, value: Value, *, lot: bool) -> Drawn:
    """An episode that began elsewhere, or earlier here. Without cover a gate shows none that it has not shown yet."""
    listed = value.episode == LISTED
    if not value.seen_here and not gate.covered and (listed or not lot):
        return Drawn(check=False)
    return Drawn(check=True, why=value.episode, until_ms=value.until_ms, shows=listed and not value.seen_here)


def _is_due(gate: Gate, dice: Dice, name: str, now_ms: int) -> bool:
    """Whether the one random check of this day is due: at a secret place among the first half of a quiet day's."""
    place = int(dice.roll("day", name, str(now_ms // DAY_MS)) * max(1, gate.quietest // 2))
    return gate.random_today == 0 and gate.today >= place
