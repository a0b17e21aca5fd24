"""AIS lines to observations, through pyais.

In the order of what it costs: framing and checksum, duplicates by raw payload, message type by the payload's first
character, and only then decoding. Every state is bounded; a sentence that fails is counted and never ends a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pyais.bit_vector import bit_vector
from pyais.exceptions import AISBaseException
from pyais.messages import MSG_CLASS

from node.observations import Observation, SourceClass
from node.sensors.parsers.assembler import Assembler, Part
from node.sensors.parsers.messages import (
    INLAND,
    POSITION_TYPES,
    STATIC_TYPES,
    Origin,
    StaticFacts,
    position_of,
    static_facts,
    static_of,
)
from node.sensors.parsers.nmea import Fate, Framer, Sentence, Wrapper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from node.sensors.transports.lines import ReceivedLine

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

DUPLICATE_WINDOW: Final = timedelta(seconds=30)
DUPLICATES_PER_WINDOW: Final = 100_000
STATICS_REMEMBERED: Final = 8192
SOURCES: Final = 1024
GROUPS: Final = 1024
_BINARY_BROADCAST: Final = 8
_SIX_BITS: Final = {code: (code - 48 if code < 96 else code - 56) for code in (*range(48, 88), *range(96, 120))}
_TYPE_OF: Final[list[int]] = [_SIX_BITS.get(code, -1) for code in range(256)]
_WANTED: Final[frozenset[int]] = POSITION_TYPES | STATIC_TYPES | {_BINARY_BROADCAST}
_WITH_STATICS: Final[frozenset[int]] = STATIC_TYPES | {_BINARY_BROADCAST}
# What pyais 3.3 raises for payloads it cannot read: its own tree, and ValueError from enums and conversions.
_REFUSALS: Final = (AISBaseException, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class AisCounters:
    """A snapshot; ``fates`` holds every Fate and sums to ``lines``. ``expired_groups`` are messages never completed."""

    lines: int
    observations: int
    fates: Mapping[Fate, int]
    bad_tag_blocks: int
    expired_groups: int


@dataclass(slots=True)
class _Heard:
    """Payloads of the last 30 to 60 s in two generations, so that forgetting costs nothing."""

    since: datetime
    current: dict[bytes, datetime]
    previous: dict[bytes, datetime]


class _Names(NamedTuple):
    assembly: str
    station: str
    source_class: SourceClass


class AisParser:
    """All AIS sources of one node: one transmission heard by two of them is one observation.

    ``source_classes`` is keyed by the configured source name (the part before ``/``); others are open radio.
    """

    def __init__(self, *, source_classes: Mapping[str, SourceClass] | None = None) -> None:
        self._source_classes = dict(source_classes or {})
        self._framer = Framer()
        self._assembler = Assembler()
        self._wrappers: dict[str, Wrapper] = {}
        self._known: dict[tuple[str, str | None], _Names] = {}
        self._groups: dict[tuple[str, int], tuple[str | None, datetime | None]] = {}
        self._heard: _Heard | None = None
        self._statics: dict[bytes, StaticFacts] = {}
        self._fates = dict.fromkeys(Fate, 0)
        self._lines = 0
        self._observations = 0

    def counters(self) -> AisCounters:
        """What became of every line so far."""
        return AisCounters(
            lines=self._lines,
            observations=self._observations,
            fates=dict(self._fates),
            bad_tag_blocks=self._framer.bad_tags,
            expired_groups=self._assembler.expired,
        )

    def parse(self, lines: Iterable[ReceivedLine]) -> list[Observation]:
        """The observations of a batch, in order. Never raises, whatever the bytes."""
        found: list[Observation] = []
        fates, taken, observed = self._fates, 0, Fate.OBSERVED
        for line in lines:
            fate = self._take(line, found)
            taken += 1
            if fate is not observed:
                fates[fate] += 1
                fates[observed] -= 1
        fates[observed] += taken
        self._lines += taken
        self._observations += len(found)
        return found

    def _take(self, line: ReceivedLine, found: list[Observation]) -> Fate:
        framed = self._framer.frame(line.data)
        if isinstance(framed, Fate):
            return framed
        if isinstance(framed, Wrapper):
            _remember(self._wrappers, line.source, framed, SOURCES)
            return Fate.WRAPPER
        fields = framed.fields
        if fields[1] != b"1" or fields[2] != b"1":
            return self._take_part(line, framed, found)
        origin = self._origin(line, framed, first=True)
        return self._take_message(fields[5], framed.fill, origin, found)

    def _take_part(self, line: ReceivedLine, sentence: Sentence, found: list[Observation]) -> Fate:
        origin = self._origin(line, sentence, first=sentence.fields[2] == b"1")
        joined = self._assembler.add(origin.assembly, Part(sentence=sentence, raw=origin.raw), line.received_at)
        if joined is not Fate.HELD:
            self._wrappers.pop(line.source, None)
        if isinstance(joined, Fate):
            return joined
        payload = b"".join(part.sentence.fields[5] for part in joined)
        whole = origin._replace(raw=tuple(raw for part in joined for raw in part.raw))
        return self._take_message(payload, sentence.fill, whole, found)

    def _take_message(self, payload: bytes, fill: int, origin: Origin, found: list[Observation]) -> Fate:
        number = _TYPE_OF[payload[0]]
        if number not in _WANTED or (number == _BINARY_BROADCAST and _application_of(payload) != INLAND):
            return Fate.NOT_WANTED
        if self._is_duplicate(payload, origin.received_at):
            return Fate.DUPLICATE
        remembered = self._statics.get(payload)
        if remembered is not None:
            found.append(static_of(remembered, number, origin))
            return Fate.OBSERVED
        try:
            message = MSG_CLASS[number].from_vector(bit_vector(payload, fill))
        except _REFUSALS:
            return Fate.UNDECODABLE
        position = position_of(number, message, origin) if number in POSITION_TYPES else None
        if position is not None:
            found.append(position)
        facts = static_facts(number, message) if number in _WITH_STATICS else None
        if facts is not None:
            found.append(static_of(facts, number, origin))
            if position is None:
                _remember(self._statics, payload, facts, STATICS_REMEMBERED)
        return Fate.TRUNCATED if position is None and facts is None else Fate.OBSERVED

    def _origin(self, line: ReceivedLine, sentence: Sentence, *, first: bool) -> Origin:
        tag = sentence.tag
        station, at = tag.station, tag.at
        if tag.group is not None:
            station, at = self._group_origin(line.source, sentence)
        raw: tuple[bytes, ...] = (line.data,)
        wrapper = self._wrappers.get(line.source) if self._wrappers else None
        if wrapper is not None:
            # The wrapper goes with the sentence after it; the later parts of a message share it.
            station, at = station or wrapper.station, at or wrapper.at
            raw = (wrapper.raw, line.data) if first else raw
            if sentence.fields[1:3] == [b"1", b"1"]:
                del self._wrappers[line.source]
        names = self._names(line.source, station)
        return Origin(
            assembly=names.assembly,
            station=names.station,
            observed_at=at or sentence.stamp or line.received_at,
            received_at=line.received_at,
            source_class=names.source_class,
            raw=raw,
        )

    def _group_origin(self, source: str, sentence: Sentence) -> tuple[str | None, datetime | None]:
        """Later parts of a tag-block group may leave out the station and time that the first one gave."""
        tag = sentence.tag
        if tag.group is None:
            return tag.station, tag.at
        key = (source, tag.group[2])
        if tag.group[0] == 1:
            _remember(self._groups, key, (tag.station, tag.at), GROUPS)
            return tag.station, tag.at
        station, at = self._groups.get(key, (None, None))
        return tag.station or station, tag.at or at

    def _names(self, source: str, station: str | None) -> _Names:
        key = (source, station)
        names = self._known.get(key)
        if names is None:
            base = source.partition("/")[0]
            names = _Names(
                assembly=f"{source}|{station or ''}",
                station=f"{base}:{station}" if station else base,
                source_class=self._source_classes.get(base, SourceClass.OPEN_RADIO),
            )
            _remember(self._known, key, names, SOURCES)
        return names

    def _is_duplicate(self, payload: bytes, at: datetime) -> bool:
        heard = self._heard
        if heard is None:
            self._heard = _Heard(since=at, current={payload: at}, previous={})
            return False
        if abs(at - heard.since) > DUPLICATE_WINDOW or len(heard.current) >= DUPLICATES_PER_WINDOW:
            heard.since, heard.current, heard.previous = at, {}, heard.current
        before = heard.current.get(payload) or heard.previous.get(payload)
        if before is not None and abs(at - before) <= DUPLICATE_WINDOW:
            return True
        heard.current[payload] = at
        return False


def line_time(line: bytes) -> datetime | None:
    """The time a line carries, for replaying a recording by its own clock; None when it carries none."""
    framed = Framer().frame(line)
    if isinstance(framed, Sentence):
        return framed.tag.at or framed.stamp
    return framed.at if isinstance(framed, Wrapper) else None


def _application_of(payload: bytes) -> tuple[int, int] | None:
    """DAC and FID of message 8: ten and six bits from bit 40, which lie in characters 6 to 9."""
    values = [_TYPE_OF[code] for code in payload[6:10]]
    if len(values) < 4 or min(values) < 0:
        return None
    bits = values[0] << 18 | values[1] << 12 | values[2] << 6 | values[3]
    return bits >> 10 & 0x3FF, bits >> 4 & 0x3F


def _remember(cache: dict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Put into a cache that forgets its oldest entry when full."""
    if key not in cache and len(cache) >= limit:
        del cache[next(iter(cache))]
    cache[key] = value
