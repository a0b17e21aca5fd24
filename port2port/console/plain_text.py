"""What a request says in words, held to being text before anything reads it: path, query, cookies, form fields.

A NUL or half a surrogate pair is in no keyboard and in no language, and PostgreSQL keeps neither: refused here, once,
no page behind has to think of it. So are addresses and cookies longer than any that our own pages make.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from port2port.errors import MalformedError, TooLargeError
from port2port.limits import KIB

QUERY_BYTES: Final = 16 * KIB
QUERY_FIELDS: Final = 500
COOKIE_BYTES: Final = 8 * KIB
_NAME_CHARS: Final = 40
_FORBIDDEN: Final = frozenset({"\0", *map(chr, range(0xD800, 0xE000))})


class FieldTextError(MalformedError):
    """A field holds what is no text; ``field`` says which."""

    code = "FIELD_TEXT"


class AddressTooLongError(TooLargeError):
    """A query, or the cookies, of a length that none of our pages makes."""

    code = "ADDRESS_TOO_LONG"


class Addresses:
    """Middleware: raises FieldTextError or AddressTooLongError; a path that is no text is a page that is not there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_text(scope["path"]):
            raise HTTPException(404)
        require_query(scope.get("query_string", b""))
        if sum(len(value) for value in Headers(scope=scope).getlist("cookie")) > COOKIE_BYTES:
            raise AddressTooLongError("the cookies of this request are too long", limit=COOKIE_BYTES)
        await self._app(scope, receive, send)


def require_query(query: bytes) -> None:
    """That a query is of our length and all of it text. Raises AddressTooLongError or FieldTextError."""
    if len(query) > QUERY_BYTES or query.count(b"&") >= QUERY_FIELDS:
        raise AddressTooLongError("this address is too long", limit=QUERY_BYTES)
    # what is no UTF-8 comes out as lone surrogates, and is refused as they are
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape"):
        require_text(name, value)


def require_text(name: str, value: str) -> None:
    """That a field's name and value are text. Raises FieldTextError, which names the field."""
    if not (is_text(name) and is_text(value)):
        shown = ascii(name[:_NAME_CHARS])[1:-1]
        raise FieldTextError(f"the field {shown} holds a character that is no text: write it anew", field=shown)


def is_text(value: str) -> bool:
    """Whether a string can be kept by every database and sent as UTF-8."""
    return _FORBIDDEN.isdisjoint(value)
