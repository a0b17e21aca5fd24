"""Canonical JSON: the one spelling in which we sign, store and compare.

RFC 8785 (JCS) restricted to a safe subset in which ``orjson`` with sorted keys produces exactly the same bytes:
no duplicate keys, no NaN or infinity, no lone surrogates, integers within 2^53, no floats whose spelling
differs between the two (integral ones, -0.0, exponents), keys in the Basic Multilingual Plane, at most 32 levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from port2port.errors import MalformedError, TooLargeError
from port2port.limits import LIMITS

SAFE_INTEGER: Final = 2**53 - 1
_PLAIN: Final = frozenset({str, bool, type(None)})  # safe whatever their value
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class CanonicalError(MalformedError):
    """Not canonical JSON of the safe subset."""

    code = "NOT_CANONICAL"


def dumps(value: object) -> bytes:
    """The canonical bytes of a JSON value. Raises CanonicalError for what has none in the safe subset."""
    _require_safe(value)  # first: orjson would write NaN as null, and a date or a UUID as text
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:
        raise CanonicalError("not representable as canonical JSON") from error


def loads(raw: bytes, *, limit: int) -> Json:
    """Parse ``raw``, which must be canonical already and at most ``limit`` bytes.

    Raises TooLargeError or CanonicalError. Deep nesting is refused: orjson stops by itself at its own bound,
    ours is checked without recursion.
    """
    if len(raw) > limit:
        raise TooLargeError(f"{len(raw)} bytes of JSON, at most {limit} are allowed", size=len(raw), limit=limit)
    try:
        value: Json = orjson.loads(raw)
        same = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == raw
    except (ValueError, TypeError) as error:
        raise CanonicalError("not JSON in UTF-8") from error
    if not same:
        raise CanonicalError("JSON is not in canonical form (sorted, distinct keys, no spaces)")
    if raw.isascii() and raw.count(b"{") + raw.count(b"[") <= LIMITS.json_depth:
        _require_safe_numbers(value)
    else:
        _require_safe(value)
    return value


def loads_object(raw: bytes, *, limit: int) -> dict[str, Json]:
    """As ``loads``, for a JSON object. Raises CanonicalError for anything else."""
    value = loads(raw, limit=limit)
    if not isinstance(value, dict):
        raise CanonicalError("a JSON object was expected")
    return value


def _require_safe_numbers(value: Json) -> None:
    """As ``_require_safe`` for what was read from ASCII with few brackets: no key is odd and nothing is deep."""
    inside: list[Json] = [value]
    for item in inside:  # grows while it is read
        if isinstance(item, dict):
            inside += [child for child in item.values() if type(child) not in _PLAIN]
        elif isinstance(item, list):
            inside += [child for child in item if type(child) not in _PLAIN]
        elif type(item) not in _PLAIN:
            _require_safe_leaf(item)


def _require_safe(value: object) -> None:
    """Level by level, so that depth is counted without recursion; every statement and object passes here."""
    depth, level = 0, [value]  # levels done, and what lies on the next
    while level:
        below: list[object] = []
        for item in level:
            if type(item) is dict:
                _require_safe_keys(item)
                below += [child for child in item.values() if type(child) not in _PLAIN]
            elif type(item) is list:
                below += [child for child in item if type(child) not in _PLAIN]
            elif type(item) is not int or not -SAFE_INTEGER <= item <= SAFE_INTEGER:
                below += _rare(item)
        depth, level = depth + 1, below
        if depth >= LIMITS.json_depth:
            _require_leaves(level)


def _rare(item: object) -> Iterable[object]:
    """What is inside of anything but a plain dictionary, list or small integer, or a refusal."""
    if isinstance(item, dict):
        _require_safe_keys(item)
        return item.values()
    if isinstance(item, list | tuple):
        return item
    _require_safe_leaf(item)
    return ()


def _require_leaves(level: Iterable[object]) -> None:
    if any(isinstance(item, dict | list | tuple) for item in level):
        raise CanonicalError(f"JSON nested deeper than {LIMITS.json_depth}")


def _require_safe_keys(item: Mapping[str, object]) -> None:
    try:
        joined = "".join(item)
    except TypeError as error:
        raise CanonicalError("the keys of a JSON object are text") from error
    if not joined.isascii() and max(joined) > "\uffff":
        raise CanonicalError("a key lies outside the Basic Multilingual Plane")


def _require_safe_leaf(item: object) -> None:
    if isinstance(item, int):  # a boolean is one, and within
        if not -SAFE_INTEGER <= item <= SAFE_INTEGER:
            raise CanonicalError("an integer is beyond 2^53; write it as a string")
    elif isinstance(item, float):
        _require_safe_float(item)
    elif item is not None and not isinstance(item, str):
        raise CanonicalError("not a JSON value")


def _require_safe_float(item: float) -> None:
    # ECMAScript writes exponents below 1e-6 and from 1e21, orjson below 1e-5 and from 1e16.
    # NaN and infinity are outside every range.
    if item.is_integer() or not 1e-5 <= abs(item) < 1e16:
        raise CanonicalError("a number is spelled differently by different writers; write it as integer or string")
