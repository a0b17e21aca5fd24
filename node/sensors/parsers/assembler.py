"""Joins the parts of long messages, one assembler per station.

Sequence numbers run from 0 to 9 per receiver. Two receivers interleaved on one connection would otherwise give a
chimera that passes every checksum: one ship's number with half of another's destination.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.sensors.parsers.nmea import Fate, Sentence

if TYPE_CHECKING:
    from datetime import datetime

STATIONS: Final = 1024
GROUPS_PER_STATION: Final = 64
PARTS: Final = 9  # IEC 61162-1: one digit
# The parts of a message leave a receiver together; a sequence number comes round again after ten long messages.
WAIT: Final = timedelta(seconds=5)

_Slot = tuple[bytes, bytes, bytes, bytes, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sentence with the lines it came in on."""

    sentence: Sentence
    raw: tuple[bytes, ...]


@dataclass(slots=True)
class _Group:
    started: datetime
    parts: list[Part] = field(default_factory=list)


class Assembler:
    """All stations of a node. Everything held is bounded; the longest unused goes first."""

    def __init__(self) -> None:
        self._stations: OrderedDict[str, dict[_Slot, _Group]] = OrderedDict()
        self.expired = 0

    def held(self) -> int:
        """Parts that wait for others."""
        return sum(len(group.parts) for groups in self._stations.values() for group in groups.values())

    def add(self, station: str, part: Part, received_at: datetime) -> list[Part] | Fate:
        """The complete message that ``part`` finishes, HELD, or why it was dropped. Parts must come in order."""
        place = _place_of(part.sentence)
        if place is None:
            return Fate.MALFORMED
        total, number, slot = place
        groups = self._groups_of(station, received_at)
        if number == 1:
            self.expired += slot in groups
            groups.pop(slot, None)
            if len(groups) >= GROUPS_PER_STATION:
                groups.pop(next(iter(groups)))
                self.expired += 1
            groups[slot] = _Group(started=received_at, parts=[part])
            return Fate.HELD
        group = groups.get(slot)
        if group is None or len(group.parts) != number - 1:
            return Fate.ORPHAN
        group.parts.append(part)
        if number < total:
            return Fate.HELD
        del groups[slot]
        return group.parts

    def _groups_of(self, station: str, now: datetime) -> dict[_Slot, _Group]:
        groups = self._stations.get(station)
        if groups is None:
            groups = self._stations[station] = {}
            if len(self._stations) > STATIONS:
                _, forgotten = self._stations.popitem(last=False)
                self.expired += len(forgotten)
        self._stations.move_to_end(station)
        late = [slot for slot, group in groups.items() if abs(now - group.started) > WAIT]
        for slot in late:
            del groups[slot]
        self.expired += len(late)
        return groups


def _place_of(sentence: Sentence) -> tuple[int, int, _Slot] | None:
    """(parts in all, number of this one, what the parts have in common), or None when the numbers are no numbers."""
    talker, parts, number, sequence, channel = sentence.fields[:5]
    if not (len(parts) == len(number) == 1 and parts.isdigit() and number.isdigit()):
        return None
    total, mine = int(parts), int(number)
    if not 1 <= mine <= total or total > PARTS:
        return None
    group_id = sentence.tag.group[2] if sentence.tag.group else -1
    return total, mine, (talker, parts, sequence, channel, group_id)
