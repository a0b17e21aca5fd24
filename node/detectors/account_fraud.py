"""ACCOUNT_FRAUD (CY5): several new accounts at a platform of the port were made by one hand.

Criminals who want release codes for containers open accounts in the names of firms. They share what costs money: the
device, the bank account, the telephone. Or one document serves twice. All of it reaches this detector as keyed digests
only, and none of it leaves the port: others are told that it happened, and how.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.detectors.recorded import Raised, found, slim
from node.findings import Finding, FindingKind, Measure, Severity

if TYPE_CHECKING:
    from node.records import Account, Record

SHARED_SURE: Final = 70
DOCUMENT_SURE: Final = 80
SAID: Final = {"device": "one device", "bank": "one bank account", "phone": "one telephone number"}
DOCUMENT: Final = "document"
_NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Thresholds: a family shares a device, three firms do not."""

    accounts: int = 3
    within: timedelta = timedelta(days=7)
    documents_within: timedelta = timedelta(days=90)
    values: int = 20_000  # devices, banks, telephones and documents remembered
    kept: int = 8  # accounts of each
    line: int = 1_024  # bytes of a line that are remembered as evidence


@dataclass(slots=True)
class _Value:
    records: list[Record] = field(default_factory=list)


class AccountFraud:
    """See the module's story."""

    name = "account-fraud"
    version = 1

    def __init__(self, settings: AccountSettings | None = None) -> None:
        self._settings = settings or AccountSettings()
        self._raised = Raised(self._settings.within)
        self.values: OrderedDict[tuple[str, str], _Value] = OrderedDict()

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        findings: list[Finding] = []
        for record in records:
            if record.account is not None:
                findings += self._of(record, record.account)
        return findings

    def _of(self, record: Record, account: Account) -> Iterable[Finding]:
        shared = {"device": account.device, "bank": account.bank, "phone": account.phone}
        for what, digest in shared.items():
            if digest is not None:
                yield from self._shared(record, what, digest)
        if account.document is not None:
            yield from self._reused(record, account.document)

    def _shared(self, record: Record, what: str, digest: str) -> Iterable[Finding]:
        seen = self._remember(record, what, digest)
        hand = self._most_at_once(seen, record, self._settings.within)
        if len(hand) >= self._settings.accounts and self._raised.now((what, digest), record.observed_at):
            reason = f"{len(hand)} new accounts within {self._settings.within.days} days share {SAID[what]}"
            yield self._finding(hand, what, reason, limit=self._settings.accounts, sure=SHARED_SURE)

    def _reused(self, record: Record, digest: str) -> Iterable[Finding]:
        seen = self._remember(record, DOCUMENT, digest)
        hand = self._most_at_once(seen, record, self._settings.documents_within)
        if len(hand) > 1 and self._raised.now((DOCUMENT, digest), record.observed_at):
            reason = f"One document served for {len(hand)} accounts"
            yield self._finding(hand, DOCUMENT, reason, limit=2, sure=DOCUMENT_SURE)

    def _remember(self, record: Record, what: str, digest: str) -> list[Record]:
        """The records of one digest, one for each account, in the order of their times."""
        value = self.values.setdefault((what, digest), _Value())
        self.values.move_to_end((what, digest))
        if len(self.values) > self._settings.values:
            self.values.popitem(last=False)
        if all(_name(one) != _name(record) for one in value.records):
            value.records.append(slim(record, self._settings.line))
            value.records.sort(key=lambda one: one.observed_at)
            del value.records[: -self._settings.kept]
        return value.records

    def _most_at_once(self, seen: Sequence[Record], now: Record, within: timedelta) -> list[Record]:
        """The largest set of accounts made within the span that holds ``now``, which stands there in full."""
        at = now.observed_at
        near = [now if one.digest == now.digest else one for one in seen if abs(one.observed_at - at) < within]
        spans = [
            [one for one in near if _NONE <= one.observed_at - begin.observed_at < within]
            for begin in near
            if _NONE <= at - begin.observed_at < within
        ]
        return max(spans, key=len, default=[])

    def _finding(self, hand: Sequence[Record], what: str, reason: str, *, limit: int, sure: int) -> Finding:
        names = [_name(one) for one in hand]
        day = hand[-1].observed_at.date().isoformat()
        return found(
            f"{self.name}@{self.version}",
            FindingKind.ACCOUNT_FRAUD,
            [f"account:{name}" for name in names],
            f"{what}/{day}",
            hand,
            severity=Severity.HIGH,
            confidence=sure,
            reason=reason,
            numbers={"accounts": Measure(value=len(hand), unit="", limit=limit)},
            inside=names,
        )


def _name(record: Record) -> str:
    return "" if record.account is None else record.account.account
