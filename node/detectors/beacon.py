"""BEACON (CY6): a machine inside calls a foreign address at even intervals, as planted software does.

So do clocks, updates and mail programs: by itself this is a hint, never more than that, and the lowest severity.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf, sqrt
from typing import TYPE_CHECKING, Final

from node.detectors.recorded import Raised, Territory, address_subject, found
from node.findings import Finding, FindingKind, Measure, Severity

if TYPE_CHECKING:
    from node.records import Record

SURE: Final = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconSettings:
    """Thresholds: ``variation`` is the standard deviation of the gaps over their mean."""

    flows: int = 20
    variation: float = 0.1
    shortest: timedelta = timedelta(seconds=5)  # below, it is one conversation over several connections
    again_after: timedelta = timedelta(hours=24)
    ignored_ports: frozenset[int] = frozenset({53, 123})  # name servers and clocks are asked at even intervals
    pairs: int = 20_000


@dataclass(slots=True)
class _Pair:
    times: list[datetime] = field(default_factory=list)


class Beacon:
    """See the module's story."""

    name = "beacon"
    version = 1

    def __init__(self, territory: Territory | None = None, settings: BeaconSettings | None = None) -> None:
        self._territory = territory or Territory()
        self._settings = settings or BeaconSettings()
        self._raised = Raised(self._settings.again_after)
        self.pairs: OrderedDict[tuple[str, str, int | None], _Pair] = OrderedDict()

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        findings = []
        for record in records:
            finding = self._flow(record) if record.kind == "flow" else None
            if finding is not None:
                findings.append(finding)
        return findings

    def _flow(self, record: Record) -> Finding | None:
        if record.source is None or record.target is None or record.target.port in self._settings.ignored_ports:
            return None
        ends = self._territory.peer(record)
        if ends is None or ends[0] != record.source.address:
            return None
        pair = self._pair((*ends, record.target.port))
        insort(pair.times, record.observed_at)
        del pair.times[: -self._settings.flows]
        if len(pair.times) < self._settings.flows:
            return None
        mean_s, variation = _gaps(pair.times)
        if mean_s < self._settings.shortest.total_seconds() or variation >= self._settings.variation:
            return None
        key = (*ends, record.target.port)
        return self._finding(record, *ends, mean_s, variation) if self._raised.now(key, record.observed_at) else None

    def _pair(self, key: tuple[str, str, int | None]) -> _Pair:
        pair = self.pairs.setdefault(key, _Pair())
        self.pairs.move_to_end(key)
        if len(self.pairs) > self._settings.pairs:
            self.pairs.popitem(last=False)
        return pair

    def _finding(self, record: Record, own: str, peer: str, mean_s: float, variation: float) -> Finding:
        return found(
            f"{self.name}@{self.version}",
            FindingKind.BEACON,
            (address_subject(peer),),
            record.observed_at.date().isoformat(),
            (record,),
            severity=Severity.LOW,
            confidence=SURE,
            reason=f"A machine of this port calls {peer} every {mean_s:.0f} seconds, {self._settings.flows} times",
            numbers={
                "variation": Measure(value=round(variation, 3), unit="", limit=self._settings.variation),
                "interval": Measure(value=round(mean_s, 1), unit="s"),
            },
            inside=(own,),
        )


def _gaps(times: Sequence[datetime]) -> tuple[float, float]:
    """(mean in seconds, variation) of the gaps between times."""
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    mean_s = sum(gaps) / len(gaps)
    spread_s = sqrt(sum((gap - mean_s) ** 2 for gap in gaps) / len(gaps))  # ``statistics`` counts in fractions: slow
    return mean_s, spread_s / mean_s if mean_s > 0 else inf
