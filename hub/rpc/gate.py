"""Every rpc goes through here: TLS version, caller, membership, quota, parsing, and errors turned into answers.

Handlers are wrapped rather than intercepted, because an interceptor of grpc.aio is given no context.
Requests and replies are raw bytes to grpc, so that bytes which are no message get our coded answer instead of the
library's, and feed batches are not serialised again for each follower.

A stream runs as a task beside the wait for its kill event; when the event comes first, the handler stops the task
and aborts the rpc itself. A handler that is cancelled re-raises: swallowing it leaks (grpc#43360).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext

from hub.members import Members, Peer
from hub.quota import Quotas
from hub.revocation import OpenStream, Streams
from hub.rpc.errors import RequestError, code_of, refuse
from hub.rpc.peers import peer_of, require_tls13
from hub.rpc.strangers import Strangers, only_message
from port2port.clock import Clock
from port2port.errors import InvariantError, TooLargeError
from port2port.limits import LIMITS
from port2port.metrics import Metrics

M = TypeVar("M", bound=Message)
R = TypeVar("R")
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
Context = ServicerContext[bytes, bytes]
Write = Callable[[bytes], Awaitable[None]]
Unary = Callable[[Peer, M], Awaitable[Message]]
Open = Callable[[M], Awaitable[Message]]
ServerStream = Callable[[Peer, M, Write], Awaitable[None]]
ClientStream = Callable[[Peer, AsyncIterator[bytes]], Awaitable[Message]]
Bidirectional = Callable[[Peer, AsyncIterator[bytes], Write], Awaitable[None]]


class Door(Enum):
    """Who may knock: a member, or a node that has a certificate and awaits its approval."""

    MEMBER = "member"
    CERTIFICATE = "certificate"


def parse(kind: type[M], raw: bytes) -> M:
    """The message in ``raw``. Raises RequestError or TooLargeError, whatever the bytes."""
    if len(raw) > LIMITS.message_bytes:
        raise TooLargeError(f"a message of {len(raw)} bytes; at most {LIMITS.message_bytes} are allowed")
    message = kind()
    try:
        message.ParseFromString(raw)
    except (DecodeError, ValueError) as error:
        raise RequestError(f"these bytes are not a {kind.DESCRIPTOR.name}") from error
    return message


class Gate:
    """Wraps handlers of one federation's hub."""

    def __init__(
        self,
        *,
        federation: str,
        members: Members,
        streams: Streams,
        quotas: Quotas,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._federation = federation
        self._members = members
        self._streams = streams
        self._quotas = quotas
        self._clock = clock
        self._metrics = metrics
        self._strangers = Strangers()

    def peer(self, context: Context, door: Door = Door.MEMBER) -> Peer:
        """The caller, admitted. Raises TlsVersionError, NotMemberError or QuotaError."""
        peer = peer_of(context.auth_context(), federation=self._federation, now=self._clock.now())
        self._standing(door)(peer)
        self._quotas.charge_call(peer.member)
        return peer

    def _standing(self, door: Door) -> Callable[[Peer], object]:
        return self._members.require if door is Door.MEMBER else self._members.require_not_removed

    def unary(self, method: str, kind: type[M], handler: Unary[M], *, door: Door = Door.MEMBER) -> Handler:
        """One request, one reply, over mutual TLS."""

        async def behaviour(raw: bytes, context: Context) -> bytes:
            async def answer() -> bytes:
                peer = self.peer(context, door)
                return (await handler(peer, parse(kind, raw))).SerializeToString()

            return await self._answered(method, context, answer())

        return grpc.unary_unary_rpc_method_handler(behaviour)

    def open_unary(self, method: str, kind: type[M], handler: Open[M]) -> Handler:
        """One request, one reply, over TLS with the server's certificate alone.

        Read as a stream of one: grpc would count a call whose request never comes, and let nobody give it up.
        """

        async def behaviour(requests: AsyncIterator[bytes], context: Context) -> bytes:
            async def answer() -> bytes:
                require_tls13(context.auth_context())
                with self._strangers.calling(context.peer()):
                    raw = await only_message(requests)
                    return (await handler(parse(kind, raw))).SerializeToString()

            return await self._answered(method, context, answer())

        return grpc.stream_unary_rpc_method_handler(behaviour)

    def server_stream(
        self, method: str, kind: type[M], handler: ServerStream[M], *, limit: int, door: Door = Door.MEMBER
    ) -> Handler:
        """One request, many replies."""

        async def behaviour(raw: bytes, context: Context) -> None:
            async def body(peer: Peer) -> None:
                await handler(peer, parse(kind, raw), context.write)

            await self._answered(method, context, self._streamed(method, context, body, limit=limit, door=door))

        return grpc.unary_stream_rpc_method_handler(behaviour)

    def client_stream(self, method: str, handler: ClientStream, *, limit: int) -> Handler:
        """Many requests, one reply."""

        async def behaviour(requests: AsyncIterator[bytes], context: Context) -> bytes:
            async def body(peer: Peer) -> bytes:
                return (await handler(peer, requests)).SerializeToString()

            return await self._answered(method, context, self._streamed(method, context, body, limit=limit))

        return grpc.stream_unary_rpc_method_handler(behaviour)

    def bidirectional(self, method: str, handler: Bidirectional, *, limit: int) -> Handler:
        """Many requests, many replies."""

        async def behaviour(requests: AsyncIterator[bytes], context: Context) -> None:
            async def body(peer: Peer) -> None:
                await handler(peer, requests, context.write)

            await self._answered(method, context, self._streamed(method, context, body, limit=limit))

        return grpc.stream_stream_rpc_method_handler(behaviour)

    async def _streamed(
        self,
        method: str,
        context: Context,
        body: Callable[[Peer], Coroutine[Any, Any, R]],
        *,
        limit: int,
        door: Door = Door.MEMBER,
    ) -> R:
        peer = self.peer(context, door)
        with self._streams.opened(peer, method, limit=limit, standing=self._standing(door)) as stream:
            return await _until_killed(stream, asyncio.create_task(body(peer)))

    async def _answered(self, method: str, context: Context, work: Coroutine[Any, Any, R]) -> R:
        self._metrics.count("rpc")
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - the outermost loop of an rpc: everything becomes an answer
            self._metrics.count("rpc_refused", reason=code_of(error))
            await refuse(context, error, method)


async def _until_killed(stream: OpenStream, body: asyncio.Task[R]) -> R:
    killed = asyncio.create_task(stream.killed.wait())
    try:
        await asyncio.wait({body, killed}, return_when=asyncio.FIRST_COMPLETED)
        if body.done():
            return body.result()
        raise stream.reason or InvariantError("a stream was killed without a reason")
    finally:
        await put_away(killed)
        await put_away(body)


async def put_away(task: asyncio.Task[Any]) -> None:
    """Cancel and wait until it has ended; its outcome was read by others, or does not matter any more."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


def generic(service: str, handlers: Mapping[str, Handler]) -> grpc.GenericRpcHandler:
    """The handlers of one service under its full name."""
    return grpc.method_handlers_generic_handler(service, dict(handlers))
