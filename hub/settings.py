"""The hub's settings: one TOML file, made by ``port2port-hub init`` with a comment at each option.

Whoever can write it decides which keys the hub signs with; the keys' public halves stand in the genesis, so another
key is noticed by every node at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from port2port.console.settings import ConsoleSettings
from port2port.ids import is_federation_name, is_member_id
from port2port.invitation import is_address
from port2port.settings import FilePath, Settings


def _federation(value: str) -> str:
    if not is_federation_name(value):
        raise ValueError("must look like a DNS name, as in ports.example")
    return value


def _address(value: str) -> str:
    """host:port; port 0 means any free one, for tests and the demo."""
    if not is_address(value) and not (value.endswith(":0") and is_address(value[:-1] + "1")):
        raise ValueError("must be host:port, as in 127.0.0.1:7401")
    return value


def _member(value: str | None) -> str | None:
    if value is not None and not is_member_id(value):
        raise ValueError("must be a member id: lower-case words joined by '-'")
    return value


def _database(value: str) -> str:
    if value and not value.startswith(("sqlite:///", "postgresql")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        raise ValueError("must be https://host or https://host:port, without a path")
    return value


Address = Annotated[str, AfterValidator(_address)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]


class TaxiiSettings(Settings):
    """The ``[taxii]`` table. Without it, and without an address in it, there is no TAXII server."""

    listen: Address | None = Field(
        default=None, description="Where members read with the certificate of their node (TLS 1.3)."
    )
    public_url: PublicUrl | None = Field(
        default=None, description="https address of `taxii.listen` as members reach it; stands in what it answers."
    )
    consumer_listen: Address | None = Field(
        default=None, description="Where SIEMs and other systems read with a secret (HTTP Basic or Bearer over TLS)."
    )
    consumer_public_url: PublicUrl | None = Field(
        default=None, description="https address of `taxii.consumer_listen` as they reach it."
    )
    certificate: FilePath | None = Field(
        default=None, description="TLS certificate chain for consumers, PEM, of an authority that their systems know."
    )
    key: FilePath | None = Field(default=None, description="Its private key.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if self.consumer_listen is not None and self.certificate is None:
            raise ValueError("consumers come over TLS: set certificate and key beside consumer_listen")
        return self


class HubSettings(Settings):
    """Every option; docs/configuration.md repeats them."""

    federation: Annotated[str, AfterValidator(_federation)] = Field(
        description="Trust domain of the federation; the same as in the genesis."
    )
    listen: Address = Field(default="127.0.0.1:7401", description="Where nodes connect with their certificate.")
    enrolment_listen: Address = Field(
        default="127.0.0.1:7402", description="Where nodes enrol and renew, before they have a certificate."
    )
    public_address: Address | None = Field(
        default=None, description="host:port of `listen` as ports reach it; goes into invitations."
    )
    public_enrolment_address: Address | None = Field(default=None, description="The same for `enrolment_listen`.")
    names: tuple[HostName, ...] = Field(
        default=("localhost", "127.0.0.1"),
        min_length=1,
        max_length=20,
        description="Host names and addresses in the hub's own certificate.",
    )
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="", description="URL; empty means hub.sqlite in `data_dir`, postgresql://... when outgrown."
    )
    data_dir: FilePath = Field(default=Path(), description="Where the database and evidence files lie.")
    ca_key: FilePath = Field(default=Path("ca.key"), description="Private key of the certificate authority.")
    ca_certificate: FilePath = Field(default=Path("ca.pem"), description="Its root certificate.")
    log_key: FilePath = Field(default=Path("log.key"), description="Private key that signs checkpoints.")
    hub_key: FilePath = Field(default=Path("hub.key"), description="Private key that signs receipts 'accepted'.")
    metrics_listen: Address | None = Field(
        default=None, description="Where Prometheus may ask; leave it out and nothing listens."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="How much is logged to standard error."
    )
    verify_threads: int = Field(
        default=0, ge=0, le=256, description="Threads that verify signatures; 0 means one for each processor."
    )
    stop_grace_s: float = Field(
        default=2.0, ge=0, le=300, description="Seconds that open Submit streams may go on after a stop was asked for."
    )
    operator: Annotated[str | None, AfterValidator(_member)] = Field(
        default=None, description="Member whose coordinators sit at the console: pages show what it may read."
    )
    console: ConsoleSettings | None = Field(
        default=None, description="The national picture in a browser; leave the table out and there is none."
    )

    taxii: TaxiiSettings = Field(
        default=TaxiiSettings(), description="Outlets for SIEMs and partner platforms (TAXII 2.1)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.console is not None and self.operator is None:
            raise ValueError("a console needs operator: the member whose coordinators sit at it")
        return self

    @property
    def database_url(self) -> str:
        """The URL to open."""
        return self.database or f"sqlite:///{self.data_dir.resolve() / 'hub.sqlite'}"

    @property
    def key_files(self) -> tuple[Path, ...]:
        """The private keys the hub reads."""
        served = () if self.taxii.key is None else (self.taxii.key,)
        return (self.ca_key, self.log_key, self.hub_key, *served)


def split_address(address: str) -> tuple[str, int]:
    """(host, port) of a checked address; IPv6 hosts keep their brackets."""
    host, _, port = address.rpartition(":")
    return host, int(port)


_TABLES: Final = ("console", "taxii")  # TOML wants them after everything else; docs/configuration.md has their options


def template(federation: str, given: Mapping[str, str]) -> str:
    """The settings file ``init`` writes: every option with its comment, those at their default commented out."""
    lines = ["# Settings of the Port 2 Port hub. Paths count from the directory of this file.", ""]
    chosen = {"federation": federation, **given}
    fields = HubSettings.model_fields
    for name, field in fields.items():
        if name in _TABLES:
            continue
        lines.append(f"# {field.description}")
        if name in chosen:
            lines.append(f"{name} = {_toml(chosen[name])}")
        else:
            lines.append(f"#{name} = {_toml(field.get_default())}")
        lines.append("")
    for name in _TABLES:
        lines += [f"# {fields[name].description}", f"#[{name}]", ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value) if isinstance(value, int | float) else json.dumps(str(value))
