"""A console for tests: a tiny section, whoever is to be signed in, and a client that behaves as a browser does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from port2port.console.app import Parts, Section, build
from port2port.console.live import Live
from port2port.console.pages import Tab, page
from port2port.console.people import Person, Role, needs
from port2port.console.settings import ConsoleSettings
from port2port.console.words import N_
from port2port.errors import ConflictError, PolicyError
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

ORIGIN = "https://console.example"
OFFICER = Person(
    account="1", pseudonym="A-17", member="port-a", roles=frozenset({Role.OFFICER, Role.VIEWER}), session="s1"
)
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


class SignedInAs:
    """Middleware in place of sessions: ``person`` is signed in on every request."""

    def __init__(self, app: ASGIApp, *, person: Person | None) -> None:
        self._app = app
        self._person = person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["person"] = self._person
        await self._app(scope, receive, send)


async def _show(request: Request) -> Response:
    return page(request, "room/desk.html", items=["Drone over the dock", "abc\u202edef"])


async def _echo(request: Request) -> Response:
    form = await request.form()
    return page(request, "room/desk.html", items=[str(form["what"])])


async def _refuse(_request: Request) -> Response:
    raise PolicyError("the author cannot approve")


async def _conflict(_request: Request) -> Response:
    raise ConflictError("the draft has version 4 by now")


async def _break(_request: Request) -> Response:
    raise KeyError("a secret detail")


@needs("admin")
async def _admin(request: Request) -> Response:
    return await _show(request)


ROOM = Section(
    name="room",
    package="tests.fakes.room",
    routes=(
        Route("/", _show),
        Route("/echo", _echo, methods=["POST"]),
        Route("/refuse", _refuse),
        Route("/conflict", _conflict),
        Route("/break", _break),
        Route("/admin", _admin),
    ),
    tabs=(
        Tab(path="/", label=N_("Search"), icon="list", key="d"),
        Tab(path="/admin", label=N_("Off"), icon="users", key="m", roles=frozenset({"admin"})),
    ),
)


def parts(person: Person | None = OFFICER, **changes: object) -> Parts:
    """The parts of a console with one room, in which ``person`` is signed in."""
    clock = FakeClock()
    whole = Parts(
        settings=ConsoleSettings(origin=ORIGIN),
        clock=clock,
        live=Live(clock),
        title="Ostend node",
        sections=(ROOM,),
        middleware=(Middleware(SignedInAs, person=person),),
    )
    return replace(whole, **changes)


def app(person: Person | None = OFFICER, **changes: object) -> Starlette:
    """Such a console."""
    return build(parts(person, **changes))


def client(application: Starlette, origin: str = ORIGIN) -> TestClient:
    """A browser at ``origin``: it says where its requests come from and does not follow redirects."""
    return TestClient(
        application,
        base_url=origin,
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
        raise_server_exceptions=True,
    )


def form_token(text: str) -> str:
    """The token in a page's first form."""
    found = _TOKEN.search(text)
    assert found is not None, "the page has no form"
    return found.group(1)
