"""The accounts, for admins: who may sign in, as what, and the one-time links that let somebody in.

Accounts of every member are made and closed by admins of the member whose console this is, and by nobody else: who
could give a role at another member could read what that member reads. Each change is confirmed with the admin's
passkey over exactly what was shown; an admin without one must have signed in within the last ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from port2port.canonical import Json
from port2port.clock import from_ms
from port2port.console import accounts, links, passkeys, sessions, stepup
from port2port.console.pages import page
from port2port.console.passkeys import PasskeyError
from port2port.console.people import Person, current, needs, of_member
from port2port.console.roles import Role, parse_roles, spell_roles
from port2port.console.signin.context import SignIn, SignInAgainError, fields, text, with_session
from port2port.console.signin.me import AGAIN, DONE
from port2port.console.words import N_
from port2port.errors import MalformedError, PolicyError, Port2PortError

NOT_CONFIRMED: Final = N_("Not confirmed, so nothing was changed. Try again, and touch your passkey when it asks.")
TAKEN: Final = N_("Another account has this pseudonym.")
LAST_ADMIN: Final = N_("This is the last account that can make accounts. Give somebody else the role first.")
_MESSAGES: Final[tuple[tuple[type[Port2PortError], str], ...]] = (
    (SignInAgainError, AGAIN),
    (accounts.PseudonymTakenError, TAKEN),
    (accounts.LastAdminError, LAST_ADMIN),
)


class Roll:
    """Endpoints under /accounts."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin
        self._acts: dict[str, Callable[[Connection, Request, dict[str, str]], str]] = {
            "link": self._link,
            "withdraw": self._withdraw,
            "roles": self._roles,
            "disable": self._disable,
            "enable": self._enable,
            "end-sessions": self._end_sessions,
        }

    def routes(self) -> list[Route]:
        """What it answers."""
        guard, ours = needs(Role.ADMIN), of_member(self._signin.member)
        return [
            Route("/accounts", guard(ours(self.show)), name="accounts"),
            Route("/accounts/confirm", guard(ours(self.confirm)), methods=["POST"]),
            Route("/accounts/change", guard(ours(self.change)), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page."""
        return await self._page(request)

    async def confirm(self, request: Request) -> Response:
        """Options for the step-up over what the form says; {} where the admin has no passkey."""
        form, signin, person = await fields(request), self._signin, current(request)

        def ask(connection: Connection) -> str:
            if not stepup.can(connection, person, signin.relying):
                return "{}"
            return stepup.ask(
                connection,
                person,
                purpose="accounts",
                facts=_facts(form),
                relying=signin.relying,
                now=signin.clock.now(),
            )

        return Response(await signin.write(ask), media_type="application/json")

    async def change(self, request: Request) -> Response:
        """Make one change, confirmed."""
        form, signin, person = await fields(request), self._signin, current(request)
        act = self._acts.get(text(form, "act"))
        if act is None:
            raise MalformedError("there is no such change")

        def change(connection: Connection) -> str:
            answer = text(form, "assertion", passkeys.ANSWER_BYTES)
            confirmed = signin.confirmed(
                connection, request, person, purpose="accounts", facts=_facts(form), answer=answer
            )
            result = act(connection, request, form)
            key_id = confirmed.key.key_id if confirmed else ""
            subject = text(form, "account") or text(form, "pseudonym")
            facts: dict[str, Json] = {"key_id": key_id, "roles": spell_roles(parse_roles(text(form, "roles")))}
            signin.note(connection, request, f"account-{text(form, 'act')}", subject, **facts)
            return result

        try:
            result = await signin.write(change)
        except (PolicyError, PasskeyError, MalformedError, accounts.PseudonymTakenError) as error:
            found = [words for family, words in _MESSAGES if isinstance(error, family)]
            return await self._page(request, message=found[0] if found else NOT_CONFIRMED, status=403)
        return await self._after(request, form, person, result)

    async def _after(self, request: Request, form: dict[str, str], person: Person, result: str) -> Response:
        if text(form, "act") == "link":
            return await self._page(request, link=links.address(self._signin.settings.origin, result))
        response: Response = RedirectResponse("/accounts?saved=1", 303)
        return with_session(result, response) if result and text(form, "account") == person.account else response

    def _link(self, connection: Connection, request: Request, form: dict[str, str]) -> str:
        """A link for a new account, or for one that is there."""
        known = text(form, "account")
        account = accounts.by_id(connection, known) if known else None
        return links.make_link(
            connection,
            pseudonym=account.pseudonym if account else text(form, "pseudonym").strip(),
            member=account.member if account else text(form, "member").strip(),
            roles=account.roles if account else parse_roles(text(form, "roles")),
            account=known,
            made_by=current(request).account,
            now=self._signin.clock.now(),
        )

    def _withdraw(self, connection: Connection, _request: Request, form: dict[str, str]) -> str:
        try:
            links.withdraw(connection, bytes.fromhex(text(form, "link")))
        except ValueError as error:
            raise MalformedError("there is no such link") from error
        return ""

    def _roles(self, connection: Connection, request: Request, form: dict[str, str]) -> str:
        """New roles end the sessions that had the old ones; the admin's own goes on under a new id, no younger."""
        account, person = text(form, "account"), current(request)
        accounts.set_roles(connection, account, parse_roles(text(form, "roles")))
        sessions.end_all(connection, account, but=person.session)
        return sessions.rotate(connection, person.session) if account == person.account else ""

    def _disable(self, connection: Connection, _request: Request, form: dict[str, str]) -> str:
        accounts.set_disabled(connection, text(form, "account"), disabled=True)
        sessions.end_all(connection, text(form, "account"))
        return ""

    def _enable(self, connection: Connection, _request: Request, form: dict[str, str]) -> str:
        accounts.set_disabled(connection, text(form, "account"), disabled=False)
        return ""

    def _end_sessions(self, connection: Connection, _request: Request, form: dict[str, str]) -> str:
        sessions.end_all(connection, text(form, "account"))
        return ""

    async def _page(self, request: Request, *, message: str = "", link: str = "", status: int = 200) -> Response:
        now = self._signin.clock.now()

        def facts(connection: Connection) -> dict[str, object]:
            everybody = accounts.everybody(connection)
            return {
                "accounts": everybody,
                "passkeys": {one.id: len(passkeys.of_account(connection, one.id)) for one in everybody},
                "open_links": links.outstanding(connection, now),
            }

        return page(
            request,
            "signin/accounts.html",
            status,
            message=message or (DONE if request.query_params.get("saved") else ""),
            good=not message,
            link=link,
            roles=list(Role),
            member=self._signin.member,
            at=from_ms,
            **await self._signin.read(facts),
        )


def _facts(form: dict[str, str]) -> dict[str, Json]:
    """What the admin confirms: every field of the form that means something."""
    names = ("act", "account", "pseudonym", "member", "link")
    facts: dict[str, Json] = {name: text(form, name).strip() for name in names}
    facts["roles"] = spell_roles(parse_roles(text(form, "roles")))
    return facts
