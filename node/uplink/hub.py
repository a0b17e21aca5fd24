"""The hub as the uplink sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from node.inbox import Batch, BatchEntry
from node.receipts import SignedReceipt
from port2port.key_request import KeyRequest


class Outcome(Enum):
    """What became of one envelope; numbers as on the wire."""

    ACCEPTED = 1
    DUPLICATE = 2
    REFUSED = 3
    RETRY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hub's answer to one envelope, in the order of sending."""

    outcome: Outcome
    index: int = 0
    received_ms: int = 0
    code: str = ""
    text: str = ""
    delay_ms: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the hub says of itself; to compare, never to trust."""

    federation: str
    genesis: bytes
    member: str
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverPart:
    """A stretch of the log as this member holds it; ``checkpoint`` is in the first part only."""

    first_index: int
    leaf_hashes: tuple[bytes, ...]
    entries: tuple[BatchEntry, ...]
    checkpoint: bytes = b""


class Hub(Protocol):
    """One open connection. Calls raise UnavailableError, BackpressureError, LogBehindError, NotMemberError, ..."""

    async def describe(self) -> Description: ...
    def submit(self, batches: AsyncIterator[Sequence[bytes]]) -> AsyncIterator[Sequence[Answer]]:
        """Answers in the order in which the envelopes were sent, across batches."""
        ...

    def follow(self, cursor: int, checkpoint: bytes) -> AsyncIterator[Batch]: ...
    async def receipts(self, mine: Sequence[SignedReceipt], after: int) -> tuple[list[SignedReceipt], int]: ...
    async def newest_checkpoint(self) -> bytes: ...
    async def cosign(self, note: bytes) -> bytes: ...
    async def recover(self, parts: AsyncIterator[RecoverPart]) -> tuple[int, int]:
        """(size the hub has now, size it must reach)."""
        ...

    async def offer_keys(self, request: KeyRequest, proofs: Sequence[bytes]) -> str:
        """Offer further keys of this member; the fingerprint as the hub computed it."""
        ...

    async def close(self) -> None: ...
