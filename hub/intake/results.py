"""What became of one envelope, as its sender is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hub import transparency
from port2port.errors import BackpressureError, Port2PortError
from port2port.verify import RefusedError

RETRY_MS: Final = 1_000


class Outcome(Enum):
    """The values are those of SubmitResult.Outcome on the wire."""

    ACCEPTED = 1
    DUPLICATE = 2
    REFUSED = 3
    RETRY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """``digest`` is empty where the envelope could not be read; index and time are for ACCEPTED and DUPLICATE."""

    outcome: Outcome
    digest: bytes = b""
    index: int = 0
    received_ms: int = 0
    code: str = ""
    text: str = ""
    delay_ms: int = 0
    step: int = 0


def of_outcome(outcome: transparency.Outcome, digest: bytes) -> Result:
    """The result of what the log did."""
    if isinstance(outcome, transparency.Refused):
        return of_error(outcome.error, digest)
    kind = Outcome.ACCEPTED if isinstance(outcome, transparency.Appended) else Outcome.DUPLICATE
    return Result(outcome=kind, digest=digest, index=outcome.index, received_ms=outcome.received_ms)


def of_error(error: Port2PortError, digest: bytes = b"") -> Result:
    """REFUSED, or RETRY where the same envelope may pass later. The code is that of the cause."""
    cause = error.__cause__ if isinstance(error, RefusedError) else error
    retryable = isinstance(cause, Port2PortError) and cause.retryable
    delay_ms = cause.delay_ms if isinstance(cause, BackpressureError) else RETRY_MS
    return Result(
        outcome=Outcome.RETRY if retryable else Outcome.REFUSED,
        digest=digest,
        code=error.cause_code if isinstance(error, RefusedError) else error.code,
        text=error.text,
        delay_ms=delay_ms if retryable else 0,
        step=error.number if isinstance(error, RefusedError) else 0,
    )
