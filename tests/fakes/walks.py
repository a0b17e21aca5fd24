"""Walks over every route of a console: what tests of all of them share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from port2port.console.people import needed
from port2port.console.roles import Role
from port2port.console.security import FORM_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.applications import Starlette

_SAMPLE = 8  # of what the frame answers alike on every route
START = "GET /"  # leads who may not read it to a page that he may: not tested as the others are
STREAM = "/live"  # never ends
PUBLIC = {
    "GET /static/{digest}/{name:path}",
    f"GET {STREAM}",
    "GET /sign-in",
    "GET /sign-in/oidc/back",
    "GET /enrol",
    "POST /preferences",
    "POST /sign-in/passkey/options",
    "POST /sign-in/passkey",
    "POST /sign-in/password",
    "POST /sign-in/recovery",
    "POST /sign-in/demo",
    "POST /sign-in/oidc",
    "POST /sign-in/oidc/done",
    "POST /sign-in/certificate",
    "POST /sign-out",
    "POST /change-user",
    "POST /enrol/options",
    "POST /enrol/passkey",
    "POST /enrol/password",
}
KERNEL_ROLES = {
    "GET /me": "everybody",
    "POST /me/display": "viewer officer approver coordinator",
    "POST /me/sessions/end": "everybody",
    "POST /me/sessions/end-others": "everybody",
    "POST /me/passkeys/options": "everybody",
    "POST /me/passkeys/add": "everybody",
    "POST /me/passkeys/name": "everybody",
    "POST /me/passkeys/remove": "everybody",
    "POST /me/password": "everybody",
    "POST /me/password/remove": "everybody",
    "POST /me/recovery": "everybody",
    "GET /accounts": "admin",
    "POST /accounts/confirm": "admin",
    "POST /accounts/change": "admin",
}
HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000",
}
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


def routes(app: Starlette) -> Iterator[tuple[str, str, Any]]:
    """Method, path and endpoint of everything that is answered."""
    for route in app.routes:
        assert isinstance(route, Route), route
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path, route.endpoint


def paths(app: Starlette, method: str) -> list[str]:
    """The paths of a method, each once, without the stream."""
    return [path for one, path, _ in routes(app) if one == method and path != STREAM]


def filled(path: str, values: Mapping[str, str]) -> str:
    """A path with its parameters in place."""
    return _PARAMETER.sub(lambda found: values.get(found[1], "x"), path)


def parameters(path: str) -> list[str]:
    """The names of what a path takes."""
    return _PARAMETER.findall(path)


def role_table(app: Starlette) -> dict[str, str]:
    """Who may what, as the guards have it: roles in their order, "everybody" who is signed in, or "public"."""
    found = {}
    for method, path, endpoint in routes(app):
        roles = needed(endpoint)
        words = "public" if roles is None else " ".join(role for role in Role if role in roles)
        found[f"{method} {path}"] = "everybody" if roles == frozenset(Role) else words
    return found


def expected(rooms: Mapping[str, str]) -> dict[str, str]:
    """The whole table of a console: what is public, what the kernel answers, and its own rooms."""
    return {**dict.fromkeys(PUBLIC, "public"), **KERNEL_ROLES, **rooms}


def has_all_headers(answer: Any) -> bool:
    """Whether a response carries what protects it, whatever kind of response it is."""
    headers = answer.headers
    policy = headers.get("content-security-policy", "")
    kept = headers.get("cache-control", "")
    return (
        all(headers.get(name) == value for name, value in HEADERS.items())
        and policy.startswith("default-src 'none'; script-src 'self' 'nonce-")
        and "require-trusted-types-for 'script'" in policy
        and "publickey-credentials-get=(self)" in headers.get("permissions-policy", "")
        and (
            kept == "no-store"
            or (kept.startswith("public") and answer.request.url.path.startswith(("/static/", "/profile/")))
        )
    )


def every_kind_of_answer(visitor: Any, stranger: Any, values: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Pages, pieces, files, JSON, redirects and errors of every route, signed in and not."""
    app = visitor.client.app
    for number, path in enumerate(paths(app, "GET")):
        address = filled(path, values)
        yield f"GET {path}", visitor.client.get(address)
        yield f"signed out {path}", stranger.client.get(address)
        if number < _SAMPLE:
            yield f"HEAD {path}", visitor.client.head(address)
            yield f"piece {path}", visitor.client.get(address, headers={"HX-Request": "true"})
    for number, path in enumerate(paths(app, "POST")):
        address = filled(path, values)
        yield f"no token {path}", visitor.client.post(address)
        if number < _SAMPLE:
            yield f"foreign {path}", visitor.client.post(address, headers={"Sec-Fetch-Site": "cross-site"})
            yield f"signed out POST {path}", stranger.client.post(address)
    for name in ("console.css", "vendor/icons.svg", "trusted.js"):
        yield name, stranger.client.get(app.state.pages.assets.url(name))
    yield "stream", stranger.client.get(STREAM)
    yield "nowhere", visitor.client.get("/nowhere")
    yield "another method", visitor.client.put("/")
    yield "no such method", visitor.client.request("TRACE", "/sign-in")
    yield "another host", stranger.client.get("/", headers={"host": "evil.example"})
    yield "no text", visitor.client.get("/?x=%00")


ODD_QUERIES = (
    "x=%FF",
    "x=%00",
    "text=%ED%A0%80",
    "item=99999999999999999999999",
    "item=-1&before=a&from=x&to=y",
    "page=" + "9" * 400,
    "row=" + "a" * 8_000,
    "&".join(["a[b][c][d]=1"] * 400),
    "first=0000-00-00&last=9999-99-99&size=x",
    "next=//evil.example&subject=%25&subject=*",
)
_ODD = ("", "\0", "x" * 1_500, "-1", "9" * 30, "2026-13-45", "٣", "../..", "a[b]")
NAMES = [
    "row",
    "item",
    "id",
    "member",
    "act",
    "account",
    "roles",
    "link",
    "session",
    "key",
    "totp",
    "code",
    "password",
    "assertion",
    "ticket",
    "next",
    "back",
    "query",
    "name",
    "pair",
    "reason",
    "note",
    "version",
    "text",
    "at",
    "where",
    "count",
    "direction",
    "value",
    "kind",
    "case",
    "number",
    "handover",
    "lines",
    "hours",
    "digest",
    "shown_at",
    "position",
    "times",
    "from_day",
    "from_at",
    "until_day",
    "until_at",
    "ships",
    "what",
    "ident",
    "undo",
    "emergency",
    "tlp",
    "groups",
    "recipients",
    "passphrase",
    "first",
    "second",
    "request",
    "group",
    "members",
    "operation",
    "day",
    "time",
    "language",
    "theme",
    "keyboard",
    "level",
    "places",
]
ODD_FORMS = (*(dict.fromkeys(NAMES, odd) for odd in _ODD), {f"f{n}": "" for n in range(1_500)})
ENDS = {  # what would end the visitor's own session, or send it elsewhere
    "/sign-out",
    "/change-user",
    "/me/display",
    "/me/sessions/end-others",
    "/sign-in/passkey",
    "/sign-in/password",
    "/sign-in/recovery",
    "/sign-in/demo",
}
ODD_HEADERS = (
    {"Range": "bytes=0-,5-,-7"},
    {"Cookie": "p2p-language=\x80; __Host-p2p=" + "A" * 43 + '; x="\\000"'},
    {"Accept-Language": "x;q=a,,;;q=1" * 200},
    {"HX-Request": "true", "HX-Current-URL": "http://["},
    {"Last-Event-ID": "\xff" * 500},
    {"If-Modified-Since": "never", "If-None-Match": "*"},
)


def token_of(visitor: Any, page: str = "/members") -> dict[str, str]:
    """The header that goes with a form of a page of this visitor."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', visitor.client.get(page).text)
    assert found, page
    return {FORM_HEADER: found[1]}


def broken(visitor: Any, values: Mapping[str, str], page: str = "/members") -> list[str]:
    """The odd requests that a route answers with an error of ours."""
    app, token = visitor.client.app, token_of(visitor, page)
    found = []
    for path in paths(app, "GET"):
        address = filled(path, values)
        sent = [(f"{address}?{query}", {}) for query in ODD_QUERIES]
        sent += [(address, {name: value.encode("latin-1") for name, value in one.items()}) for one in ODD_HEADERS]
        sent += [(filled(path, dict.fromkeys(values, odd)), {}) for odd in ("%00", "%ED%A0%80", "9" * 60, "..%2f", "٣")]
        for where, headers in sent:
            status = visitor.client.get(where, headers=headers).status_code
            if status >= 500:
                found.append(f"GET {where} {headers} {status}")
    for path in paths(app, "POST"):
        if path in ENDS:
            continue
        address = filled(path, values)
        for fields in ODD_FORMS:
            status = visitor.client.post(address, data=fields, headers=token).status_code
            if status >= 500:
                found.append(f"POST {address} {str(fields)[:80]} {status}")
    return found
