"""From a received line to one checked sentence: tag block, prefixes, suffixes and wrappers taken off.

Real feeds put things before the sentence (ISO times, brackets, IEC 61162-450 tag blocks) and after its checksum
(a comma and epoch milliseconds). pyais would drop such lines or fail their checksum, so they are normalised here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import Final, NamedTuple

from pyais.exceptions import AISBaseException
from pyais.messages import GatehouseSentence, TagBlock

from port2port.clock import EPOCH

LINE_BYTES: Final = 4096
CACHE_ENTRIES: Final = 4096
STATION_CHARS: Final = 40
MILLISECONDS_FROM: Final = 100_000_000_000  # seconds above this would be after the year 5138
PAYLOAD_CHARS: Final = 200  # the standard allows 62 in a sentence; some receivers send whole messages in one
_FIELDS: Final = 7
_FILL: Final = {b"%d*" % bits: bits for bits in range(6)}
_HEX: Final = [b"%02X" % value for value in range(256)]
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH = re.compile(r"(?<!\d)\d{10}(?:\d{3})?(?!\d)", re.ASCII)
# Norwegian feeds write the group as `1G2:58944` instead of `g:1-2-58944`.
_NORWEGIAN_GROUP = re.compile(rb"(?:^|,)(\d{1,2})G(\d{1,2}):(\d{1,9})(?=,|$)")
_PRINTABLE = re.compile(r"[!-~][ -~]*", re.ASCII)


class Fate(StrEnum):
    """What became of a line. Every line has exactly one, so that the counters add up to the lines received."""

    OBSERVED = "observed"  # gave at least one observation
    HELD = "held"  # part of a message whose other parts are awaited
    WRAPPER = "wrapper"  # $PGHP, belongs to the next sentence
    COMMENT = "comment"  # blank, remark, or a tag block without a sentence
    TOO_LONG = "too-long"
    NOT_AIS = "not-ais"  # another NMEA sentence, or no sentence at all
    NO_CHECKSUM = "no-checksum"
    BAD_CHECKSUM = "bad-checksum"
    MALFORMED = "malformed"  # the checksum holds, the fields do not
    ORPHAN = "orphan"  # part of a message whose first part never came, or out of order
    DUPLICATE = "duplicate"  # the same transmission, heard again within 30 s
    NOT_WANTED = "not-wanted"  # a message type nothing here uses
    UNDECODABLE = "undecodable"  # pyais refused the payload
    TRUNCATED = "truncated"  # the payload ends before the fields we need


class Tag(NamedTuple):
    """What a tag block says. ``group`` is (part, parts, group id). ``valid`` is its own checksum."""

    station: str | None
    at: datetime | None
    group: tuple[int, int, int] | None
    valid: bool


class Sentence(NamedTuple):
    """One !xxVDM or !xxVDO whose checksum holds. ``stamp`` is a time written around it by the receiving software."""

    data: bytes
    fields: list[bytes]
    fill: int  # bits of the payload's last character that mean nothing, 0 to 5
    tag: Tag
    stamp: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """What a Gatehouse $PGHP line says about the sentence after it."""

    at: datetime
    station: str
    raw: bytes


NO_TAG: Final = Tag(None, None, None, valid=True)
BAD_TAG: Final = Tag(None, None, None, valid=False)


def epoch_time(number: int) -> datetime | None:
    """Seconds or milliseconds since 1970, told apart by size; None when out of range."""
    milliseconds = number if number >= MILLISECONDS_FROM else number * 1000
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def loose_time(text: str) -> datetime | None:
    """An ISO time or epoch number somewhere in ``text``; a time without a zone is taken for UTC."""
    if found := _ISO.search(text):
        try:
            moment = datetime.fromisoformat(found.group())
        except ValueError:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if found := _EPOCH.search(text):
        return epoch_time(int(found.group()))
    return None


def parse_tag(raw: bytes) -> Tag:
    """The inside of ``\\...\\``. A block whose checksum fails says nothing: its station and time may be corrupt."""
    block = TagBlock(raw)
    block.init()
    if not block.is_valid:
        return BAD_TAG
    station = block.source_station
    if station is not None and not _PRINTABLE.fullmatch(station):
        station = None
    given = block.receiver_timestamp
    at = epoch_time(int(given)) if given is not None and given.isascii() and given.isdigit() else None
    group = block.group
    if group is not None:
        parts = (group.sentence_num, group.sentence_tot, group.group_id)
    elif norwegian := _NORWEGIAN_GROUP.search(raw.partition(b"*")[0]):
        parts = (int(norwegian[1]), int(norwegian[2]), int(norwegian[3]))
    else:
        parts = None
    return Tag(station[:STATION_CHARS] if station else None, at, parts, valid=True)


def parse_wrapper(line: bytes) -> Wrapper | Fate:
    """A $PGHP line; its time is UTC."""
    star = line.find(b"*")
    body = line[: star + 3]
    if star < 0 or not checksum_holds(body, star):
        return Fate.BAD_CHECKSUM
    try:
        sentence = GatehouseSentence(body)
    except (AISBaseException, ValueError):
        return Fate.MALFORMED
    station = sentence.pss or sentence.region
    if not _PRINTABLE.fullmatch(station):
        station = "gatehouse"
    return Wrapper(at=sentence.timestamp.replace(tzinfo=UTC), station=station[:STATION_CHARS], raw=line)


def checksum_holds(body: bytes, star: int) -> bool:
    """Whether the two hex digits after ``*`` are the XOR of everything between the first byte and ``*``."""
    given = body[star + 1 : star + 3]
    right = _HEX[reduce(xor, body[1:star], 0)]
    return given == right or given.upper() == right


class Framer:
    """Takes lines apart; its only state is a bounded cache of parsed tag blocks, which repeat within a second."""

    def __init__(self) -> None:
        self._tags: dict[bytes, Tag] = {}
        self.bad_tags = 0

    def frame(self, line: bytes) -> Sentence | Wrapper | Fate:
        """The sentence in ``line``, the wrapper it is, or why neither."""
        if len(line) > LINE_BYTES:
            return Fate.TOO_LONG
        start = line.find(b"!")
        opening = 0 if line[:1] == b"\\" else line.find(b"\\", 0, start if start >= 0 else len(line))
        tag = NO_TAG
        prefix = b""
        if opening >= 0:
            closing = line.find(b"\\", opening + 1)
            if closing < 0:
                return Fate.MALFORMED
            tag = self._tag(line[opening + 1 : closing])
            start = line.find(b"!", closing)
        elif start > 0:
            prefix = line[:start]
        if start < 0:
            return _without_sentence(line, tagged=opening >= 0)
        return _checked(line[start:], tag, prefix)

    def _tag(self, raw: bytes) -> Tag:
        tag = self._tags.get(raw)
        if tag is None:
            if len(self._tags) >= CACHE_ENTRIES:
                self._tags.clear()
            tag = self._tags[raw] = parse_tag(raw)
        if not tag.valid:
            self.bad_tags += 1
        return tag


def _without_sentence(line: bytes, *, tagged: bool) -> Wrapper | Fate:
    wrapper = line.find(b"$PGHP,")
    if wrapper >= 0:
        return parse_wrapper(line[wrapper:])
    if tagged or not line.strip() or line.lstrip().startswith(b"#"):
        return Fate.COMMENT
    return Fate.NOT_AIS


def _checked(body: bytes, tag: Tag, prefix: bytes) -> Sentence | Fate:
    if body[3:6].upper() not in (b"VDM", b"VDO"):
        return Fate.NOT_AIS
    star = body.find(b"*")
    if star < 0 or len(body) < star + 3:
        return Fate.NO_CHECKSUM
    data = body[: star + 3]
    if not checksum_holds(data, star):
        return Fate.BAD_CHECKSUM
    fields = data.split(b",")
    if len(fields) != _FIELDS:
        return Fate.MALFORMED
    fill = _FILL.get(fields[6][:-2])
    if fill is None or not 1 <= len(fields[5]) <= PAYLOAD_CHARS or not fields[5].isascii():
        return Fate.MALFORMED
    around = prefix or body[star + 3 :].rstrip()
    stamp = loose_time(around.decode("ascii", "replace")) if around and tag.at is None else None
    return Sentence(data, fields, fill, tag, stamp)
