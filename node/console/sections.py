"""Which rooms the desk has: one module each, in the order of their tabs; all share one folder of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from node.console import desk_pages, watch_rooms
from node.console.act_pages import ActRoom
from node.console.context import DeskContext
from node.console.desk_pages import DeskRoom
from node.console.looking import Looking
from port2port.console.app import Section
from port2port.console.opening import Service

NAME: Final = "node"
PACKAGE: Final = "node.console"


def sections(desk: DeskContext) -> Sequence[Section]:
    """Every room."""
    looking = Looking()
    rooms = (DeskRoom(desk, looking), ActRoom(desk, looking))
    routes = [route for room in rooms for route in room.routes()]
    return (Section(name=NAME, package=PACKAGE, tabs=(desk_pages.TAB,), routes=routes), *watch_rooms.sections(desk))


def services(desk: DeskContext) -> Sequence[Service]:
    """What feeds the live stream beside the server."""
    return (*watch_rooms.services(desk),)
