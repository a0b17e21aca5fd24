"""Middleware: whose request this is. Sets ``request.state.person`` and ``request.state.visit``."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from port2port.console import certificates, sessions
from port2port.console.sessions import Visit
from port2port.console.signin.context import SignIn

_SAFE: Final = frozenset({"GET", "HEAD"})
_FILES: Final = "/static/"
_STREAM: Final = "/live"  # open for hours without anybody there, so it counts as no use of the session
_SECRET_CHARS: Final = 43
_ENDS: Final = "/sign-out"


class Visitors:
    """Looks the session up on every request except for files; a wall display may only read."""

    def __init__(self, app: ASGIApp, *, signin: SignIn) -> None:
        self._app = app
        self._signin = signin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_FILES):
            visit = await self._visit(Request(scope))
            state = scope.setdefault("state", {})
            state["visit"] = visit
            state["person"] = visit.person if visit else None
            if visit and visit.person.display and scope["method"] not in _SAFE and scope["path"] != _ENDS:
                raise HTTPException(404)
        await self._app(scope, receive, send)

    async def _visit(self, request: Request) -> Visit | None:
        secret = request.cookies.get(sessions.COOKIE, "")
        if len(secret) != _SECRET_CHARS:
            return None
        signin, now = self._signin, self._signin.clock.now()
        visit = await signin.read(lambda c: sessions.find(c, secret, now, signin.lifetimes))
        if visit is None:
            return None
        if visit.stale and request.url.path != _STREAM:
            await signin.write(lambda c: sessions.touch(c, visit.person.session, now))
        usable = certificates.usable_roles(
            signin.settings.client_certificates,
            visit.person.roles,
            pseudonym=visit.person.pseudonym,
            der=certificates.shown(request.scope),
        )
        return replace(visit, person=replace(visit.person, roles=usable))
