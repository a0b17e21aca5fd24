"""The ``[duty]`` table of node.toml: the rota, and by which ways officers are called. Without it nobody is called.

Secrets are paths. Without encryption messages go to this machine only.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from port2port.console.settings import is_loopback
from port2port.settings import FilePath, Settings

Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
Port = Annotated[int, Field(ge=1, le=65_535)]


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be https://host/path")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// unless the host is localhost")
    return value


class SmtpSettings(Settings):
    """The ``[duty.smtp]`` table."""

    host: Host = Field(description="The mail server.")
    port: Port = Field(default=587, description="Its port: 587 for `starttls`, 465 for `tls`.")
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="`none` only to this machine.")
    sender: Annotated[str, Field(pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}$")] = Field(
        description="Address the messages come from."
    )
    user: str = Field(default="", max_length=200, description="Account at the mail server; empty for none.")
    password: FilePath | None = Field(default=None, description="File with the password of that account.")
    ca: FilePath | None = Field(default=None, description="CA of the mail server; the system's without it.")

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError("security none only to this machine")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        return self


class WebhookSettings(Settings):
    """The ``[duty.webhook]`` table."""

    url: Annotated[str, AfterValidator(_url)] = Field(description="Where messages are posted.")
    secret: FilePath = Field(description="File with the secret that signs them (HMAC-SHA256), 32 bytes or more.")
    ca: FilePath | None = Field(default=None, description="CA of the receiver; the system's without it.")


class SyslogSettings(Settings):
    """The ``[duty.syslog]`` table."""

    host: Host = Field(description="The syslog server (RFC 5424).")
    port: Port = Field(default=6514, description="Its port: 6514 for `tls`, 514 for `udp`.")
    transport: Literal["tls", "udp"] = Field(default="tls", description="`udp` may lose messages.")
    ca: FilePath | None = Field(default=None, description="CA of the server; the system's without it.")


class DutySettings(Settings):
    """The ``[duty]`` table."""

    rota: FilePath = Field(
        description="TOML file with people, shifts, swaps and replacements; read again when it changes."
    )
    port_name: str = Field(
        default="", max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", description="How messages name this port."
    )
    smtp: SmtpSettings | None = Field(default=None, description="Calls people on the rota by e-mail.")
    webhook: WebhookSettings | None = Field(default=None, description="Posts to a system of the port.")
    syslog: SyslogSettings | None = Field(default=None, description="Tells a syslog server.")
