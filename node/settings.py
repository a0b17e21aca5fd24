"""A node's settings: one TOML file, written by ``port2port-node join`` and edited by the operator.

Whoever can write it decides which federation this node believes in (``genesis``) and where its keys lie.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from node.duty_settings import DutySettings
from node.feed_settings import FeedSettings
from node.passage_settings import PassageSettings
from port2port.console.settings import ConsoleSettings
from port2port.ids import is_federation_name, is_member_id
from port2port.settings import FilePath, Settings


def _federation(value: str) -> str:
    if not is_federation_name(value):
        raise ValueError("must look like a DNS name, as in ports.example")
    return value


def _member(value: str) -> str:
    if not is_member_id(value):
        raise ValueError("must be a member id: lower-case words joined by '-'")
    return value


def _database(value: str) -> str:
    if value and not value.startswith(("sqlite:///", "postgresql")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return value


Federation = Annotated[str, AfterValidator(_federation)]
MemberId = Annotated[str, AfterValidator(_member)]
Address = Annotated[str, Field(pattern=r"^(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):[0-9]{1,5}$")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


# An absent table is an empty one: validated like any other, so that its paths count from the file's directory.
_TABLE: Any = dict
_NEEDS = {"udp": "listen", "tcp": "connect", "file": "path", "eve": "path", "zeek": "path"}
NETWORK_SENSORS = frozenset({"eve", "zeek"})


class SourceSettings(Settings):
    """One ``[[sources]]`` table: where AIS sentences, or the records of a network sensor, come from."""

    name: Name = Field(description="Name of the station; stands in findings and evidence.")
    kind: Literal["udp", "tcp", "file", "eve", "zeek"] = Field(
        description="`udp` listens, `tcp` connects, `file` replays; `eve` and `zeek` follow a log of Suricata or Zeek."
    )
    listen: Address | None = Field(default=None, description="`udp`: host:port to listen on.")
    connect: Address | None = Field(default=None, description="`tcp`: host:port of the receiver.")
    path: FilePath | None = Field(
        default=None, description="`file`: the recording. `eve`, `zeek`: the log in JSON, rotated or not."
    )
    follow: bool = Field(
        default=True, description="`eve`, `zeek`: wait for more lines; false for a log that is finished."
    )
    silent_minutes: float = Field(
        default=60.0,
        ge=1,
        le=10_080,
        description="`eve`, `zeek`: an alarm when a log that is followed has nothing new for so long.",
    )
    speed: float = Field(default=1.0, gt=0, le=100_000, description="`file`: how much faster than it was recorded.")
    source_class: Literal["open_radio", "local", "authenticated"] = Field(
        default="open_radio", description="How far the way into the node can be trusted."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = _NEEDS[self.kind]
        if getattr(self, needed) is None:
            raise ValueError(f"{self.kind} needs {needed}")
        return self

    @property
    def is_network_sensor(self) -> bool:
        """Whether records come from here, not AIS sentences."""
        return self.kind in NETWORK_SENSORS


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError("must be an address or a network such as 192.0.2.0/24, without host bits") from error


Network = Annotated[str, AfterValidator(_network)]
Networks = Annotated[tuple[Network, ...], Field(max_length=1_000)]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,9}$")]
Domains = Annotated[tuple[Domain, ...], Field(max_length=1_000)]


class CyberSettings(Settings):
    """The ``[cyber]`` table: what is the port's own, and what it knows, when network sensors are looked at.

    Private and link-local addresses are always the port's own. Whoever can write it can silence what the named
    addresses and domains do.
    """

    own_networks: Networks = Field(
        default=(), description="Public networks of this port. They are never shared as indicators."
    )
    known_peers: Networks = Field(
        default=(), description="Foreign networks that are known to be harmless, such as those of a scanner one pays."
    )
    engineering: Networks = Field(
        default=(), description="Own addresses that may write to controllers (Modbus, DNP3, S7, OPC UA)."
    )
    own_domains: Domains = Field(
        default=(), description="Registered domains of this port, lower-case; sub-domains count too."
    )
    known_domains: Domains = Field(
        default=(), description="Foreign domains that look like ours and are known to be harmless."
    )
    brands: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]{4,40}$")], ...], Field(max_length=50)] = Field(
        default=(), description="Words that lookalike domains are made of, such as portofantwerpbruges."
    )
    protected_persons: Annotated[
        tuple[Annotated[str, Field(min_length=5, max_length=80)], ...], Field(max_length=200)
    ] = Field(default=(), description="Names of people whom fraudsters write as: directors, treasurers.")


class KeySettings(Settings):
    """The ``[keys]`` table: key files. Private keys are paths, never values."""

    machine: FilePath = Field(default=Path("machine.key"), description="Signs every statement of this node.")
    witness: FilePath = Field(default=Path("witness.key"), description="Co-signs checkpoints, and nothing else.")
    desk: FilePath = Field(
        default=Path("desk-keys"),
        description="Directory with desk keys: each signs for one act that waits for officers.",
    )
    tls: FilePath = Field(default=Path("tls.key"), description="P-256 key of the TLS certificate; replaced by itself.")
    certificate: FilePath = Field(default=Path("tls.pem"), description="TLS certificate, 24 hours, renewed by itself.")
    ca: FilePath = Field(default=Path("ca.pem"), description="The federation's CA root, from the invitation.")
    officers: tuple[FilePath, ...] = Field(
        default=(), max_length=50, description="Officers' key files, opened with a passphrase for each decision."
    )


class AlarmSettings(Settings):
    """The ``[alarms]`` table."""

    certificate_hours: float = Field(
        default=6.0, ge=1, le=23, description="Health turns red when the TLS certificate has fewer hours left."
    )
    key_days: float = Field(
        default=14.0, ge=1, le=90, description="Health turns red when a signing key has fewer days left."
    )
    stale_minutes: float = Field(
        default=5.0, ge=0.5, le=1_440, description="The picture is called old after so long without the hub."
    )


class NodeSettings(Settings):
    """Every option; docs/configuration.md repeats them."""

    federation: Federation = Field(description="Trust domain of the federation; the same as in the genesis.")
    genesis: Hex32 = Field(description="SHA-256 of the genesis statement: the one trust anchor.")
    member: MemberId = Field(description="This port's member id.")
    node: int = Field(default=1, ge=1, le=9_999, description="Number of this node within the member.")
    hub: Address = Field(description="host:port of the hub for nodes with a certificate.")
    enrolment: Address = Field(description="host:port of the hub for enrolment and renewal.")
    data_dir: FilePath = Field(default=Path(), description="Where the database and evidence files lie.")
    database: Annotated[str, AfterValidator(_database)] = Field(
        default="", description="URL of the database; empty means node.db in `data_dir`."
    )
    keys: KeySettings = Field(default_factory=_TABLE, description="Key files.")
    sister_keys: tuple[Hex32, ...] = Field(
        default=(),
        max_length=50,
        description="Ids of keys made at other nodes of this member, so that they are not foreign.",
    )
    kinds: tuple[str, ...] = Field(
        default=(),
        max_length=30,
        description="Follow only these kinds; empty means all. Control entries and our own always come.",
    )
    issuers: tuple[MemberId, ...] = Field(
        default=(), max_length=200, description="Follow only these issuers; empty means all."
    )
    places: FilePath | None = Field(
        default=None, description="GeoJSON file with this port's places and fences; the starter file without it."
    )
    rules: FilePath | None = Field(default=None, description="File with the approved automatic rules.")
    sources: tuple[SourceSettings, ...] = Field(default=(), max_length=100, description="Sensors.")
    cyber: CyberSettings = Field(default_factory=_TABLE, description="What network sensors are told of the port.")
    feeds: tuple[FeedSettings, ...] = Field(
        default=(), max_length=100, description="Collections outside the federation that are followed."
    )
    alarms: AlarmSettings = Field(default_factory=_TABLE, description="When health turns red.")
    console: ConsoleSettings | None = Field(
        default=None, description="The officer's desk in a browser; leave the table out and there is none."
    )
    duty: DutySettings | None = Field(
        default=None, description="Whom to call when nobody answers; leave the table out and nobody is called."
    )
    passages: PassageSettings | None = Field(
        default=None, description="Gates and terminals that ask about passages; leave the table out and none may."
    )
    metrics_listen: Address | None = Field(
        default=None, description="Where Prometheus may ask; leave it out and nothing listens."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="How much is logged to standard error."
    )

    @property
    def database_url(self) -> str:
        """The URL to open."""
        return self.database or f"sqlite:///{self.data_dir.resolve() / 'node.db'}"

    @property
    def warning_lists_dir(self) -> Path:
        """Where the index of the warning lists lies."""
        return self.data_dir / "warning-lists"

    @property
    def evidence_dir(self) -> Path:
        """Where proofs against the hub are written."""
        return self.data_dir / "evidence"
