from __future__ import annotations

import dataclasses

import pytest

from port2port.limits import KIB, LIMITS, MIB, QUOTA, Limits, MemberQuota

FROZEN_BY_DESIGN = {
    "object_bytes": 64 * KIB,
    "statement_bytes": 16 * KIB,
    "objects_per_statement": 64,
    "signatures_per_envelope": 8,
    "batch_bytes": 1 * MIB,
    "json_depth": 32,
    "pattern_chars": 10_000,
    "salt_bytes": 32,
    "clock_ahead_ms": 120_000,
    "max_age_ms": 90 * 24 * 3600 * 1000,
}
# What surrounds the fields of one envelope on the wire: tags, lengths, key ids, payload type.
FRAMING = 4 * KIB


@pytest.mark.parametrize("name", sorted(FROZEN_BY_DESIGN))
def test_a_bound_that_readers_rely_on_is_unchanged(name):
    assert getattr(LIMITS, name) == FROZEN_BY_DESIGN[name]


@pytest.mark.parametrize("table", [Limits, MemberQuota])
def test_every_bound_is_a_positive_whole_number(table):
    values = dataclasses.asdict(table())
    assert all(type(value) is int and value > 0 for value in values.values()), values


@pytest.mark.parametrize("table", [LIMITS, QUOTA])
def test_nobody_loosens_a_bound_at_run_time(table):
    name = dataclasses.fields(table)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(table, name, 1)


def test_the_largest_object_fits_an_envelope_with_every_signature():
    signatures = LIMITS.signatures_per_envelope * LIMITS.signature_bytes
    largest = LIMITS.statement_bytes + LIMITS.object_bytes + LIMITS.salt_bytes + signatures + FRAMING
    assert largest <= LIMITS.envelope_bytes


def test_the_largest_envelope_fits_a_batch_and_the_largest_batch_fits_a_message():
    assert LIMITS.envelope_bytes <= LIMITS.batch_bytes
    assert LIMITS.batch_bytes + LIMITS.checkpoint_bytes + FRAMING <= LIMITS.message_bytes


def test_a_full_audience_fits_a_statement():
    recipients = LIMITS.recipients * len('"",' + "m" * 40)
    groups = LIMITS.groups * len('{"name":"","version":1000000},' + "m" * 40)
    assert recipients + groups <= LIMITS.statement_bytes // 2


def test_a_pattern_fits_an_object():
    assert LIMITS.pattern_chars * 4 <= LIMITS.object_bytes


def test_late_is_before_too_old_and_after_ahead():
    assert LIMITS.clock_ahead_ms < LIMITS.late_ms < LIMITS.max_age_ms


def test_a_member_may_send_a_full_batch_at_once_and_its_days_worth_of_them():
    assert LIMITS.envelopes_per_batch <= QUOTA.burst_envelopes
    assert QUOTA.mib_per_day * MIB >= LIMITS.batch_bytes
