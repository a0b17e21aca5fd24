"""The desk of a real node in a browser's hands: its database, a federation around it, officers with keys, a draft.

with desk_console(tmp_path) as console:
    console.draft()
    visitor = console.visitor("o1")
    assert "D1" in visitor.get("/").text
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization as _encoding

from node import app, store
from node.console.building import parts_of
from node.console.context import DeskContext
from node.console.sink import NodeAudit
from node.data import starter_places
from node.places import Places, load_places
from node.settings import KeySettings, NodeSettings
from node.tracks import Tracks
from port2port import keys
from port2port.clock import SystemClock, to_ms
from port2port.console import accounts, demo, sessions
from port2port.console import tables as console_tables
from port2port.console.app import build
from port2port.console.demo import DemoPerson
from port2port.console.live import Live
from port2port.console.passkeys import Passkey
from port2port.console.roles import Role
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from tests.fakes.authenticator import Authenticator
from tests.fakes.console import client, free_port
from tests.fakes.desks import A, Desk, Harbour
from tests.fakes.federation import Federation
from tests.fakes.hub import FakeHub
from tests.fakes.prepared import key_file
from tests.fakes.signin import ORIGIN, Visitor, cheap_passwords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection
    from starlette.applications import Starlette

    from node.drafts import Draft
    from node.findings import Finding
    from port2port.console.app import Parts

T = TypeVar("T")
_PASSKEYS = console_tables.PasskeyRow.__table__
PASSPHRASE = "night watch at the lock"
DECIDES = (Role.VIEWER, Role.OFFICER, Role.APPROVER)
PEOPLE = (
    DemoPerson(pseudonym="o1", roles=frozenset(DECIDES)),
    DemoPerson(pseudonym="o2", roles=frozenset(DECIDES)),
    DemoPerson(pseudonym="b2", roles=frozenset({Role.VIEWER, Role.OFFICER})),
    DemoPerson(pseudonym="d1", roles=frozenset({Role.ADMIN, Role.AUDITOR})),
)
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(kw_only=True)
class DeskVisitor(Visitor):
    """A browser at the desk; ``send`` posts a form of the page at ``page`` and gives the answer."""

    def send(self, path: str, page: str, **fields: Any) -> Any:
        shown = self.client.get(page)
        found = _TOKEN.search(shown.text)
        assert found, f"{page} answered {shown.status_code} without a form"
        return self.client.post(path, data={"form_token": found.group(1), **fields})


@dataclass
class DeskConsole:
    """The console of ``desk``, which is the first of the ports of ``harbour``. ``do`` runs in a transaction."""

    harbour: Harbour
    desk: Desk
    context: DeskContext
    hub: FakeHub

    @property
    def fed(self) -> Federation:
        return self.harbour.fed

    @cached_property
    def parts(self) -> Parts:
        return parts_of(self.context)

    @cached_property
    def app(self) -> Starlette:
        return build(self.parts)

    def do(self, action: Callable[[Connection], T]) -> T:
        return self.desk.node.store.write_now(action)

    def draft(self, finding: Finding | None = None) -> Draft:
        """An open draft: a cloned identity, to the seaports, unless ``finding`` says otherwise."""
        return self.desk.draft(finding)

    @property
    def _address(self) -> str:
        """The console's own name, spoken to as over TLS: a client keeps its cookies for that."""
        return self.context.console.origin.replace("http://", "https://")

    def account(self, pseudonym: str, *roles: Role) -> accounts.Account:
        """The account of this name, made with these roles where it is not there yet."""
        now = self.context.now
        chosen = frozenset(roles or DECIDES)

        def action(connection: Connection) -> accounts.Account:
            known = accounts.by_pseudonym(connection, pseudonym)
            return known or accounts.create(
                connection, pseudonym=pseudonym, member=self.context.member, roles=chosen, now=now
            )

        return self.do(action)

    def visitor(self, pseudonym: str = "o1", *roles: Role) -> DeskVisitor:
        """A browser in which this officer is signed in (officer and approver unless told otherwise)."""
        account = self.account(pseudonym, *roles)
        secret = self.do(
            lambda c: sessions.start(
                c, account.id, method="passkey", device="test", address="127.0.0.1", now=self.context.now
            )
        )
        visitor = DeskVisitor(client(self.app, self._address))
        visitor.as_(secret)
        return visitor

    def stranger(self) -> DeskVisitor:
        """A browser in which nobody is signed in."""
        return DeskVisitor(client(self.app, self._address))

    def passkey(self, pseudonym: str = "o1", number: int = 11) -> Authenticator:
        """A device of this officer, enrolled here and in the roster."""
        device = Authenticator(number, origin=self.context.console.origin)
        public = device.private.public_key().public_bytes(
            encoding=_encoding.Encoding.DER, format=_encoding.PublicFormat.SubjectPublicKeyInfo
        )
        made = Passkey(
            credential=device.credential,
            account=self.account(pseudonym).id,
            key_id=keys.key_id_of(public, scheme="webauthn-es256"),
            public=public,
            rp_id=device.rp_id,
            name="key",
            counter=0,
            synced=False,
            created_ms=to_ms(self.context.now),
            used_ms=None,
        )
        self.do(lambda c: c.execute(sa.insert(_PASSKEYS).values(dataclasses.asdict(made))))
        self.to_roster(made, pseudonym)
        return device

    def to_roster(self, passkey: Passkey, pseudonym: str) -> None:
        """What the coordinators do with an offered key."""
        after = to_ms(self.fed.clock.now() + timedelta(days=300))
        self.do(lambda c: store.remember_own_key(c, passkey.key_id, "officer", pseudonym=pseudonym, at_ms=0))
        added = {
            "op": "add-key",
            "member": self.context.member,
            "key": passkey.record.to_json(),
            "pseudonym": pseudonym,
            "not_after_ms": after,
        }
        self.harbour.feed.log(self.fed.control("roster", [added]))
        self.pull()

    def pull(self) -> None:
        """The node takes in whatever the log has."""
        apart(self.harbour.pull)

    def audit(self) -> list[str]:
        """The actions in the node's audit trail, the oldest first."""
        return self.do(lambda c: [line.action for line in store.audit_lines(c)][::-1])


def apart(action: Callable[[], T]) -> T:
    """In a thread of its own: what runs a loop of its own cannot do so where a browser's loop runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(action).result()


@cache
def _starter_map() -> Places:
    """Nobody changes it."""
    return load_places(starter_places())


@contextlib.contextmanager
def context_of(home: Path, desk: Desk, connect: Callable[[], Awaitable[Any]], **settings: Any) -> Iterator[DeskContext]:
    """What the pages of this desk work with; ``settings`` are those of the table ``[console]``."""
    console = ConsoleSettings(**{"origin": ORIGIN, **settings})
    node = _settings(home, desk, console)
    clock, opened, passwords = desk.fed.clock, desk.node.store, cheap_passwords()
    try:
        yield DeskContext(
            settings=node,
            console=console,
            store=opened,
            clock=clock,
            author=desk.author,
            defaults=desk.defaults,
            places=_starter_map(),
            tracks=Tracks(),
            live=Live(clock),
            signin=SignIn(
                database=opened.database,
                clock=clock,
                settings=console,
                audit=NodeAudit(clock),
                member=desk.member,
                passwords=passwords,
                demo_people=PEOPLE if console.demo else (),
            ),
            roster=lambda: desk.node.inbox.state.roster,
            status=lambda: app.status_of(node, opened, clock=clock),
            machine=desk.fed.ports[desk.member].machine,
            connect=connect,
        )
    finally:
        passwords.close()


@contextlib.contextmanager
def desk_console(home: Path, *, fed: Federation | None = None, **settings: Any) -> Iterator[DeskConsole]:
    """Such a console; ``settings`` are those of the table ``[console]``."""
    harbour = Harbour(home) if fed is None else Harbour(home, fed)
    desk = apart(lambda: harbour.desks[A])
    hub = FakeHub(harbour.feed)
    try:
        with context_of(home, desk, lambda: hub.connect(A), **settings) as context:
            yield DeskConsole(harbour, desk, context, hub)
    finally:
        harbour.close()


@contextlib.contextmanager
def served_desk(home: Path) -> Iterator[DeskConsole]:
    """One that ``tests.fakes.console.running`` can serve on this machine: a free port, the real time, a demo."""
    port = free_port()
    fed = Federation(members=(A, "north-sea-port", "belgg"), desk_keys=3, clock=SystemClock())  # type: ignore[arg-type]  # the present is all that is asked of it
    with desk_console(home, fed=fed, demo=True, listen=f"127.0.0.1:{port}", origin=f"http://localhost:{port}") as made:
        signin = made.context.signin
        made.do(lambda c: demo.seed(c, PEOPLE, member=A, now=signin.clock.now()))
        yield made


def _settings(home: Path, desk: Desk, console: ConsoleSettings) -> NodeSettings:
    port = desk.fed.ports[desk.member]
    files = {home / "officer-o1.key": port.officer, home / "officer-o2.key": port.second_officer}
    for path, key in files.items():
        key_file(key, path, PASSPHRASE.encode())
    return NodeSettings(
        federation=desk.fed.name,
        genesis=desk.fed.genesis_hash,
        member=desk.member,
        hub="hub.example:8443",
        enrolment="hub.example:8444",
        data_dir=home,
        keys=KeySettings(officers=tuple(files), certificate=home / "tls.pem"),
        console=console,
    )
