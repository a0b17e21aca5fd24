"""Connections that only wait are ended, so that they do not keep others out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from hub.taxii.listeners import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 32 * 1024 * 1024
Work = Callable[[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event], Awaitable[None]]


class Hasty(PatientProtocol):
    head_s = 0.1
    idle_s = 0.1
    ended: asyncio.Event

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    body = bytes(LARGE if scope["path"] == "/large" else 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def with_client(work: Work) -> None:
    """One client of a listener with little patience, for at most ten seconds; the event is the connection's end."""

    async def go() -> None:
        config = Config(answer, http=Hasty, ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def made() -> Hasty:
            protocol = Hasty(config, state, {})
            protocol.ended = ended
            return protocol

        server = await loop.create_server(made, "127.0.0.1", 0)
        async with server, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await work(reader, writer, ended)
            finally:
                writer.close()

    asyncio.run(go())


async def answered(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)


@pytest.mark.parametrize("begun", [b"", b"G"])
def test_who_sends_no_whole_head_is_left(begun: bytes) -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: asyncio.Event) -> None:
        writer.write(begun)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await answered(reader)

    with_client(work)


def test_who_begins_a_second_head_and_never_ends_it_is_left() -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: asyncio.Event) -> None:
        writer.write(REQUEST)
        await answered(reader)
        writer.write(REQUEST[:-1])
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await answered(reader)

    with_client(work)


def test_who_asks_again_and_again_is_answered() -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: asyncio.Event) -> None:
        for _ in range(50):
            writer.write(REQUEST)
            await answered(reader)

    with_client(work)


def test_who_does_not_take_his_answer_is_left() -> None:
    async def work(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: asyncio.Event) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport has it
        writer.write(REQUEST.replace(b"/ ", b"/large "))
        await ended.wait()

    with_client(work)
