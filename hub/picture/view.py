"""What somebody looks at, as a value: every filter, window and selection, to and from the query string of a URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlencode

from hub.picture.values import CLASSES, SEVERITIES
from port2port.clock import from_ms, to_ms
from port2port.errors import MalformedError
from port2port.ids import FEDERATION_ISSUER, is_member_id
from port2port.statement import KIND_NUMBERS

_NAMED: Final = 64
_TEXT_CHARS: Final = 80
_LAST_MS: Final = 10**13  # the year 2286: every zone can show it
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAP: Final = re.compile(r"(-?[0-9]{1,2}(?:\.[0-9]{1,5})?),(-?[0-9]{1,3}(?:\.[0-9]{1,5})?),([0-9]{1,2})", re.ASCII)
_FIELDS: Final = ("class", "ports", "severity", "kinds", "from", "to", "text", "before", "item", "map")


class ViewError(MalformedError):
    """A query string that is no view."""

    code = "VIEW"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Filters are conjunctions; an empty one lets everything through. Times are whole milliseconds, in UTC.

    Without class and kinds it is what members shared: the federation's own entries are a class of their own.
    ``before`` is the cursor of the feed, ``item`` the entry that is open, ``at`` the map's centre and zoom.
    """

    cls: str = ""
    ports: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    text: str = ""
    before: int | None = None
    item: int | None = None
    at: tuple[float, float, int] | None = None

    def to_query(self) -> str:
        """The query string, always in one spelling; ``from_query`` reads it back."""
        given = {
            "class": self.cls,
            "ports": " ".join(self.ports),
            "severity": " ".join(self.severities),
            "kinds": " ".join(self.kinds),
            "from": "" if self.start is None else str(to_ms(self.start)),
            "to": "" if self.end is None else str(to_ms(self.end)),
            "text": self.text,
            "before": "" if self.before is None else str(self.before),
            "item": "" if self.item is None else str(self.item),
            "map": "" if self.at is None else f"{self.at[0]:.5f},{self.at[1]:.5f},{self.at[2]}",
        }
        return urlencode({name: value for name, value in given.items() if value})

    @classmethod
    def from_query(cls, query: str) -> View:
        """The view of a query string. Names that are not ours are passed over. Raises ViewError for a wrong value."""
        try:
            given = parse_qs(query, keep_blank_values=True, max_num_fields=_NAMED, errors="strict")
        except ValueError as error:
            raise ViewError("this address has too many parts, or ones that are no text") from error
        return cls.from_fields({name: values[-1] for name, values in given.items()})

    @classmethod
    def from_fields(cls, given: Mapping[str, str]) -> View:
        """As ``from_query``, of fields that somebody parsed already."""
        text = {name: given.get(name, "").strip() for name in _FIELDS}
        if len(text["text"]) > _TEXT_CHARS or not text["text"].isprintable():
            raise ViewError(f"the text to look for has at most {_TEXT_CHARS} characters")
        return cls(
            cls=_one(text["class"], CLASSES),
            ports=_some(text["ports"], _is_issuer),
            severities=_some(text["severity"], SEVERITIES.__contains__),
            kinds=_some(text["kinds"], KIND_NUMBERS.__contains__),
            start=_moment(text["from"]),
            end=_moment(text["to"]),
            text=text["text"],
            before=_number(text["before"]),
            item=_number(text["item"]),
            at=_place(text["map"]),
        )


def _is_issuer(word: str) -> bool:
    return word == FEDERATION_ISSUER or is_member_id(word)


def _one(word: str, allowed: Iterable[str]) -> str:
    if word and word not in allowed:
        raise ViewError("a filter has a value that it cannot have")
    return word


def _some(words: str, allowed: object) -> tuple[str, ...]:
    found = tuple(sorted(set(words.split())))
    if len(found) > _NAMED or not callable(allowed) or not all(allowed(word) for word in found):
        raise ViewError("a filter has a value that it cannot have")
    return found


def _number(text: str) -> int | None:
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise ViewError("a number in this address is none")
    return int(text)


def _moment(text: str) -> datetime | None:
    number = _number(text)
    if number is None:
        return None
    if number > _LAST_MS:
        raise ViewError("a time in this address lies too far away")
    return from_ms(number).astimezone(UTC)


def _place(text: str) -> tuple[float, float, int] | None:
    if not text:
        return None
    found = _MAP.fullmatch(text)
    if found is None:
        raise ViewError("a place on the map is latitude,longitude,zoom")
    latitude, longitude, zoom = float(found[1]), float(found[2]), int(found[3])
    if abs(latitude) > 90 or abs(longitude) > 180 or zoom > 22:
        raise ViewError("this place is not on the map")
    return latitude, longitude, zoom
