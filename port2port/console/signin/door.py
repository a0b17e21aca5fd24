"""The sign-in page and what it does without anybody else's help: passkey, password, recovery code, demo list.

Whatever goes wrong with name, password or code gives one message, after the same work. Signing in is always a POST
from our own page.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from port2port.console import accounts, attempts, challenges, demo, local, passkeys
from port2port.console.accounts import Account
from port2port.console.attempts import TooManyTriesError
from port2port.console.audit import from_where
from port2port.console.local import SignInError
from port2port.console.pages import page
from port2port.console.passkeys import PasskeyError
from port2port.console.people import SIGN_IN_PATH, safe_next, signed_in
from port2port.console.signin.context import SignIn, fields, onward, text, without_session
from port2port.console.words import N_
from port2port.errors import MalformedError, NotFoundError, PolicyError

WRONG: Final = N_("This combination is not right. Check the name, the password and the code.")
SLOWLY: Final = N_("Too many tries. Wait %(seconds)s seconds, then try again.")
PASSKEY: Final = N_("This passkey was not accepted. Try again, or use another way below.")
_NAME_CHARS: Final = 100


class Door:
    """Endpoints of the sign-in page."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    def routes(self) -> list[Route]:
        """What it answers."""
        post = ["POST"]
        return [
            Route(SIGN_IN_PATH, self.show, name="sign-in"),
            Route("/sign-in/passkey/options", self.passkey_options, methods=post),
            Route("/sign-in/passkey", self.passkey, methods=post),
            Route("/sign-in/password", self.password, methods=post),
            Route("/sign-in/recovery", self.recovery, methods=post),
            Route("/sign-in/demo", self.demo, methods=post),
            Route("/sign-out", self.sign_out, methods=post),
            Route("/change-user", self.change_user, methods=post),
        ]

    async def show(self, request: Request) -> Response:
        """The page. Who is signed in already goes on."""
        where = request.query_params.get("next", "/")
        if signed_in(request) is not None:
            return RedirectResponse(safe_next(where), 303)
        return door_page(self._signin, request, where=where)

    async def passkey_options(self, request: Request) -> Response:
        """Options for the browser, with the ticket that finds the challenge again."""
        signin, ticket = self._signin, challenges.fresh_name()

        def give(connection: Connection) -> str:
            attempts.charge_address(connection, from_where(request), signin.clock.now())
            return passkeys.sign_in_options(connection, signin.relying, ticket=ticket, now=signin.clock.now())

        try:
            options = await signin.write(give)
        except TooManyTriesError as error:
            return JSONResponse({"wait": error.delay_s}, 429)
        return JSONResponse({"ticket": ticket, "options": options})

    async def passkey(self, request: Request) -> Response:
        """One step: the device says whose it is and that it verified its person."""
        form, signin = await fields(request), self._signin

        def enter(connection: Connection) -> str:
            used = passkeys.sign_in(
                connection,
                signin.relying,
                ticket=text(form, "ticket"),
                answer=text(form, "assertion", passkeys.ANSWER_BYTES),
                now=signin.clock.now(),
            )
            return signin.begin(connection, request, accounts.by_id(connection, used.account), method="passkey")

        try:
            secret = await signin.write(enter)
        except (PolicyError, MalformedError, PasskeyError) as error:
            await signin.failed(request, "passkey", error)
            return door_page(signin, request, where=text(form, "next"), message=PASSKEY, status=403)
        return onward(text(form, "next"), secret)

    async def password(self, request: Request) -> Response:
        """The fallback: password and code together."""
        form, signin = await fields(request), self._signin
        try:
            account = await self._charged(request, form)
            right = await signin.passwords.verify(account.password if account else "", text(form, "password"))
            step = local.totp_step(account.totp_secret if account else "", text(form, "code"), signin.clock.now())
            secret = await signin.write(lambda c: self._by_password(c, request, account if right else None, step))
        except (SignInError, TooManyTriesError) as error:
            return await self._refused(request, form, "password", error)
        return onward(text(form, "next"), secret)

    def _by_password(self, connection: Connection, request: Request, account: Account | None, step: int | None) -> str:
        if account is None or step is None or account.disabled:
            raise SignInError
        if not accounts.use_totp_step(connection, account.id, step):
            raise SignInError
        attempts.clear(connection, account.pseudonym, from_where(request), self._signin.clock.now())
        return self._signin.begin(connection, request, account, method="password")

    async def recovery(self, request: Request) -> Response:
        """One of the eight codes, once; then on to the person's own page, to enrol a new passkey."""
        form, signin = await fields(request), self._signin
        try:
            account = await self._charged(request, form)
            secret = await signin.write(lambda c: self._by_code(c, request, account, text(form, "recovery")))
        except (SignInError, TooManyTriesError) as error:
            return await self._refused(request, form, "recovery", error)
        return onward("/me", secret)

    def _by_code(self, connection: Connection, request: Request, account: Account | None, code: str) -> str:
        used = local.use_recovery_code(connection, account.id if account else "", code)
        if account is None or not used or account.disabled:
            raise SignInError
        attempts.clear(connection, account.pseudonym, from_where(request), self._signin.clock.now())
        return self._signin.begin(connection, request, account, method="recovery")

    async def demo(self, request: Request) -> Response:
        """One of the made-up persons, on this machine only."""
        if not demo.has_picker(self._signin.settings, request):
            raise HTTPException(404)
        form = await fields(request)
        chosen = text(form, "pseudonym")

        def enter(connection: Connection) -> str:
            account = accounts.by_pseudonym(connection, chosen)
            if account is None or chosen not in {one.pseudonym for one in self._signin.demo_people}:
                raise NotFoundError("there is no such person")
            return self._signin.begin(connection, request, account, method="demo")

        return onward(text(form, "next"), await self._signin.write(enter))

    async def sign_out(self, request: Request) -> Response:
        """End this session."""
        await self._leave(request)
        return without_session(RedirectResponse(SIGN_IN_PATH, 303))

    async def change_user(self, request: Request) -> Response:
        """End this session and let the next person come to the same page: a desk that is shared."""
        form = await fields(request)
        await self._leave(request)
        where = urlencode({"next": safe_next(text(form, "next"))})
        return without_session(RedirectResponse(f"{SIGN_IN_PATH}?{where}", 303))

    async def _charged(self, request: Request, form: dict[str, str]) -> Account | None:
        """Count the try, then look the account up. Raises TooManyTriesError."""
        name, now = text(form, "name", _NAME_CHARS).strip(), self._signin.clock.now()

        def charge(connection: Connection) -> Account | None:
            attempts.charge_address(connection, from_where(request), now)
            attempts.charge_account(connection, name, from_where(request), now)
            return accounts.by_pseudonym(connection, name)

        return await self._signin.write(charge)

    async def _refused(
        self, request: Request, form: dict[str, str], method: str, error: SignInError | TooManyTriesError
    ) -> Response:
        await self._signin.failed(request, method, error)
        where = text(form, "next")
        if isinstance(error, TooManyTriesError):
            return door_page(self._signin, request, where=where, message=SLOWLY, wait_s=error.delay_s, status=429)
        return door_page(self._signin, request, where=where, message=WRONG, status=403)

    async def _leave(self, request: Request) -> None:
        def leave(connection: Connection) -> None:
            if signed_in(request) is not None:
                self._signin.note(connection, request, "sign-out")
            self._signin.end_current(connection, request)

        await self._signin.write(leave)
        request.state.person = None


def door_page(
    signin: SignIn, request: Request, *, where: str, message: str = "", wait_s: int = 0, status: int = 200
) -> Response:
    """The sign-in page with every way that is open here."""
    settings = signin.settings
    certificate = settings.client_certificates
    return page(
        request,
        "signin/signin.html",
        status,
        where=safe_next(where),
        message=message,
        wait_s=wait_s,
        demo_people=signin.demo_people if demo.has_picker(settings, request) else (),
        provider=signin.provider,
        by_certificate=certificate is not None and certificate.use == "sign-in",
    )
