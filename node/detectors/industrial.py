"""INDUSTRIAL (CY2): somebody who is no engineer tells a controller to do something, or talks to one at all.

Four things are looked at: a function that writes, diagnoses, restarts or that no standard knows, from an address that
is not in the engineering list; a new pair of talker and controller on the ports of control protocols, once a week has
been learned; and a controller that answers more than one request in ten with an exception within a minute.
What was learned is lost when the node starts anew: it then learns for a week again, and the other three go on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from node.detectors.protocols import PORTS, Deed, deed_of
from node.detectors.recorded import Raised, Territory, address_subject, found, quoted, technique
from node.findings import Finding, FindingKind, Measure, Severity

if TYPE_CHECKING:
    from node.records import Record

EXCEPTIONS: Final = "exceptions"
TALKER: Final = "talker"
# MITRE ATT&CK for ICS 18.1: unauthorized command message, manipulation of control, change operating mode, device
# restart, remote system discovery, denial of service.
TECHNIQUES: Final = {
    Deed.WRITE: ("T0855", "T0831"),
    Deed.DIAGNOSTIC: ("T0855", "T0858"),
    Deed.RESTART: ("T0855", "T0816", "T0814"),
    Deed.UNKNOWN: ("T0855", "T0846"),
    TALKER: ("T0846",),
    EXCEPTIONS: ("T0814",),
}
SEVERITIES: Final = {
    Deed.WRITE: Severity.HIGH,
    Deed.DIAGNOSTIC: Severity.MEDIUM,
    Deed.RESTART: Severity.HIGH,
    Deed.UNKNOWN: Severity.MEDIUM,
    TALKER: Severity.LOW,
    EXCEPTIONS: Severity.MEDIUM,
}
SURE: Final = {Deed.WRITE: 75, Deed.RESTART: 80, Deed.DIAGNOSTIC: 65, Deed.UNKNOWN: 70, TALKER: 40, EXCEPTIONS: 50}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndustrialSettings:
    """Thresholds; ``engineering`` are the networks that may write."""

    engineering: tuple[str, ...] = ()
    learning: timedelta = timedelta(days=7)  # a working week with its weekend
    exception_share: float = 0.10
    exceptions_of: int = 20  # requests in the minute: of fewer, one exception is more than a tenth
    again_after: timedelta = timedelta(hours=24)  # one finding per talker and deed
    pairs: int = 20_000
    minutes: int = 4_096


@dataclass(slots=True)
class _Minute:
    answers: int = 0
    exceptions: int = 0


class Industrial:
    """See the module's story."""

    name = "industrial"
    version = 1

    def __init__(self, territory: Territory | None = None, settings: IndustrialSettings | None = None) -> None:
        self._territory = territory or Territory()
        self._settings = settings or IndustrialSettings()
        self._engineering = tuple(ip_network(one) for one in self._settings.engineering)
        self._raised = Raised(self._settings.again_after)
        self._began: datetime | None = None
        self.pairs: OrderedDict[tuple[str, str, int], None] = OrderedDict()
        self.minutes: OrderedDict[tuple[str, datetime], _Minute] = OrderedDict()

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        return [finding for record in records for finding in self._of(record)]

    def is_unusual(self, record: Record) -> Deed | None:
        """What a record does beyond reading, from a source that is no engineer's; None for all others."""
        deed = deed_of(record.kind, record.industrial.get("function", ""))
        if deed is None or deed is Deed.READ or record.source is None or self._may_write(record.source.address):
            return None
        return deed

    def _of(self, record: Record) -> Iterable[Finding]:
        deed = self.is_unusual(record)
        if deed is not None:
            yield from self._deed(record, deed)
        if record.kind == "modbus":
            yield from self._exceptions(record)
        if record.source is not None and record.target is not None and record.target.port in PORTS:
            yield from self._talker(record, record.source.address, record.target.address, record.target.port)

    def _may_write(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in one for one in self._engineering)

    def _deed(self, record: Record, deed: Deed) -> Iterable[Finding]:
        function = quoted(record.industrial.get("function", ""), 40)
        if record.source is None or not self._raised.now((record.source.address, deed, function), record.observed_at):
            return
        reason = f"A {record.kind} function ({function}, {deed}) from an address that may not give commands"
        yield self._finding(record, deed, record.source.address, occasion=f"{deed}/{function}", reason=reason)

    def _talker(self, record: Record, source: str, target: str, port: int) -> Iterable[Finding]:
        pair, at = (source, target, port), record.observed_at
        self._began = at if self._began is None else min(self._began, at)
        known = pair in self.pairs
        self.pairs[pair] = None
        self.pairs.move_to_end(pair)
        if len(self.pairs) > self._settings.pairs:
            self.pairs.popitem(last=False)
        if known or at - self._began < self._settings.learning or self._may_write(source):
            return
        if self._raised.now((source, TALKER, port), at):
            reason = f"An address that never talked to this controller before opened port {port}"
            yield self._finding(record, TALKER, source, occasion=f"{TALKER}/{port}", reason=reason)

    def _exceptions(self, record: Record) -> Iterable[Finding]:
        if record.target is None or record.source is None:
            return
        target, at = record.target.address, record.observed_at
        minute = self._minute(target, at.replace(second=0, microsecond=0))
        minute.answers += 1
        minute.exceptions += bool(record.industrial.get("exception"))
        share = minute.exceptions / minute.answers
        if minute.answers < self._settings.exceptions_of or share <= self._settings.exception_share:
            return
        if self._raised.now((target, EXCEPTIONS), at):
            numbers = {
                "exceptions": Measure(value=round(100 * share, 1), unit="%", limit=100 * self._settings.exception_share)
            }
            reason = f"Of a minute's requests a controller answers {100 * share:.0f} in a hundred with exceptions"
            yield self._finding(
                record, EXCEPTIONS, record.source.address, occasion=EXCEPTIONS, reason=reason, numbers=numbers
            )

    def _minute(self, target: str, begin: datetime) -> _Minute:
        minute = self.minutes.setdefault((target, begin), _Minute())
        if len(self.minutes) > self._settings.minutes:
            self.minutes.popitem(last=False)
        return minute

    def _finding(
        self,
        record: Record,
        what: str,
        source: str,
        *,
        occasion: str,
        reason: str,
        numbers: Mapping[str, Measure] = MappingProxyType({}),
    ) -> Finding:
        target = "" if record.target is None else record.target.address
        inside = [one for one in (source, target) if one and self._territory.is_inside(one)]
        return found(
            f"{self.name}@{self.version}",
            FindingKind.INDUSTRIAL,
            (address_subject(source),),
            f"{occasion}/{target}/{record.observed_at.date().isoformat()}",
            (record,),
            severity=SEVERITIES[what],
            confidence=SURE[what],
            reason=reason,
            numbers=numbers,
            references=[technique(ident) for ident in TECHNIQUES[what]],
            inside=inside,
        )
