"""Signing in with somebody else's word: the organisation's provider, or a certificate.

The way back from a provider is a GET from elsewhere. It changes nothing: it only shows a page that makes the POST,
because our session cookie is not sent, and would not be kept, across sites.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from port2port.console import accounts, attempts, certificates, challenges, oidc
from port2port.console.accounts import Account
from port2port.console.attempts import TooManyTriesError
from port2port.console.audit import from_where
from port2port.console.oidc import Identity, Provider, ProviderError, ProviderRefusedError, Trip
from port2port.console.pages import page
from port2port.console.people import safe_next, signed_in
from port2port.console.roles import SELF_GIVEN
from port2port.console.signin.context import SignIn, fields, onward, text
from port2port.console.signin.door import SLOWLY, door_page
from port2port.console.words import N_
from port2port.errors import PolicyError

TRIP_COOKIE: Final = "__Host-p2p-trip"
PROVIDER: Final = N_("Your organisation's sign-in does not answer. Use another way, or try again later.")
REFUSED: Final = N_("Your organisation's sign-in did not let you in here. Start again, or ask the administrator.")
CERTIFICATE: Final = N_("No certificate of yours was shown. Check the card or the device, then try again.")
_ANSWER_CHARS: Final = 4_000


class ProviderDoor:
    """Endpoints under /sign-in for OIDC and certificates; both exist by configuration only."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    def routes(self) -> list[Route]:
        """What it answers."""
        post = ["POST"]
        return [
            Route("/sign-in/oidc", self.leave, methods=post),
            Route(oidc.CALLBACK_PATH, self.back, name="oidc-back"),
            Route("/sign-in/oidc/done", self.done, methods=post),
            Route("/sign-in/certificate", self.certificate, methods=post),
        ]

    async def leave(self, request: Request) -> Response:
        """Off to the provider, by a page that moves on by itself: under our policy no form leads elsewhere."""
        provider, form, signin = self._provider(), await fields(request), self._signin
        person = signed_in(request)
        where = safe_next(text(form, "next"))
        trip = oidc.new_trip(where, person.account if person else "")
        ticket = challenges.fresh_name()

        def give(connection: Connection) -> None:
            attempts.charge_address(connection, from_where(request), signin.clock.now())
            challenges.give(
                connection,
                name=ticket,
                purpose="oidc",
                account="",
                challenge=trip.nonce.encode(),
                facts=trip.to_text(),
                lifetime=oidc.TRIP_LIFETIME,
                now=signin.clock.now(),
            )

        try:
            address = await provider.address(trip)
            await signin.write(give)
        except (ProviderError, TooManyTriesError) as error:
            return await self._refused(request, error, where)
        response = page(request, "signin/leave.html", address=address)
        response.headers["Refresh"] = f"0; url={address}"
        response.set_cookie(TRIP_COOKIE, ticket, path="/", secure=True, httponly=True, samesite="lax", max_age=600)
        return response

    async def back(self, request: Request) -> Response:
        """The page that makes the POST."""
        self._provider()
        query = request.query_params
        answer = {name: query.get(name, "")[:_ANSWER_CHARS] for name in ("code", "state", "iss")}
        return page(request, "signin/back.html", answer=answer)

    async def done(self, request: Request) -> Response:
        """Sign in, or bind the provider's pseudonym to the account that left from here."""
        provider, form = self._provider(), await fields(request)
        where = "/"
        try:
            trip = await self._signin.write(lambda c: self._trip(c, request))
            where = trip.onward
            who = await provider.identify(
                trip, code=text(form, "code", _ANSWER_CHARS), state=text(form, "state"), issuer=text(form, "iss")
            )
            secret = await self._signin.write(lambda c: self._enter(c, request, trip, who))
            response = onward(where, secret)
        except (PolicyError, ProviderError, TooManyTriesError) as error:
            response = await self._refused(request, error, where)
        response.delete_cookie(TRIP_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def certificate(self, request: Request) -> Response:
        """Signed in by what the TLS layer verified, where the settings say so."""
        settings, signin = self._signin.settings.client_certificates, self._signin
        if settings is None or settings.use != "sign-in":
            raise HTTPException(404)
        form = await fields(request)
        pseudonym = certificates.pseudonym_of(settings, certificates.shown(request.scope))

        def enter(connection: Connection) -> str | None:
            attempts.charge_address(connection, from_where(request), signin.clock.now())
            account = accounts.by_pseudonym(connection, pseudonym) if pseudonym else None
            if account is None or account.disabled:
                return None
            return signin.begin(connection, request, account, method="certificate")

        try:
            secret = await signin.write(enter)
        except TooManyTriesError as error:
            return await self._refused(request, error, text(form, "next"))
        if secret is None:
            return door_page(signin, request, where=text(form, "next"), message=CERTIFICATE, status=403)
        return onward(text(form, "next"), secret)

    def _provider(self) -> Provider:
        if self._signin.provider is None:
            raise HTTPException(404)
        return self._signin.provider

    def _trip(self, connection: Connection, request: Request) -> Trip:
        attempts.charge_address(connection, from_where(request), self._signin.clock.now())
        ticket = request.cookies.get(TRIP_COOKIE, "")
        given = challenges.take(connection, name=ticket, purpose="oidc", account="", now=self._signin.clock.now())
        return Trip.from_text(given.facts)

    def _enter(self, connection: Connection, request: Request, trip: Trip, who: Identity) -> str:
        """The session of whoever came back. Raises ProviderRefusedError."""
        account = accounts.by_subject(connection, who.subject)
        if trip.account:
            account = self._bound(connection, request, trip, who, account)
        elif account is None:
            account = self._made(connection, who)
        roles = who.roles
        if roles is not None and not roles & (account.roles | SELF_GIVEN):
            raise ProviderRefusedError("none of your groups may use this console")
        return self._signin.begin(connection, request, account, method="oidc", roles=roles)

    def _bound(
        self, connection: Connection, request: Request, trip: Trip, who: Identity, taken: Account | None
    ) -> Account:
        """The account that left signed in, now known by the provider's pseudonym too."""
        person = signed_in(request)
        if person is None or person.account != trip.account or (taken is not None and taken.id != trip.account):
            raise ProviderRefusedError("this answer belongs to another sign-in: start again")
        self._signin.require_fresh(request)
        accounts.set_subject(connection, trip.account, who.subject)
        self._signin.note(connection, request, "bind-provider", person.pseudonym)
        return accounts.by_id(connection, trip.account)

    def _made(self, connection: Connection, who: Identity) -> Account:
        """A new account, with roles that a provider may give: never approver, coordinator or admin."""
        settings = self._signin.settings.oidc
        roles = (who.roles or frozenset()) & SELF_GIVEN
        if settings is None or not settings.create or not roles:
            raise ProviderRefusedError("no account here belongs to you yet")
        made = accounts.create(
            connection,
            pseudonym=f"O-{secrets.token_hex(4)}",
            member=self._signin.member,
            roles=roles,
            now=self._signin.clock.now(),
        )
        accounts.set_subject(connection, made.id, who.subject)
        return replace(made, subject=who.subject)

    async def _refused(
        self, request: Request, error: PolicyError | ProviderError | TooManyTriesError, where: str
    ) -> Response:
        await self._signin.failed(request, "oidc", error)
        if isinstance(error, TooManyTriesError):
            words, wait_s, status = SLOWLY, error.delay_s, 429
        else:
            words, wait_s, status = (PROVIDER if isinstance(error, ProviderError) else REFUSED), 0, 403
        return door_page(self._signin, request, where=where, message=words, wait_s=wait_s, status=status)
