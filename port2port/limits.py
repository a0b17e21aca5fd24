"""Every bound on what comes from outside, in one tested table (docs/protocol.md repeats it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes unless the name says otherwise. A federation never loosens these at run time."""

    object_bytes: int = 64 * KIB
    statement_bytes: int = 16 * KIB
    objects_per_statement: int = 64
    signatures_per_envelope: int = 8
    signature_bytes: int = 2 * KIB  # a WebAuthn assertion is the longest scheme
    envelope_bytes: int = 1 * MIB
    batch_bytes: int = 1 * MIB
    envelopes_per_batch: int = 256
    json_depth: int = 32
    pattern_chars: int = 10_000
    salt_bytes: int = 32
    recipients: int = 64
    groups: int = 16
    checkpoint_bytes: int = 16 * KIB
    receipts_per_call: int = 1_000
    message_bytes: int = 4 * MIB  # a gRPC message in either direction
    clock_ahead_ms: int = 120_000  # a statement may be issued this far after the hub's clock
    late_ms: int = 24 * 3_600_000  # older than this at logging: accepted, flagged late
    max_age_ms: int = 90 * 24 * 3_600_000  # older than this: returned to the officer
    settings_bytes: int = 256 * KIB
    invitation_bytes: int = 64 * KIB
    geojson_bytes: int = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberQuota:
    """What one member may send; beyond it that member alone gets BACKPRESSURE."""

    envelopes_per_minute: int = 6_000
    burst_envelopes: int = 20_000
    mib_per_day: int = 2_048
    machine_only_per_hour: int = 600  # statements that no officer signed
    pattern_misses_per_minute: int = 120
    rekeys_per_day: int = 24  # each is a control entry that every node keeps and folds for ever
    renewals_per_hour: int = 60  # TLS certificates; a node needs one in twelve hours
    calls_per_minute: int = 6_000  # rpcs of every kind
    receipts_per_minute: int = 60_000
    open_submit_streams: int = 4
    open_follow_streams: int = 4


LIMITS: Final = Limits()
QUOTA: Final = MemberQuota()
