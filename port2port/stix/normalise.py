"""The one time an object is serialised: at its author's node, before it is committed to and signed.

``stix2`` parses and serialises (so that the object is what the reference library makes of it), RFC 8785
spells it. Both must be a fixed point, and equal to what ``orjson`` writes with sorted keys: receivers check
the cheap form only, and must agree with the standard's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import rfc8785
import stix2

from port2port import canonical
from port2port.errors import MalformedError, ProfileError
from port2port.stix.registration import register

if TYPE_CHECKING:
    from collections.abc import Mapping


class NormaliseError(ProfileError):
    """The object has no stable canonical form; the text says what to change."""

    code = "NORMALISE"


def normalise(value: Mapping[str, object]) -> bytes:
    """The canonical bytes of a STIX object. Raises NormaliseError."""
    register()
    raw = _once(value)
    if _once(json.loads(raw)) != raw:
        raise NormaliseError("stix2 does not reproduce the object it serialised")
    try:
        again = canonical.dumps(json.loads(raw))
    except MalformedError as error:
        raise NormaliseError(error.text) from error
    if again != raw:
        raise NormaliseError("a number is spelled differently by different writers; round it or write it as text")
    return raw


def _once(value: Mapping[str, object]) -> bytes:
    try:
        parsed = stix2.parse(dict(value), allow_custom=False, version="2.1")
        text = json.dumps(parsed) if isinstance(parsed, dict) else parsed.serialize()
        raw: bytes = rfc8785.dumps(json.loads(text))
    except Exception as error:
        # stix2 and rfc8785 leak AttributeError, TypeError and more for bad values besides errors of their
        # own.
        raise NormaliseError("stix2 refuses the object", kind=type(error).__name__) from error
    return raw
