"""Which rooms the desk has: one module each, in the order of their tabs; all share one folder of templates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from node.console import desk_pages, keeping_pages, key_offers, sent_pages, traffic_pages, watch_rooms
from node.console.act_pages import ActRoom
from node.console.context import DeskContext
from node.console.desk_pages import DeskRoom
from node.console.export_pages import ExportRoom
from node.console.feeds import Feeds
from node.console.keeping_pages import KeepingRoom
from node.console.rules_pages import RulesRoom
from node.console.sent_pages import SentRoom
from node.console.traffic_pages import TrafficRoom
from port2port.console.app import Section
from port2port.console.opening import Service

NAME: Final = "node"
PACKAGE: Final = "node.console"


def sections(desk: DeskContext) -> Sequence[Section]:
    """Every room."""
    rooms = (DeskRoom(desk), ActRoom(desk), SentRoom(desk), TrafficRoom(desk))
    first = Section(
        name=NAME,
        package=PACKAGE,
        tabs=(desk_pages.TAB, sent_pages.TAB, traffic_pages.TAB),
        routes=[route for room in rooms for route in room.routes()],
    )
    last = Section(
        name=NAME,
        package=PACKAGE,
        tabs=(keeping_pages.STATUS_TAB, keeping_pages.AUDIT_TAB),
        routes=KeepingRoom(desk).routes(),
    )
    return (first, *watch_rooms.sections(desk), last, RulesRoom(desk).section(), ExportRoom(desk).section())


def services(desk: DeskContext) -> Sequence[Service]:
    """What feeds the live stream beside the server."""
    feeds = Feeds(desk)
    return (feeds.watch, feeds.sail, partial(key_offers.feed, desk), *watch_rooms.services(desk))
