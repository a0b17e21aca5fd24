"""What is said when a request is refused: TAXII error messages (TAXII 2.1 section 3.6), and nothing else ever.

What a principal may not see and what does not exist answer alike, byte for byte: so there is no error_id, and the
description never repeats what was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import orjson

from port2port.errors import (
    BackpressureError,
    MalformedError,
    NotFoundError,
    PolicyError,
    Port2PortError,
    TooLargeError,
    UnavailableError,
)

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
_LATER_S: Final = 5
_TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request was not understood",
        401: "Authentication is required",
        403: "Not allowed",
        404: "Not found",
        405: "This method is not supported here",
        406: "The media type in Accept is not supported",
        408: "The request took too long",
        413: "The content is too large",
        415: "The media type of the content is not supported",
        422: "The content could not be processed",
        429: "Too many requests",
        500: "The server met an error",
        503: "The server cannot answer now",
    }
)


class TaxiiRequestError(MalformedError):
    """A request that gets a TAXII error message; ``status`` is its HTTP status."""

    code = "TAXII_REQUEST"

    def __init__(self, text: str, /, *, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: a body of our media type and the headers beside it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def bad(text: str) -> TaxiiRequestError:
    """A parameter, or another part of the request, that has not its form."""
    return TaxiiRequestError(text, status=400)


def absent() -> TaxiiRequestError:
    """Not there, or not there for this principal."""
    return TaxiiRequestError("it does not exist, or you may not see it", status=404)


def message(error: Port2PortError) -> Answer:
    """The answer for an error of ours, whichever it is."""
    status, text, headers = _said(error)
    code = "REFUSED" if isinstance(error, TaxiiRequestError) else error.code
    body = {"title": _TITLES[status], "description": text, "error_code": code, "http_status": str(status)}
    return Answer(status=status, body=orjson.dumps(body), headers=headers)


def broken() -> Answer:
    """The answer where something broke that nobody foresaw; the cause is in the log."""
    return _plain(500, "try again later, and tell the people who run this server")


def _plain(status: int, text: str) -> Answer:
    body = {"title": _TITLES[status], "description": text, "error_code": "INTERNAL", "http_status": str(status)}
    return Answer(status=status, body=orjson.dumps(body))


def _said(error: Port2PortError) -> tuple[int, str, Mapping[str, str]]:
    if isinstance(error, TaxiiRequestError):
        return error.status, error.text, error.headers
    if isinstance(error, BackpressureError):
        return 429, error.text, {"Retry-After": str(max(1, math.ceil(error.delay_ms / 1_000)))}
    if isinstance(error, UnavailableError):
        return 503, "try again later", {"Retry-After": str(_LATER_S)}
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status, error.text, {}
    return 500, "try again later, and tell the people who run this server", {}


_STATUSES: Final[tuple[tuple[type[Port2PortError], int], ...]] = (
    (NotFoundError, 404),
    (PolicyError, 403),
    (TooLargeError, 413),
    (MalformedError, 422),
)
