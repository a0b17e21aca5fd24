"""NETWORK_ALERT (CY1): the intrusion detection system saw attack traffic with a foreign address.

Most alerts are noise: what counts is a high severity or one of the categories that name an attack, and a foreign peer.
One rule firing on one machine is often a mistake of that rule; several machines, or several rules, seldom are. How
broad it was stands on the finding as ``breadth``, so that an automatic rule can ask for it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from node.detectors.recorded import Raised, Territory, address_subject, found, slim
from node.findings import Finding, FindingKind, Measure, Reference, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.records import Alert, Record

CATEGORIES: Final = frozenset(
    {
        "a network trojan was detected",
        "attempted administrator privilege gain",
        "attempted user privilege gain",
        "domain observed used for c2 detected",
        "exploit kit activity detected",
        "malware command and control activity detected",
        "successful administrator privilege gain",
        "successful credential theft detected",
        "successful user privilege gain",
        "targeted malicious activity was detected",
        "web application attack",
    }
)
# Severity 1 too, but they tell what somebody uses (Skype, TeamViewer), not that he attacks: never more than a low hint.
HABITS: Final = frozenset({"potential corporate privacy violation", "not suspicious traffic"})
_Known = TypeVar("_Known", str, int)
A_HABIT: Final = 30
ONE_RULE: Final = 60
SEVERAL: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Thresholds. Severity 1 is Suricata's highest; the categories are those of its classification.config."""

    severity: int = 1
    categories: frozenset[str] = CATEGORIES
    breadth: int = 2  # targets or rules in ``again_after``: fewer is one machine and one rule
    again_after: timedelta = timedelta(hours=24)  # one finding per rule and peer
    peers: int = 10_000
    kept: int = 32  # targets, rules of a peer
    lines: int = 4  # of a peer, as evidence, beside the one that decides


@dataclass(slots=True)
class _Peer:
    kept: deque[Record]
    targets: OrderedDict[str, datetime] = field(default_factory=OrderedDict)
    rules: OrderedDict[int, datetime] = field(default_factory=OrderedDict)


class CyberAlerts:
    """See the module's story."""

    name = "cyber-alerts"
    version = 1

    def __init__(self, territory: Territory | None = None, settings: AlertSettings | None = None) -> None:
        self._territory = territory or Territory()
        self._settings = settings or AlertSettings()
        self._raised = Raised(self._settings.again_after)
        self.peers: OrderedDict[str, _Peer] = OrderedDict()

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        findings = []
        for record in records:
            if record.alert is not None and self._counts(record.alert):
                ends = self._territory.peer(record)
                finding = None if ends is None else self._alert(record, record.alert, *ends)
                if finding is not None:
                    findings.append(finding)
        return findings

    def _counts(self, alert: Alert) -> bool:
        return 0 < alert.severity <= self._settings.severity or alert.category.lower() in self._settings.categories

    def _alert(self, record: Record, alert: Alert, own: str, address: str) -> Finding | None:
        peer, at = self._peer(address), record.observed_at
        self._note(peer.targets, own, at)
        self._note(peer.rules, alert.sid, at)
        breadth = max(len(peer.targets), len(peer.rules))
        is_new = self._raised.now((address, alert.sid), at)
        is_broad = breadth >= self._settings.breadth and self._raised.now((address, "broad"), at)
        seen = (*peer.kept, record)
        peer.kept.append(slim(record))
        if not is_new and not is_broad:
            return None
        occasion = f"{alert.sid if is_new else 'broad'}/{at.date().isoformat()}"
        return self._finding(peer, alert, address, seen, occasion=occasion, breadth=breadth)

    def _peer(self, address: str) -> _Peer:
        peer = self.peers.get(address)
        if peer is None:
            peer = self.peers[address] = _Peer(kept=deque(maxlen=self._settings.lines))
            if len(self.peers) > self._settings.peers:
                self.peers.popitem(last=False)
        self.peers.move_to_end(address)
        return peer

    def _note(self, seen: OrderedDict[_Known, datetime], one: _Known, at: datetime) -> None:
        seen[one] = max(at, seen.get(one, at))
        newest = max(seen.values())
        for old in [known for known, last in seen.items() if newest - last >= self._settings.again_after]:
            del seen[old]
        while len(seen) > self._settings.kept:
            seen.popitem(last=False)

    def _finding(
        self, peer: _Peer, alert: Alert, address: str, seen: Sequence[Record], *, occasion: str, breadth: int
    ) -> Finding:
        is_broad = breadth >= self._settings.breadth
        is_habit = alert.category.lower() in HABITS
        graver = 0 < alert.severity <= self._settings.severity
        targets, rules = len(peer.targets), len(peer.rules)
        said = self._territory.told(alert.signature)
        return found(
            f"{self.name}@{self.version}",
            FindingKind.NETWORK_ALERT,
            (address_subject(address),),
            occasion,
            seen,
            severity=Severity.LOW if is_habit else Severity(Severity.LOW + graver + is_broad),
            confidence=A_HABIT if is_habit else SEVERAL if is_broad else ONE_RULE,
            reason=(
                f"{address} set off rule {alert.sid} of the intrusion detection ({said}); "
                f"rules in 24 hours: {rules}, addresses of this port: {targets}"
            ),
            numbers={
                "breadth": Measure(value=breadth, unit="", limit=self._settings.breadth),
                "rules": Measure(value=rules, unit=""),
                "targets": Measure(value=targets, unit=""),
            },
            references=[Reference(source="suricata", ident=str(sid)) for sid in peer.rules],
            inside=peer.targets,
        )
