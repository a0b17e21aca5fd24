"""Builds the web application of a console from its sections.

Outermost first: headers, host, error pages, addresses, origin, sessions (given by the caller), forms, routes. A section
brings routes, tabs, templates, files and words; the frame brings everything that is the same on every page.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from port2port.clock import Clock
from port2port.console import frame_pages
from port2port.console.assets import load_assets
from port2port.console.failures import Failures, answer
from port2port.console.live import Live
from port2port.console.pages import Pages, Ribbon, Tab
from port2port.console.plain_text import Addresses
from port2port.console.security import FormLimits, Forms, FormTokens, Headers, Host, SameOrigin, routes_with_files
from port2port.console.settings import ConsoleSettings
from port2port.console.words import load_words
from port2port.errors import Port2PortError

FRAME = "console"
_PACKAGE = "port2port.console"


async def _nothing_kept(_request: Request, _name: str, _value: str) -> None:
    """Where nobody keeps preferences, the cookie alone does."""


async def _always(_request: Request) -> bool:
    return True


def _no_ribbon(_request: Request) -> Ribbon | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One room: ``name`` is the prefix of its templates and files and the domain of its words; ``package`` has them.

    Several sections may share a name and a package. ``everywhere`` is a template that stands in the bar of every page
    of who is signed in; it shows what its own conditions allow.
    """

    name: str
    package: str
    routes: Sequence[BaseRoute] = ()
    tabs: Sequence[Tab] = ()
    everywhere: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a console is built from. ``extras`` are domain objects that endpoints look up by name.

    ``title`` is the name of the console's organisation; one that may become known later is asked for each page.
    """

    settings: ConsoleSettings
    clock: Clock
    live: Live
    title: str | Callable[[], str]
    sections: Sequence[Section]
    middleware: Sequence[Middleware] = ()  # sets request.state.person
    ribbon: Callable[[Request], Ribbon | None] = _no_ribbon
    still_valid: Callable[[Request], Awaitable[bool]] = _always  # whether the session behind a stream goes on
    remember: Callable[[Request, str, str], Awaitable[None]] = _nothing_kept  # keeps language, theme or keyboard
    form_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    form_limits: FormLimits = field(default_factory=FormLimits)
    extras: Mapping[str, object] = field(default_factory=dict)


def build(parts: Parts) -> Starlette:
    """The application. ``app.state.parts`` and ``app.state.pages`` are what endpoints need."""
    settings = parts.settings
    packages = {FRAME: _PACKAGE, **{section.name: section.package for section in parts.sections}}
    assets = load_assets({"" if name == FRAME else name: package for name, package in packages.items()})
    pages = Pages(
        templates=packages,
        words=load_words(dict.fromkeys(packages.values()), settings.languages, settings.zone),
        assets=assets,
        clock=parts.clock,
        tabs=[tab for section in parts.sections for tab in section.tabs],
        everywhere=[section.everywhere for section in parts.sections if section.everywhere],
        title=parts.title,
        ribbon=parts.ribbon,
    )
    routes = [
        assets.route(),
        *frame_pages.routes(),
        *(route for section in parts.sections for route in section.routes),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Headers, secure=settings.secure),
            Middleware(Host, origin=settings.origin),
            Middleware(Failures),
            Middleware(Addresses),
            Middleware(SameOrigin, origin=settings.origin),
            *parts.middleware,
            Middleware(Failures),
            Middleware(
                Forms,
                tokens=FormTokens(parts.form_secret),
                limits=parts.form_limits,
                files=routes_with_files(routes),
            ),
        ],
        exception_handlers={HTTPException: answer, Port2PortError: answer},
    )
    app.state.parts = parts
    app.state.pages = pages
    app.router.redirect_slashes = False
    return app


def addresses(app: Starlette) -> list[str]:
    """The paths of every page that is read without a parameter: what tests walk."""
    return sorted(
        route.path
        for route in app.routes
        if isinstance(route, Route)
        and "{" not in route.path
        and "GET" in (route.methods or ())
        and route.name != "live"
    )
