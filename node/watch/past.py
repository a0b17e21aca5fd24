"""A new indicator also asks the last thirty days: seen, looked and not seen, or not looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.visits import LookBack, VisitStore
from node.visits import look_back as look_back_at

if TYPE_CHECKING:
    from datetime import datetime

    from node.watch.index import WatchedIndicator

# Which identities the visits table keeps, by the path that patterns use for them.
_KINDS: Final = {"vessel:mmsi": "mmsi", "vessel:imo": "imo", "vessel:eni": "eni"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The answer for one indicator.

    ``partial``: the visits know ships by number only, so further conditions of the pattern (a name, an address) and
    which of two ships with one number it was could not be asked. Of ``network`` values identities are ``path=value``.
    """

    identities: tuple[str, ...]
    answer: LookBack
    partial: bool
    network: bool = False


def look_back(indicator: WatchedIndicator, visits: VisitStore, since: datetime, until: datetime) -> Past | None:
    """What the visits in [since, until) say; None if the indicator names nothing that visits are kept of."""
    identities = identities_of(indicator)
    if not identities:
        return None
    pattern = indicator.pattern
    whole = pattern.plain and len(identities) == len(pattern.index_keys or ())
    return Past(
        identities=identities,
        answer=look_back_at(visits, identities, since, until),
        partial=not whole or indicator.discriminators is not None,
    )


def identities_of(indicator: WatchedIndicator) -> tuple[str, ...]:
    """The ships an indicator binds, as visits name them (``mmsi:205123456``), sorted."""
    keys = indicator.pattern.index_keys or frozenset()
    return tuple(sorted(f"{_KINDS[path]}:{value}" for path, value in keys if path in _KINDS))
