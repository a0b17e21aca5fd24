"""A console for tests: a tiny section, whoever is to be signed in, and a client that behaves as a browser does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from port2port.clock import SystemClock
from port2port.console.app import Parts, Section, build
from port2port.console.live import Live
from port2port.console.pages import Tab, fragment, page
from port2port.console.people import Person, needs
from port2port.console.roles import Role
from port2port.console.security import takes_files
from port2port.console.serving import ConsoleServer
from port2port.console.settings import ConsoleSettings
from port2port.console.words import N_
from port2port.errors import ConflictError, PolicyError
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    async with request.form() as form:
        return page(request, "room/desk.html", items=[str(form["what"])])


@takes_files
async def _upload(request: Request) -> Response:
    return await _echo(request)


async def _gallery(request: Request) -> Response:
    return page(request, "room/gallery.html")


async def _piece(request: Request) -> Response:
    request.app.state.pieces = getattr(request.app.state, "pieces", 0) + 1
    return fragment(request, "room/_piece.html", n=request.app.state.pieces)


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
        Route("/upload", needs("officer")(_upload), methods=["POST"]),
        Route("/refuse", _refuse, methods=["GET", "POST"]),
        Route("/gallery", _gallery),
        Route("/piece", _piece),
        Route("/conflict", _conflict),
        Route("/break", _break),
        Route("/admin", _admin),
    ),
    tabs=(
        Tab(path="/", label=N_("Search"), icon="list", key="d"),
        Tab(path="/gallery", label=N_("Keyboard"), icon="layers", key="g"),
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
    """Such a console; the plain one is built once."""
    return build(parts(person, **changes)) if changes or person is not OFFICER else _plain()


@functools.cache
def _plain() -> Starlette:
    return build(parts())


@contextlib.contextmanager
def running(whole: Parts) -> Iterator[str]:
    """The console served on loopback from a thread of its own; gives its origin."""
    started = threading.Event()
    ports: list[int] = []
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task: list[asyncio.Task[None]] = []

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    async def serve() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            task.append(asyncio.current_task())
            await ConsoleServer(build(whole), whole.settings, whole.live, ready=ready).run()

    def work() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001  # handed to the test's thread
            failed.append(error)
        finally:
            started.set()
            _LOOPS.pop(id(whole.live), None)
            loop.close()

    _LOOPS[id(whole.live)] = loop
    thread = threading.Thread(target=work, name="console")
    thread.start()
    assert started.wait(10)
    try:
        if not failed:
            yield f"http://localhost:{ports[0]}"
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(task[0].cancel)
        thread.join(10)
    if failed:
        raise failed[0]


# The loop of each running console, by its stream.
_LOOPS: dict[int, asyncio.AbstractEventLoop] = {}


def published(whole: Parts, topic: str, data: object, **how: object) -> None:
    """Publish on the stream of a running console, as something inside it would."""
    publish = functools.partial(whole.live.publish, topic, "changed", data, **how)
    _LOOPS[id(whole.live)].call_soon_threadsafe(publish)


def cut(whole: Parts, topic: str, data: object) -> None:
    """End every stream of a running console as a broken line would, and publish while nobody hears."""

    def work() -> None:
        for place in (one for places in whole.live._places.values() for one in places):
            place.farewell = b": cut\n\n"
        whole.live.publish(topic, "changed", data)

    _LOOPS[id(whole.live)].call_soon_threadsafe(work)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def served(person: Person | None = OFFICER, **changes: object) -> Parts:
    """Parts that ``running`` can serve: an origin on this machine and a real clock."""
    port = free_port()
    clock = SystemClock()
    settings = ConsoleSettings(listen=f"127.0.0.1:{port}", origin=f"http://localhost:{port}")
    return parts(person, **{"settings": settings, "clock": clock, "live": Live(clock), **changes})


def client(application: Starlette, origin: str = ORIGIN) -> TestClient:
    """A browser at ``origin``: it says where its requests come from and does not follow redirects."""
    return TestClient(
        application,
        base_url=origin,
        headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"},
        follow_redirects=False,
        raise_server_exceptions=True,
    )


def form_token(text: str) -> str:
    """The token in a page's first form."""
    found = _TOKEN.search(text)
    assert found is not None, "the page has no form"
    return found.group(1)
