"""What lets a node in, or changes who belongs, is confirmed with a passkey over exactly what its form sends.

A file counts by its hash. Who has no passkey must have signed in within ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.console.context import PictureContext
from port2port.canonical import Json
from port2port.console import passkeys, stepup
from port2port.console.people import current, needs
from port2port.console.roles import Role
from port2port.console.security import FORM_FIELD, takes_files
from port2port.console.signin.context import text
from port2port.errors import MalformedError
from port2port.limits import LIMITS

PATH: Final = "/members/confirm"
FILE: Final = "file"
_PURPOSE: Final = "members"
_APART: Final = frozenset({FORM_FIELD, "assertion"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A form: its text fields, each once, and its one file."""

    values: dict[str, str]
    file: bytes = b""

    @property
    def facts(self) -> dict[str, Json]:
        """What is confirmed."""
        named: dict[str, Json] = {name: value for name, value in self.values.items() if name not in _APART}
        return {**named, FILE: sha256(self.file).hexdigest() if self.file else ""}


async def sent(request: Request) -> Sent:
    """The form of a request; of a file that is too long, no more than shows it."""
    async with request.form() as form:
        values = {name: value for name, value in form.items() if isinstance(value, str) and name != FILE}
        upload = form.get(FILE)
        raw = await upload.read(LIMITS.envelope_bytes + 1) if isinstance(upload, UploadFile) else b""
    return Sent(values=values, file=raw)


def route(picture: PictureContext, *roles: Role) -> Route:
    """The address that ``data-stepup`` names: options for the browser, {} for who has no passkey."""

    @takes_files
    async def options(request: Request) -> Response:
        form, person, signin = await sent(request), current(request), picture.signin

        def ask(connection: Connection) -> str:
            if not stepup.can(connection, person, signin.relying):
                return "{}"
            return stepup.ask(
                connection, person, purpose=_PURPOSE, facts=form.facts, relying=signin.relying, now=picture.now
            )

        return Response(await signin.write(ask), media_type="application/json")

    return Route(PATH, needs(*roles)(options), methods=["POST"])


def require(picture: PictureContext, connection: Connection, request: Request, form: Sent) -> None:
    """That this form was confirmed, by a key that gets its audit row, or sent by who has none and just signed in.

    The form's field ``at`` is the address it goes to. Raises SignInAgainError, PasskeyError, ChallengeError or
    MalformedError, and the caller's transaction ends.
    """
    answer = text(form.values, "assertion", passkeys.ANSWER_BYTES)
    found = picture.signin.confirmed(
        connection, request, current(request), purpose=_PURPOSE, facts=form.facts, answer=answer
    )
    if found is None:
        return
    if text(form.values, "at") != request.url.path:  # the same fields of another page are another deed
        raise MalformedError("this was confirmed for another page: open it again")
    picture.signin.note(connection, request, "member.confirmed", request.url.path, key_id=found.key.key_id)
