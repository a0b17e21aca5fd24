"""The ``[console]`` table of node.toml and hub.toml. Without the table there is no console.

Whoever can write it decides who may sign in and over which address: it is as much worth as the accounts.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from port2port.console.signin_settings import ClientCertificateSettings, OidcSettings
from port2port.invitation import is_address
from port2port.settings import FilePath, Settings

Language = Literal["nl", "fr", "de", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("nl", "fr", "de", "en")


def _address(value: str) -> str:
    """host:port; port 0 means any free one, for tests and the demo."""
    if not is_address(value) and not (value.endswith(":0") and is_address(value[:-1] + "1")):
        raise ValueError("must be host:port, as in 127.0.0.1:8443")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        raise ValueError("must be https://host or https://host:port, without a path")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https:// unless the host is localhost")
    if value != value.lower() or not value.isascii():
        raise ValueError("must be in lower case ASCII, as the browser sends it")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone, as in Europe/Brussels") from error
    return value


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class ConsoleSettings(Settings):
    """Every option; docs/configuration.md repeats them."""

    listen: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1:8443", description="Where the console answers."
    )
    origin: Annotated[str, AfterValidator(_origin)] = Field(
        default="http://localhost:8443",
        description="Address as browsers write it; passkeys belong to its host name, so it is never an IP address.",
    )
    certificate: FilePath | None = Field(default=None, description="TLS certificate chain, PEM.")
    key: FilePath | None = Field(default=None, description="Its private key.")
    demo: bool = Field(default=False, description="Made-up persons to choose from; binds to this machine only.")
    languages: tuple[Language, ...] = Field(
        default=LANGUAGES, min_length=1, max_length=4, description="Languages on offer; the first is the default."
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="Europe/Brussels", description="Time zone in which times are shown."
    )
    basemap: FilePath | None = Field(
        default=None, description="PMTiles file with a street-level map; the schematic map without it."
    )
    idle_minutes: int = Field(default=30, ge=1, le=720, description="A session ends after so long without a request.")
    shift_hours: int = Field(default=12, ge=1, le=24, description="A session ends after so long in any case.")
    oidc: OidcSettings | None = Field(default=None, description="Sign-in by OpenID Connect.")
    client_certificates: ClientCertificateSettings | None = Field(
        default=None, description="Sign-in with a certificate in the browser."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.demo and not (is_loopback(self.host) and is_loopback(self.rp_id)):
            raise ValueError("a demo binds to this machine only: listen on 127.0.0.1 with an origin at localhost")
        if self.certificate is None and not is_loopback(self.host):
            raise ValueError("without a certificate it binds to this machine only")
        if self.client_certificates is not None and self.certificate is None:
            raise ValueError("client certificates need TLS here: set certificate and key")
        return self

    @property
    def host(self) -> str:
        """The host part of ``listen``."""
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of ``listen``."""
        return int(self.listen.rpartition(":")[2])

    @property
    def rp_id(self) -> str:
        """The host name that passkeys belong to."""
        return urlsplit(self.origin).hostname or ""

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return self.origin.startswith("https://")
