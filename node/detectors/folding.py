"""A flood of findings is one thing to look at, not ten thousand.

Whoever can send packets can forge senders, and whoever can send mail can name a thousand lookalikes. So a detector may
open so many subjects in an hour; of what comes beyond, the findings are stored and counted and make no drafts of their
own, and one finding tells of the flood. Subjects that are open already go on as before: a flood hides none of those.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from node.detectors.recorded import Raised
from node.findings import Finding, Measure, Severity, finding_id

if TYPE_CHECKING:
    from node.detectors.base import RecordDetector
    from node.records import Record

FLOOD: Final = "flood"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldingSettings:
    """Thresholds: more drafts of one detector than ``subjects`` an hour nobody reads."""

    subjects: int = 50
    within: timedelta = timedelta(hours=1)
    stored: int = 2_000  # folded findings of a flood that are stored; the rest is counted


class Folding:
    """A detector whose floods are folded; it has its name and version."""

    def __init__(self, inner: RecordDetector, settings: FoldingSettings | None = None) -> None:
        self._inner = inner
        self._settings = settings or FoldingSettings()
        self._raised = Raised(self._settings.within)
        self._held = 0
        self.open: OrderedDict[str, datetime] = OrderedDict()

    @property
    def name(self) -> str:
        """That of the detector."""
        return self._inner.name

    @property
    def version(self) -> int:
        """That of the detector."""
        return self._inner.version

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Its findings, folded where they are too many."""
        return [one for finding in self._inner.detect(records) for one in self._folded(finding)]

    def _folded(self, finding: Finding) -> Iterable[Finding]:
        subject, at = finding.subjects[0], finding.found_at
        for old in [known for known, last in self.open.items() if at - last >= self._settings.within]:
            del self.open[old]
        if subject in self.open or len(self.open) < self._settings.subjects:
            self.open[subject] = max(at, self.open.get(subject, at))
            yield finding
            return
        is_news = self._raised.now(FLOOD, at)
        self._held = 1 if is_news else self._held + 1
        if is_news:
            yield self._flood(finding)
        if self._held <= self._settings.stored:
            yield replace(finding, folded=True)

    def _flood(self, finding: Finding) -> Finding:
        most = self._settings.subjects
        subject = f"{FLOOD}:{self.name}"
        return replace(
            finding,
            id=finding_id(finding.detector, finding.kind, subject, f"{finding.found_at:%Y-%m-%dT%H}"),
            subjects=(subject,),
            severity=Severity.HIGH,
            numbers={"subjects": Measure(value=len(self.open) + 1, unit="", limit=most)},
            reason=f"More than {most} findings of {self.name} within an hour: the rest is stored and counted",
            references=(),
        )
