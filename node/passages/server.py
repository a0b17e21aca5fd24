"""The look-up service for gates and terminals: one question, one of two answers, in one form, size and time.

``POST /passage`` with ``Authorization: Bearer <secret>`` and a JSON object of ``kind``, ``number``, ``place`` and
``passage``. The answer is ``{"answer": "proceed"}`` or ``{"answer": "routine check"}``, filled up to one length, and
leaves a fixed time after the question. A number that is none is answered as any other. Nothing here logs a question.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn import Config

from node import indicators
from node.indicators import Key
from node.passage_settings import GateSettings, PassageSettings
from node.passages import ledger, listed
from node.passages.draw import Dice
from node.passages.keys import read_secret
from node.passages.ledger import Question
from node.passages.listed import Asker
from node.passages.questions import QUESTION_BYTES, QuestionError, read_question
from node.store import NodeStore
from port2port import canonical
from port2port.clock import Clock, from_ms
from port2port.console.serving import GRACE_S, QuietServer, bound, finished
from port2port.errors import ConfigurationError, MalformedError, Port2PortError, UnavailableError
from port2port.patterns import TemplateCache
from port2port.roster import Roster

logger = logging.getLogger(__name__)
PATH: Final = "/passage"
ANSWERS: Final[Mapping[bool, bytes]] = {
    False: b'{"answer": "proceed"}      ',  # blanks after a JSON value mean nothing, and hide the length
    True: b'{"answer": "routine check"}',
}
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the service works with. ``trusted_ms`` is verified time, by which indicators end."""

    settings: PassageSettings
    member: str
    store: NodeStore
    clock: Clock
    trusted_ms: Callable[[], int]
    roster: Callable[[], Roster | None]
    dice: Dice


@dataclass(slots=True, kw_only=True)
class _Bucket:
    """Questions a gate may still ask: a minute's worth, filled evenly."""

    left: float
    at: float


class Passages:
    """The application. ``app`` is served by ``run``; tests call it without a socket."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._templates = TemplateCache()
        self._secrets = {sha256(read_secret(gate.secret)).digest(): gate for gate in parts.settings.gates}
        self._buckets: dict[str, _Bucket] = {}
        self._held: frozenset[Key] = frozenset()
        self._held_to = -1
        self.app = Starlette(routes=[Route(PATH, self.ask, methods=["POST"])])

    async def ask(self, request: Request) -> Response:
        """One question."""
        asked_at = self._parts.clock.monotonic()
        gate = self._gate(request)
        if gate is None:
            return _refusal(401, "this gate's secret is missing or wrong", {"WWW-Authenticate": "Bearer"})
        if not self._admit(gate):
            return _refusal(429, "too many questions: wait a minute", {"Retry-After": "60"})
        try:
            question = read_question(gate.name, await _body(request))
            check = await self._parts.store.write(partial(self._answer, gate=gate, question=question))
        except MalformedError as error:
            return _refusal(400, error.text)
        except Port2PortError as error:
            logger.warning("no answer to a gate", extra={"code": error.code, "gate": gate.name})
            return _refusal(503, "no answer now: do as without this service", {"Retry-After": "5"})
        await self._settle(asked_at)
        return Response(ANSWERS[check], headers=_HEADERS, media_type="application/json")

    def _answer(self, connection: Connection, gate: GateSettings, question: Question) -> bool:
        """In the writer's thread, so that what is held is read by one at a time. Raises UnavailableError."""
        roster = self._parts.roster()
        if roster is None:
            raise UnavailableError("this node has not heard from the hub yet")
        self._held_to, more = indicators.held_since(connection, self._held_to)
        self._held |= more
        finds = partial(
            listed.find,
            asker=Asker(member=self._parts.member, gate=gate, roster=roster),
            now=from_ms(self._parts.trusted_ms()),
            held=self._held,
            templates=self._templates,
        )
        return ledger.answer(
            connection,
            question,
            finds=finds,
            dice=self._parts.dice,
            floor=self._parts.settings.random_share,
            now=self._parts.clock.now(),
        )

    def _gate(self, request: Request) -> GateSettings | None:
        """By the digest of what was shown, compared with every gate's in constant time."""
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        digest = sha256(shown.strip().encode("utf-8", "replace")).digest()
        found = [gate for known, gate in self._secrets.items() if hmac.compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None

    def _admit(self, gate: GateSettings) -> bool:
        now = self._parts.clock.monotonic()
        bucket = self._buckets.setdefault(gate.name, _Bucket(left=gate.per_minute, at=now))
        bucket.left = min(gate.per_minute, bucket.left + (now - bucket.at) * gate.per_minute / 60)
        bucket.at = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    async def _settle(self, asked_at: float) -> None:
        """Wait for the next multiple of the answer's time: how long the work took shows in nothing."""
        step = self._parts.settings.answer_ms / 1_000
        spent = self._parts.clock.monotonic() - asked_at
        await self._parts.clock.sleep((int(spent / step) + 1) * step - spent)


async def serve(parts: Parts, *, ready: Callable[[int], None] = lambda _port: None) -> None:
    """Until cancelled; ``ready`` is told the port once it answers. Raises ConfigurationError."""
    passages = Passages(parts)
    config = _config(passages.app, parts.settings)
    with bound(parts.settings.listen, of="passages") as listener:
        server = QuietServer(config, lambda: ready(listener.getsockname()[1]))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.wait({serving})
        finally:
            server.should_exit = True
            await finished(serving)


async def _body(request: Request) -> bytes:
    raw = b""
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > QUESTION_BYTES:
                raise QuestionError(f"a question has at most {QUESTION_BYTES} bytes")
    except ClientDisconnect as error:
        raise QuestionError("the question ended early") from error
    return raw


def _refusal(status: int, text: str, more: Mapping[str, str] | None = None) -> Response:
    body = canonical.dumps({"error": text})
    return Response(body, status, {**_HEADERS, **(more or {})}, media_type="application/json")


def _config(app: Starlette, settings: PassageSettings) -> Config:
    try:
        config = Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            limit_concurrency=500,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        config.load()
    except OSError as error:
        raise ConfigurationError("passages: cannot use the certificate or key") from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
