"""What the detectors of network sensors share: what was raised already, what is our own, how a finding is made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from node.detectors.withheld import without_addresses
from node.findings import (
    EVIDENCE_LINES,
    OPEN_RADIO_CONFIDENCE,
    Evidence,
    Finding,
    FindingKind,
    Measure,
    Reference,
    Severity,
    finding_id,
)
from node.observations import SourceClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.records import Record

# At most so sure, by the best way in: a port's own sensor can be fooled by who sends the packets, and a log that
# arrives signed says who wrote it, not that it is so.
MOST_SURE: Final = {
    SourceClass.OPEN_RADIO: OPEN_RADIO_CONFIDENCE,
    SourceClass.LOCAL: 75,
    SourceClass.AUTHENTICATED: 90,
}
ADDRESSES: Final = 50_000
LINE_KEPT: Final = 2_048  # bytes
QUOTED_CHARS: Final = 120
TECHNIQUES: Final = "https://attack.mitre.org/techniques/"


def slim(record: Record, most: int = LINE_KEPT) -> Record:
    """A record as a detector remembers it: its line only if it is short, and no facts. Whoever sends packets fills
    lines, and many are remembered.
    """
    return replace(record, facts={}, raw=record.raw if len(record.raw) <= most else b"")


class Raised:
    """When each occasion was last raised, so that one in ``again_after`` is enough; the oldest is forgotten first."""

    def __init__(self, again_after: timedelta, most: int = 50_000) -> None:
        self._again_after = again_after
        self._most = most
        self._at: OrderedDict[Hashable, datetime] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at)

    def now(self, occasion: Hashable, at: datetime) -> bool:
        """Whether to raise it; reports out of order count as the same occasion on both sides of it."""
        last = self._at.get(occasion)
        if last is not None and abs(at - last) < self._again_after:
            return False
        self._at[occasion] = at
        self._at.move_to_end(occasion)
        if len(self._at) > self._most:
            self._at.popitem(last=False)
        return True


class Territory:
    """Which addresses are the port's own, and which foreign ones are known to be harmless.

    Private, link-local, loopback and multicast addresses are nobody else's to look for: they count as the port's own.
    """

    def __init__(self, own: Iterable[str] = (), known: Iterable[str] = ()) -> None:
        self._own = tuple(ip_network(one) for one in own)
        self._known = tuple(ip_network(one) for one in known)
        self._seen: dict[str, tuple[bool, bool]] = {}

    def is_inside(self, address: str) -> bool:
        """The port's own; what is no address is, too, so that it is never told."""
        return self._of(address)[0]

    def is_peer(self, address: str) -> bool:
        """Foreign, and not known to be harmless."""
        inside, known = self._of(address)
        return not inside and not known

    def peer(self, record: Record) -> tuple[str, str] | None:
        """(the port's address, the foreign one) of a record; None where it has not one of each."""
        if record.source is None or record.target is None:
            return None
        one, other = record.source.address, record.target.address
        if self.is_inside(one) and self.is_peer(other):
            return one, other
        return (other, one) if self.is_inside(other) and self.is_peer(one) else None

    def told(self, text: str) -> str:
        """A text that somebody else wrote, in one line, without any address of the port's."""
        whole = quoted(text, 4 * QUOTED_CHARS)  # an address cut in two would be told by half
        return without_addresses(whole, lambda address: not self.is_inside(address))[:QUOTED_CHARS]

    def _of(self, address: str) -> tuple[bool, bool]:
        found = self._seen.get(address)
        if found is None:
            if len(self._seen) >= ADDRESSES:
                self._seen.clear()
            found = self._seen[address] = self._judge(address)
        return found

    def _judge(self, address: str) -> tuple[bool, bool]:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return True, False
        mapped = parsed.ipv4_mapped if parsed.version == 6 else None
        parsed = parsed if mapped is None else mapped
        inside = not parsed.is_global or parsed.is_multicast or any(parsed in one for one in self._own)
        return inside, any(parsed in one for one in self._known)


def address_subject(address: str) -> str:
    """``ipv4:`` or ``ipv6:`` and the address."""
    return f"ipv6:{address}" if ":" in address else f"ipv4:{address}"


def technique(ident: str) -> Reference:
    """One of MITRE ATT&CK for ICS."""
    return Reference(source="mitre-attack", ident=ident, url=f"{TECHNIQUES}{ident}")


def quoted(text: str, most: int = QUOTED_CHARS) -> str:
    """A text that somebody else wrote, in one line and not longer than ``most``."""
    return " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * most]).split())[:most]


def found(
    detector: str,
    kind: FindingKind,
    subjects: Sequence[str],
    occasion: str,
    seen: Sequence[Record],
    *,
    severity: Severity,
    confidence: int,
    reason: str,
    numbers: Mapping[str, Measure],
    references: Iterable[Reference] = (),
    inside: Iterable[str] = (),
) -> Finding:
    """A finding about ``seen``, of which the last is the one that decided. ``occasion`` tells it from others."""
    best = max(one.source_class for one in seen)
    return Finding(
        id=finding_id(detector, kind, subjects[0], occasion),
        detector=detector,
        kind=kind,
        found_at=seen[-1].observed_at,
        subjects=tuple(subjects),
        severity=severity,
        confidence=min(confidence, MOST_SURE[best]),
        single_open_source=best is SourceClass.OPEN_RADIO,
        numbers=dict(numbers),
        reason=reason,
        places=(),
        discriminators=(),
        evidence=_evidence(seen),
        references=tuple(dict.fromkeys(references)),
        inside=tuple(dict.fromkeys(inside)),
    )


def _evidence(seen: Sequence[Record]) -> tuple[Evidence, ...]:
    """The lines, each once, in the order in which they came; of those remembered, the short ones."""
    lines = {
        one.digest: Evidence(
            line=one.raw,
            station=one.sensor,
            source_class=one.source_class,
            observed_at=one.observed_at,
            received_at=one.received_at,
        )
        for one in seen
        if one.raw
    }
    return tuple(sorted(lines.values(), key=lambda line: line.received_at)[-EVIDENCE_LINES:])
