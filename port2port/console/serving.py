"""The console's own HTTP server, inside the application's task group.

It stops within three seconds whatever is open: the live streams are ended first, and what still runs two seconds
later is cancelled. Signals are the application's business, so uvicorn's own handlers stay out.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Final

from starlette.applications import Starlette
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from port2port.console.live import Live
from port2port.console.settings import ConsoleSettings
from port2port.errors import ConfigurationError

GRACE_S: Final = 2
PEER_CERTIFICATE: Final = "p2p.peer_certificate"
_HEAD_BYTES: Final = 32 * 1024
_BACKLOG: Final = 256
_CONNECTIONS: Final = 1_000


class CertificateProtocol(H11Protocol):
    """Passes the certificate that a browser showed to the application, which uvicorn does not (encode/uvicorn#3132).

    It stands in ``scope["state"]`` as DER; only this process writes there, so no header can pretend to it.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        shown = transport.get_extra_info("ssl_object")
        certificate = shown.getpeercert(binary_form=True) if shown is not None else None
        self.app_state = {**self.app_state, PEER_CERTIFICATE: certificate}


class QuietServer(Server):
    """Uvicorn's server without its signal handlers: the application stops it. Says when it answers."""

    def __init__(self, config: Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class ConsoleServer:
    """Serves one application at the address of its settings. ``run`` is a service: cancel it to stop."""

    def __init__(
        self,
        app: Starlette,
        settings: ConsoleSettings,
        live: Live,
        *,
        ready: Callable[[int], None] = lambda _port: None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._live = live
        self._ready = ready

    async def run(self) -> None:
        """Serve until cancelled; ``ready`` is told the port once it answers.

        Raises ConfigurationError where the address is taken or a certificate cannot be read.
        """
        config = self._config()
        with bound(self._settings.listen, of="console") as listener:
            server = QuietServer(config, lambda: self._ready(listener.getsockname()[1]))
            ticking = asyncio.create_task(self._live.run())
            serving = asyncio.create_task(server.serve([listener]))
            try:
                await asyncio.wait({ticking, serving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._live.close()
                server.should_exit = True
                ticking.cancel()
                await finished(serving)
                await asyncio.gather(ticking, return_exceptions=True)

    def _config(self) -> Config:
        settings = self._settings
        certificates = settings.client_certificates
        try:
            config = Config(
                self._app,
                http=CertificateProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=_HEAD_BYTES,
                limit_concurrency=_CONNECTIONS,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=GRACE_S,
                ssl_certfile=settings.certificate,
                ssl_keyfile=settings.key,
                ssl_ca_certs=certificates.ca if certificates else None,
                ssl_cert_reqs=ssl.CERT_OPTIONAL if certificates else ssl.CERT_NONE,
            )
            config.load()
        except OSError as error:
            raise ConfigurationError("cannot use the console's certificate or key") from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        return config


async def finished(serving: asyncio.Task[None]) -> None:
    """Let the server end by itself, even while we are being cancelled: uvicorn bounds the time."""
    while not serving.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(serving)
    serving.result()


def bound(listen: str, *, of: str) -> socket.socket:
    """A socket at host:port; ``of`` is the table of the settings that says so. Raises ConfigurationError."""
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigurationError(f"{of}: cannot use the address {listen}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"{of}: cannot listen on {listen}: {error.strerror}") from error
    listener.setblocking(False)
    return listener
