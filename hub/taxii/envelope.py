"""Bodies: envelopes joined from stored bytes, and envelopes taken apart (TAXII 2.1 section 3.7).

Objects are never written anew on their way out: what a reader gets is what the author signed. What comes in is
spelled canonically, object by object, so that everything behind sees one spelling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from hub.taxii.errors import TaxiiRequestError, bad
from hub.taxii.model import Item, Page, Posted, Status
from hub.taxii.parameters import date_text
from port2port.limits import LIMITS

MOST_OBJECTS: Final = 1_000
_STIX: Final = "application/stix+json;version=2.1"
_NAMES: Final = ("created", "id", "modified", "type")
_TOO_DEEP: Final = b"[" * LIMITS.json_depth + b"]" * LIMITS.json_depth


def of_page(page: Page, cursor: str) -> bytes:
    """An envelope; empty ({}) where there is nothing and nothing more."""
    return _paged(page, cursor, b",".join(item.raw for item in page.items))


def manifest(page: Page, cursor: str) -> bytes:
    """A manifest (section 5.3.1), with ``next`` beside it as in an envelope."""
    return _paged(page, cursor, b",".join(orjson.dumps(_listed(item)) for item in page.items))


def versions(page: Page, cursor: str) -> bytes:
    """The versions of one object (section 5.8.1)."""
    listed = orjson.dumps([_version(item) for item in page.items])
    return _paged(page, cursor, listed[1:-1], name=b"versions")


def status(found: Status) -> bytes:
    """The outcome of a POST (section 4.3.1)."""
    asked = date_text(found.requested_ms * 1_000)
    failures = [_posted(one, asked) for one in found.objects if one.why]
    successes = [_posted(one, asked) for one in found.objects if not one.why]
    said: dict[str, Any] = {
        "id": found.id,
        "status": "complete",
        "request_timestamp": asked,
        "total_count": len(found.objects),
        "success_count": len(successes),
        "failure_count": len(failures),
        "pending_count": 0,
    }
    if successes:
        said["successes"] = successes
    if failures:
        said["failures"] = failures
    return orjson.dumps(said)


def taken_apart(raw: bytes) -> tuple[bytes, ...]:
    """The objects of a posted envelope. Raises TaxiiRequestError: 400 for what is no JSON, 422 for no envelope."""
    try:
        found = orjson.loads(raw)
    except ValueError as error:
        raise bad("the content is not JSON") from error
    objects = found.get("objects") if isinstance(found, dict) else None
    if not isinstance(objects, list) or "type" in found or "spec_version" in found:
        raise _no_envelope('an envelope is {"objects": [...]}; a STIX bundle is none')
    if not objects:
        raise _no_envelope("the envelope holds no objects")
    if len(objects) > MOST_OBJECTS:
        raise _no_envelope(f"an envelope holds at most {MOST_OBJECTS} objects")
    if not any(_is_object(item) for item in objects):
        raise _no_envelope("none of these is a STIX object")
    return tuple(map(_spelled, objects))


def _spelled(item: Any) -> bytes:
    """Canonical; of what the library reads but is too deep for it to write, no more than its names, as deep as needed
    to be refused for that.
    """
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        names = (
            {name: item[name] for name in _NAMES if isinstance(item.get(name), str)} if isinstance(item, dict) else {}
        )
        return orjson.dumps({**names, "x_deep": orjson.Fragment(_TOO_DEEP)}, option=orjson.OPT_SORT_KEYS)


def _is_object(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("type"), str) and isinstance(item.get("id"), str)


def _no_envelope(text: str) -> TaxiiRequestError:
    return TaxiiRequestError(text, status=422)


def _paged(page: Page, cursor: str, inside: bytes, *, name: bytes = b"objects") -> bytes:
    if not page.items and not page.more:
        return b"{}"
    more = b'"more":true,"next":' + orjson.dumps(cursor) if page.more else b'"more":false'
    return b"{" + more + b',"' + name + b'":[' + inside + b"]}"


def _listed(item: Item) -> Mapping[str, str]:
    return {"id": item.stix_id, "date_added": date_text(item.date_us), "version": item.version, "media_type": _STIX}


def _version(item: Item) -> str:
    return item.version


def _posted(one: Posted, asked: str) -> Mapping[str, str]:
    """Section 4.3.2: what names no version of its own has the time of the request."""
    said = {"id": one.stix_id, "version": one.version or asked}
    return {**said, "message": one.why} if one.why else said


def listing(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The collections resource (section 5.1.1), which leaves out an empty list."""
    return orjson.dumps({"collections": list(rows)}) if rows else b"{}"
