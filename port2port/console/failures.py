"""Turns every error of a request into a page in the reader's language: what happened, what to do, never a trace.

What is not there and what is not permitted give the same page, byte for byte but for the nonce. An unforeseen error
is logged under an id that the page shows.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from port2port.console.pages import fragment, page
from port2port.console.people import SignedOutError, to_sign_in
from port2port.console.security import ForeignRequestError, FormTokenError
from port2port.console.words import N_
from port2port.errors import (
    ConflictError,
    MalformedError,
    NotFoundError,
    PolicyError,
    Port2PortError,
    TooLargeError,
    UnavailableError,
)

logger = logging.getLogger(__name__)
RETRY_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of error page. ``title`` and ``advice`` are message ids."""

    status: int
    title: str
    advice: str
    detailed: bool = False  # whether the error's own sentence helps the reader


NOT_FOUND: Final = Failure(
    status=404,
    title=N_("This page does not exist"),
    advice=N_("It is not there, or it is not there for you. Check the address, or go back to the start."),
)
NOT_ALLOWED: Final = Failure(
    status=403,
    title=N_("This is not allowed"),
    advice=N_("The rules do not permit this step. Nothing was changed."),
    detailed=True,
)
FORM_EXPIRED: Final = Failure(
    status=403,
    title=N_("This form is no longer valid"),
    advice=N_("It was opened by somebody else or too long ago. Nothing was changed. Go back and open it again."),
)
FOREIGN: Final = Failure(
    status=403,
    title=N_("This request did not come from our own pages"),
    advice=N_("Nothing was changed. If you did not expect this, tell your security officer."),
)
CONFLICT: Final = Failure(
    status=409,
    title=N_("Somebody was faster"),
    advice=N_("What you saw has changed since. Nothing was changed by you. Read it again and decide anew."),
    detailed=True,
)
TOO_LARGE: Final = Failure(
    status=413,
    title=N_("This is too large"),
    advice=N_("Send less or a smaller file. Nothing was changed."),
)
MALFORMED: Final = Failure(
    status=400,
    title=N_("Something in the form is not right"),
    advice=N_("Nothing was changed. Go back, correct it, and send it again."),
    detailed=True,
)
UNAVAILABLE: Final = Failure(
    status=503,
    title=N_("This is not possible at the moment"),
    advice=N_("Nothing was lost. Try again in a few seconds."),
)
UNFORESEEN: Final = Failure(
    status=500,
    title=N_("Something went wrong here"),
    advice=N_("It is logged. Tell the people who run this system the number below."),
)
_BY_ERROR: Final[tuple[tuple[type[Port2PortError], Failure], ...]] = (
    (NotFoundError, NOT_FOUND),
    (FormTokenError, FORM_EXPIRED),
    (ForeignRequestError, FOREIGN),
    (PolicyError, NOT_ALLOWED),
    (ConflictError, CONFLICT),
    (TooLargeError, TOO_LARGE),
    (MalformedError, MALFORMED),
    (UnavailableError, UNAVAILABLE),
)
_BY_STATUS: Final = {400: MALFORMED, 413: TOO_LARGE, 503: UNAVAILABLE}


class Failures:
    """Middleware: the outermost loop of a request, where what nobody foresaw ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # the outermost loop of a request: logs, and answers without a cause
            if started:
                raise
            response = answer(Request(scope), error)
            await response(scope, receive, send)


def answer(request: Request, error: Exception) -> Response:
    """The response for ``error``."""
    if isinstance(error, SignedOutError):
        return to_sign_in(request)
    failure = kind_of(error)
    number = secrets.token_hex(4)
    if failure is UNFORESEEN:
        logger.error("request failed", extra={"error_id": number}, exc_info=error)
    detail = error.text if failure.detailed and isinstance(error, Port2PortError) else ""
    headers = _headers(error, failure)
    facts = {"failure": failure, "number": number if failure is UNFORESEEN else "", "detail": detail}
    if request.headers.get("HX-Request") == "true":
        response = fragment(request, "console/_failure.html", failure.status, **facts)
        response.headers.update({"HX-Retarget": "#alerts", "HX-Reswap": "beforeend"})
    else:
        response = page(request, "console/failure.html", failure.status, **facts)
    response.headers.update(headers)
    return response


def kind_of(error: Exception) -> Failure:
    """The page that goes with an error."""
    if isinstance(error, HTTPException):
        return _BY_STATUS.get(error.status_code) or (NOT_FOUND if error.status_code < 500 else UNFORESEEN)
    return next((failure for family, failure in _BY_ERROR if isinstance(error, family)), UNFORESEEN)


def _headers(error: Exception, failure: Failure) -> dict[str, str]:
    given = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return {**given, "Retry-After": str(RETRY_S)} if failure is UNAVAILABLE else given
