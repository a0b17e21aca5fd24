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

from port2port.console.pages import fragment, page, wording
from port2port.console.people import SignedOutError, to_sign_in
from port2port.console.security import ForeignRequestError, FormTokenError
from port2port.console.told import told
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
    """One kind of error page, for the errors of ``family``. ``title`` and ``advice`` are message ids."""

    family: type[Exception]
    status: int
    title: str
    advice: str
    detailed: bool = False  # whether the error's own sentence helps the reader


# In this order: the first family that an error belongs to is its page.
KINDS: Final = (
    Failure(
        family=NotFoundError,
        status=404,
        title=N_("This page does not exist"),
        advice=N_("It is not there, or it is not there for you. Check the address, or go back to the start."),
    ),
    Failure(
        family=FormTokenError,
        status=403,
        title=N_("This form is no longer valid"),
        advice=N_("It was opened by somebody else or too long ago. Nothing was changed. Go back and open it again."),
    ),
    Failure(
        family=ForeignRequestError,
        status=403,
        title=N_("This request did not come from our own pages"),
        advice=N_("Nothing was changed. If you did not expect this, tell your security officer."),
    ),
    Failure(
        family=PolicyError,
        status=403,
        title=N_("This is not allowed"),
        advice=N_("The rules do not permit this step. Nothing was changed."),
        detailed=True,
    ),
    Failure(
        family=ConflictError,
        status=409,
        title=N_("Somebody was faster"),
        advice=N_("What you saw has changed since. Nothing was changed by you. Read it again and decide anew."),
        detailed=True,
    ),
    Failure(
        family=TooLargeError,
        status=413,
        title=N_("This is too large"),
        advice=N_("Send less or a smaller file. Nothing was changed."),
        detailed=True,
    ),
    Failure(
        family=MalformedError,
        status=400,
        title=N_("Something in the form is not right"),
        advice=N_("Nothing was changed. Go back, correct it, and send it again."),
        detailed=True,
    ),
    Failure(
        family=UnavailableError,
        status=503,
        title=N_("This is not possible at the moment"),
        advice=N_("Nothing was lost. Try again in a few seconds."),
    ),
)
UNFORESEEN: Final = Failure(
    family=Exception,
    status=500,
    title=N_("Something went wrong here"),
    advice=N_("It is logged. Tell the people who run this system the number below."),
)
_BY_FAMILY: Final = {kind.family: kind for kind in KINDS}
_BY_STATUS: Final = {
    _BY_FAMILY[family].status: _BY_FAMILY[family] for family in (MalformedError, TooLargeError, UnavailableError)
}


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
    detail = told(error, wording(request)) if failure.detailed and isinstance(error, Port2PortError) else ""
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
        absent = _BY_FAMILY[NotFoundError]
        return _BY_STATUS.get(error.status_code) or (absent if error.status_code < 500 else UNFORESEEN)
    return next((kind for kind in KINDS if isinstance(error, kind.family)), UNFORESEEN)


def _headers(error: Exception, failure: Failure) -> dict[str, str]:
    given = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return {**given, "Retry-After": str(RETRY_S)} if failure.status == 503 else given
