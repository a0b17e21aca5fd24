"""What every page of the hub's console works with, made once by the hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hub.audience import Audiences
from hub.console.shared_answers import SharedAnswers
from hub.feed import Feed
from hub.members import Members
from hub.receipts import Receipts
from hub.revocation import Streams
from hub.settings import HubSettings
from hub.store import Store
from hub.transparency import Log
from port2port.clock import Clock
from port2port.console.live import Live
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from port2port.errors import UnavailableError
from port2port.genesis import Genesis
from port2port.roster import Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureContext:
    """The open hub as its pages see it. ``roster`` is asked anew for each page.

    Accounts carry the member they belong to: what a page shows is computed from what that member may read.
    """

    settings: HubSettings
    console: ConsoleSettings
    genesis: Genesis
    genesis_hash: str
    store: Store
    log: Log
    feed: Feed
    members: Members
    streams: Streams
    receipts: Receipts
    audiences: Audiences
    clock: Clock
    live: Live
    signin: SignIn
    roster: Callable[[], Roster | None] = field(repr=False)
    shared: SharedAnswers = field(default_factory=SharedAnswers, repr=False)

    @property
    def now(self) -> datetime:
        """The present, by the hub's clock."""
        return self.clock.now()

    def known_roster(self) -> Roster:
        """The roster as the log has it. Raises UnavailableError before the genesis."""
        found = self.roster()
        if found is None:
            raise UnavailableError("the log is empty: admit the genesis first")
        return found
