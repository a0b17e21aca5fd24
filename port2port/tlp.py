"""TLP 2.0: the five labels, their order of strictness, and how text becomes one.

The words are those of FIRST's Traffic Light Protocol, version 2.0 (August 2022). TLP 1's WHITE is not an
alias here: what comes from outside in older spelling is normalised where it is imported, once. What each
label permits is the table in ``port2port.sharing``.
"""

from __future__ import annotations

import enum
from typing import Final

from port2port.errors import MalformedError


class Tlp(enum.Enum):
    """One label; the value is its spelling inside a statement. Compare with ``at_least_as_strict``."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    AMBER_STRICT = "amber+strict"
    RED = "red"

    @property
    def label(self) -> str:
        """The text for people, exactly as TLP 2.0 writes it: ``TLP:AMBER+STRICT``."""
        return f"TLP:{self.value.upper()}"

    @property
    def strictness(self) -> int:
        """0 for CLEAR to 4 for RED; a total order, for comparing only, never for storing."""
        return _STRICTNESS[self]


_STRICTNESS: Final = {tlp: rank for rank, tlp in enumerate(Tlp)}
_BY_VALUE: Final = {tlp.value: tlp for tlp in Tlp}

# What carries no marking is treated as this: fail closed, but not so closed that RED's rules delay it.
UNMARKED: Final = Tlp.AMBER_STRICT


def parse(text: str) -> Tlp:
    """The label a statement spells in lower case. Raises MalformedError for every other spelling."""
    tlp = _BY_VALUE.get(text)
    if tlp is None:
        raise MalformedError("a marking is one of clear, green, amber, amber+strict, red", given=text[:40])
    return tlp


def at_least_as_strict(a: Tlp, b: Tlp) -> bool:
    """Whether ``a`` is the same marking as ``b`` or a stricter one."""
    return _STRICTNESS[a] >= _STRICTNESS[b]


def strictest(*markings: Tlp | None) -> Tlp:
    """The effective marking of several, which are a conjunction; of none, ``UNMARKED``.

    A missing marking beside a present one adds nothing: ``strictest(None, GREEN)`` is GREEN, so that a
    container's label covers its unlabelled members.
    """
    present = [marking for marking in markings if marking is not None]
    return max(present, key=_STRICTNESS.__getitem__, default=UNMARKED)
