"""One foreign object from its bytes: strict where two readers could read two things, and patient with the rest.

A key that is said twice is refused: one reader would see the marking, another would not. So are numbers that JSON does
not have, nesting beyond our bound, and what is no object with a type and an id. Whatever the bytes are, the answer is
a dictionary or an OddError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Never

from port2port.errors import MalformedError
from port2port.ids import is_stix_id
from port2port.limits import MIB
from port2port.stix.validate import require_depth

OBJECT_BYTES: Final = 8 * MIB  # of containers, which mark what they hold; a draft has far less
EVENT_BYTES: Final = 64 * MIB


class OddError(MalformedError):
    """A foreign object that cannot be taken in; the text says why. It is set apart, alone."""

    code = "ODD_OBJECT"


def read_object(raw: bytes) -> dict[str, Any]:
    """The object in ``raw``. Raises OddError, whatever the bytes are."""
    return _read(raw, OBJECT_BYTES)


def read_event(raw: bytes) -> dict[str, Any]:
    """The MISP event in ``raw``. Raises OddError, whatever the bytes are."""
    return _read(raw, EVENT_BYTES)


def _read(raw: bytes, limit: int) -> dict[str, Any]:
    if len(raw) > limit:
        raise OddError(f"larger than {limit} bytes")
    try:
        require_depth(raw)
        data = json.loads(raw.decode(), object_pairs_hook=_distinct, parse_constant=_no_number)
    except OddError:
        raise
    except MalformedError as error:
        raise OddError(error.text) from error
    except (ValueError, RecursionError) as error:
        raise OddError("not JSON in UTF-8") from error
    if not isinstance(data, dict):
        raise OddError("not a JSON object")
    return data


def ident_of(data: Mapping[str, Any]) -> str:
    """The id of a STIX object. Raises OddError where type and id are missing or contradict each other."""
    kind, ident = data.get("type"), data.get("id")
    if not isinstance(kind, str) or not isinstance(ident, str) or not is_stix_id(ident):
        raise OddError("not an object with a type and an id as STIX 2.1 has them")
    if ident.partition("--")[0] != kind:
        raise OddError("its id is of another type")
    if data.get("spec_version", "2.1") != "2.1":
        raise OddError("of another version of STIX than 2.1")
    return ident


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise OddError("a key is there twice")
    return found


def _no_number(_text: str) -> Never:
    raise OddError("a number that JSON does not have")
