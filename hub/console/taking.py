"""What leaves the hub as a file is confirmed with a passkey over exactly the fields of its form."""

from __future__ import annotations

from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.console.context import PictureContext
from port2port.canonical import Json
from port2port.console import passkeys, stepup
from port2port.console.people import current, needs
from port2port.console.security import FORM_FIELD
from port2port.console.signin.context import fields, text
from port2port.errors import MalformedError

PATH: Final = "/exports/confirm"
_PURPOSE: Final = "export"
_APART: Final = frozenset({FORM_FIELD, "assertion"})


def route(picture: PictureContext) -> Route:
    """The address that ``data-stepup`` names: options for the browser, {} for who has no passkey."""

    async def options(request: Request) -> Response:
        form, person, signin = await fields(request), current(request), picture.signin

        def ask(connection: Connection) -> str:
            if not stepup.can(connection, person, signin.relying):
                return "{}"
            return stepup.ask(
                connection, person, purpose=_PURPOSE, facts=_facts(form), relying=signin.relying, now=picture.now
            )

        return Response(await signin.write(ask), media_type="application/json")

    return Route(PATH, needs()(options), methods=["POST"])


def require(picture: PictureContext, connection: Connection, request: Request, form: dict[str, str]) -> str:
    """The key that confirmed this form; "" for who has none and signed in just now.

    The form's field ``at`` is the address it goes to. Raises SignInAgainError, PasskeyError, ChallengeError or
    MalformedError, and the caller's transaction ends.
    """
    answer = text(form, "assertion", passkeys.ANSWER_BYTES)
    found = picture.signin.confirmed(
        connection, request, current(request), purpose=_PURPOSE, facts=_facts(form), answer=answer
    )
    if found is None:
        return ""
    if text(form, "at") != request.url.path:  # the same fields of another page are another deed
        raise MalformedError("this was confirmed for another page: open it again")
    return found.key.key_id


def _facts(form: dict[str, str]) -> dict[str, Json]:
    return {name: value for name, value in form.items() if name not in _APART}
