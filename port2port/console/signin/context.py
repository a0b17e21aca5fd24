"""What every page of sign-in works with, made once by the application that has a console."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeVar

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from port2port.canonical import Json
from port2port.clock import Clock, to_ms
from port2port.console import accounts, attempts, challenges, demo, sessions, stepup
from port2port.console.accounts import Account
from port2port.console.audit import AuditSink, from_where
from port2port.console.demo import DemoPerson
from port2port.console.local import Passwords
from port2port.console.oidc import Provider
from port2port.console.passkeys import Relying
from port2port.console.people import Person, safe_next, signed_in
from port2port.console.roles import Role
from port2port.console.sessions import Lifetimes, Visit
from port2port.console.settings import ConsoleSettings
from port2port.console.stepup import StepUp
from port2port.database import Database
from port2port.errors import MalformedError, PolicyError, Port2PortError

T = TypeVar("T")
FRESH: Final = timedelta(minutes=10)
SWEEP_EVERY_S: Final = 3_600
FIELD_CHARS: Final = 1_000


class SignInAgainError(PolicyError):
    """The act asks for a sign-in within the last ten minutes."""

    code = "SIGN_IN_AGAIN"


def _nobody_listens(_sessions: Iterable[str]) -> None:
    """Where there is no live stream, nobody has to hear that sessions ended."""


@dataclass(slots=True)
class Endings:
    """Whom to tell at once that sessions ended, by name."""

    tell: Callable[[Iterable[str]], None] = _nobody_listens


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Database, clock and settings of one console. ``member`` is whose the first accounts are."""

    database: Database
    clock: Clock
    settings: ConsoleSettings
    audit: AuditSink
    member: str
    passwords: Passwords
    provider: Provider | None = None
    demo_people: Sequence[DemoPerson] = ()
    endings: Endings = field(default_factory=Endings)

    @property
    def relying(self) -> Relying:
        """This console as passkeys know it."""
        return Relying(origin=self.settings.origin)

    @property
    def lifetimes(self) -> Lifetimes:
        """How long sessions last here."""
        return Lifetimes(
            idle=timedelta(minutes=self.settings.idle_minutes), absolute=timedelta(hours=self.settings.shift_hours)
        )

    async def write(self, action: Callable[[Connection], T]) -> T:
        """One writing transaction. The sessions that it ended are told once it is committed."""
        done, ended = await self.database.write(lambda c: sessions.with_ended(c, action))
        if ended:
            self.endings.tell(ended)
        return done

    async def read(self, action: Callable[[Connection], T]) -> T:
        """One reading transaction."""
        return await self.database.read(action)

    def note(self, connection: Connection, request: Request, action: str, subject: str = "", **facts: Json) -> None:
        """The audit row of a deed of whoever is signed in on this request."""
        person = signed_in(request)
        who = person.pseudonym if person else ""
        self.audit.record(connection, who, action, subject, facts, from_where(request))

    async def failed(self, request: Request, method: str, error: Port2PortError) -> None:
        """The audit row of a sign-in that was refused. What was typed as a name is not kept."""
        facts: dict[str, Json] = {"method": method, "code": error.code}
        where = from_where(request)
        await self.write(lambda c: self.audit.record(c, "", "sign-in-refused", "", facts, where))

    def begin(
        self,
        connection: Connection,
        request: Request,
        account: Account,
        *,
        method: str,
        roles: frozenset[Role] | None = None,
    ) -> str:
        """A session for an account that has just proved itself; the one before in this browser ends."""
        if account.disabled:
            raise PolicyError("this account is closed")
        self.end_current(connection, request)
        secret = sessions.start(
            connection,
            account.id,
            method=method,
            device=request.headers.get("user-agent", ""),
            address=from_where(request),
            now=self.clock.now(),
            roles=roles,
        )
        self.audit.record(
            connection, account.pseudonym, "sign-in", account.pseudonym, {"method": method}, from_where(request)
        )
        return secret

    def end_current(self, connection: Connection, request: Request) -> None:
        """End the session of this request, if there is one."""
        person = signed_in(request)
        if person is not None:
            sessions.forget(connection, person.session)

    def require_fresh(self, request: Request) -> None:
        """That this session began within ten minutes. Raises SignInAgainError.

        It protects a person's own keys from whoever finds his desk unlocked.
        """
        visit = getattr(request.state, "visit", None)
        now = to_ms(self.clock.now())
        if not isinstance(visit, Visit) or now - visit.created_ms > FRESH // timedelta(milliseconds=1):
            raise SignInAgainError("sign in again first: this changes how you sign in")

    def confirmed(
        self,
        connection: Connection,
        request: Request,
        person: Person,
        *,
        purpose: str,
        facts: dict[str, Json],
        answer: str,
    ) -> StepUp | None:
        """A step-up over these facts; who has no passkey must have signed in just now instead (then None)."""
        if not stepup.can(connection, person, self.relying):
            self.require_fresh(request)
            return None
        return stepup.confirm(
            connection,
            person,
            purpose=purpose,
            facts=facts,
            answer=answer,
            relying=self.relying,
            now=self.clock.now(),
        )

    async def prepare(self) -> None:
        """Make the persons of the demo."""
        if self.settings.demo:
            await self.write(lambda c: demo.seed(c, self.demo_people, member=self.member, now=self.clock.now()))

    async def run(self) -> None:
        """A service: forget what is over, each hour, until cancelled."""
        while True:
            await self.write(self._sweep)
            await self.clock.sleep(SWEEP_EVERY_S)

    async def still_valid(self, request: Request) -> bool:
        """Whether the session behind a long stream goes on."""
        person = signed_in(request)
        if person is None:
            return False
        return await self.read(lambda c: sessions.alive(c, person.session, self.clock.now(), self.lifetimes))

    async def remember(self, request: Request, name: str, value: str) -> None:
        """Keep a choice of language, theme or keyboard for the person who made it."""
        person = signed_in(request)
        if person is not None and not person.display:
            await self.write(lambda c: accounts.prefer(c, person.account, name, value))

    def _sweep(self, connection: Connection) -> None:
        now = self.clock.now()
        sessions.sweep(connection, now, self.lifetimes)
        challenges.sweep(connection, now)
        attempts.sweep(connection, now)


def with_session(secret: str, response: Response) -> Response:
    """The response that hands a session's id to the browser, in the only place where it is kept."""
    response.set_cookie(sessions.COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")
    return response


def without_session(response: Response) -> Response:
    """The response that makes the browser forget its session."""
    response.delete_cookie(sessions.COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


def onward(where: str, secret: str) -> Response:
    """On to a page of ours, signed in."""
    return with_session(secret, RedirectResponse(safe_next(where), 303))


async def fields(request: Request) -> dict[str, str]:
    """The text fields of a form, each name once. Raises MalformedError for files."""
    form = await request.form()
    found: dict[str, str] = {}
    for name, value in form.multi_items():
        if not isinstance(value, str):
            raise MalformedError("this form takes no files")
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def text(form: dict[str, str], name: str, limit: int = FIELD_CHARS) -> str:
    """One field of a form. Raises MalformedError where it is too long."""
    value = form.get(name, "")
    if len(value) > limit:
        raise MalformedError(f"the field {name} is too long")
    return value
