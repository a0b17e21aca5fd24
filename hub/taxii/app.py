"""The ASGI application of one listener: from the bytes of a request to the bytes of its answer.

Every answer has our media type, errors too, whatever was asked: this is not a web site. Reading happens in the
database's readers, writing in its writer; nothing blocks the event loop. The content of a POST is read only after
its author was let in, up to the length that the API root names.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from hub.consumers import Poll
from hub.quota import Bucket, QuotaError
from hub.taxii import answers, envelope, negotiate
from hub.taxii.answers import Call, Given
from hub.taxii.doors import Admit, Admitted, Door, address_of
from hub.taxii.errors import MEDIA_TYPE, Answer, TaxiiRequestError, absent, broken, message
from hub.taxii.lanes import Lanes
from hub.taxii.places import Endpoint, Place, resolve
from hub.taxii.posting import Prepared
from port2port.clock import Clock, to_ms
from port2port.database import Database
from port2port.errors import Port2PortError, UnavailableError
from port2port.metrics import Metrics

logger = logging.getLogger(__name__)
_BODY_S: Final = 30.0
_WORTH_COMPRESSING: Final = 1_024
_GZIP_LEVEL: Final = 1
_PIECE: Final = 256 * 1_024
_OBJECTS: Final = 10_000
_OBJECTS_PER_S: Final = 50
_WRITING: Final = frozenset({"POST", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an application is made of. ``serving`` says whether the hub's log may be shown now.

    ``turns`` bounds how many are answered at once, so that readers of the database are left for the feed; of one
    principal it is one, who is let in before he waits for it, and once more in the transaction that answers.
    """

    server: answers.Server
    door: Door
    database: Database
    clock: Clock
    metrics: Metrics
    serving: Callable[[], bool]
    turns: asyncio.Semaphore
    polled: Callable[[Poll], None] = lambda _poll: None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    place: Place | None
    query: bytes
    headers: Headers
    scope: Scope
    receive: Receive
    held: ExitStack


class TaxiiApp:
    """One listener's application."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._posted: dict[str, Bucket] = {}  # by principal, of whom each was let in
        self._lanes = Lanes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; no other kind of ASGI scope is served."""
        if scope["type"] != "http":
            return
        with ExitStack() as held:
            await self._serve(scope, receive, send, held)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, held: ExitStack) -> None:
        headers = Headers(scope=scope)
        request = _Request(
            method=scope["method"],
            place=resolve(scope["path"]),
            query=scope["query_string"],
            headers=headers,
            scope=scope,
            receive=receive,
            held=held,
        )
        self._parts.metrics.count("taxii_requests")
        try:
            found = await self._answered(request)
        except ClientDisconnect:
            return
        await _send(send, found, request)

    async def _answered(self, request: _Request) -> Answer:
        try:
            return await self._given(request)
        except Port2PortError as error:
            self._parts.metrics.count("taxii_refused", reason=error.code)
            if error.fatal:
                logger.exception("taxii request met a broken invariant")
            return message(error)
        except ClientDisconnect:
            raise
        except Exception:
            self._parts.metrics.count("taxii_refused", reason="INTERNAL")
            logger.exception("taxii request failed")
            return broken()

    async def _given(self, request: _Request) -> Answer:
        if not self._parts.serving():
            raise UnavailableError("the log is not open now")
        try:
            admit = self._parts.door.knock(request.scope)
            given, admitted = await self._worked(request, admit)
        except TaxiiRequestError as error:
            if error.status == 401:
                self._parts.metrics.count("taxii_unauthenticated")
                self._parts.door.refused(request.scope)
            raise
        self._note(request, given, admitted)
        return given.answer

    async def _worked(self, request: _Request, admit: Admit) -> tuple[Given, Admitted]:
        database = self._parts.database
        objects: tuple[Prepared, ...] = ()
        before = partial(self._before_content, request, admit) if request.method == "POST" else admit
        async with self._parts.turns:
            admitted = await database.read(before)
        turn = request.held.enter_context(self._lanes.entered(admitted.principal.name))
        if request.method == "POST":
            raws = envelope.taken_apart(await _content(request))
            self._charge(admitted, len(raws))
            objects = await asyncio.to_thread(self._parts.server.shelf.prepare, raws)
        run = database.write if request.method in _WRITING else database.read
        async with turn, self._parts.turns:
            return await run(partial(self._within, request, admit, objects))

    def _before_content(self, request: _Request, admit: Admit, connection: Connection) -> Admitted:
        """Everything that can be refused before the content is read."""
        admitted = admit(connection)
        call = self._call(request, admitted, connection)
        negotiate.require_postable(request.headers.get("content-type"))
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise TaxiiRequestError("content is sent as it is, not compressed", status=415)
        answers.require_writable(call)
        _require_length(request.headers.get("content-length"))
        return admitted

    def _charge(self, admitted: Admitted, objects: int) -> None:
        """Validation costs time, so what one principal posts is bounded. Raises QuotaError."""
        now = self._parts.clock.monotonic()
        fresh = Bucket(capacity=_OBJECTS, per_s=_OBJECTS_PER_S, level=_OBJECTS, at=now)
        bucket = self._posted.setdefault(admitted.principal.name, fresh)
        delay_ms = bucket.delay_ms(now)
        if delay_ms:
            raise QuotaError("you have posted more than your share; try again later", delay_ms=delay_ms)
        bucket.pay(objects)

    def _within(
        self, request: _Request, admit: Admit, objects: tuple[Prepared, ...], connection: Connection
    ) -> tuple[Given, Admitted]:
        admitted = admit(connection)
        if request.method == "OPTIONS":
            return Given(answer=Answer(headers={"Allow": _allow(_place(request).endpoint)})), admitted
        call = self._call(request, admitted, connection, objects)
        return answers.answer(call, request.method), admitted

    def _call(
        self, request: _Request, admitted: Admitted, connection: Connection, objects: tuple[Prepared, ...] = ()
    ) -> Call:
        """Steps 2 to 4 of ``answers``."""
        place = _place(request)
        if request.method not in place.endpoint.methods:
            allow = {"Allow": _allow(place.endpoint)}
            raise TaxiiRequestError("this place has no such method", status=405, headers=allow)
        negotiate.require_acceptable(request.headers.get("accept"))
        return Call(
            server=self._parts.server,
            connection=connection,
            admitted=admitted,
            place=place,
            query=request.query,
            now_ms=to_ms(self._parts.clock.now()),
            objects=objects,
        )

    def _note(self, request: _Request, given: Given, admitted: Admitted) -> None:
        self._parts.metrics.count("taxii_objects", len(given.page.items))
        if admitted.consumer is None:
            return
        dates = [item.date_us for item in given.page.items]
        self._parts.polled(
            Poll(
                consumer=admitted.consumer,
                address=address_of(request.scope),
                at_ms=to_ms(self._parts.clock.now()),
                collection=given.collection,
                polling=given.polling,
                begins_us=given.begins_us,
                first_us=min(dates, default=None),
                last_us=max(dates, default=None),
                delivered=len(dates) if given.polling else 0,
            )
        )


def _place(request: _Request) -> Place:
    if request.place is None:
        raise absent()
    return request.place


def _allow(endpoint: Endpoint) -> str:
    return ", ".join((*endpoint.methods, "OPTIONS"))


def _require_length(header: str | None) -> None:
    if header is not None and header.isdecimal() and int(header) > answers.MOST_BYTES:
        raise _too_large()


def _too_large() -> TaxiiRequestError:
    return TaxiiRequestError(f"content is at most {answers.MOST_BYTES} bytes", status=413)


async def _content(request: _Request) -> bytes:
    """The whole content. Raises TaxiiRequestError where it is too long, or takes too long."""
    try:
        async with asyncio.timeout(_BODY_S):
            return await _read(request.receive)
    except TimeoutError as error:
        raise TaxiiRequestError(f"the content took longer than {_BODY_S:.0f} seconds", status=408) from error


async def _read(receive: Receive) -> bytes:
    content = bytearray()
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise ClientDisconnect
        content += part.get("body", b"")
        if len(content) > answers.MOST_BYTES:
            raise _too_large()
        if not part.get("more_body", False):
            return bytes(content)


async def _send(send: Send, found: Answer, request: _Request) -> None:
    body, headers = found.body, {"Content-Type": MEDIA_TYPE, **found.headers}
    headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept, Accept-Encoding"}
    if len(body) > _WORTH_COMPRESSING and negotiate.wants_gzip(request.headers.get("accept-encoding")):
        body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": found.status, "headers": raw})
    await _send_body(send, b"" if request.method == "HEAD" else body)


async def _send_body(send: Send, body: bytes) -> None:
    """Piece by piece, so that the request lasts until whoever asked has taken nearly all of it."""
    for start in range(0, len(body), _PIECE):
        await send({"type": "http.response.body", "body": body[start : start + _PIECE], "more_body": True})
    await send({"type": "http.response.body", "body": b""})
