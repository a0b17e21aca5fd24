"""The ways a notice leaves: e-mail, a signed webhook, syslog. Each call blocks for at most about ten seconds."""

from __future__ import annotations

import hmac
import smtplib
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import httpx2

from node.duty_settings import DutySettings, SmtpSettings, SyslogSettings, WebhookSettings
from node.notices import EMAIL, SYSLOG, WEBHOOK, Message
from port2port import canonical
from port2port.clock import to_ms, to_text
from port2port.errors import ConfigurationError, UnavailableError

TIMEOUT_S: Final = 10.0
SECRET_BYTES: Final = 32
FACILITY: Final = 16  # local0
PRIORITIES: Final[Mapping[str, int]] = {"critical": 2, "high": 3, "medium": 4, "low": 5}  # RFC 5424, table 2


class NoticeDeliveryError(UnavailableError):
    """The other side did not take the message."""

    code = "NOTICE_DELIVERY"


class Channel(Protocol):
    """One way out. ``to`` is an address for e-mail, else empty; ``send`` raises NoticeDeliveryError."""

    def send(self, message: Message, to: str, now: datetime) -> None: ...


class Email:
    """By SMTP with STARTTLS or TLS from the first byte."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._password = "" if settings.password is None else _secret(settings.password).decode()
        self._tls = None if settings.security == "none" else _context(settings.ca)

    def send(self, message: Message, to: str, now: datetime) -> None:
        if not to:
            raise NoticeDeliveryError("who was to be called has no address now")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Date"] = self._settings.sender, to, format_datetime(now)
        mail["Subject"] = "Port 2 Port: an item waits"
        mail["Message-ID"] = f"<{message.id}@{self._settings.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        try:
            with self._connected() as server:
                if self._settings.user:
                    server.login(self._settings.user, self._password)
                server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            raise NoticeDeliveryError("the mail server did not take the message") from error

    def _connected(self) -> smtplib.SMTP:
        host, port, tls = self._settings.host, self._settings.port, self._tls
        if self._settings.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=tls)
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        if tls is not None:
            try:
                server.starttls(context=tls)
            except BaseException:
                server.close()
                raise
        return server


class Webhook:
    """By HTTPS; the receiver checks ``X-Port2Port-Signature``: HMAC-SHA256 over time stamp, a dot and the body."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._url, self._secret = settings.url, _secret(settings.secret)
        if len(self._secret) < SECRET_BYTES:
            raise ConfigurationError(f"{settings.secret.name} must hold {SECRET_BYTES} bytes or more")
        self._tls = _context(settings.ca)

    def send(self, message: Message, to: str, now: datetime) -> None:  # noqa: ARG002  # the protocol has it
        body = canonical.dumps(
            {
                "id": message.id,
                "port": message.port,
                "severity": message.severity,
                "since": to_text(message.since),
                "text": message.text,
            }
        )
        stamp = str(to_ms(now) // 1_000)
        signature = hmac.new(self._secret, f"{stamp}.".encode() + body, sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Port2Port-Timestamp": stamp,
            "X-Port2Port-Signature": f"sha256={signature}",
        }
        try:
            with (
                httpx2.Client(verify=self._tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client,
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                taken = answer.is_success
        except (httpx2.HTTPError, OSError) as error:
            raise NoticeDeliveryError("the webhook could not be reached") from error
        if not taken:
            raise NoticeDeliveryError("the webhook did not answer with success")


class Syslog:
    """RFC 5424, over TLS with octet counting (RFC 5425) or by UDP (RFC 5426)."""

    def __init__(self, settings: SyslogSettings) -> None:
        self._settings = settings
        self._tls = _context(settings.ca) if settings.transport == "tls" else None

    def send(self, message: Message, to: str, now: datetime) -> None:  # noqa: ARG002  # the protocol has it
        priority = FACILITY * 8 + PRIORITIES[message.severity]
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in message.port)[:100] or "-"
        line = f"<{priority}>1 {to_text(now)} {name} port2port-node - NOTICE - {message.text}".encode()
        where = (self._settings.host, self._settings.port)
        try:
            if self._tls is None:
                _send_datagram(where, line)
            else:
                _send_stream(where, self._tls, b"%d %s" % (len(line), line))
        except OSError as error:
            raise NoticeDeliveryError("the syslog server could not be reached") from error


def _send_datagram(where: tuple[str, int], line: bytes) -> None:
    family, kind, _, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as connection:
        connection.sendto(line, address)


def _send_stream(where: tuple[str, int], tls: ssl.SSLContext, line: bytes) -> None:
    with (
        socket.create_connection(where, timeout=TIMEOUT_S) as plain,
        tls.wrap_socket(plain, server_hostname=where[0]) as connection,
    ):
        connection.sendall(line)


def channels_of(settings: DutySettings) -> dict[str, Channel]:
    """The ways these settings open. Raises ConfigurationError."""
    found: dict[str, Channel] = {}
    if settings.smtp is not None:
        found[EMAIL] = Email(settings.smtp)
    if settings.webhook is not None:
        found[WEBHOOK] = Webhook(settings.webhook)
    if settings.syslog is not None:
        found[SYSLOG] = Syslog(settings.syslog)
    return found


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:
        raise ConfigurationError(f"cannot read the CA {ca}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _secret(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path.name}: {error.strerror}") from error
