"""A file of fetched objects: a TAXII envelope, a list of such pages or of objects, or a STIX bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from port2port.errors import MalformedError
from port2port.limits import LIMITS, MIB
from port2port.stix.validate import require_depth

FETCHED_BYTES: Final = 64 * MIB
OBJECTS_MAX: Final = 200_000
_AROUND: Final = 4  # levels of pages, envelopes and lists around an object
AMBIGUOUS: Final = ...  # stands where a key was there twice: readers disagree about what it says


class FetchedError(MalformedError):
    """Not a file of fetched STIX objects."""

    code = "FETCHED"


def read_fetched(raw: bytes) -> list[Any]:
    """What the file holds, in order; anything that is no object is among it, for the caller to say so.

    Raises FetchedError or ProfileError, whatever the bytes.
    """
    if len(raw) > FETCHED_BYTES:
        raise FetchedError(f"at most {FETCHED_BYTES} bytes of fetched objects are checked at a time", size=len(raw))
    require_depth(raw, limit=LIMITS.json_depth + _AROUND)
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except ValueError as error:
        raise FetchedError("not JSON in UTF-8") from error
    found = list(_objects(value))
    if len(found) > OBJECTS_MAX:
        raise FetchedError(f"at most {OBJECTS_MAX} objects are checked at a time", count=len(found))
    return found


def _objects(value: object) -> Iterator[Any]:
    """Those of one page, or of a list of pages or objects."""
    for page in value if isinstance(value, list) else [value]:
        if isinstance(page, dict) and isinstance(page.get("objects"), list) and page.get("type", "bundle") == "bundle":
            yield from page["objects"]
        elif isinstance(page, dict) and "type" not in page:
            _require_empty_page(page)
        elif isinstance(value, list):
            yield page
        else:
            raise FetchedError("this is no TAXII envelope, list of pages or STIX bundle")


def _require_empty_page(page: dict[str, Any]) -> None:
    """TAXII 2.1 section 3.7: an envelope may hold no objects, and then says nothing but ``more`` and ``next``."""
    if not page.keys() <= {"more", "next"}:
        raise FetchedError("this is no TAXII envelope, list of pages or STIX bundle")


def _distinct(pairs: list[tuple[str, Any]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else AMBIGUOUS


def _no_constant(_text: str) -> object:
    raise FetchedError("not JSON: NaN and Infinity are no numbers")
