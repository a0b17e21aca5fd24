"""Passkeys that sign for a member: offered to the federation by their owner, and reported when they are lost.

Only a console that hands in its ``SigningKeys`` has these routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from port2port.console import accounts, challenges, passkeys, sessions, stepup
from port2port.console.pages import asks_for_a_piece, page
from port2port.console.passkeys import Passkey, PasskeyError
from port2port.console.people import Person, current, needs
from port2port.console.roles import Role
from port2port.console.signin.context import SignIn, SignInAgainError, fields, text
from port2port.console.signin.me import AGAIN, GONE
from port2port.console.signin.standing import SIGNERS, SigningKeys
from port2port.console.words import N_
from port2port.errors import ConfigurationError, NotFoundError, Port2PortError, UnavailableError

AWAY: Final = N_("The hub does not answer. Nothing is lost: the key is as it was. Press the button again later.")
REFUSED: Final = N_("The hub did not take the offer. Nothing is lost: show this page to whoever looks after the node.")
NOT_PROVED: Final = N_("The passkey did not answer as it should, so nothing was offered. Press the button again.")
Shown = Callable[[Request, str, int], Awaitable[Response]]


class Signing:
    """Endpoints under /me/keys, for those who sign, and /accounts/keys, for admins. ``me`` shows the person's page."""

    def __init__(
        self, signin: SignIn, keys: SigningKeys, me: Callable[[Request, str, int], Awaitable[Response]]
    ) -> None:
        self._signin = signin
        self._keys = keys
        self._me = me

    def routes(self) -> list[Route]:
        """What it answers."""
        signs, admin, post = needs(*SIGNERS), needs(Role.ADMIN), ["POST"]
        return [
            Route("/me/keys/options", signs(self.options), methods=post),
            Route("/me/keys/offer", signs(self.offer), methods=post),
            Route("/me/keys/lost", signs(self.lost), methods=post),
            Route("/accounts/keys", admin(self.show), name="accounts-keys"),
            Route("/accounts/keys/lost", admin(self.lost_of_another), methods=post),
        ]

    async def options(self, request: Request) -> Response:
        """What the passkey is asked to sign: that it is offered, under this person's pseudonym."""
        form, signin, person = await fields(request), self._signin, current(request)

        def ask(connection: Connection) -> str:
            key = _mine(connection, person, text(form, "key"))
            return stepup.challenge(
                connection,
                person,
                purpose=_purpose(key),
                digest=sha256(self._keys.proof_of(person, key)).digest(),
                relying=signin.relying,
                now=signin.clock.now(),
                key_id=key.key_id,
            )

        try:
            return Response(await signin.write(ask), media_type="application/json")
        except stepup.NoPasskeyError:
            return JSONResponse({"failed": True}, 409)

    async def offer(self, request: Request) -> Response:
        """Offer it: remembered here first, then handed to the hub."""
        form, signin, person = await fields(request), self._signin, current(request)
        try:
            key, proof = await signin.write(lambda c: self._proved(c, request, form))
        except (PasskeyError, challenges.ChallengeError):
            return await self._me(request, NOT_PROVED, 400)
        try:
            await self._keys.hand_in(person, key, proof)
        except (UnavailableError, ConfigurationError) as error:
            return await self._not_taken(request, key, error, AWAY, 503)
        except Port2PortError as error:
            return await self._not_taken(request, key, error, REFUSED, 409)
        await signin.write(lambda c: signin.note(c, request, "key-offered", key.key_id))
        return RedirectResponse("/me?offered=1", 303)

    async def lost(self, request: Request) -> Response:
        """One of his own is lost."""
        form, person = await fields(request), current(request)
        try:
            self._signin.require_fresh(request)
        except SignInAgainError:
            return await self._me(request, AGAIN, 403)
        await self._signin.write(lambda c: self._lose(c, request, text(form, "key"), person.pseudonym))
        return RedirectResponse("/me?lost=1", 303)

    async def show(self, request: Request) -> Response:
        """The keys of everybody who signs for this member."""
        return await self._page(request, GONE if request.query_params.get("lost") else "")

    async def lost_of_another(self, request: Request) -> Response:
        """Somebody's key is lost: he may have no other way in to say so himself."""
        form = await fields(request)
        try:
            self._signin.require_fresh(request)
        except SignInAgainError:
            return await self._page(request, AGAIN, 403)
        await self._signin.write(lambda c: self._lose(c, request, text(form, "key"), ""))
        return RedirectResponse("/accounts/keys?lost=1", 303)

    def _proved(self, connection: Connection, request: Request, form: dict[str, str]) -> tuple[Passkey, bytes]:
        person, signin = current(request), self._signin
        key = _mine(connection, person, text(form, "key"))
        found = stepup.redeem(
            connection,
            person,
            purpose=_purpose(key),
            message=self._keys.proof_of(person, key),
            answer=text(form, "assertion", passkeys.ANSWER_BYTES),
            relying=signin.relying,
            now=signin.clock.now(),
        )
        if found.key.key_id != key.key_id:
            raise PasskeyError("another passkey answered than the one that is offered")
        self._keys.remember(connection, person, key)
        signin.note(connection, request, "offer-key", key.key_id)
        return key, found.signature

    async def _not_taken(
        self, request: Request, key: Passkey, error: Port2PortError, message: str, status: int
    ) -> Response:
        signin = self._signin
        await signin.write(lambda c: signin.note(c, request, "key-not-taken", key.key_id, code=error.code))
        return await self._me(request, message, status)

    def _lose(self, connection: Connection, request: Request, key_id: str, pseudonym: str) -> None:
        """Its passkey opens nothing here any more, and its owner's other sessions end. Raises NotFoundError."""
        found = next((one for one in self._keys.listed(connection) if one.key_id == key_id), None)
        if found is None or pseudonym not in {"", found.pseudonym}:
            raise NotFoundError("there is no such key")
        self._keys.lost(connection, key_id)
        owner = accounts.by_pseudonym(connection, found.pseudonym)
        if owner is not None:
            if any(one.key_id == key_id for one in passkeys.of_account(connection, owner.id)):
                passkeys.remove(connection, owner.id, key_id)
            sessions.end_all(connection, owner.id, but=current(request).session)
        self._signin.note(connection, request, "key-lost", key_id, officer=found.pseudonym)

    async def _page(self, request: Request, message: str, status: int = 200) -> Response:
        keys = await self._signin.read(self._keys.listed)
        template = "signin/_all_keys.html" if asks_for_a_piece(request) else "signin/keys.html"
        return page(request, template, status, keys=keys, message=message, good=message == GONE)


def _mine(connection: Connection, person: Person, key_id: str) -> Passkey:
    for one in passkeys.of_account(connection, person.account):
        if one.key_id == key_id:
            return one
    raise NotFoundError("there is no such passkey")


def _purpose(key: Passkey) -> str:
    return f"offer {key.key_id}"
