"""What protects every response and every unsafe request, in the order in which a request meets it.

1. ``Headers``: a nonce for each response, the content security policy with Trusted Types, and the other headers; on
   error pages, redirects and files too.
2. ``Host``: only our own host name is answered, so that a name that an attacker lets point at us (DNS rebinding)
   reads nothing.
3. ``SameOrigin``: unsafe methods come from our own pages, or are refused before anything is read.
4. ``Forms`` (behind the sessions): the body within its bound, the form's fields within theirs, and a token that
   belongs to this browser *and* this person: a form that one officer opened cannot be sent as the next one. Who is
   signed out may send little; files are taken only by a route that says so, of somebody who is signed in.

Between 2 and 3 stands ``plain_text.Addresses``: path, query and cookies are text, and not too long.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import urlsplit

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers as HeaderMap
from starlette.datastructures import MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from port2port.console.people import Person, signed_in
from port2port.console.plain_text import require_text
from port2port.errors import MalformedError, PolicyError, TooLargeError
from port2port.limits import KIB, MIB

FORM_FIELD: Final = "form_token"
FORM_HEADER: Final = "x-form-token"
FORM_COOKIE: Final = "__Host-p2p-form"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_COOKIE_CHARS: Final = 43
_FORM_TYPES: Final = frozenset({b"application/x-www-form-urlencoded", b"multipart/form-data"})
_CHARSETS: Final = frozenset({b"utf-8", b"utf8"})
_TAKES_FILES: Final = "takes_files"

T = TypeVar("T", bound=Callable[..., object])


class ForeignRequestError(PolicyError):
    """An unsafe request that did not come from one of our own pages."""

    code = "FOREIGN_REQUEST"


class FormTokenError(PolicyError):
    """A form that was opened in another browser, by another person, or before a restart: open it again."""

    code = "FORM_TOKEN"


class BodyTooLargeError(TooLargeError):
    """A request body, or one field of a form, over its bound."""

    code = "BODY_TOO_LARGE"


class FormCharsetError(MalformedError):
    """A form in another spelling than UTF-8, in which every page of ours asks for it."""

    code = "FORM_CHARSET"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """Bounds of one request body: of who is signed out, of a form, and of a form with files."""

    signed_out_bytes: int = 64 * KIB
    body_bytes: int = 1 * MIB
    files_bytes: int = 13 * MIB  # a photo and the fields around it
    fields: int = 2_000  # as many rows as a page lists
    files: int = 8
    field_bytes: int = 256 * KIB


def content_policy(nonce: str) -> str:
    """Nothing but our own files; scripts and htmx elements of this very response; no string becomes script or HTML."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self'",
            "connect-src 'self'",
            "worker-src 'self'",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types default htmx",
        )
    )


def fixed_headers(*, secure: bool) -> dict[str, str]:
    """Headers that are the same on every response."""
    headers = {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
        "microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=(), midi=(), display-capture=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class Headers:
    """Step 1: the headers, and ``request.state.nonce``."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._fixed = fixed_headers(secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers[name] = value
                headers["Content-Security-Policy"] = content_policy(nonce)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class Host:
    """Step 2: answers to our own name alone; what comes for another one sees an empty 421."""

    def __init__(self, app: ASGIApp, *, origin: str) -> None:
        self._app = app
        self._names = _names_of(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if HeaderMap(scope=scope).get("host", "").lower() in self._names:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 421, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def _names_of(origin: str) -> frozenset[str]:
    parts = urlsplit(origin)
    default = 443 if parts.scheme == "https" else 80
    return frozenset({parts.netloc} | ({f"{parts.netloc}:{default}"} if parts.port is None else set()))


class SameOrigin:
    """Step 3. Raises ForeignRequestError: browsers say where a request comes from, in one header or the other."""

    def __init__(self, app: ASGIApp, *, origin: str) -> None:
        self._app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE_METHODS and not is_own(HeaderMap(scope=scope), self._origin):
            raise ForeignRequestError("this request did not come from one of our own pages")
        await self._app(scope, receive, send)


def is_own(headers: Mapping[str, str], origin: str) -> bool:
    """Whether a request was started by a page of ``origin``. A browser that says nothing at all is not believed.

    Under our referrer policy a browser sends the origin of plain forms as "null" (Fetch, "append a request Origin
    header"); Sec-Fetch-Site, which no page can set, then decides alone.
    """
    sent = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if site is None:
        return sent == origin
    return site == "same-origin" and sent in {None, "null", origin}


def takes_files(endpoint: T) -> T:
    """Mark an endpoint whose form carries files: its body may be as long as ``FormLimits.files_bytes``."""
    setattr(endpoint, _TAKES_FILES, True)
    return endpoint


def routes_with_files(routes: Sequence[BaseRoute]) -> tuple[Route, ...]:
    """The routes whose endpoints are marked by ``takes_files``, also behind a guard."""
    return tuple(one for one in routes if isinstance(one, Route) and getattr(one.endpoint, _TAKES_FILES, False))


class FormTokens:
    """Makes and checks form tokens. ``secret`` is shared by the processes that serve one address."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, cookie: str, account: str) -> str:
        """The token of the forms that this browser shows to this person."""
        return hmac.new(self._secret, f"form\0{cookie}\0{account}".encode(), sha256).hexdigest()

    def holds(self, token: str, cookie: str, account: str) -> bool:
        """Whether ``token`` is that one."""
        return hmac.compare_digest(token.encode(), self.token(cookie, account).encode())


class Forms:
    """Step 4. Raises BodyTooLargeError or FormTokenError before an endpoint sees anything of the body.

    Sets ``request.state.form_token`` to a function that makes the token of this request's forms; the cookie behind
    it is set by the first response that asked for one.
    """

    def __init__(self, app: ASGIApp, *, tokens: FormTokens, limits: FormLimits, files: Sequence[Route] = ()) -> None:
        self._app = app
        self._tokens = tokens
        self._limits = limits
        self._files = tuple(files)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        cookie = _form_cookie(request)
        fresh = secrets.token_urlsafe(32) if cookie is None else None
        asked = False
        person = signed_in(request)
        account = person.account if person else ""

        def form_token() -> str:
            nonlocal asked
            asked = True
            return self._tokens.token(cookie or fresh or "", account)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and asked and fresh is not None:
                MutableHeaders(scope=message).append("Set-Cookie", _set_cookie(fresh))
            await send(message)

        request.state.form_token = form_token
        if scope["method"] not in SAFE_METHODS:
            body = await _whole(receive, self._bound(scope, person))
            sent = await self._sent_token(scope, body)
            if cookie is None or not self._tokens.holds(sent, cookie, account):
                raise FormTokenError("this form is no longer valid; open the page again")
            receive = _replayed(body, receive)
        await self._app(scope, receive, with_cookie)

    def _bound(self, scope: Scope, person: Person | None) -> int:
        if person is None:
            return self._limits.signed_out_bytes
        if any(route.matches(scope)[0] is Match.FULL for route in self._files):
            return self._limits.files_bytes
        return self._limits.body_bytes

    async def _sent_token(self, scope: Scope, body: bytes) -> str:
        """The token in the header or in the form; reading the form also holds it to its bounds, and to text.

        Raises FormCharsetError: what a browser names as the spelling of a form would choose how we read it.
        """
        request = Request(dict(scope), _replayed(body, _nothing))
        kind, options = parse_options_header(request.headers.get("content-type", ""))  # as the endpoint will read it
        if kind not in _FORM_TYPES:
            return request.headers.get(FORM_HEADER, "")
        if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
            raise FormCharsetError("a form is sent in UTF-8")
        limits = self._limits
        async with request.form(
            max_files=limits.files, max_fields=limits.fields, max_part_size=limits.field_bytes
        ) as form:
            for name, value in form.multi_items():
                require_text(name, value if isinstance(value, str) else value.filename or "")
            given = form.get(FORM_FIELD)
        return given if isinstance(given, str) else request.headers.get(FORM_HEADER, "")


def _form_cookie(request: Request) -> str | None:
    value = cookie_parser(request.headers.get("cookie", "")).get(FORM_COOKIE, "")
    return value if len(value) == _COOKIE_CHARS and value.isascii() else None


def _set_cookie(value: str) -> str:
    return f"{FORM_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict"


async def _whole(receive: Receive, limit: int) -> bytes:
    """The body in one piece. Raises BodyTooLargeError as soon as it is longer than ``limit``."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLargeError("the request is too large", limit=limit)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, after: Receive) -> Receive:
    """A receiver that gives ``body`` and then whatever comes next: the end of the connection."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await after()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
