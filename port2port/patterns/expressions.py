"""What stands inside one pair of square brackets: comparisons joined by AND and OR.

The meaning is that of stix2-matcher, the OASIS reference: a comparison holds for an object type, AND keeps
the types that both sides hold for, OR those of either; an absent property satisfies no comparison, not even
``!=``.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = str | int | float | bool
Facts: TypeAlias = Mapping[str, Value]
IndexKey: TypeAlias = tuple[str, Value]
Guards: TypeAlias = frozenset[IndexKey] | None

# Paths that name one thing: a pattern that binds one of them by equality can hit only that thing.
UNIQUE_PATHS: Final = frozenset(
    {
        "vessel:mmsi",
        "vessel:imo",
        "vessel:eni",
        "vessel:call_sign",
        "freight-container:number",
        "uas:serial_number",
        "badge:pseudonym",
        "vehicle:pseudonym",
        "ipv4-addr:value",
        "ipv6-addr:value",
        "domain-name:value",
        "email-addr:value",
        "mac-addr:value",
        "url:value",
        "user-account:account_login",
        "user-account:user_id",
    }
)
_UNIQUE_PREFIXES: Final = ("file:hashes.", "x509-certificate:hashes.")
_NONE: Final[frozenset[str]] = frozenset()
_ORDERS: Final[Mapping[str, Callable[[float | str, float | str], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_unique(path: str) -> bool:
    """Whether equality on ``path`` names one object."""
    return path in UNIQUE_PATHS or path.startswith(_UNIQUE_PREFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``path operator value``. ``op`` is ``=``, ``<``, ``<=``, ``>``, ``>=``, ``IN`` or ``LIKE``.

    ``!=`` is a negated ``=``. A LIKE value is kept without its final ``%``; ``prefix`` says that it had one.
    """

    path: str
    op: str
    values: tuple[Value, ...]
    negated: bool = False
    prefix: bool = False

    @property
    def type(self) -> str:
        return self.path.partition(":")[0]

    def types(self) -> frozenset[str]:
        return frozenset({self.type})

    def holds(self, facts: Facts) -> frozenset[str]:
        value = facts.get(self.path)
        if value is None or not self._test(value):
            return _NONE
        return frozenset({self.type})

    def guards(self) -> Guards:
        """The (path, value) pairs of which an observation must have one for this to hold; None: no such
        pairs.
        """
        if self.negated or self.op not in {"=", "IN"}:
            return None
        return frozenset((self.path, value) for value in self.values)

    def plain(self) -> bool:
        """Whether the guards say all there is to say."""
        return self.guards() is not None

    def _test(self, value: Value) -> bool:
        if self.op in _ORDERS:
            return _ordered(value, self.values[0]) and _ORDERS[self.op](value, self.values[0]) != self.negated
        if self.op == "LIKE":
            return self._like(value) != self.negated
        if self.op == "=":
            return _equal(value, self.values[0]) != self.negated
        return any(_equal(value, wanted) for wanted in self.values) != self.negated

    def _like(self, value: Value) -> bool:
        if not isinstance(value, str):
            return False
        text, wanted = unicodedata.normalize("NFC", value), str(self.values[0])
        return text.startswith(wanted) if self.prefix else text == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Several expressions joined by AND (``every``) or by OR."""

    every: bool
    parts: tuple[Expression, ...]

    def types(self) -> frozenset[str]:
        return self._join([part.types() for part in self.parts])

    def holds(self, facts: Facts) -> frozenset[str]:
        found = self.parts[0].holds(facts)
        for part in self.parts[1:]:
            if self.every and not found:
                return _NONE
            found = found & part.holds(facts) if self.every else found | part.holds(facts)
        return found

    def guards(self) -> Guards:
        found = [part.guards() for part in self.parts]
        if self.every:
            known = [guards for guards in found if guards is not None]
            return min(known, key=guard_cost) if known else None
        if any(guards is None for guards in found):
            return None
        return frozenset(key for guards in found for key in guards or ())

    def plain(self) -> bool:
        """Whether the guards say all there is to say."""
        return not self.every and all(part.plain() for part in self.parts)

    def _join(self, sets: list[frozenset[str]]) -> frozenset[str]:
        return frozenset.intersection(*sets) if self.every else frozenset().union(*sets)


Expression: TypeAlias = Comparison | Joined


def guard_cost(guards: frozenset[IndexKey]) -> tuple[bool, int]:
    """Sorts guards: those that name unique things first, then the fewest."""
    return (not all(is_unique(path) for path, _ in guards), len(guards))


def _equal(value: Value, wanted: Value) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool) and value == wanted
    return value == wanted


def _ordered(value: Value, wanted: Value) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return False
    return isinstance(value, str) == isinstance(wanted, str)
