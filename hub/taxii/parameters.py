"""The parameters of a request's URL (TAXII 2.1 sections 3.4 and 3.5): each at most once, each in its form, or 400.

Parameters that TAXII does not have are ignored, as are those that an endpoint does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from hub.taxii.errors import bad
from hub.taxii.model import Filters
from port2port.clock import EPOCH

DEFAULT_LIMIT: Final = 1_000
MOST: Final = 5_000
MOST_VALUES: Final = 100
_FIELDS: Final = 32
_QUERY_BYTES: Final = 24 * 1024
_CURSOR_CHARS: Final = 16 * 1024
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_LIMIT: Final = re.compile(r"\d{1,18}", re.ASCII)
_STIX_TYPE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,248}[a-z0-9])?")
_STIX_ID: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,248}[a-z0-9])?--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SPEC_VERSION: Final = re.compile(r"\d{1,3}\.\d{1,3}")
_WORDS: Final = frozenset({"first", "last", "all"})
ADDED_AFTER: Final = "added_after"
_KNOWN: Final = (ADDED_AFTER, "limit", "next", "match[id]", "match[type]", "match[version]", "match[spec_version]")

_PAGED: Final = frozenset({ADDED_AFTER, "limit", "next"})
OBJECTS: Final = frozenset(_KNOWN)  # sections 5.3 and 5.4
OBJECT: Final = _PAGED | {"match[version]", "match[spec_version]"}  # section 5.6
VERSIONS: Final = _PAGED | {"match[spec_version]"}  # section 5.8
DELETED: Final = frozenset({"match[version]", "match[spec_version]"})  # section 5.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the parameters say. ``cursor`` is what ``next`` held; empty where nothing was asked from a page before."""

    filters: Filters = field(default_factory=Filters)
    limit: int = DEFAULT_LIMIT
    cursor: str = ""


def parse(query: bytes, known: frozenset[str]) -> Asked:
    """The parameters among ``known``. Raises TaxiiRequestError (400), whatever the bytes."""
    given = {name: value for name, value in _once(query).items() if name in known}
    versions = _values(given, "match[version]", _is_version)
    if len(versions) > 1 and "all" in versions:
        versions = frozenset({"all"})
    return Asked(
        filters=Filters(
            added_after_us=None if ADDED_AFTER not in given else microseconds(given[ADDED_AFTER]),
            ids=_values(given, "match[id]", lambda text: bool(_STIX_ID.fullmatch(text))),
            types=_values(given, "match[type]", lambda text: bool(_STIX_TYPE.fullmatch(text))),
            versions=versions,
            spec_versions=_values(given, "match[spec_version]", lambda text: bool(_SPEC_VERSION.fullmatch(text))),
        ),
        limit=_limit(given.get("limit"), turning="next" in given),
        cursor=_cursor(given.get("next")),
    )


def is_stix_id(text: str) -> bool:
    """Whether it has the form of an object's id: nothing else is looked for."""
    return bool(_STIX_ID.fullmatch(text))


def is_uuid(text: str) -> bool:
    """Whether it has the form of a status' id: nothing else is looked for."""
    return bool(_UUID.fullmatch(text))


def microseconds(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time in UTC with up to six fraction digits. Raises 400."""
    if not _DATE.fullmatch(text):
        raise bad("a timestamp must look like 2026-11-22T00:00:00.000000Z")
    try:
        moment = datetime.fromisoformat(_padded(text))
    except ValueError as error:
        raise bad("a timestamp names an impossible date") from error
    return (moment - EPOCH) // timedelta(microseconds=1)


def date_text(date_us: int) -> str:
    """The reverse of ``microseconds``, always with six fraction digits."""
    moment = EPOCH + timedelta(microseconds=date_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _padded(text: str) -> str:
    whole, _, fraction = text[:-1].partition(".")
    return f"{whole}.{fraction:0<6}Z"


def _once(query: bytes) -> Mapping[str, str]:
    if len(query) > _QUERY_BYTES:
        raise bad("the parameters are too long")
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS, separator="&"
        )
    except ValueError as error:
        raise bad("the parameters are not as a URL has them") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found and name in _KNOWN:
            raise bad(f"{name} is given more than once: join values with a comma")
        found[name] = value
    return found


def _values(given: Mapping[str, str], name: str, fits: Callable[[str], bool]) -> frozenset[str]:
    if name not in given:
        return frozenset()
    values = given[name].split(",")
    if len(values) > MOST_VALUES:
        raise bad(f"{name} takes at most {MOST_VALUES} values")
    if not all(fits(value) for value in values):
        raise bad(f"{name} holds a value that has not its form")
    return frozenset(values)


def _is_version(text: str) -> bool:
    if text in _WORDS:
        return True
    microseconds(text)
    return True


def _limit(text: str | None, *, turning: bool) -> int:
    """taxii2-client asks for as many as the first page held: none, where that one only said that there is more."""
    if text is None or (turning and text == "0"):
        return DEFAULT_LIMIT
    if not _LIMIT.fullmatch(text) or int(text) == 0:
        raise bad("limit is a positive whole number")
    return min(int(text), MOST)


def _cursor(text: str | None) -> str:
    if text is None:
        return ""
    if not text or len(text) > _CURSOR_CHARS or not text.isascii():
        raise bad("this next was not given out by this server")
    return text
