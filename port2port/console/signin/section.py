"""The section that a console adds to its parts, and the middleware that goes with it."""

from __future__ import annotations

from typing import Final

from starlette.middleware import Middleware

from port2port.console.app import Section
from port2port.console.signin.context import SignIn
from port2port.console.signin.door import Door
from port2port.console.signin.enrolling import Enrolling
from port2port.console.signin.me import Me
from port2port.console.signin.provider_door import ProviderDoor
from port2port.console.signin.roll import Roll
from port2port.console.signin.signing import Signing
from port2port.console.signin.standing import SigningKeys
from port2port.console.signin.visitors import Visitors

NAME: Final = "signin"


def section(signin: SignIn, keys: SigningKeys | None = None) -> Section:
    """Its routes, templates, files and words; ``keys`` where what persons decide here is signed with their passkeys."""
    me = Me(signin, keys)
    rooms = (Door(signin), ProviderDoor(signin), Enrolling(signin), me, Roll(signin))
    routes = [route for room in rooms for route in room.routes()]
    if keys is not None:
        routes += Signing(signin, keys, me.answer).routes()
    return Section(name=NAME, package=__package__, routes=routes)


def middleware(signin: SignIn) -> Middleware:
    """What sets ``request.state.person``."""
    return Middleware(Visitors, signin=signin)
