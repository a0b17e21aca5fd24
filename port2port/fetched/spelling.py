"""Finding the canonical bytes of an object again after somebody wrote its JSON anew.

Tried in this order, each dearer than the one before; a commitment says which was the right one, so that trying cannot
make anything true:

1. canonical JSON of what is there: undoes another order of keys, spaces and escapes
2. numbers and times as ``stix2`` writes them: an integral float as integer; ``created``, ``modified`` and
   ``object_modified`` with at least three digits of fraction, other times with none that is zero, and all in UTC
3. with what ``stix2`` adds where it is missing: ``pattern_version`` of a STIX pattern, ``spec_version``

``stix2`` itself is not asked: it forgives too much (a null, ``"true"`` for true), and what it forgives was changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from port2port import canonical
from port2port.errors import MalformedError

_VERSIONED: Final = frozenset({"created", "modified", "object_modified"})
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-]\d\d:?\d\d))", re.ASCII
)
_MILLISECONDS: Final = 3


def spellings(value: Mapping[str, Any]) -> Iterator[bytes]:
    """The canonical bytes that the object may have had, most likely first, each once."""
    first = _canonical(value)
    if first is not None:
        yield first
    written = respelled(value)
    second, third = _canonical(written), _canonical({**_added(written), **written})
    if second is not None and second != first:
        yield second
    if third is not None and third not in {first, second}:
        yield third


def respelled(value: Any, name: str = "") -> Any:
    """The value with its numbers and times as ``stix2`` writes them. Depth is bounded by who read the file."""
    if isinstance(value, dict):
        return {key: respelled(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [respelled(item, name) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= canonical.SAFE_INTEGER:
        return int(value)
    return _time(value, name) if isinstance(value, str) else value


def _canonical(value: Mapping[str, Any]) -> bytes | None:
    try:
        return canonical.dumps(value)
    except MalformedError:
        return None


def _added(value: Mapping[str, Any]) -> dict[str, Any]:
    if value.get("type") == "indicator" and value.get("pattern_type") == "stix":
        return {"spec_version": "2.1", "pattern_version": "2.1"}
    return {"spec_version": "2.1"}


def _time(text: str, name: str) -> str:
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    day, clock, fraction, zulu, offset = match.groups()
    if zulu is None:
        try:
            moved = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            return text
        day, clock = moved.strftime("%Y-%m-%d"), moved.strftime("%H:%M:%S")
    digits = (fraction or "").rstrip("0")
    if name in _VERSIONED:
        digits = digits.ljust(_MILLISECONDS, "0")
    return f"{day}T{clock}.{digits}Z" if digits else f"{day}T{clock}Z"
