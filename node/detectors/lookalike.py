"""LOOKALIKE (CY3): somebody inside looked up, or reached, a domain made to be taken for one of ours.

Who looked it up stays here; what is told is the name. A name that was reached over TLS or HTTP is graver than one that
was only asked for: mail gateways and scanners ask for names all day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.detectors.recorded import Raised, found
from node.findings import Finding, FindingKind, Measure, Severity
from node.lookalikes import Lookalike, LookalikeEngine, Ours, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.records import Record

AGAIN_AFTER: Final = timedelta(hours=24)  # one finding per registered name, and one more once it is reached
NAMES_OF_A_RECORD: Final = 64
KINDS: Final = frozenset({"dns", "tls", "http"})
REACHED: Final = frozenset({"tls", "http"})
# By how seldom an honest name fires a rule; two slips are less than one.
SURE: Final = {
    Rule.GLYPHS: 80,
    Rule.ABOVE: 70,
    Rule.JOINED: 65,
    Rule.TABLE: 60,
    Rule.EDITS: 60,
    Rule.SUFFIX: 50,
}
TWO_SLIPS: Final = 45
SAID: Final = {
    Rule.GLYPHS: "it reads like it in other signs",
    Rule.ABOVE: "it stands before somebody else's domain",
    Rule.JOINED: "it stands in a longer word",
    Rule.TABLE: "it is a known misspelling",
    Rule.EDITS: "one or two letters differ",
    Rule.SUFFIX: "it stands under another suffix",
}


class LookalikeDomains:
    """See the module's story."""

    name = "lookalike"
    version = 1

    def __init__(self, engine: LookalikeEngine | None = None) -> None:
        self._engine = engine or LookalikeEngine(Ours())
        self.raised = Raised(AGAIN_AFTER)

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        findings = []
        for record in records:
            if record.kind in KINDS:
                for domain in record.facts.get("domain-name:value", ())[:NAMES_OF_A_RECORD]:
                    verdict = self._engine.judge(domain)
                    if verdict is not None and self._is_news(verdict, record):
                        findings.append(self._finding(verdict, record))
        return findings

    def _is_news(self, verdict: Lookalike, record: Record) -> bool:
        return self.raised.now((verdict.registered, record.kind in REACHED), record.observed_at)

    def _finding(self, verdict: Lookalike, record: Record) -> Finding:
        reached = record.kind in REACHED
        day = record.observed_at.date().isoformat()
        return found(
            f"{self.name}@{self.version}",
            FindingKind.LOOKALIKE,
            domain_subjects(verdict),
            f"{'reached' if reached else 'asked'}/{day}",
            (record,),
            severity=Severity.HIGH if reached else Severity.MEDIUM,
            confidence=sure_of(verdict),
            reason=reason_of(verdict, reached=reached),
            numbers={"letters_that_differ": Measure(value=verdict.edits, unit="")},
            inside=() if record.source is None else (record.source.address,),
        )


def sure_of(verdict: Lookalike) -> int:
    """How sure the rule is."""
    return TWO_SLIPS if verdict.edits > 1 else SURE[verdict.rule]


def domain_subjects(verdict: Lookalike) -> tuple[str, ...]:
    """What others should look for: the name as it was seen, and the registered one unless that is a stranger's."""
    hosts = (verdict.host,) if verdict.rule is Rule.ABOVE else (verdict.registered, verdict.host)
    return tuple(f"domain:{one}" for one in dict.fromkeys(hosts))


def reason_of(verdict: Lookalike, *, reached: bool) -> str:
    """In words."""
    what = "was reached from here" if reached else "was looked up here"
    return f"{verdict.host} {what} and can be taken for {verdict.like}: {SAID[verdict.rule]}"
