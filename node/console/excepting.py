"""What a page offers where a warning list, or the port's own protection, keeps an indicator from going out or in.

An officer may except one value for a while. That is silencing like any other: a decision that is frozen, signed by as
many officers as the port's rule asks for, and ends by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import Connection

from node.console.context import DeskContext
from node.drafts import OPEN, Draft
from node.indicators import CARRIERS, Indicator
from node.warning_lists.gate import ListedError
from node.warning_lists.index import WarningIndexError
from node.watch import Admission

DAYS: Final = (1, 7, 30, 90, 365)
USUAL_DAYS: Final = 7
MOST: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value and the lists on which it stands; without a list it is protected by this port."""

    value: str
    lists: tuple[str, ...]


def of_draft(connection: Connection, desk: DeskContext, draft: Draft) -> tuple[Kept, ...]:
    """Why an open draft would be refused; nothing where the gate itself fails, which publishing then tells."""
    if draft.state != OPEN or draft.proposal.kind not in CARRIERS:
        return ()
    return _kept(connection, desk, draft.proposal.objects)


def of_indicator(connection: Connection, desk: DeskContext, one: Indicator) -> tuple[Kept, ...]:
    """Why a received indicator is not watched; what is protected is watched, for the duty officer alone."""
    if one.state != Admission.LISTED.value:
        return ()
    return tuple(kept for kept in _kept(connection, desk, [one.stix]) if kept.lists)


def _kept(connection: Connection, desk: DeskContext, objects: Sequence[bytes]) -> tuple[Kept, ...]:
    gate, found = desk.author.gate, dict[str, list[str]]()
    if gate is None:
        return ()
    try:
        for error in gate.refusals(connection, objects, decided_by="", now=desk.now):
            lists = found.setdefault(str(error.facts["value"]), [])
            if isinstance(error, ListedError):
                lists.append(str(error.facts["list"]))
    except WarningIndexError:
        return ()
    return tuple(Kept(value=value, lists=tuple(lists)) for value, lists in found.items())[:MOST]
