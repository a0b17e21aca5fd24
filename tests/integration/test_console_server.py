"""The console's server with real sockets: it stops in time, speaks TLS, and knows the browser's certificate."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.middleware import Middleware

from port2port.console.live import LiveLimits
from port2port.console.serving import PEER_CERTIFICATE, bound
from port2port.console.settings import ConsoleSettings
from port2port.errors import ConfigurationError
from tests.fakes.console import free_port, running, served
from tests.fakes.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

STOPS_WITHIN_S = 3.0
STREAMS = LiveLimits().session_streams


def _connection(origin: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", urlsplit(origin).port, timeout=10)


def _asked(connection: http.client.HTTPConnection, path: str, origin: str) -> http.client.HTTPResponse:
    connection.request("GET", path, headers={"Host": urlsplit(origin).netloc})
    return connection.getresponse()


def test_open_streams_do_not_keep_it_from_stopping() -> None:
    parts = served()
    with contextlib.ExitStack() as open_connections:
        with running(parts) as origin:
            responses = []
            for _ in range(STREAMS):
                connection = open_connections.enter_context(contextlib.closing(_connection(origin)))
                response = open_connections.enter_context(
                    contextlib.closing(_asked(connection, "/live?topics=queue", origin))
                )
                assert response.status == 200
                assert response.readline().startswith(b"retry:")
                responses.append(response)
            wait_until(lambda: parts.live.readers == STREAMS, what="as many open streams as a session may have")
            began = time.monotonic()
        assert time.monotonic() - began < STOPS_WITHIN_S
        for response in responses:
            assert response.read().startswith(b"id: ")  # to its proper end: a stream cut off would raise
    assert parts.live.readers == 0


def test_a_reader_that_goes_away_is_let_go() -> None:
    parts = served()
    with running(parts) as origin:
        connection = _connection(origin)
        with contextlib.closing(connection), contextlib.closing(_asked(connection, "/live", origin)) as response:
            assert response.readline().startswith(b"retry:")
            wait_until(lambda: parts.live.readers == 1, what="an open stream")
        wait_until(lambda: parts.live.readers == 0, what="no stream left")


def test_a_stream_is_not_buffered_and_tells_the_signed_out_so() -> None:
    with running(served(person=None)) as origin, contextlib.closing(_connection(origin)) as connection:
        response = _asked(connection, "/live?topics=queue", origin)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        assert b"signed-out" in response.read()


def test_a_taken_address_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = ConsoleSettings(listen=f"127.0.0.1:{port}", origin=f"http://localhost:{port}")
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            bound(settings.listen, of="console")
        server = running(served(settings=settings))
        with pytest.raises(ConfigurationError, match="cannot listen"):
            server.__enter__()  # it fails while it starts, so there is nothing to leave


def test_the_server_says_nothing_about_itself() -> None:
    with running(served()) as origin, contextlib.closing(_connection(origin)) as connection:
        response = _asked(connection, "/", origin)
        response.read()
        assert response.headers["server"] is None


def test_tls_is_spoken_and_the_certificate_of_the_browser_reaches_the_application(tmp_path: Path) -> None:
    own, officer = tmp_path / "own", tmp_path / "officer"
    make_certificate(own, "localhost")
    make_certificate(officer, "A-17")
    port = free_port()
    settings = ConsoleSettings(
        listen=f"127.0.0.1:{port}",
        origin=f"https://localhost:{port}",
        certificate=own / "certificate.pem",
        key=own / "key.pem",
        client_certificates={"ca": officer / "certificate.pem"},
    )
    seen: list[bytes | None] = []
    with running(served(settings=settings, middleware=(Middleware(Noting, seen=seen),))):
        for shown in (None, officer):
            context = ssl.create_default_context(cafile=own / "certificate.pem")
            if shown is not None:
                context.load_cert_chain(shown / "certificate.pem", shown / "key.pem")
            connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
            with contextlib.closing(connection):
                connection.request("GET", "/nowhere")
                response = connection.getresponse()
                assert response.headers["strict-transport-security"]
                response.read()
    assert seen == [None, ssl.PEM_cert_to_DER_cert((officer / "certificate.pem").read_text())]


def test_a_certificate_that_cannot_be_read_is_an_error_of_the_settings(tmp_path: Path) -> None:
    port = free_port()
    settings = ConsoleSettings(
        listen=f"127.0.0.1:{port}",
        origin=f"https://localhost:{port}",
        certificate=tmp_path / "absent.pem",
        key=tmp_path / "absent.key",
    )
    server = running(served(settings=settings))
    with pytest.raises(ConfigurationError, match="certificate or key"):
        server.__enter__()


class Noting:
    """Middleware that notes the certificate of each request and signs nobody in."""

    def __init__(self, app: ASGIApp, *, seen: list[bytes | None]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._seen.append(scope["state"][PEER_CERTIFICATE])
        await self._app(scope, receive, send)


def make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate and its key, for the length of a test."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
