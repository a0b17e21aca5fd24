"""Routes of the frame itself: the live stream and the choice of language, theme and keyboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from port2port.console.live import SIGNED_OUT
from port2port.console.pages import KEYBOARD_COOKIE, LANGUAGE_COOKIE, THEME_COOKIE
from port2port.console.people import KEYBOARDS, THEMES, safe_next, signed_in
from port2port.errors import MalformedError

_YEAR_S: Final = 365 * 24 * 3600
_TOPICS: Final = 30
_TOPIC_CHARS: Final = 60


def routes() -> list[Route]:
    """What every console answers besides its sections."""
    return [
        Route("/live", live, name="live"),
        Route("/preferences", preferences, methods=["POST"], name="preferences"),
    ]


async def live(request: Request) -> Response:
    """The stream of topics ``?topics=a,b``. Who is signed out is told so, and the page goes to sign in."""
    person = signed_in(request)
    if person is None:
        return _stream(_signed_out())
    parts = request.app.state.parts
    topics = [topic[:_TOPIC_CHARS] for topic in request.query_params.get("topics", "").split(",")[:_TOPICS] if topic]
    last = request.headers.get("last-event-id") or request.query_params.get("last", "")

    async def valid() -> bool:
        return bool(await parts.still_valid(request))

    return _stream(parts.live.stream(person, topics, last=last[:_TOPIC_CHARS], valid=valid))


async def _signed_out() -> AsyncIterator[bytes]:
    yield SIGNED_OUT


def _stream(events: AsyncIterator[bytes]) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def preferences(request: Request) -> Response:
    """Keep one choice, for the person and in this browser, and go back to the page it was made on."""
    async with request.form() as form:
        wishes = {name: str(value) for name, value in form.items()}
    settings = request.app.state.parts.settings
    choices = {
        "language": (LANGUAGE_COOKIE, settings.languages),
        "theme": (THEME_COOKIE, THEMES),
        "keyboard": (KEYBOARD_COOKIE, KEYBOARDS),
    }
    response = RedirectResponse(safe_next(wishes.get("next", "/")), 303)
    for name, (cookie, allowed) in choices.items():
        value = wishes.get(name)
        if value is None:
            continue
        if value not in allowed:
            raise MalformedError("this choice is not on offer")
        response.set_cookie(cookie, value, max_age=_YEAR_S, secure=settings.secure, httponly=True, samesite="lax")
        await request.app.state.parts.remember(request, name, value)
    return response
