"""What one member may send: token buckets, so that a member that floods is throttled alone.

A bucket may go into debt by one request, whose size is bounded elsewhere; the next then waits until the debt is
paid. Buckets live in memory: a restart of the hub forgives. Used on the event loop only.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from port2port.clock import Clock
from port2port.errors import BackpressureError
from port2port.limits import MIB, MemberQuota

_DAY_S: Final = 86_400
_TEMPLATES: Final = 4_096  # remembered for each member
LEAST_DELAY_MS: Final = 50


class QuotaError(BackpressureError):
    """This member sent more than its share; the others are not affected."""

    code = "QUOTA"


@dataclass(slots=True)
class Bucket:
    """``level`` tokens of ``capacity`` at the monotonic time ``at``, refilled by ``per_s``."""

    capacity: float
    per_s: float
    level: float
    at: float

    def delay_ms(self, now: float) -> int:
        """0 while there is a token in it, else how long until there is one."""
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_s)
        self.at = now
        if self.level >= 1:
            return 0
        return max(LEAST_DELAY_MS, math.ceil((1 - self.level) / self.per_s * 1_000))

    def pay(self, tokens: float) -> None:
        """Take tokens, into debt if need be."""
        self.level -= tokens


@dataclass(slots=True)
class _Account:
    envelopes: Bucket
    size: Bucket
    machine_only: Bucket
    rekeys: Bucket
    renewals: Bucket
    calls: Bucket
    receipts: Bucket
    templates: Bucket
    sent_before: OrderedDict[bytes, None] = field(default_factory=OrderedDict)


class Quotas:
    """The accounts of all members."""

    def __init__(self, quota: MemberQuota, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def admit(self, member: str, *, envelopes: int, size: int) -> None:
        """Charge a batch of ``size`` bytes. Raises QuotaError, charging nothing, while an account is empty."""
        account, now = self._account(member)
        for bucket in (account.envelopes, account.size, account.templates):
            _require(bucket.delay_ms(now))
        account.envelopes.pay(envelopes)
        account.size.pay(size)

    def charge_machine_only(self, member: str) -> None:
        """Charge a statement that no officer signed. Raises QuotaError."""
        account, now = self._account(member)
        _require(account.machine_only.delay_ms(now))
        account.machine_only.pay(1)

    def charge_call(self, member: str) -> None:
        """Charge an rpc, before anything is done for it. Raises QuotaError."""
        account, now = self._account(member)
        _require(account.calls.delay_ms(now))
        account.calls.pay(1)

    def charge_receipts(self, member: str, receipts: int) -> None:
        """Charge receipts that are handed in. Raises QuotaError, charging nothing, while the account is empty."""
        account, now = self._account(member)
        _require(account.receipts.delay_ms(now))
        account.receipts.pay(receipts)

    def charge_rekey(self, member: str) -> None:
        """Charge a rekey, which everybody folds for ever. Raises QuotaError."""
        account, now = self._account(member)
        _require(account.rekeys.delay_ms(now))
        account.rekeys.pay(1)

    def charge_renewal(self, member: str) -> None:
        """Charge a new TLS certificate, once it is certain who asks for it. Raises QuotaError."""
        account, now = self._account(member)
        _require(account.renewals.delay_ms(now))
        account.renewals.pay(1)

    def charge_templates(self, member: str, templates: Iterable[bytes]) -> None:
        """Charge, after the fact, the shapes of patterns that this member has not sent before.

        Whether the shared cache knew them does not count: then a member could tell what others have sent.
        """
        account, _ = self._account(member)
        for template in templates:
            if template not in account.sent_before:
                account.templates.pay(1)
                account.sent_before[template] = None
            account.sent_before.move_to_end(template)
        while len(account.sent_before) > _TEMPLATES:
            account.sent_before.popitem(last=False)

    def _account(self, member: str) -> tuple[_Account, float]:
        now = self._clock.monotonic()
        account = self._accounts.get(member)
        if account is None:
            quota = self._quota
            account = self._accounts[member] = _Account(
                envelopes=_full(quota.burst_envelopes, quota.envelopes_per_minute / 60, now),
                size=_full(quota.mib_per_day * MIB, quota.mib_per_day * MIB / _DAY_S, now),
                machine_only=_full(quota.machine_only_per_hour, quota.machine_only_per_hour / 3_600, now),
                rekeys=_full(quota.rekeys_per_day, quota.rekeys_per_day / _DAY_S, now),
                renewals=_full(quota.renewals_per_hour, quota.renewals_per_hour / 3_600, now),
                calls=_full(quota.calls_per_minute, quota.calls_per_minute / 60, now),
                receipts=_full(quota.receipts_per_minute, quota.receipts_per_minute / 60, now),
                templates=_full(quota.pattern_misses_per_minute, quota.pattern_misses_per_minute / 60, now),
            )
        return account, now


def _full(capacity: float, per_s: float, now: float) -> Bucket:
    return Bucket(capacity=capacity, per_s=per_s, level=capacity, at=now)


def _require(delay_ms: int) -> None:
    if delay_ms:
        raise QuotaError("this member has sent more than its share; try again later", delay_ms=delay_ms)
