"""The live map: this node's own traffic, and the same as a table."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.console.context import DeskContext
from node.console.desk_pages import READERS
from port2port.console.pages import Tab, page
from port2port.console.people import needs
from port2port.console.words import N_

TAB: Final = Tab(path="/map", label=N_("Live map"), icon="map", key="m", roles=frozenset(READERS))
ROWS: Final = 50


class TrafficRoom:
    """Endpoint /map."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route("/map", needs(*READERS)(self.show))]

    async def show(self, request: Request) -> Response:
        """The page; positions come with the live stream, and without script the table says the last ones."""
        tracks = [track for track in self._desk.tracks.latest(ROWS) if track.position is not None]
        return page(request, "node/map.html", tracks=tracks, count=len(self._desk.tracks))
