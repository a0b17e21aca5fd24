"""The ``[[feeds]]`` tables: which collections outside the federation are followed, and how far each is trusted.

Whoever can write here decides whom this port listens to; what is heard becomes drafts, and an officer decides.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from port2port.imported import Grade, ImportedError
from port2port.settings import FilePath, Settings


def _graded(value: str) -> str:
    try:
        return Grade.parse(value).code
    except ImportedError as error:
        raise ValueError(error.text) from error


class FeedSettings(Settings):
    """One ``[[feeds]]`` table: an external TAXII 2.1 collection, or the hub's intake of our affiliates."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")] = Field(
        description="Name of the source; stands in every draft and statement that comes of it."
    )
    url: Annotated[str, Field(max_length=1_000)] = Field(description="API root, with `collection`; or the collection.")
    collection: str = Field(default="", max_length=200, description="Id or title of the collection under the API root.")
    user: str = Field(default="", max_length=200, description="Name for HTTP Basic; the password is in `secret`.")
    secret: FilePath | None = Field(
        default=None, description="File with the password, or without `user` with the Bearer token."
    )
    certificate: FilePath | None = Field(default=None, description="Client certificate, PEM.")
    key: FilePath | None = Field(default=None, description="Its private key, PEM.")
    ca: FilePath | None = Field(default=None, description="CA certificates to believe instead of the public ones.")
    every_minutes: float = Field(default=60.0, ge=1, le=10_080, description="How often it is asked.")
    reliability: Annotated[str, AfterValidator(_graded)] = Field(
        default="F6", description="Admiralty code: A to F for the source, 1 to 6 for what it says, as in B2."
    )
    marking: Literal["green", "amber", "amber+strict", "red"] | None = Field(
        default=None,
        description="Least marking of all that comes from it; what it does not mark is AMBER+STRICT without this.",
    )
    allow_private_addresses: bool = Field(
        default=False, description="Also ask private, loopback and link-local addresses; https is not needed there."
    )
    hub: bool = Field(
        default=False,
        description="It is the hub's intake: this node's own certificate and the federation's CA are used.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("url is https://host/path, without user, password or query")
        if parts.scheme == "http" and not (self.allow_private_addresses and _is_loopback(parts.hostname)):
            raise ValueError("url must be https; http only to this machine, with allow_private_addresses")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together")
        if self.user and self.secret is None:
            raise ValueError("user needs secret: the file with the password")
        if self.hub and (self.secret or self.certificate or self.ca):
            raise ValueError(
                "with hub = true this node's own certificate is used: leave secret, certificate and ca out"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
