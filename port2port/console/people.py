"""Who is at the screen, and what he may do there.

A person is a pseudonym of a member: no name is stored. Roles add up and none includes another, so that a list of
roles says everything. What a person may not open answers as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from port2port.console.roles import Role
from port2port.errors import PolicyError

SIGN_IN_PATH: Final = "/sign-in"
THEMES: Final = ("system", "dark", "light")
KEYBOARDS: Final = ("single", "alt", "off")
_NEXT_CHARS: Final = 1_000
_NEEDS: Final = "needs_one_of"

Endpoint = Callable[[Request], Awaitable[Response]]


class SignedOutError(PolicyError):
    """Nobody is signed in on this request."""

    code = "SIGNED_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A signed-in account, as one request sees it. ``session`` is the session's public name, never its id."""

    account: str
    pseudonym: str
    member: str
    roles: frozenset[Role]
    session: str
    language: str = ""  # "" follows the browser
    theme: str = "system"
    keyboard: str = "single"
    display: bool = False  # a wall display: reads, never acts

    def has(self, *roles: Role | str) -> bool:
        """Whether one of ``roles`` is his."""
        return not self.roles.isdisjoint(Role(role) for role in roles)


def signed_in(request: Request) -> Person | None:
    """The person of this request, or None."""
    person = getattr(request.state, "person", None)
    return person if isinstance(person, Person) else None


def current(request: Request) -> Person:
    """The person of this request. Raises SignedOutError; behind ``needs`` it never does."""
    person = signed_in(request)
    if person is None:
        raise SignedOutError("sign in first")
    return person


def needs(*roles: Role | str) -> Callable[[Endpoint], Endpoint]:
    """An endpoint for persons with one of ``roles``; without any, for everybody who is signed in.

    Who is signed out goes to the sign-in page and comes back; who lacks the role sees the page of what is not there.
    """
    wanted = tuple(Role(role) for role in roles)

    def guard(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            person = signed_in(request)
            if person is None:
                return to_sign_in(request)
            if wanted and not person.has(*wanted):
                raise HTTPException(404)
            return await endpoint(request)

        setattr(guarded, _NEEDS, frozenset(wanted or Role))
        return guarded

    return guard


def of_member(member: str) -> Callable[[Endpoint], Endpoint]:
    """An endpoint for persons of ``member`` alone; stands behind ``needs``. For others it does not exist.

    A console may have persons of several members; what belongs to all of them is looked after by one.
    """

    def guard(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            if current(request).member != member:
                raise HTTPException(404)
            return await endpoint(request)

        return guarded

    return guard


def needed(endpoint: object) -> frozenset[Role] | None:
    """The roles of which ``needs`` asks one, all where being signed in is enough; None for an endpoint of everybody."""
    found = getattr(endpoint, _NEEDS, None)
    return found if isinstance(found, frozenset) else None


def to_sign_in(request: Request) -> Response:
    """Where a request without a person goes: the sign-in page, which leads back to a page that was only read.

    htmx swaps what a redirect leads to into a fragment's place, so it is told to move the whole page.
    """
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    fragment = request.headers.get("HX-Request") == "true"
    if fragment:
        here = _without_site(request.headers.get("HX-Current-URL", ""))
    elif request.method not in {"GET", "HEAD"}:
        here = "/"
    where = f"{SIGN_IN_PATH}?{urlencode({'next': safe_next(here)})}"
    if fragment:
        return Response(status_code=401, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)


def _without_site(address: str) -> str:
    """Path and query of an address that a browser says it is at; "/" for what is no address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def safe_next(text: str) -> str:
    """A path of our own to go on to, or "/": never another site, whatever the browser makes of it."""
    allowed = text.startswith("/") and not text.startswith("//") and len(text) <= _NEXT_CHARS
    if not allowed or "\\" in text or any(ord(char) < 0x21 or ord(char) == 0x7F for char in text):
        return "/"
    return "/" if text.startswith(SIGN_IN_PATH) else text
