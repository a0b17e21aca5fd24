"""The console of an open hub: its sign-in, its rooms, and what feeds its live stream."""

from __future__ import annotations

from functools import partial

from hub.console.context import PictureContext
from hub.console.looked_up import LOOKUPS
from hub.console.sections import sections, services
from hub.console.sink import HubAudit
from hub.picture import keep
from hub.store import Store
from port2port.clock import Clock
from port2port.console import demo, opening
from port2port.console.app import Parts
from port2port.console.lookups import LookUps
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn


def signin_of(store: Store, console: ConsoleSettings, clock: Clock, *, member: str) -> SignIn:
    """Accounts and sessions in the hub's own database."""
    return opening.signin_of(
        store.database, console, clock, member=member, audit=HubAudit(clock), demo_people=demo.AT_THE_HUB
    )


def parts_of(picture: PictureContext) -> Parts:
    """What the console's application is built from."""
    lookups = LookUps(picture.signin)
    return opening.parts_of(
        picture.signin,
        picture.live,
        title=picture.settings.federation,
        sections=[lookups.section(one, LOOKUPS) for one in sections(picture)],
        demo=lambda: picture.genesis.demo,
    )


async def serve(picture: PictureContext) -> None:
    """A service of the hub: until cancelled."""
    await opening.serve(picture.signin, parts_of(picture), (*services(picture), partial(_folded, picture)))


async def _folded(picture: PictureContext) -> None:
    """The picture's tables, kept behind the log for as long as there is a console to show them."""
    await keep(picture.store.database, picture.feed.moved, picture.clock)
