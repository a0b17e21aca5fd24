"""The index of indicators in force, and one look-up per fact of an observation.

An indicator stands under the (path, value) pairs that its pattern binds by equality. Patterns that cannot be indexed
run on every observation: each issuer has a few of those, the rest is listed as not evaluated here.

"Now" is the trusted time its caller keeps (verified checkpoint time plus monotonic time), never the system clock.
One index serves one realm: exercise and real are never in the same. Who can put indicators in here can make the port
look for things; he cannot make it send anything about protected identities, nor for a pattern that hits more than
``quarantine_over`` objects of the last day.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from node.watch.discriminate import Track, which_track
from port2port.patterns import is_unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from node.watch.facts import ManyFacts, ObservedFacts
    from port2port.patterns import CompiledPattern, IndexKey, Value
    from port2port.stix.discriminators import Discriminators

Key: TypeAlias = tuple[str, str, str]  # (realm, issuer, STIX id)
DAY: Final = timedelta(days=1)
MEMORY: Final = timedelta(days=7)  # the longest WITHIN
_ENDS: Final = frozenset({"network-traffic:dst_ref.value", "network-traffic:src_ref.value"})


class Handling(StrEnum):
    """What the author asks of whoever meets the object; the first thing a hit shows."""

    ACT = "act"
    CALL_FIRST = "call_first"
    OBSERVE_ONLY = "observe_only"


class Admission(StrEnum):
    """What became of an indicator that was put in."""

    WATCHED = "watched"
    QUARANTINED = "quarantined"  # hits too many objects: an officer must release it
    NOT_EVALUATED = "not evaluated here"  # over the issuer's few unindexed patterns
    SUPERSEDED = "superseded"  # a later version is known
    REVOKED = "revoked"  # terminal
    LISTED = "listed"  # names what a warning list calls harmless; never in the index


class Decision(StrEnum):
    """What may follow from a match."""

    SIGHT = "sight"
    QUARANTINE = "quarantine"
    DUTY_OFFICER_ONLY = "duty officer only"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """How much an issuer may ask of every observation, and when a pattern is too broad to be believed."""

    unindexed_per_issuer: int = 5
    quarantine_over: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedIndicator:
    """An indicator of one issuer. Order of versions is log order (``entry_index``)."""

    issuer: str
    stix_id: str
    entry_index: int
    pattern: CompiledPattern
    handling: Handling
    valid_from: datetime
    valid_until: datetime | None = None
    discriminators: Discriminators | None = None
    realm: str = "real"

    @property
    def key(self) -> Key:
        return self.realm, self.issuer, self.stix_id

    def in_force(self, now: datetime) -> bool:
        """``valid_from`` inclusive, ``valid_until`` exclusive (STIX 2.1 section 4.7)."""
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An observation met an indicator. ``track`` is None where the identity is one ship's.

    On the other track of a cloned identity the handling is ``observe_only``, whatever the author asked: that
    ship is the victim.
    """

    indicator: WatchedIndicator
    handling: Handling
    track: Track | None
    decision: Decision
    subject: IndexKey | None
    observed_at: datetime


@dataclass(slots=True, kw_only=True)
class _Entry:
    """An indicator with what must be remembered for it: recent parts of a match, and whom it hit in the last day."""

    indicator: WatchedIndicator
    admission: Admission
    recent: dict[tuple[int, int], deque[ObservedFacts]] = field(default_factory=dict)
    subjects: dict[IndexKey, datetime] = field(default_factory=dict)
    released: bool = False


class WatchIndex:
    """Indicators of one realm. Not shared between threads.

    ``protected`` says whether facts are of police, customs, pilots or the own fleet.
    """

    def __init__(self, limits: WatchLimits, protected: Callable[[Mapping[str, Value]], bool]) -> None:
        self._limits = limits
        self._protected = protected
        self._entries: dict[Key, _Entry] = {}
        self._index: dict[str, dict[Value, dict[Key, _Entry]]] = {}  # path, then value
        self._unindexed: dict[Key, _Entry] = {}
        self._revoked: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, indicator: WatchedIndicator, hits_of_last_day: Callable[[CompiledPattern], int]) -> Admission:
        """Put in a version; ``hits_of_last_day`` counts the objects of the last 24 h that a pattern matches.

        What is revoked stays revoked and an earlier version changes nothing.
        """
        key = indicator.key
        if key in self._revoked:
            return Admission.REVOKED
        known = self._entries.get(key)
        if known is not None and known.indicator.entry_index >= indicator.entry_index:
            return Admission.SUPERSEDED
        self.remove(key)
        entry = _Entry(indicator=indicator, admission=self._admission(indicator, hits_of_last_day))
        self._entries[key] = entry
        if entry.admission is Admission.WATCHED:
            self._place(entry)
        return entry.admission

    def remove(self, key: Key) -> None:
        """Stop matching at once, for instance while suspended or disputed; the same version may be put in again."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._unindexed.pop(key, None)
        for path, value in entry.indicator.pattern.index_keys or ():
            self._take_out(path, value, key)

    def revoke(self, key: Key) -> None:
        """Stop matching for ever: no version of this object, older or newer, is watched again."""
        self.remove(key)
        self._revoked.add(key)

    def release(self, key: Key) -> bool:
        """An officer lets a quarantined indicator be watched, however much it hits; whether there was one."""
        entry = self._entries.get(key)
        if entry is None or entry.admission is not Admission.QUARANTINED:
            return False
        entry.admission = Admission.WATCHED
        entry.released = True
        self._place(entry)
        return True

    def admissions(self) -> Iterator[tuple[WatchedIndicator, Admission]]:
        """Every indicator and how it stands: what the desk shows as watched, quarantined, not evaluated here."""
        return ((entry.indicator, entry.admission) for entry in self._entries.values())

    def expire(self, now: datetime) -> list[Key]:
        """Forget what is no longer valid; the keys forgotten."""
        gone = [
            key
            for key, entry in self._entries.items()
            if entry.indicator.valid_until is not None and entry.indicator.valid_until <= now
        ]
        for key in gone:
            self.remove(key)
        return gone

    def observe(self, seen: ObservedFacts, now: datetime) -> list[Match]:
        """The indicators in force that this observation completes a match of, in log order."""
        return self._met(self._candidates(seen.facts), seen, now)

    def observe_record(self, record: ManyFacts, now: datetime) -> list[Match]:
        """As ``observe`` for what has several values of a path: an indicator is met once for each value it names.

        Each match is about the value that met it, with what else the record says of an object of that type. Patterns
        that name no value are met at most once.
        """
        touched = [
            (path, value, list(bucket.values()))
            for path, by_value in self._index.items()
            for value in record.facts.get(path, ())
            if (bucket := by_value.get(value)) is not None
        ]
        found = [
            match for path, value, entries in touched for match in self._met(entries, record.about(path, value), now)
        ]
        for entry in list(self._unindexed.values()):
            views = record.views(entry.indicator.pattern.types())
            found += next((met for view in views if (met := self._met([entry], view, now))), [])
        return found

    def _met(self, entries: list[_Entry], seen: ObservedFacts, now: datetime) -> list[Match]:
        found = [entry for entry in entries if self._matches(entry, seen, now)]
        found.sort(key=lambda entry: entry.indicator.entry_index)
        return [self._match(entry, seen, now) for entry in found]

    def _candidates(self, facts: Mapping[str, Value]) -> list[_Entry]:
        """Asked by path, so that a fact nobody indexes costs nothing and a big table is touched once."""
        buckets = [
            bucket
            for path, by_value in self._index.items()
            if (value := facts.get(path)) is not None and (bucket := by_value.get(value)) is not None
        ]
        if not buckets:
            return list(self._unindexed.values()) if self._unindexed else []
        candidates = dict(self._unindexed)
        for bucket in buckets:
            candidates.update(bucket)
        return list(candidates.values())

    def _matches(self, entry: _Entry, seen: ObservedFacts, now: datetime) -> bool:
        indicator = entry.indicator
        if not indicator.in_force(now):
            return False
        if indicator.pattern.single:
            return indicator.pattern.touches(seen.facts)
        return _completes(entry, seen)

    def _match(self, entry: _Entry, seen: ObservedFacts, now: datetime) -> Match:
        indicator = entry.indicator
        track = which_track(indicator.discriminators, seen)
        subject = subject_of(seen.facts)
        return Match(
            indicator=indicator,
            handling=Handling.OBSERVE_ONLY if track is Track.OTHER else indicator.handling,
            track=track,
            decision=self._decide(entry, subject, seen, now),
            subject=subject,
            observed_at=seen.observed_at,
        )

    def _decide(self, entry: _Entry, subject: IndexKey | None, seen: ObservedFacts, now: datetime) -> Decision:
        named = entry.indicator.pattern.index_keys or ()
        if subject is not None and subject not in named and not entry.released:
            entry.subjects[subject] = now
        if len(entry.subjects) > self._limits.quarantine_over:
            entry.subjects = {who: when for who, when in entry.subjects.items() if now - when < DAY}
        if len(entry.subjects) > self._limits.quarantine_over and not entry.released:
            self._quarantine(entry)
            return Decision.QUARANTINE
        told = (seen.facts, *_ends_named(named, seen.facts))
        return Decision.DUTY_OFFICER_ONLY if any(map(self._protected, told)) else Decision.SIGHT

    def _quarantine(self, entry: _Entry) -> None:
        self.remove(entry.indicator.key)
        entry.admission = Admission.QUARANTINED
        self._entries[entry.indicator.key] = entry

    def _admission(self, indicator: WatchedIndicator, hits_of_last_day: Callable[[CompiledPattern], int]) -> Admission:
        if not indicator.pattern.bound and self._unindexed_of(indicator.issuer) >= self._limits.unindexed_per_issuer:
            return Admission.NOT_EVALUATED
        if hits_of_last_day(indicator.pattern) > self._limits.quarantine_over:
            return Admission.QUARANTINED
        return Admission.WATCHED

    def _unindexed_of(self, issuer: str) -> int:
        """How many patterns of the issuer are watched that name no unique thing."""
        return sum(1 for _, owner, _ in self._unindexed if owner == issuer)

    def _place(self, entry: _Entry) -> None:
        keys = entry.indicator.pattern.index_keys if entry.indicator.pattern.bound else None
        if keys is None:
            self._unindexed[entry.indicator.key] = entry
            return
        for path, value in keys:
            self._index.setdefault(path, {}).setdefault(value, {})[entry.indicator.key] = entry

    def _take_out(self, path: str, value: Value, key: Key) -> None:
        """Leaves no empty bucket behind."""
        by_value = self._index.get(path, {})
        bucket = by_value.get(value, {})
        bucket.pop(key, None)
        if not bucket:
            by_value.pop(value, None)
        if not by_value:
            self._index.pop(path, None)


def subject_of(facts: Mapping[str, Value]) -> IndexKey | None:
    """The first unique name among the facts: which object a match is about."""
    return next(((path, value) for path, value in facts.items() if is_unique(path)), None)


def _completes(entry: _Entry, seen: ObservedFacts) -> bool:
    """Remember the observation for the brackets it fills, and ask whether all are filled now."""
    done = False
    for place, alternative in enumerate(entry.indicator.pattern.alternatives):
        mask = alternative.mask(seen.facts)
        if not mask:
            continue
        recent = entry.recent.setdefault((place, mask), deque(maxlen=entry.indicator.pattern.history))
        recent.append(seen)
        known = [
            earlier
            for (owner, _), kept in entry.recent.items()
            if owner == place
            for earlier in kept
            if abs(seen.observed_at - earlier.observed_at) <= MEMORY
        ]
        done = alternative.filled(known) or done
    return done


def _ends_named(named: Iterable[IndexKey], facts: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
    """The ends of traffic that a pattern names, as the addresses they are; the other end was not asked about."""
    for path, value in named:
        if path in _ENDS and facts.get(path) == value:
            yield {"ipv6-addr:value" if ":" in str(value) else "ipv4-addr:value": value}
