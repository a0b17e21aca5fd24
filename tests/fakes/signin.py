"""A console with sign-in for tests: SQLite in memory, a clock that stands still, cheap argon2, an audit in a list."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from argon2 import PasswordHasher
from starlette.routing import Route

from port2port.clock import SystemClock
from port2port.console import accounts, links, sessions
from port2port.console.app import Parts, Section, build
from port2port.console.live import Live
from port2port.console.local import Passwords
from port2port.console.oidc import Provider
from port2port.console.people import needs
from port2port.console.roles import Role
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from port2port.console.signin.section import middleware, section
from port2port.console.tables import console_metadata
from port2port.database import Database, make_engine, sqlite_url
from tests.fakes.authenticator import Authenticator
from tests.fakes.clock import FakeClock
from tests.fakes.console import client, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient

    from port2port.canonical import Json
    from port2port.clock import Clock

T = TypeVar("T")
ORIGIN = "https://console.example"
MEMBER = "port-a"
ALL_ROLES = frozenset(Role)
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(kw_only=True)
class AuditList:
    """An ``AuditSink`` that remembers."""

    rows: list[tuple[str, str, str, dict[str, Json], str]] = field(default_factory=list)

    def record(
        self, connection: Connection, who: str, action: str, subject: str, facts: dict[str, Json], from_where: str
    ) -> None:
        self.rows.append((who, action, subject, dict(facts), from_where))

    def actions(self) -> list[str]:
        return [row[1] for row in self.rows]


async def _home(request: Request) -> Response:
    from port2port.console.pages import page

    return page(request, "signin/leave.html", address="/")


def home_section() -> Section:
    """A start page that anybody who is signed in may read, and one for approvers."""
    return Section(
        name="signin",
        package="port2port.console.signin",
        routes=[Route("/", needs()(_home)), Route("/approve", needs("approver")(_home), methods=["GET", "POST"])],
    )


@dataclass(kw_only=True)
class SignedConsole:
    """A whole console with its sign-in; ``do`` runs a function in a transaction."""

    signin: SignIn
    clock: Any
    audit: AuditList
    parts: Parts
    app: Starlette

    def do(self, action: Callable[[Connection], T]) -> T:
        return self.signin.database.write_now(action)

    def browser(self) -> Visitor:
        """A new one; over https also where the origin is localhost, because its cookie jar knows no exception."""
        return Visitor(client(self.app, self.signin.settings.origin.replace("http:", "https:")))

    def account(self, pseudonym: str = "A-17", *roles: Role) -> accounts.Account:
        chosen = frozenset(roles) or frozenset({Role.VIEWER, Role.OFFICER})
        return self.do(
            lambda c: accounts.create(c, pseudonym=pseudonym, member=MEMBER, roles=chosen, now=self.clock.now())
        )

    def link(self, pseudonym: str = "A-17", roles: frozenset[Role] = ALL_ROLES, account: str = "") -> str:
        return self.do(
            lambda c: links.make_link(
                c,
                pseudonym=pseudonym,
                member=MEMBER,
                roles=roles,
                made_by="x",
                now=self.clock.now(),
                account=account,
            )
        )

    def session(self, account: str, **more: Any) -> str:
        """A session's id, as if its owner had signed in."""
        more = {"method": "passkey", "device": "test", "address": "127.0.0.1", **more}
        return self.do(lambda c: sessions.start(c, account, now=self.clock.now(), **more))


@dataclass(kw_only=False)
class Visitor:
    """A browser that knows our forms: reads the token of a page and sends it along."""

    client: TestClient

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, path: str, fields: dict[str, Any] | None = None, *, page: str = "/sign-in") -> Any:
        """Send a form. ``page`` is where it stood: its token is taken from there."""
        shown = self.client.get(page)
        found = _TOKEN.search(shown.text)
        assert found, f"{page} answered {shown.status_code} without a form"
        return self.client.post(path, data={"form_token": found.group(1), **(fields or {})})

    def as_(self, secret: str) -> Visitor:
        host = self.client.base_url.host
        domain = host if "." in host else f"{host}.local"  # as the jar of cookies calls it
        self.client.cookies.set(sessions.COOKIE, secret, domain=domain, path="/")
        return self

    @property
    def secret(self) -> str:
        return self.client.cookies.get(sessions.COOKIE, "")

    def enrol(self, link: str, key: Authenticator, *, name: str = "phone") -> Any:
        """The whole of an enrolment with a passkey."""
        given = self.post("/enrol/options", {"link": link}, page="/enrol").json()
        answer = key.make(given["options"])
        return self.post(
            "/enrol/passkey",
            {"link": link, "ticket": given["ticket"], "assertion": answer, "name": name},
            page="/enrol",
        )

    def sign_in(self, key: Authenticator, **changes: Any) -> Any:
        """The whole of a sign-in with a passkey."""
        given = self.post("/sign-in/passkey/options").json()
        answer = key.sign(given["options"], **changes)
        return self.post("/sign-in/passkey", {"ticket": given["ticket"], "assertion": answer, "next": "/"})


def cheap_passwords() -> Passwords:
    """Argon2id with as little work as it allows."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@contextlib.contextmanager
def console(
    *, clock: Clock | None = None, people: Any = (), url: str = "sqlite://", **settings: Any
) -> Iterator[SignedConsole]:
    """Such a console; ``settings`` are those of the table ``[console]``."""
    clock = clock or FakeClock()
    chosen = ConsoleSettings(**{"origin": ORIGIN, **settings})
    database = Database(make_engine(url))
    database.write_now(console_metadata.create_all)
    audit = AuditList()
    passwords = cheap_passwords()
    signin = SignIn(
        database=database,
        clock=clock,
        settings=chosen,
        audit=audit,
        member=MEMBER,
        passwords=passwords,
        provider=Provider(chosen.oidc, chosen.origin, clock) if chosen.oidc else None,
        demo_people=people,
    )
    parts = Parts(
        settings=chosen,
        clock=clock,
        live=Live(clock),
        title="Ostend node",
        sections=(section(signin), home_section()),
        middleware=(middleware(signin),),
        still_valid=signin.still_valid,
        remember=signin.remember,
    )
    try:
        yield SignedConsole(signin=signin, clock=clock, audit=audit, parts=parts, app=build(parts))
    finally:
        passwords.close()
        database.close()


def served_console(folder: Path, **more: Any) -> contextlib.AbstractContextManager[SignedConsole]:
    """One that ``tests.fakes.console.running`` can serve on this machine: a free port, a real clock, a file."""
    port = free_port()
    return console(
        clock=SystemClock(),
        url=sqlite_url(folder / "console.db"),
        listen=f"127.0.0.1:{port}",
        origin=f"http://localhost:{port}",
        **more,
    )


def code_of(secret: str, clock: FakeClock) -> str:
    """What an authenticator application shows now."""
    import pyotp

    return pyotp.TOTP(secret).at(clock.now())
