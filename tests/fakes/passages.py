"""A ledger of passages in memory, as ``node.passages.ledger`` keeps it in SQL, for as many questions as one likes."""

from __future__ import annotations

from dataclasses import dataclass, field

from node.passages.draw import AGAIN_MS, DAY_MS, LISTED, WINDOW_DAYS, Dice, Drawn, Gate, Value, draw

KEY = b"\x07" * 32


def container(serial: int, owner: str = "MSCU") -> str:
    """A number with its right check digit."""
    body = f"{owner}{serial:06d}"
    total = sum(_value(char) << place for place, char in enumerate(body))
    return f"{body}{total % 11 % 10}"


def _value(char: str) -> int:
    if char.isdigit():
        return int(char)
    place = ord(char) - ord("A")
    return 10 + place + (place + 9) // 10


@dataclass(slots=True)
class _Day:
    questions: int = 0
    listed: int = 0
    random: int = 0
    shown: int = 0


@dataclass(slots=True)
class _Known:
    """Answers about one value: (gate, slot) to the answer, its episode, and which gates have shown it."""

    given: dict[tuple[str, int], Drawn] = field(default_factory=dict)
    why: str = ""
    until_ms: int = 0
    seen: set[str] = field(default_factory=set)
    listed_until_ms: int = -(10**18)


class MemoryLedger:
    """``shown`` holds (gate, number, why) of every check that was given."""

    def __init__(self, listed: set[str], *, floor: float, key: bytes = KEY) -> None:
        self.listed = frozenset(listed)
        self.shown: list[tuple[str, str, str]] = []
        self._floor = floor
        self._dice = Dice(key)
        self._days: dict[str, dict[int, _Day]] = {}
        self._known: dict[str, _Known] = {}
        self._recent: dict[str, int] = {}

    @property
    def counts(self) -> dict[tuple[str, int], tuple[int, int, int, int]]:
        """By gate and day: questions, those of them looked for, random episodes begun, shown of those looked for."""
        return {
            (gate, day): (one.questions, one.listed, one.random, one.shown)
            for gate, days in self._days.items()
            for day, one in days.items()
        }

    def ask(self, gate: str, number: str, now_ms: int, *, kind: str = "container") -> bool:
        """True for a routine check."""
        digest = self._dice.digest(kind, number)
        slot = self._dice.slot(digest, now_ms)
        known = self._known.setdefault(number, _Known())
        lasting = known.until_ms > now_ms
        here = known.given.get((gate, slot))
        value = Value(
            listed=number in self.listed,
            here=None if here is None else Drawn(check=here.check, why=here.why, until_ms=here.until_ms, slot=slot),
            asked=any(other == slot for _, other in known.given),
            episode=known.why if lasting else "",
            until_ms=known.until_ms if lasting else 0,
            seen_here=lasting and gate in known.seen,
            spent=known.listed_until_ms > now_ms - AGAIN_MS,
        )
        counts = self._gate(gate, now_ms)
        drawn = draw(counts, value, self._dice, name=gate, digest=digest, floor=self._floor, now_ms=now_ms)
        if drawn.counts:
            self._recent[gate] = counts.later(listed=number in self.listed)
        self._keep(gate, number, known, drawn, slot, now_ms)
        return drawn.check

    def _gate(self, name: str, now_ms: int) -> Gate:
        today = now_ms // DAY_MS
        days = {day: one for day, one in self._days.get(name, {}).items() if day > today - WINDOW_DAYS}
        now, before = days.get(today, _Day()), [one.questions for day, one in days.items() if day != today]
        return Gate(
            questions=sum(one.questions for one in days.values()),
            listed=sum(one.listed for one in days.values()),
            random=sum(one.random for one in days.values()),
            shown=sum(one.shown for one in days.values()),
            today=now.questions,
            random_today=now.random,
            quietest=min((count for count in before if count), default=0),
            recent=self._recent.get(name, 0),
        )

    def _keep(self, gate: str, number: str, known: _Known, drawn: Drawn, slot: int, now_ms: int) -> None:
        day = self._days.setdefault(gate, {}).setdefault(now_ms // DAY_MS, _Day())
        day.questions += drawn.counts
        day.listed += drawn.counts and number in self.listed
        day.random += drawn.begins and drawn.why != LISTED
        day.shown += drawn.shows
        known.given[gate, slot] = drawn
        if drawn.check:
            self.shown.append((gate, number, drawn.why))
            known.seen = known.seen if drawn.until_ms == known.until_ms else set()
            known.seen.add(gate)
            known.why, known.until_ms = drawn.why, drawn.until_ms
            if drawn.why == LISTED:
                known.listed_until_ms = drawn.until_ms
