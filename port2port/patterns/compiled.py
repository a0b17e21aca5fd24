"""A pattern ready to be evaluated, and what it needs of the observations.

A pattern becomes *alternatives*; each is a few brackets with a count (REPEATS) that different observations
must fill, all inside one window (WITHIN). Different observations for different brackets is an assignment
problem; with at most four brackets Hall's condition decides it by counting, whatever a writer asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from port2port.patterns.expressions import Expression, Guards, IndexKey, Value, is_unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Observed(Protocol):
    """What evaluation needs of an observation: flat facts such as ``{"vessel:mmsi": "205123456"}`` and a
    time.
    """

    @property
    def facts(self) -> Mapping[str, Value]: ...
    @property
    def observed_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One ``[...]`` and how many different observations must satisfy it."""

    expression: Expression
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Brackets that must all be filled, by different observations, no more than ``within`` apart."""

    brackets: tuple[Bracket, ...]
    within: timedelta | None = None

    @property
    def single(self) -> bool:
        """Whether one observation decides."""
        return len(self.brackets) == 1 and self.brackets[0].count == 1

    def mask(self, facts: Mapping[str, Value]) -> int:
        """Bit i is set if the facts satisfy bracket i."""
        return sum(1 << place for place, bracket in enumerate(self.brackets) if bracket.expression.holds(facts))

    def filled(self, observations: Sequence[Observed]) -> bool:
        """Whether the observations fill all brackets inside one window."""
        masks = [(seen.observed_at, mask) for seen in observations if (mask := self.mask(seen.facts))]
        if self.within is None:
            return self._enough(_tally(mask for _, mask in masks))
        masks.sort(key=lambda pair: pair[0])
        counts = _tally(())
        start = 0
        for moment, mask in masks:
            counts[mask] = counts.get(mask, 0) + 1
            while moment - masks[start][0] > self.within:
                counts[masks[start][1]] -= 1
                start += 1
            if self._enough(counts):
                return True
        return False

    def _enough(self, counts: Mapping[int, int]) -> bool:
        """Hall's condition: each subset of brackets finds as many observations as it asks for."""
        for subset in range(1, 1 << len(self.brackets)):
            wanted = sum(bracket.count for place, bracket in enumerate(self.brackets) if subset >> place & 1)
            if sum(number for mask, number in counts.items() if mask & subset) < wanted:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPattern:
    """A pattern of the subset that we evaluate.

    ``index_keys`` are the (path, value) pairs of which every relevant observation has one; None if there are
    none such, so that every observation would have to be looked at. ``bound`` says that all of them name
    unique things.
    """

    text: str
    alternatives: tuple[Alternative, ...]
    index_keys: Guards
    template_miss: bool = False

    @property
    def bound(self) -> bool:
        return self.index_keys is not None and all(is_unique(path) for path, _ in self.index_keys)

    @property
    def single(self) -> bool:
        """Whether one observation alone decides; otherwise a history is needed."""
        return all(alternative.single for alternative in self.alternatives)

    @property
    def plain(self) -> bool:
        """Whether any one of the index keys alone is a match, without further conditions."""
        return self.single and all(
            bracket.expression.plain() for alternative in self.alternatives for bracket in alternative.brackets
        )

    @property
    def history(self) -> int:
        """How many relevant observations must be kept to decide."""
        return sum(bracket.count for alternative in self.alternatives for bracket in alternative.brackets)

    def types(self) -> frozenset[str]:
        """The types of object that its brackets ask about."""
        asked = (bracket.expression.types() for alternative in self.alternatives for bracket in alternative.brackets)
        return frozenset[str]().union(*asked)

    def touches(self, facts: Mapping[str, Value]) -> bool:
        """Whether the facts satisfy any bracket of the pattern."""
        return any(alternative.mask(facts) for alternative in self.alternatives)

    def evaluate(self, observations: Sequence[Observed]) -> bool:
        """Whether the observations, in any order, match the pattern."""
        return any(alternative.filled(observations) for alternative in self.alternatives)


def guards_of(alternatives: Iterable[Alternative]) -> frozenset[IndexKey] | None:
    """The union of what guards every bracket; None if one of them has no guard."""
    keys: set[IndexKey] = set()
    for alternative in alternatives:
        for bracket in alternative.brackets:
            guards = bracket.expression.guards()
            if guards is None:
                return None
            keys |= guards
    return frozenset(keys)


def _tally(masks: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for mask in masks:
        counts[mask] = counts.get(mask, 0) + 1
    return counts
