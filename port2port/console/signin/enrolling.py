"""Enrolment by a one-time link: a passkey, or where a device has none a password with a code; then recovery codes.

The link's secret stands in the fragment of its address, which browsers send to nobody; a script puts it into the
form, and without scripts a person pastes it.
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from port2port.console import accounts, attempts, challenges, links, local, passkeys
from port2port.console.accounts import Account
from port2port.console.attempts import TooManyTriesError
from port2port.console.audit import from_where
from port2port.console.links import LinkError
from port2port.console.pages import page
from port2port.console.passkeys import Holder, PasskeyError
from port2port.console.signin.context import SignIn, fields, text, with_session
from port2port.console.signin.door import SLOWLY
from port2port.console.words import N_
from port2port.errors import ConflictError, MalformedError, PolicyError

GONE: Final = N_("This link is not good any more: it was used, or it is older than 30 minutes. Ask for a new one.")
WRONG: Final = N_("That did not work. Nothing was enrolled; the link is still good. Try again.")
SHORT: Final = N_("A password has at least 15 characters. A sentence is good.")
CODE: Final = N_("The six digits do not fit. Scan the picture again, then type the digits that the application shows.")
_TOTP_SECRET: Final = re.compile(r"[A-Z2-7]{32}", re.ASCII)


class Enrolling:
    """Endpoints under /enrol."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/enrol", self.show, name="enrol"),
            Route("/enrol/options", self.options, methods=["POST"]),
            Route("/enrol/passkey", self.passkey, methods=["POST"]),
            Route("/enrol/password", self.password, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page; it knows nothing of the link yet."""
        return self._page(request)

    async def options(self, request: Request) -> Response:
        """Options for making a passkey, with the ticket of the challenge."""
        form, signin, ticket = await fields(request), self._signin, challenges.fresh_name()

        def give(connection: Connection) -> str:
            now = signin.clock.now()
            attempts.charge_address(connection, from_where(request), now)
            link = links.look(connection, text(form, "link"), now)
            holder = Holder(account=link.account_id, pseudonym=link.pseudonym)
            return passkeys.enrol_options(connection, holder, signin.relying, ticket=ticket, now=now)

        try:
            return JSONResponse({"ticket": ticket, "options": await signin.write(give)})
        except LinkError:
            return JSONResponse({"gone": True}, 404)
        except TooManyTriesError as error:
            return JSONResponse({"wait": error.delay_s}, 429)

    async def passkey(self, request: Request) -> Response:
        """Use the link up: account, passkey, recovery codes and session in one transaction."""
        form, signin = await fields(request), self._signin

        def enrol(connection: Connection) -> tuple[list[str], str]:
            now = signin.clock.now()
            attempts.charge_address(connection, from_where(request), now)
            account = links.use(connection, text(form, "link"), now)
            made = passkeys.enrol(
                connection,
                Holder(account=account.id, pseudonym=account.pseudonym),
                signin.relying,
                ticket=text(form, "ticket"),
                answer=text(form, "assertion", passkeys.ANSWER_BYTES),
                name=text(form, "name"),
                now=now,
            )
            return self._entered(connection, request, account, method="passkey", key_id=made.key_id)

        try:
            return self._codes(request, *await signin.write(enrol))
        except (LinkError, TooManyTriesError, PasskeyError, PolicyError, ConflictError, MalformedError) as error:
            return await self._refused(request, error)

    async def password(self, request: Request) -> Response:
        """The fallback: a password and the first code of an authenticator application."""
        form, signin = await fields(request), self._signin
        secret = text(form, "totp")
        if not _TOTP_SECRET.fullmatch(secret):
            raise MalformedError("open the page again")
        step = local.totp_step(secret, text(form, "code"), signin.clock.now())
        if step is None:
            return self._page(request, message=CODE, link=text(form, "link"), totp=secret, status=400)
        try:
            await signin.write(lambda c: self._look(c, request, text(form, "link")))
            digest = await signin.passwords.hash(text(form, "password"))
        except MalformedError:
            return self._page(request, message=SHORT, link=text(form, "link"), totp=secret, status=400)
        except (LinkError, TooManyTriesError) as error:
            return await self._refused(request, error)

        def enrol(connection: Connection) -> tuple[list[str], str]:
            account = links.use(connection, text(form, "link"), signin.clock.now())
            accounts.set_password(connection, account.id, digest)
            accounts.set_totp(connection, account.id, secret, step=step)
            return self._entered(connection, request, account, method="password")

        try:
            return self._codes(request, *await signin.write(enrol))
        except (LinkError, ConflictError) as error:
            return await self._refused(request, error)

    def _look(self, connection: Connection, request: Request, link: str) -> None:
        """Judge the link before the slow hash is paid for."""
        now = self._signin.clock.now()
        attempts.charge_address(connection, from_where(request), now)
        links.look(connection, link, now)

    def _entered(
        self, connection: Connection, request: Request, account: Account, *, method: str, key_id: str = ""
    ) -> tuple[list[str], str]:
        codes = local.new_recovery_codes(connection, account.id)
        secret = self._signin.begin(connection, request, account, method=method)
        self._signin.audit.record(
            connection,
            account.pseudonym,
            "enrol",
            account.pseudonym,
            {"method": method, "key_id": key_id},
            from_where(request),
        )
        return codes, secret

    def _codes(self, request: Request, codes: list[str], secret: str) -> Response:
        return with_session(secret, page(request, "signin/codes.html", codes=codes))

    def _page(
        self, request: Request, *, message: str = "", wait_s: int = 0, link: str = "", totp: str = "", status: int = 200
    ) -> Response:
        secret = totp or local.new_totp_secret()
        picture = local.totp_picture(secret, pseudonym=self._signin.member, issuer="Port 2 Port")
        facts = {"message": message, "wait_s": wait_s, "link": link, "totp": secret, "picture": picture}
        return page(request, "signin/enrol.html", status, **facts)

    async def _refused(self, request: Request, error: Exception) -> Response:
        if isinstance(error, TooManyTriesError):
            return self._page(request, message=SLOWLY, wait_s=error.delay_s, status=429)
        if isinstance(error, LinkError):
            return self._page(request, message=GONE, status=404)
        return self._page(request, message=WRONG, status=400)
