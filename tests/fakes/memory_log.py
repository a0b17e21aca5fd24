"""A log in a list, with the behaviour of ``hub.transparency.Log`` and switches for both outcomes of a failed write."""

from __future__ import annotations

from collections.abc import Sequence

from hub.store import Head
from hub.transparency import Appended, Candidate, Duplicate, Judge, Outcome, Refused
from port2port import merkle
from port2port.checkpoint import Checkpoint, SignedCheckpoint, sign
from port2port.clock import Clock, to_ms
from port2port.database import StorageError
from port2port.errors import ConflictError, NotFoundError, Port2PortError
from port2port.keys import SigningKey
from port2port.verify import SEQUENCE_STEP, run


class MemoryLog:
    """``fail_before``: the next append is lost. ``fail_after``: it is done, and reported lost."""

    def __init__(self, *, origin: str, key: SigningKey, clock: Clock) -> None:
        self.origin = origin
        self.fail_before = False
        self.fail_after = False
        self._key = key
        self._clock = clock
        self._leaves: list[bytes] = []
        self._digests: dict[bytes, tuple[int, int]] = {}
        self._names: set[tuple[str, str]] = set()
        self._last: dict[str, tuple[int, bytes]] = {}
        self._last_ms = 0

    def append(self, group: Sequence[Candidate], judge: Judge | None = None) -> list[Outcome]:
        if self.fail_before:
            self.fail_before = False
            raise StorageError("lost")
        received_ms = max(to_ms(self._clock.now()), self._last_ms)
        outcomes = [self._append(item, judge, received_ms) for item in group]
        if self.fail_after:
            self.fail_after = False
            raise StorageError("done, but nobody knows")
        return outcomes

    def _append(self, item: Candidate, judge: Judge | None, received_ms: int) -> Outcome:
        work, said = item.work, item.work.said
        if work.digest in self._digests:
            index, first_ms = self._digests[work.digest]
            return Duplicate(index=index, received_ms=first_ms)
        at = Appended(index=len(self._leaves), received_ms=received_ms)
        try:
            if (said.id, said.issuer) in self._names:
                raise ConflictError("used before")
            run((SEQUENCE_STEP,), work)
            if judge is not None:
                judge.judge(item, at.index, at.received_ms)
        except Port2PortError as error:
            return Refused(error=error)
        self._leaves.append(item.leaf_hash(received_ms))
        self._digests[work.digest] = (at.index, received_ms)
        self._names.add((said.id, said.issuer))
        self._last[said.signer] = (said.seq, work.digest)
        self._last_ms = received_ms
        return at

    def last_seq(self, signer: str) -> tuple[int, bytes] | None:
        return self._last.get(signer)

    def head(self) -> Head:
        frontier = merkle.EMPTY_FRONTIER.extend(self._leaves)
        return Head(
            next=frontier.size,
            root=frontier.root(),
            frontier=frontier.to_bytes(),
            roster_version=0,
            last_received_ms=self._last_ms,
            note=b"",
        )

    def find(self, digest: bytes) -> tuple[int, int] | None:
        return self._digests.get(digest)

    def root_at(self, size: int) -> bytes | None:
        return merkle.root_of(self._leaves[:size]) if size <= len(self._leaves) else None

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        wanted = len(self._leaves) if size is None else size
        root = self.root_at(wanted)
        if root is None:
            raise NotFoundError("the log is not that long")
        return sign(Checkpoint(origin=self.origin, size=wanted, root=root), self._key)

    def leaves(self, start: int, count: int) -> list[bytes]:
        return self._leaves[start : start + count]

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        self._require(size)
        return merkle.inclusion_proof(lambda start, end: self._leaves[start:end], index=index, size=size)

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        self._require(second)
        return merkle.consistency_proof(lambda start, end: self._leaves[start:end], first=first, second=second)

    def _require(self, size: int) -> None:
        if size > len(self._leaves):
            raise NotFoundError("the log is not that long")
