"""Receivers of notices on loopback: a mail server, a web server and a syslog server, each of them real."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from hub.ca import CertificateAuthority


@dataclass(slots=True)
class Pki:
    """A CA file and a server context for localhost."""

    ca: Path
    context: ssl.SSLContext


def make_pki(home: Path) -> Pki:
    """Good for a day from now."""
    authority = CertificateAuthority.create("ports.example", datetime.now(UTC))
    server = authority.issue_hub(("localhost",), datetime.now(UTC))
    ca, chain = home / "ca.pem", home / "chain.pem"
    ca.write_bytes(authority.root_pem)
    chain.write_bytes(server.key + server.chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Pki(ca=ca, context=context)


@dataclass(slots=True)
class Mailbox:
    """Takes every mail; ``logins`` are the accounts that signed in, ``encrypted`` whether after STARTTLS."""

    mails: list[Any] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.encrypted.append(session.ssl is not None)
        self.mails.append(envelope)
        del server
        return "250 taken"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:  # aiosmtpd's
        del server, session, envelope, mechanism
        self.logins.append(data.login)
        return AuthResult(success=data.password == b"mail password")


class _MailServer(Controller):
    """Port 0, so that two test processes never meet."""

    def __init__(self, box: Mailbox, pki: Pki | None, *, starttls: bool) -> None:
        self._options = {
            "tls_context": pki.context if pki and starttls else None,
            "require_starttls": bool(pki and starttls),
            "authenticator": box.login if pki else None,
            "auth_required": bool(pki and starttls),
            "auth_require_tls": starttls,
        }
        direct = pki.context if pki and not starttls else None
        super().__init__(box, hostname="localhost", port=free_port(), ssl_context=direct)

    def factory(self) -> SMTP:
        return SMTP(self.handler, hostname="localhost", **self._options)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


@contextmanager
def mail_server(pki: Pki | None = None, *, starttls: bool = True) -> Iterator[tuple[Mailbox, int]]:
    """With ``pki`` it asks for encryption and an account."""
    box = Mailbox()
    server = _MailServer(box, pki, starttls=starttls)
    server.start()
    try:
        yield box, server.port
    finally:
        server.stop()


@dataclass(slots=True)
class Posted:
    """What was posted; ``status`` is what is answered."""

    status: int = 204
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def web_server(pki: Pki) -> Iterator[tuple[Posted, int]]:
    """An HTTPS server that keeps what is posted."""
    posted = Posted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.requests.append((self.path, dict(self.headers), body))
            self.send_response(posted.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.socket = pki.context.wrap_socket(server.socket, server_side=True)
    with _served(server):
        yield posted, server.server_port


@contextmanager
def syslog_server(pki: Pki | None = None) -> Iterator[tuple[list[bytes], int, threading.Event]]:
    """Over TLS with ``pki``, else UDP: what came, the port, and an event that something came."""
    lines: list[bytes] = []
    came = threading.Event()

    class Stream(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            raw = b""
            while part := self.request.recv(4096):
                raw += part
            lines.append(raw)
            came.set()

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            lines.append(self.request[0])
            came.set()

    server: socketserver.BaseServer
    if pki is None:
        server = socketserver.UDPServer(("127.0.0.1", 0), Datagram)
    else:
        server = socketserver.TCPServer(("localhost", 0), Stream)
        server.socket = pki.context.wrap_socket(server.socket, server_side=True)
    with _served(server):
        yield lines, int(server.server_address[1]), came


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
