"""Token buckets: what one member may send."""

from __future__ import annotations

import pytest

from hub.quota import QuotaError, Quotas
from port2port.limits import MIB, MemberQuota
from tests.fakes.clock import FakeClock


def delay_of(quotas: Quotas, member: str = "beanr", envelopes: int = 1, size: int = 1) -> int:
    try:
        quotas.admit(member, envelopes=envelopes, size=size)
    except QuotaError as error:
        return error.delay_ms
    return 0


def test_after_the_burst_a_member_waits_until_its_debt_is_paid() -> None:
    clock = FakeClock()
    quotas = Quotas(MemberQuota(envelopes_per_minute=60, burst_envelopes=10), clock)
    assert delay_of(quotas, envelopes=15) == 0, "one request may go into debt"
    assert delay_of(quotas) == 6_000
    assert delay_of(quotas, "belgg") == 0, "nobody else waits"
    clock.advance(5.9)
    assert 0 < delay_of(quotas) <= 100
    clock.advance(0.2)
    assert delay_of(quotas) == 0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = FakeClock()
    quotas = Quotas(MemberQuota(envelopes_per_minute=60, burst_envelopes=10), clock)
    clock.advance(86_400)
    assert [delay_of(quotas, envelopes=5) for _ in range(2)] == [0, 0]
    assert delay_of(quotas) > 0


def test_bytes_are_counted_by_the_day() -> None:
    quotas = Quotas(MemberQuota(mib_per_day=2), FakeClock())
    assert delay_of(quotas, size=2 * MIB) == 0
    assert delay_of(quotas) > 0


def test_new_shapes_of_patterns_are_paid_for_afterwards_by_each_member_for_itself() -> None:
    clock = FakeClock()
    quotas = Quotas(MemberQuota(pattern_misses_per_minute=60), clock)
    shapes = [bytes([number]) for number in range(100)]
    quotas.charge_templates("belgg", shapes)
    quotas.charge_templates("beanr", shapes * 3)
    assert delay_of(quotas) > 0
    clock.advance(42)
    assert delay_of(quotas) == 0


def test_statements_by_a_machine_alone_are_counted_apart() -> None:
    quotas = Quotas(MemberQuota(machine_only_per_hour=1), FakeClock())
    quotas.charge_machine_only("beanr")
    with pytest.raises(QuotaError):
        quotas.charge_machine_only("beanr")
    assert delay_of(quotas) == 0
