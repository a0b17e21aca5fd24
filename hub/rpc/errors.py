"""How an error looks to the peer: a status, a stable code, an id to ask the operator about. Never its cause.

The status comes from the one table in ``port2port.wire``. Trailing metadata: ``p2p-code``, ``p2p-error-id`` (random;
the log has the same id beside the cause) and, where trying again helps, ``p2p-retry-ms``.
NOT_FOUND carries no id: the answer for what is hidden and for what is not there is the same, byte for byte.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import Final, NoReturn

import grpc
from grpc.aio import ServicerContext

from port2port.errors import BackpressureError, MalformedError, NotFoundError, Port2PortError
from port2port.wire import status_of

logger = logging.getLogger(__name__)
CODE_KEY: Final = "p2p-code"
ID_KEY: Final = "p2p-error-id"
RETRY_KEY: Final = "p2p-retry-ms"
_RETRY_MS: Final = 1_000


class RequestError(MalformedError):
    """A request that is not the protobuf message its rpc asks for, or has a field out of bounds."""

    code = "REQUEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the peer is told."""

    status: str
    code: str
    text: str
    error_id: str | None
    retry_ms: int | None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The trailing metadata."""
        pairs = [(CODE_KEY, self.code)]
        if self.error_id is not None:
            pairs.append((ID_KEY, self.error_id))
        if self.retry_ms is not None:
            pairs.append((RETRY_KEY, str(self.retry_ms)))
        return tuple(pairs)


def code_of(error: Exception) -> str:
    """The stable code of ``error``; INTERNAL for what nobody raised deliberately."""
    return error.code if isinstance(error, Port2PortError) else "INTERNAL"


def answer_for(error: Exception) -> Answer:
    """The whole of what a peer may know about ``error``."""
    if not isinstance(error, Port2PortError):
        return Answer(
            status="INTERNAL",
            code=code_of(error),
            text="the hub failed; its log has the cause under this id",
            error_id=secrets.token_hex(8),
            retry_ms=None,
        )
    retry = error.delay_ms if isinstance(error, BackpressureError) else _RETRY_MS if error.retryable else None
    return Answer(
        status=status_of(error),
        code=error.code,
        text=error.text,
        error_id=None if isinstance(error, NotFoundError) else secrets.token_hex(8),
        retry_ms=retry,
    )


async def refuse(context: ServicerContext[bytes, bytes], error: Exception, method: str) -> NoReturn:
    """Log ``error`` with its cause and end the rpc with what the peer may know."""
    answer = answer_for(error)
    fields = {"method": method, "code": answer.code, "error_id": answer.error_id}
    if isinstance(error, Port2PortError):
        logger.info("rpc refused", extra={**fields, "facts": dict(error.facts)})
    else:
        logger.error("rpc failed", extra=fields, exc_info=error)
    await context.abort(grpc.StatusCode[answer.status], answer.text, answer.metadata)
