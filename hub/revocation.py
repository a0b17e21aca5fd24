"""Cutting off: every open stream of a node that no longer belongs ends within seconds.

Each stream registers here. Whenever the roster or the list of denied serials was replaced, ``judge`` asks the same
question as at the start of an rpc again for every open stream, and raises the kill event of those that fail. The
stream's own handler then aborts it with the reason: cancelling the handler from outside would leave the caller
waiting for a status that never comes (grpc#29248).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hub.members import Members, Peer
from port2port.errors import BackpressureError, NotMemberError, Port2PortError, UnavailableError

logger = logging.getLogger(__name__)
STREAM_RETRY_MS = 1_000


class TooManyStreamsError(BackpressureError):
    """A member has as many streams of this kind open as it may."""

    code = "TOO_MANY_STREAMS"


class StoppingError(UnavailableError):
    """The hub stops; connect again."""

    code = "HUB_STOPPING"


@dataclass(slots=True, eq=False, kw_only=True)
class OpenStream:
    """One stream; ``killed`` is set once ``reason`` is."""

    peer: Peer
    method: str
    standing: Callable[[Peer], object]
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    reason: Port2PortError | None = None


class Streams:
    """All open streams of this process. Used on the event loop only."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._open: set[OpenStream] = set()

    @contextmanager
    def opened(
        self, peer: Peer, method: str, *, limit: int, standing: Callable[[Peer], object] | None = None
    ) -> Iterator[OpenStream]:
        """Register a stream for as long as the block runs. ``limit`` counts the member's streams of this method.

        ``standing`` raises NotMemberError once the peer may no longer have it; by default it must be a member.
        Raises TooManyStreamsError, or what ``standing`` raises.
        """
        stream = OpenStream(peer=peer, method=method, standing=standing or self._members.require)
        stream.standing(peer)
        same = sum(1 for other in self._open if (other.peer.member, other.method) == (peer.member, method))
        if same >= limit:
            raise TooManyStreamsError(f"at most {limit} streams of this kind at a time", delay_ms=STREAM_RETRY_MS)
        self._open.add(stream)
        try:
            yield stream
        finally:
            self._open.discard(stream)

    def peers(self, method: str) -> tuple[Peer, ...]:
        """Who has a stream of this method open."""
        return tuple(stream.peer for stream in self._open if stream.method == method)

    def open_of(self, member: str) -> int:
        """How many streams a member's nodes have open: what a revocation would end."""
        return sum(1 for stream in self._open if stream.peer.member == member)

    def __len__(self) -> int:
        return len(self._open)

    def judge(self) -> int:
        """Ask of every open stream whether its peer still belongs; returns how many are cut off."""
        cut = 0
        for stream in tuple(self._open):
            try:
                stream.standing(stream.peer)
            except NotMemberError as error:
                stream.reason = error
                stream.killed.set()
                cut += 1
                logger.warning("stream cut off", extra={"method": stream.method, "code": error.code})
        return cut

    def end(self, *, but: str) -> None:
        """The hub stops: end every stream except those of the method ``but``, which still have answers to give."""
        for stream in tuple(self._open):
            if stream.method != but:
                stream.reason = StoppingError("the hub is stopping: connect again")
                stream.killed.set()
