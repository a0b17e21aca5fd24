"""The desk of an open node: its sign-in, its rooms, and what feeds its live stream."""

from __future__ import annotations

from node.console.context import DeskContext
from node.console.key_offers import KeyOffers
from node.console.looked_up import LOOKUPS
from node.console.sections import sections, services
from node.console.sink import NodeAudit
from node.settings import NodeSettings
from node.store import NodeStore
from port2port.clock import Clock
from port2port.console import demo, opening
from port2port.console.app import Parts
from port2port.console.lookups import LookUps
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn


def signin_of(store: NodeStore, settings: NodeSettings, console: ConsoleSettings, clock: Clock) -> SignIn:
    """Accounts and sessions in the node's own database."""
    return opening.signin_of(
        store.database,
        console,
        clock,
        member=settings.member,
        audit=NodeAudit(clock),
        demo_people=demo.AT_A_NODE,
    )


def parts_of(desk: DeskContext) -> Parts:
    """What the desk's application is built from."""
    lookups = LookUps(desk.signin)
    return opening.parts_of(
        desk.signin,
        desk.live,
        title=lambda: _name_of(desk),
        sections=[lookups.section(one, LOOKUPS) for one in sections(desk)],
        demo=lambda: _is_demo(desk),
        keys=KeyOffers(desk),
    )


def _name_of(desk: DeskContext) -> str:
    """This port as the roster names it, which a node that starts for the first time does not have yet."""
    roster = desk.roster()
    known = None if roster is None else roster.member_table.get(desk.member)
    return desk.member if known is None else known.name


async def serve(desk: DeskContext) -> None:
    """A service of the node: until cancelled."""
    await opening.serve(desk.signin, parts_of(desk), services(desk))


def _is_demo(desk: DeskContext) -> bool:
    """A federation that one person founded alone is a trial, whatever the settings say."""
    roster = desk.roster()
    return roster is not None and roster.genesis.demo
