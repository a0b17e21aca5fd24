"""What every page of the desk works with, made once by the application that has a console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from node.drafts import Defaults
from node.duty import Rota
from node.places import Places
from node.publish import Author
from node.rules import RuleFile
from node.settings import NodeSettings
from node.status import Status
from node.store import NodeStore
from node.tracks import Tracks
from node.two_person import TwoPersonRule
from node.uplink import Hub
from port2port.clock import Clock
from port2port.console.live import Live
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from port2port.errors import UnavailableError
from port2port.keys import SigningKey
from port2port.roster import Roster


def _no_rota() -> Rota | None:
    """Where the settings name no rota, nobody is on one."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskContext:
    """The open node as its pages see it. ``roster``, ``status`` and ``rota`` are asked anew for each page.

    ``machine`` vouches for what officers offer, ``connect`` opens a connection to the hub for it.
    ``tracks`` is the pipeline's own table of live traffic: pages read it on the event loop and never write it.
    """

    settings: NodeSettings
    console: ConsoleSettings
    store: NodeStore
    clock: Clock
    author: Author
    defaults: Defaults
    places: Places
    tracks: Tracks
    live: Live
    signin: SignIn
    roster: Callable[[], Roster | None] = field(repr=False)
    status: Callable[[], Status] = field(repr=False)
    machine: SigningKey = field(repr=False)
    connect: Callable[[], Awaitable[Hub]] = field(repr=False)
    rule: TwoPersonRule = field(default_factory=TwoPersonRule)
    rules: RuleFile = field(default_factory=RuleFile)
    rota: Callable[[], Rota | None] = field(default=_no_rota, repr=False)

    @property
    def member(self) -> str:
        """This port."""
        return self.settings.member

    @property
    def now(self) -> datetime:
        """The present, by the node's clock."""
        return self.clock.now()

    def known_roster(self) -> Roster:
        """The roster as the verified log has it. Raises UnavailableError before the first entry."""
        found = self.roster()
        if found is None:
            raise UnavailableError("this node has not heard from the hub yet: nobody is known to it")
        return found
