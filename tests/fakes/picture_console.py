"""The hub's console in a browser's hands: a real log folded into the picture, and people of several members.

with picture_console(tmp_path) as console:
    console.desk.admit([console.desk.fed.publish("beanr")])
    assert "cloned identity" in console.visitor("beanr").get("/").text
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hub import consumers
from hub.console.building import parts_of
from hub.console.context import PictureContext
from hub.console.sink import HubAudit
from hub.consumers import Consumer
from hub.consumers.register import until_ms
from hub.feed import Feed
from hub.members import Members
from hub.receipts import Receipts
from hub.revocation import Streams
from hub.settings import HubSettings
from hub.transparency import RosterAt
from port2port.clock import SystemClock, to_ms
from port2port.console import accounts, demo, sessions
from port2port.console.app import build
from port2port.console.live import Live
from port2port.console.roles import Role
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from port2port.database import sqlite_url
from tests.fakes.console import client, free_port
from tests.fakes.federation import Federation
from tests.fakes.picture import PictureDesk, picture_desk
from tests.fakes.signin import ORIGIN, Visitor, cheap_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.applications import Starlette

    from port2port.console.app import Parts
    from port2port.roster import Roster

OPERATOR = "beanr"
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(kw_only=True)
class PictureVisitor(Visitor):
    """A browser at the picture; ``send`` posts a form of the page at ``page``."""

    def send(self, path: str, page: str = "/", **fields: Any) -> Any:
        shown = self.client.get(page)
        found = _TOKEN.search(shown.text)
        assert found, f"{page} answered {shown.status_code} without a form"
        return self.client.post(path, data={"form_token": found.group(1), **fields})


@dataclass
class PictureConsole:
    """The console over ``desk``, whose log is admitted to without a wire."""

    desk: PictureDesk
    context: PictureContext

    @cached_property
    def parts(self) -> Parts:
        return parts_of(self.context)

    @cached_property
    def app(self) -> Starlette:
        return build(self.parts)

    @property
    def _address(self) -> str:
        """The console's own name, spoken to as over TLS: a client keeps its cookies for that."""
        return self.context.console.origin.replace("http://", "https://")

    def consumer(self, name: str, member: str = OPERATOR) -> str:
        """A system of this member that reads through TAXII; its name."""
        now_ms = to_ms(self.context.now)
        wanted = Consumer(name=name, member=member, created_ms=now_ms, expires_ms=until_ms(now_ms, 90))
        roster = self.context.known_roster()
        self.desk.store.database.write_now(lambda c: consumers.add(c, wanted, roster))
        return name

    def visitor(self, member: str = OPERATOR, *roles: Role) -> PictureVisitor:
        """A browser in which somebody of this member is signed in: a coordinator unless told otherwise."""
        chosen = frozenset(roles or (Role.VIEWER, Role.COORDINATOR, Role.APPROVER))
        now, pseudonym = self.context.now, f"{member}-{''.join(sorted(role[:2] for role in chosen))}"

        def action(connection: Any) -> str:
            known = accounts.by_pseudonym(connection, pseudonym)
            account = known or accounts.create(connection, pseudonym=pseudonym, member=member, roles=chosen, now=now)
            return sessions.start(connection, account.id, method="passkey", device="test", address="127.0.0.1", now=now)

        visitor = PictureVisitor(client=client(self.app, self._address))
        visitor.as_(self.desk.store.database.write_now(action))
        return visitor

    def stranger(self) -> PictureVisitor:
        """A browser in which nobody is signed in."""
        return PictureVisitor(client=client(self.app, self._address))


@contextlib.contextmanager
def picture_console(home: Path, *, fed: Federation | None = None, **settings: Any) -> Iterator[PictureConsole]:
    """Such a console; ``settings`` are those of the table ``[console]``."""
    federation = fed or Federation()
    desk = picture_desk(federation, sqlite_url(home / "hub.db"))
    console = ConsoleSettings(**{"origin": ORIGIN, **settings})
    clock, passwords = federation.clock, cheap_passwords()

    def roster() -> Roster | None:
        return federation.roster

    context = PictureContext(
        settings=HubSettings(federation=federation.name, data_dir=home, operator=OPERATOR, console=console),
        console=console,
        genesis=federation.roster.genesis,
        genesis_hash=federation.genesis_hash,
        store=desk.store,
        log=desk.log,
        feed=Feed(store=desk.store, log=desk.log, audiences=desk.audiences),
        members=(members := Members(roster())),
        streams=Streams(members),
        receipts=Receipts(
            store=desk.store, audiences=desk.audiences, roster=lambda: RosterAt(roster=roster()), clock=clock
        ),
        audiences=desk.audiences,
        clock=clock,
        live=Live(clock),
        signin=SignIn(
            database=desk.store.database,
            clock=clock,
            settings=console,
            audit=HubAudit(clock),
            member=OPERATOR,
            passwords=passwords,
            demo_people=demo.AT_THE_HUB if console.demo else (),
        ),
        roster=roster,
    )
    try:
        yield PictureConsole(desk, context)
    finally:
        passwords.close()
        desk.store.close()


@contextlib.contextmanager
def served_picture(home: Path) -> Iterator[PictureConsole]:
    """One that ``tests.fakes.console.running`` can serve on this machine: a free port, the real time, a demo."""
    port = free_port()
    fed = Federation(clock=SystemClock())  # type: ignore[arg-type]  # the present is all that is asked of it
    with picture_console(
        home, fed=fed, demo=True, listen=f"127.0.0.1:{port}", origin=f"http://localhost:{port}"
    ) as made:
        now = made.context.now
        made.desk.store.database.write_now(lambda c: demo.seed(c, demo.AT_THE_HUB, member=OPERATOR, now=now))
        yield made
