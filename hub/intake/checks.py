"""Everything about an envelope that needs no lock: all numbered steps but the sequence, and the hub's own policy.

Runs in a thread pool under a snapshot of the roster. What may have changed by the time of the commit is judged
again there (``judging``); the candidate says until when this judgement holds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hub.intake.results import Outcome, Result, of_error
from hub.transparency import Candidate, Log, RosterAt
from port2port import verify
from port2port.authority import is_machine_only
from port2port.clock import Clock, to_ms
from port2port.errors import InvariantError, PolicyError, Port2PortError
from port2port.ids import FEDERATION_ISSUER
from port2port.limits import LIMITS
from port2port.merkle import SIZE_MAX
from port2port.roster import Roster
from port2port.sharing import named_in
from port2port.statement import Kind
from port2port.stix.validate import ValidObject
from port2port.verify import STEPS, Context, Work, run

logger = logging.getLogger(__name__)
READING_STEPS: Final = STEPS[:7]
CHECKING_STEPS: Final = (*STEPS[7:10], *STEPS[11:18])
ENABLED_KINDS: Final = frozenset(
    kind.value
    for kind in (
        Kind.GENESIS,
        Kind.ROSTER,
        Kind.REKEY,
        Kind.REVOKE_KEY,
        Kind.GROUP,
        Kind.PUBLISH,
        Kind.SIGHTING,
        Kind.RETRACT,
        Kind.SUSPEND,
        Kind.REAFFIRM,
        Kind.NOTE,
        Kind.REPORT,
        Kind.LEVEL,
        Kind.IMPORT,
    )
)


class KindError(PolicyError):
    """A kind that the protocol has and this federation does not use yet."""

    code = "KIND_NOT_IN_USE"


class ForeignIssuerError(PolicyError):
    """A member handed in another member's statement: only its issuer may."""

    code = "FOREIGN_ISSUER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Either a candidate for the log or the final result; and what it cost its sender."""

    candidate: Candidate | None = None
    result: Result | None = None
    machine_only: bool = False
    templates: tuple[bytes, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether a newer roster could judge otherwise."""
        return self.result is not None and self.result.step in _ROSTER_NUMBERS


_ROSTER_NUMBERS: Final = frozenset(step.number for step in verify.ROSTER_STEPS)


class Checker:
    """The checks with what they need: one per process, used from several threads at once."""

    def __init__(
        self,
        *,
        federation: str,
        genesis_hash: str,
        log: Log,
        validate: Callable[[bytes], ValidObject],
        clock: Clock,
    ) -> None:
        self._federation = federation
        self._genesis_hash = genesis_hash
        self._log = log
        self._validate = validate
        self._clock = clock

    def check(self, raw: bytes, member: str | None, at: RosterAt) -> Checked:
        """Judge one envelope that ``member`` handed in (None: the hub's operator). Never raises."""
        return self.check_in(raw, member, at, self.context(at))

    def check_in(self, raw: bytes, member: str | None, at: RosterAt, context: Context) -> Checked:
        """As ``check``, in a context that several envelopes of one moment share."""
        work = Work(raw=raw, context=context)
        try:
            run(READING_STEPS, work)
            _require_kind(work)
            _require_sender(work, member)
            run(CHECKING_STEPS, work)
            return _passed(work, at)
        except Port2PortError as error:
            return self._refused(work, member, error)
        except Exception:
            # The outermost handler of one envelope: what nobody foresaw refuses it and no other.
            logger.exception("envelope check failed unexpectedly", extra={"digest": work.digest.hex()})
            return self._refused(work, member, InvariantError("the envelope could not be judged"))

    def context(self, at: RosterAt) -> Context:
        """What is known now, under the roster ``at``."""
        return Context(
            federation=self._federation,
            genesis_hash=self._genesis_hash,
            roster=at.roster,
            # Where it will stand is not known yet. A log_seen beyond the log has no root and is refused by that.
            index=0 if at.roster is None else SIZE_MAX,
            received_ms=to_ms(self._clock.now()),
            last_seq=self._log.last_seq,
            root_at=self._log.root_at,
            validate=self._validate,
        )

    def _refused(self, work: Work, member: str | None, error: Port2PortError) -> Checked:
        """A copy of what is logged already is a duplicate, whatever has changed since it was logged."""
        result = of_error(error, work.digest)
        templates = _templates(work)
        if work.statement is None or result.outcome is Outcome.RETRY or not _may_hand_in(work, member):
            return Checked(result=result, templates=templates)
        try:
            first = self._log.find(work.digest)
        except Port2PortError as failed:
            return Checked(result=of_error(failed, work.digest), templates=templates)
        if first is not None:
            index, received_ms = first
            result = Result(outcome=Outcome.DUPLICATE, digest=work.digest, index=index, received_ms=received_ms)
        return Checked(result=result, templates=templates)


def good_between(work: Work, roster: Roster | None) -> tuple[int, int]:
    """The times of logging for which the judgement about time holds: from now to the next expiry."""
    now = work.context.received_ms
    until = to_ms(work.said.issued) + LIMITS.max_age_ms
    keys = {} if roster is None else roster.keys
    for item in work.sealed.signatures:
        key = keys.get(item.key_id)
        if key is not None:
            end = key.not_after_ms
            until = min(until, end if end >= now else end + LIMITS.max_age_ms)
    return now, max(now, until)


def _passed(work: Work, at: RosterAt) -> Checked:
    revokes = frozenset([item.id for item in work.objects if item.revoked])
    names = named_in([item.data for item in work.objects])
    good_ms = good_between(work, at.roster)
    candidate = Candidate(work=work, revokes=revokes, names=names, version=at.version, good_ms=good_ms)
    return Checked(candidate=candidate, machine_only=is_machine_only(work.voices), templates=_templates(work))


def _templates(work: Work) -> tuple[bytes, ...]:
    """The shapes of its patterns, whether the cache knew them or not: that would tell of others' entries."""
    return tuple([item.template for item in work.objects if item.template is not None])


def _require_kind(work: Work) -> None:
    if work.said.kind not in ENABLED_KINDS:
        raise KindError("this kind is not in use yet", kind=work.said.kind)


def _require_sender(work: Work, member: str | None) -> None:
    if not _may_hand_in(work, member):
        raise ForeignIssuerError("a statement is handed in by its own issuer")


def _may_hand_in(work: Work, member: str | None) -> bool:
    """Coordinators have no connection of their own: anybody may carry what they signed."""
    return work.said.issuer in {FEDERATION_ISSUER, member}
