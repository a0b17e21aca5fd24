"""A person's own page: sessions, passkeys, password and code, recovery codes, how the screens look and listen.

What changes how somebody signs in asks for a sign-in within the last ten minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from port2port.clock import from_ms
from port2port.console import accounts, challenges, local, passkeys, sessions
from port2port.console.pages import asks_for_a_piece, page
from port2port.console.passkeys import Holder, PasskeyError
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import SignIn, SignInAgainError, fields, text, with_session
from port2port.console.signin.enrolling import CODE, SHORT, WRONG
from port2port.console.signin.standing import SIGNERS, KnownKey, SigningKeys
from port2port.console.words import N_
from port2port.errors import ConflictError, MalformedError, PolicyError

AGAIN: Final = N_("Sign out and in again first: what you asked for changes how you sign in. Nothing was changed.")
DONE: Final = N_("Saved.")
OFFERED: Final = N_("The hub has the offer. Now telephone a coordinator and read the fingerprint aloud.")
GONE: Final = N_("Noted. This key signs nothing more here. Telephone a coordinator now: only they can revoke it.")
_GOOD: Final = {"saved": DONE, "offered": OFFERED, "lost": GONE}  # by the name in the address that says it
LAST: Final = N_("This is your last way to sign in. Add another one first.")
READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.COORDINATOR)  # who may leave a display that reads

Change = Callable[[Connection, Person], None]


class LastWayError(PolicyError):
    """The change would leave a person without any way to sign in."""

    code = "LAST_WAY"


class Me:
    """Endpoints under /me."""

    def __init__(self, signin: SignIn, keys: SigningKeys | None = None) -> None:
        self._signin = signin
        self._keys = keys

    def routes(self) -> list[Route]:
        """What it answers."""
        posts: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/me/sessions/end": self.end_session,
            "/me/sessions/end-others": self.end_others,
            "/me/passkeys/options": self.passkey_options,
            "/me/passkeys/add": self.add_passkey,
            "/me/passkeys/name": self.name_passkey,
            "/me/passkeys/remove": self.remove_passkey,
            "/me/password": self.set_password,
            "/me/password/remove": self.remove_password,
            "/me/recovery": self.recovery,
        }
        guard = needs()
        return [
            Route("/me", guard(self.show), name="me"),
            Route("/me/display", needs(*READS)(self.display), methods=["POST"]),
            *(Route(path, guard(endpoint), methods=["POST"]) for path, endpoint in posts.items()),
        ]

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def answer(self, request: Request, message: str, status: int) -> Response:
        """The page as the answer to something that did not go as it should."""
        return await self._page(request, message=message, status=status)

    async def end_session(self, request: Request) -> Response:
        """End one of his sessions."""
        form = await fields(request)

        def change(connection: Connection, person: Person) -> None:
            sessions.end(connection, person.account, text(form, "session"))
            self._signin.note(connection, request, "end-session", text(form, "session"))

        return await self._changed(request, change, fresh=False)

    async def end_others(self, request: Request) -> Response:
        """End all his sessions except this one."""

        def change(connection: Connection, person: Person) -> None:
            ended = sessions.end_all(connection, person.account, but=person.session)
            self._signin.note(connection, request, "end-sessions", count=len(ended))

        return await self._changed(request, change, fresh=False)

    async def display(self, request: Request) -> Response:
        """Make this browser a wall display: it reads, stays signed in for 90 days, and never acts."""
        person, signin = current(request), self._signin
        try:
            signin.require_fresh(request)
        except SignInAgainError:
            return await self._page(request, message=AGAIN, status=403)

        def change(connection: Connection) -> str:
            sessions.end(connection, person.account, person.session)
            signin.note(connection, request, "wall-display")
            return sessions.start(
                connection,
                person.account,
                method="display",
                device=request.headers.get("user-agent", ""),
                address=request.client.host if request.client else "",
                now=signin.clock.now(),
                display=True,
            )

        return with_session(await signin.write(change), RedirectResponse("/", 303))

    async def passkey_options(self, request: Request) -> Response:
        """Options for making one more passkey."""
        person, ticket, signin = current(request), challenges.fresh_name(), self._signin
        holder = Holder(account=person.account, pseudonym=person.pseudonym)
        try:
            signin.require_fresh(request)
        except SignInAgainError:
            return JSONResponse({"again": True}, 403)
        options = await signin.write(
            lambda c: passkeys.enrol_options(c, holder, signin.relying, ticket=ticket, now=signin.clock.now())
        )
        return JSONResponse({"ticket": ticket, "options": options})

    async def add_passkey(self, request: Request) -> Response:
        """Keep it."""
        form = await fields(request)

        def change(connection: Connection, person: Person) -> None:
            made = passkeys.enrol(
                connection,
                Holder(account=person.account, pseudonym=person.pseudonym),
                self._signin.relying,
                ticket=text(form, "ticket"),
                answer=text(form, "assertion", passkeys.ANSWER_BYTES),
                name=text(form, "name"),
                now=self._signin.clock.now(),
            )
            self._signin.note(connection, request, "add-passkey", made.key_id)

        return await self._changed(request, change)

    async def name_passkey(self, request: Request) -> Response:
        """Give one another name."""
        form = await fields(request)

        def change(connection: Connection, person: Person) -> None:
            passkeys.rename(connection, person.account, text(form, "key"), text(form, "name"))
            self._signin.note(connection, request, "name-passkey", text(form, "key"))

        return await self._changed(request, change, fresh=False)

    async def remove_passkey(self, request: Request) -> Response:
        """Forget one."""
        form = await fields(request)

        def change(connection: Connection, person: Person) -> None:
            passkeys.remove(connection, person.account, text(form, "key"))
            _require_a_way(connection, person)
            self._signin.note(connection, request, "remove-passkey", text(form, "key"))

        return await self._changed(request, change)

    async def set_password(self, request: Request) -> Response:
        """A password with the first code of an authenticator application; both are new."""
        form, signin = await fields(request), self._signin
        secret = text(form, "totp")
        if len(secret) != 32 or not secret.isalnum():
            raise MalformedError("open the page again")
        step = local.totp_step(secret, text(form, "code"), signin.clock.now())
        if step is None:
            return await self._page(request, message=CODE, totp=secret, status=400)
        try:
            signin.require_fresh(request)
            digest = await signin.passwords.hash(text(form, "password"))
        except SignInAgainError:
            return await self._page(request, message=AGAIN, status=403)
        except MalformedError:
            return await self._page(request, message=SHORT, totp=secret, status=400)

        def change(connection: Connection, person: Person) -> None:
            accounts.set_password(connection, person.account, digest)
            accounts.set_totp(connection, person.account, secret, step=step)
            signin.note(connection, request, "set-password")

        return await self._changed(request, change)

    async def remove_password(self, request: Request) -> Response:
        """Forget password and code."""

        def change(connection: Connection, person: Person) -> None:
            accounts.set_password(connection, person.account, "")
            accounts.set_totp(connection, person.account, "")
            _require_a_way(connection, person)
            self._signin.note(connection, request, "remove-password")

        return await self._changed(request, change)

    async def recovery(self, request: Request) -> Response:
        """Eight new recovery codes, shown once."""
        person, signin = current(request), self._signin
        try:
            signin.require_fresh(request)
        except SignInAgainError:
            return await self._page(request, message=AGAIN, status=403)

        def make(connection: Connection) -> list[str]:
            signin.note(connection, request, "new-recovery-codes")
            return local.new_recovery_codes(connection, person.account)

        return page(request, "signin/codes.html", codes=await signin.write(make))

    async def _changed(self, request: Request, change: Change, *, fresh: bool = True) -> Response:
        """Make the change and show the page again, with what became of it."""
        person = current(request)
        try:
            if fresh:
                self._signin.require_fresh(request)
            await self._signin.write(lambda c: change(c, person))
        except SignInAgainError:
            return await self._page(request, message=AGAIN, status=403)
        except LastWayError:
            return await self._page(request, message=LAST, status=409)
        except (PasskeyError, ConflictError, challenges.ChallengeError):
            return await self._page(request, message=WRONG, status=400)
        return RedirectResponse("/me?saved=1", 303)

    async def _page(self, request: Request, *, message: str = "", totp: str = "", status: int = 200) -> Response:
        person, now = current(request), self._signin.clock.now()
        secret = totp or local.new_totp_secret()

        def facts(connection: Connection) -> dict[str, object]:
            account, keys = accounts.by_id(connection, person.account), self._standings(connection, person)
            enrolled = {one.key_id for one in passkeys.of_account(connection, person.account)}
            return {
                "sessions": sessions.of_account(connection, person.account, now, self._signin.lifetimes),
                "passkeys": passkeys.of_account(connection, person.account),
                "codes_left": local.recovery_codes_left(connection, person.account),
                "has_password": bool(account.password),
                "has_provider": account.subject is not None,
                "keys": keys,
                "others": [key for key in keys.values() if key.key_id not in enrolled],
            }

        return page(
            request,
            "signin/_my_keys.html" if asks_for_a_piece(request) else "signin/me.html",
            status,
            message=message or next((words for name, words in _GOOD.items() if request.query_params.get(name)), ""),
            good=not message,
            may_display=person.has(*READS),
            signs=self._keys is not None,
            totp=secret,
            picture=local.totp_picture(secret, pseudonym=person.pseudonym, issuer="Port 2 Port"),
            at=from_ms,
            provider=self._signin.provider,
            **await self._signin.read(facts),
        )

    def _standings(self, connection: Connection, person: Person) -> dict[str, KnownKey]:
        """What this person's keys count for, by key id; empty where nothing is signed, or not by him."""
        if self._keys is None or not person.has(*SIGNERS):
            return {}
        return {one.key_id: one for one in self._keys.listed(connection) if one.pseudonym == person.pseudonym}


def _require_a_way(connection: Connection, person: Person) -> None:
    """That a passkey, a password or a provider is left. Raises LastWayError."""
    account = accounts.by_id(connection, person.account)
    if not account.password and account.subject is None and not passkeys.of_account(connection, person.account):
        raise LastWayError("this is the last way to sign in")
