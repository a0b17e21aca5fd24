"""A page with the console's browser modules and nothing else, under the policy of the product, in a real browser."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from uvicorn import Config, Server

from port2port.console.assets import load_assets
from port2port.console.security import Headers
from tests.fakes.browser import opened
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from starlette.requests import Request

    from tests.fakes.browser import Watched

PAGES = Path(__file__).parent / "pages"
READY_MS = 30_000
_ASSET = re.compile(r"@([\w./]+)@")


@dataclass(slots=True)
class MapPage:
    """An open page, under watch: any complaint of the browser's console fails the test at the end."""

    watched: Watched

    @property
    def page(self) -> Page:
        return self.watched.page

    def open(self, query: str = "") -> MapPage:
        """Load the page and wait until its map is drawn."""
        self.page.goto(f"{self.watched.origin}/{query}")
        self.page.wait_for_function("() => document.documentElement.dataset.ready === 'yes'", timeout=READY_MS)
        return self

    def run(self, script: str, argument: object = None) -> Any:
        """The value of a JavaScript function called in the page, awaited."""
        return self.page.evaluate(script, argument)

    def events(self, name: str) -> list[Any]:
        """The details of the events of this name so far, oldest first."""
        return self.run("(name) => globalThis.p2p.events.filter(([n]) => n === name).map(([, d]) => d)", name)


@contextlib.contextmanager
def served(*routes: Route) -> Iterator[str]:
    """The page's server on loopback, in a thread of its own; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = Server(Config(_app(*routes), log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: server.started, what="the page's server answers")
        try:
            yield f"http://localhost:{port}"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def map_page(browser: Browser, address: str, **options: object) -> Iterator[MapPage]:
    """A fresh page, not loaded yet; ``options`` are those of a browser context."""
    with opened(browser, address, **({"viewport": {"width": 1200, "height": 900}} | options)) as watched:
        yield MapPage(watched=watched)


def _app(*routes: Route) -> Starlette:
    assets = load_assets({"": "port2port.console"})

    async def shown(request: Request) -> Response:
        text = (PAGES / "map.html").read_text().replace("@nonce@", request.state.nonce)
        return HTMLResponse(_ASSET.sub(lambda match: assets.url(match[1]), text))

    async def own(request: Request) -> Response:
        name = request.path_params["name"]
        kind = "text/javascript" if name.endswith(".mjs") else None
        return FileResponse(PAGES / name, media_type=kind)

    ours = [Route("/", shown), Route("/test/{name}", own), assets.route(), *routes]
    return Starlette(routes=ours, middleware=[Middleware(Headers, secure=False)])
