"""The two listeners of the TAXII server: TLS, sockets, and stopping in time.

Members show the certificate of their node, of our CA, over TLS 1.3 alone. Consumers show nothing in TLS; their
certificate's authority is one that their systems know. A connection that sends no whole request head in time, the
first or a later one, is ended, so that silent ones do not keep others out.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import h11
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import RequestResponseCycle

from hub.ca import ServerIdentity
from hub.settings import TaxiiSettings
from hub.taxii.errors import MEDIA_TYPE, bad, message
from port2port.console.serving import CertificateProtocol, QuietServer, bound, finished
from port2port.errors import ConfigurationError

_HEAD_BYTES: Final = 32 * 1024
_BACKLOG: Final = 256
_CONNECTIONS: Final = 1_000
_KEEP_ALIVE_S: Final = 65  # longer than the pause between two pages of a slow client


class PatientProtocol(CertificateProtocol):
    """Ends a connection on which the next request head does not come, or the last answer is not taken.

    The library ends idle ones, but counts one that sent a single byte as busy for ever.
    """

    head_s = 20.0
    idle_s = _KEEP_ALIVE_S + 20.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._patience = self.loop.call_later(self.head_s, self._give_up, None, 0)

    def on_response_complete(self) -> None:
        """From now on the next request is waited for."""
        done = self.cycle
        super().on_response_complete()
        self._wait(self.idle_s, done, sys.maxsize)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's signature
        """What is no HTTP at all is answered as the rest is, and not by text of the library."""
        found = message(bad("the request is not HTTP as it should be"))
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(found.body))), ("Connection", "close")]
        said = h11.Response(status_code=found.status, headers=headers, reason=b"Bad Request")
        for event in (said, h11.Data(data=found.body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """The server stops: an idle connection ends now, without waiting for a client that does not listen."""
        super().shutdown()
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def _wait(self, seconds: float, done: RequestResponseCycle, unsent: int) -> None:
        self._patience.cancel()
        self._patience = self.loop.call_later(seconds, self._give_up, done, unsent)

    def _give_up(self, done: RequestResponseCycle | None, unsent: int) -> None:
        """Unless there is a newer request, or somebody slow still takes the answer to ``done``."""
        left = self.transport.get_write_buffer_size()
        if self.cycle is not done:
            return
        if done is not None and 0 < left < unsent:
            self._wait(self.head_s, done, left)
        else:
            self.transport.abort()


def member_context(root_pem: bytes) -> ssl.SSLContext:
    """TLS 1.3 with a client certificate of the federation's CA; ``take_identity`` gives it ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root_pem.decode())
    return context


def take_identity(context: ssl.SSLContext, identity: ServerIdentity) -> None:
    """Serve new connections with this certificate; the library reads files alone, so there is one for a moment."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # made for its owner alone
        file.write(identity.key + identity.chain)
        file.flush()
        context.load_cert_chain(file.name)


def consumer_context(settings: TaxiiSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer with the configured certificate. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate or Path(), settings.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError("cannot use taxii.certificate or taxii.key") from error
    return context


class Listener:
    """One application at one address. Bound when it is made; ``run`` is a service: cancel it to stop.

    Raises ConfigurationError where the address cannot be had.
    """

    def __init__(self, app: ASGIApp, address: str, context: ssl.SSLContext, *, grace_s: float) -> None:
        self._socket = bound(address, of="taxii")
        self._socket.listen(_BACKLOG)  # whoever comes before the server runs waits for it
        self.port: int = self._socket.getsockname()[1]
        self._config = Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            limit_concurrency=_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(grace_s)),
            ssl_context_factory=_factory(context),
        )

    async def run(self) -> None:
        """Serve until cancelled; what is being answered may finish within the grace."""
        server = QuietServer(self._config, lambda: None)
        with self._socket:
            serving = asyncio.create_task(server.serve([self._socket]))
            try:
                await asyncio.wait({serving})
            finally:
                server.should_exit = True
                await finished(serving)
                for connection in list(server.server_state.connections):
                    connection.transport.abort()  # the grace is over

    def close(self) -> None:
        """Let the address go, where it was never served."""
        self._socket.close()


def _factory(context: ssl.SSLContext) -> Callable[[Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    def made(_config: Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return context

    return made
