"""What a network sensor wrote down: one event of Suricata or Zeek, as far as the port looks at it.

Records stay in the port, as observations do. ``facts`` are values under the object paths that STIX patterns use, each
path with all its values (both addresses of a flow, every answer of a name server), lower-case where STIX says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from node.observations import SourceClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end of a connection; ``port`` None where there is none."""

    address: str
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A rule of the intrusion detection system fired. ``severity`` is Suricata's: 1 high, 3 or 4 low."""

    sid: int
    signature: str
    category: str
    severity: int
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The head of one mail message; addresses lower-case, ``None`` where the log says nothing."""

    sender: str | None
    display_name: str | None
    reply_to: str | None
    recipients: tuple[str, ...]
    spf: str | None
    dmarc: str | None
    iban: str | None
    supplier: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account was made at a platform of the port. Keyed digests only: nothing here names a person."""

    account: str
    device: str | None
    bank: str | None
    phone: str | None
    document: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One event. ``kind`` is alert, dns, tls, http, file, flow, modbus, dnp3, smtp, notice, service, account or other.

    ``industrial`` holds what a control protocol did: ``function`` (its number or name), ``access`` and ``exception``.
    ``raw`` is the line as it was read: it becomes evidence. ``digest`` is its SHA-256, by which a line counts once.
    """

    kind: str
    observed_at: datetime
    received_at: datetime
    sensor: str
    source_class: SourceClass
    source: Endpoint | None
    target: Endpoint | None
    protocol: str | None
    facts: Mapping[str, tuple[str, ...]]
    raw: bytes
    digest: bytes
    alert: Alert | None = None
    mail: Mail | None = None
    account: Account | None = None
    industrial: Mapping[str, str] = field(default_factory=dict)
