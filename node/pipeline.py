"""One port's own eyes, wired: lines → parser → gate → tracks, visits, detectors, watch → drafts and sightings.

The story of one batch. Its lines become observations; they update tracks and visits, detectors turn some into
findings, the watch meets some with indicators. Findings become drafts (or are silenced), rules publish what officers
approved beforehand, matches become sightings: all of a batch in one transaction, each in a savepoint of its own, so
that one that cannot be published harms no other.

Beside it runs the tick: indicators that the inbox has brought or taken away since are put into the watch or out of
it, and each new one is also asked about the last thirty days.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from node import drafts, indicators, rules, sightings, store
from node.detectors import Detector, Scene, all_detectors
from node.drafts import Defaults, Taken
from node.findings import Finding
from node.inbox import EntryHandler
from node.indicators import Indicator
from node.places import Places
from node.publish import Author
from node.rules import AutomaticRule
from node.sensors.gate import CLOCK_AHEAD, Gate
from node.sensors.parsers.ais import AisParser
from node.sensors.transports.lines import LineQueue, ReceivedLine, Transport
from node.sightings import Sighted, Sighter
from node.store import NodeStore
from node.tracks import Track, Tracks
from node.trusted_time import TrustedTime
from node.visits import VisitFold, VisitStore
from node.warning_lists.watching import Listing
from node.watch import (
    Admission,
    Decision,
    Handling,
    Match,
    Past,
    WatchedIndicator,
    WatchIndex,
    WatchLimits,
    facts_of_ais,
    look_back,
)
from port2port import canonical
from port2port.canonical import Json
from port2port.clock import Clock, from_ms, to_text
from port2port.errors import Port2PortError
from port2port.limits import LIMITS
from port2port.patterns import CompiledPattern, PatternError, TemplateCache, Value, compile_pattern
from port2port.roster import Roster
from port2port.stix.discriminators import of_indicator

logger = logging.getLogger(__name__)

BATCH_LINES: Final = 512
TICK_S: Final = 0.5
VISITS_EVERY: Final = timedelta(seconds=10)
HOUSEKEEPING_EVERY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)
DAY: Final = timedelta(days=1)
NO_RECORDS: Final = "no-records"  # visits are kept of ships by number only
LookBack = Callable[[WatchedIndicator, datetime, datetime], Past | None]
COUNT_TO: Final = 10  # a pattern that hits more objects than this is too broad, however many more


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a port decides about its own pipeline. ``protected`` says whose matches send nothing."""

    defaults: Defaults
    rules: tuple[AutomaticRule, ...] = ()
    protected: Callable[[Mapping[str, Value]], bool] | None = None
    match_own: bool = False
    security_level: int = 1
    limits: WatchLimits = field(default_factory=WatchLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a batch amounts to before anything is stored."""

    observations: int
    findings: tuple[Finding, ...]
    due: tuple[tuple[Sighted, Decision], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """How much came through since the start."""

    lines: int = 0
    observations: int = 0
    findings: int = 0
    suppressed: int = 0
    drafts: int = 0
    matches: int = 0
    refused: int = 0


class Pipeline:
    """Run it as one task. ``roster`` gives the inbox's newest, None before the first entry."""

    def __init__(
        self,
        node_store: NodeStore,
        author: Author,
        options: Options,
        *,
        clock: Clock,
        trusted: TrustedTime,
        places: Places,
        visits: VisitStore,
        roster: Callable[[], Roster | None],
        parser: AisParser,
        queue: LineQueue,
        transports: Sequence[Transport] = (),
        detectors: Sequence[Detector] | None = None,
        network: LookBack | None = None,
    ) -> None:
        self._store = node_store
        self._author = author
        self._options = options
        self._clock = clock
        self._scene = Scene(places=places, security_level=options.security_level)
        self._visits = visits
        self._roster = roster
        self._parser = parser
        self._queue = queue
        self._transports = tuple(transports)
        self._detectors = all_detectors() if detectors is None else tuple(detectors)
        self._network = network
        self._gate = Gate()
        self.tracks = Tracks()
        self._trusted = trusted
        self._fold = VisitFold()
        self._listing = Listing(author.gate)
        self._watch = WatchIndex(options.limits, options.protected or (lambda _facts: False))
        self._sighter = Sighter()
        self._templates = TemplateCache()
        self._known: dict[indicators.Key, Indicator] = {}
        self._applied = -1
        self.busy = asyncio.Lock()
        self._kept_visits_at = self._kept_house_at = clock.now()
        self.counters = Counters()

    @property
    def handlers(self) -> tuple[EntryHandler, ...]:
        """What the inbox runs in the transaction that stores an entry."""
        return (indicators.handle, sightings.handle_incoming(self._author.member))

    async def run(self) -> None:
        """Follow the sources until cancelled; a source that ends (a file) ends alone."""
        await self.start()
        async with asyncio.TaskGroup() as tasks:
            for transport in self._transports:
                tasks.create_task(self._source(transport), name=f"source {transport.name}")
            tasks.create_task(self._consume(), name="pipeline")
            tasks.create_task(self._ticks(), name="pipeline tick")

    async def start(self) -> None:
        """Take up where the last run ended."""
        await self._store.read(self._sighter.load)
        await self.tick()

    async def take(self, lines: Sequence[ReceivedLine]) -> Looked:
        """One batch of lines, to the end."""
        async with self.busy:
            looked = await asyncio.to_thread(self._look, lines)
            if looked.findings or looked.due:
                await self.keep(looked.findings, looked.due)
            self._count(lines=len(lines), observations=looked.observations)
            return looked

    async def tick(self) -> None:
        """Bring the watch up to date with the log, and do what is due by the clock."""
        async with self.busy:
            head = await self._store.read(store.head)
            self._trusted.proved(head.last_received_ms)
            changed = await self._store.read(lambda connection: indicators.changed_since(connection, self._applied))
            relisted = await self._relisted()
            admitted = [one for one in (*relisted, *changed) if self._admit(one) is Admission.WATCHED]
            unasked = [one for one in admitted if one.past is None]
            if changed or relisted:
                await self._store.write(lambda connection: self._note_states(connection, (*relisted, *changed)))
            if changed:
                self._applied = changed[-1].index
            if unasked:
                await self.flush_visits()
                for one in unasked:
                    await self._ask_the_past(one)
            await self._housekeeping()

    async def flush_visits(self) -> None:
        """Write the visits collected so far."""
        visits, coverage = self._fold.drain()
        self._kept_visits_at = self._clock.now()
        if visits or coverage:
            await asyncio.to_thread(self._visits.add, visits, coverage)

    # --- looking --------------------------------------------------------------------------------------------------

    def _look(self, lines: Sequence[ReceivedLine]) -> Looked:
        """The pure part of a batch: nothing is stored yet."""
        seen = self._gate.admit(self._parser.parse(lines))
        self.tracks.fold(seen)
        self._fold.fold(seen, self._scene.places)
        findings = [finding for detector in self._detectors for finding in detector.detect(seen, self._scene)]
        due = self.met(lambda watch, now: (met for one in seen for met in watch.observe(facts_of_ais(one), now)))
        return Looked(observations=len(seen), findings=tuple(findings), due=tuple(due))

    def met(self, find: Callable[[WatchIndex, datetime], Iterable[Match]]) -> list[tuple[Sighted, Decision]]:
        """The sightings that are to be told now, of the matches that ``find`` finds in the watch at the trusted time.

        For what other sensors saw: while ``busy`` is held.
        """
        due: dict[tuple[indicators.Key, str], tuple[Sighted, Decision]] = {}
        if not len(self._watch):
            return []
        now = self._clock.now()
        for match in find(self._watch, from_ms(self._trusted.now_ms())):
            one = self._sighter.note(match, self._known[match.indicator.key], now)
            if one is not None:
                due[one.indicator.key, one.row_subject] = (one, match.decision)
        return list(due.values())

    async def _relisted(self) -> list[Indicator]:
        """The indicators that come onto a warning list, or off it, because lists or exceptions have changed."""
        now = self._clock.now()
        if not await self._store.read(lambda connection: self._listing.refresh(connection, now)):
            return []
        await self._store.write(lambda connection: self._listing.note_fault(connection, now))
        return await asyncio.to_thread(self._listing.moved, list(self._known.values()))

    def _admit(self, one: Indicator) -> Admission | None:
        """Put an indicator into the watch, or out of it; None where it is not watched."""
        self._known[one.key] = one
        if one.revoked:
            self._watch.revoke(one.key)
            return Admission.REVOKED
        own = one.issuer == self._author.member and not self._options.match_own
        if not one.may_match or own:
            self._watch.remove(one.key)
            return None
        if self._listing.names(one):
            self._watch.remove(one.key)
            return Admission.LISTED
        try:
            watched = self._watched(one)
        except PatternError:
            self._watch.remove(one.key)
            return Admission.NOT_EVALUATED
        return self._watch.add(watched, self._hits_of_last_day)

    def _watched(self, one: Indicator) -> WatchedIndicator:
        data = canonical.loads_object(one.stix, limit=LIMITS.object_bytes)
        return WatchedIndicator(
            issuer=one.issuer,
            stix_id=one.stix_id,
            entry_index=one.index,
            realm=one.realm,
            pattern=compile_pattern(str(data["pattern"]), self._templates),
            handling=Handling(one.handling or Handling.CALL_FIRST),
            valid_from=one.valid_from or one.modified,
            valid_until=one.valid_until,
            discriminators=of_indicator(data),
        )

    def _hits_of_last_day(self, pattern: CompiledPattern) -> int:
        if pattern.bound:
            return 0  # it names its objects one by one
        since, count = self._clock.now() - DAY, 0
        for track in self.tracks:
            count += track.last_seen >= since and pattern.touches(_facts_of(track))
            if count > COUNT_TO:
                break
        return count

    async def _ask_the_past(self, one: Indicator) -> None:
        now = self._clock.now()
        watched = self._watched(one)
        past = await asyncio.to_thread(look_back, watched, self._visits, now - KEPT, now + CLOCK_AHEAD)
        if past is None and self._network is not None:
            past = await asyncio.to_thread(self._network, watched, now - KEPT, now + CLOCK_AHEAD)
        if past is None:
            note_none: dict[str, Json] = {"asked_at": to_text(now), "verdict": NO_RECORDS}
            await self._store.write(lambda connection: indicators.note_past(connection, one.key, note_none))
            return
        note = _note_of(past, now)
        sighted = self._sighter.past(past, one, now)
        decision = Decision.SIGHT
        protected = self._options.protected
        if protected is not None and any(protected(_named(name)) for name in past.identities):
            decision = Decision.DUTY_OFFICER_ONLY

        def action(connection: Connection) -> None:
            indicators.note_past(connection, one.key, note)
            if sighted is not None:
                self._tell(connection, sighted, decision, now)

        await self._store.write(action)

    # --- keeping --------------------------------------------------------------------------------------------------

    async def keep(
        self,
        findings: Sequence[Finding],
        due: Sequence[tuple[Sighted, Decision]],
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        """Store what a batch amounts to, in one transaction; ``also`` belongs to it and runs first."""
        now = self._clock.now()

        def action(connection: Connection) -> list[Taken]:
            if also is not None:
                also(connection)
            taken = [self._take_in(connection, finding, now) for finding in findings]
            for one, decision in due:
                self._tell(connection, one, decision, now)
            return [one for one in taken if one is not None]

        taken = await self._store.write(action)
        for one, _ in due:
            self._sighter.told(one, now)
        self._count(
            findings=len(taken),
            suppressed=sum(one.suppression is not None for one in taken),
            drafts=sum(one.is_new for one in taken),
            matches=len(due),
        )

    def _take_in(self, connection: Connection, finding: Finding, now: datetime) -> Taken | None:
        try:
            with connection.begin_nested():
                taken = drafts.take_in(connection, finding, self._options.defaults, now=now, new_id=uuid.uuid4)
        except Port2PortError as error:
            self._refused("a finding could not be stored", error)
            return None
        roster, draft = self._roster(), taken.draft
        if draft is None or draft.state != drafts.OPEN or not self._options.rules or roster is None:
            return taken

        def skipped(why: str) -> None:
            logger.info("a rule left a draft to an officer", extra={"draft": draft.id, "why": why})

        try:
            with connection.begin_nested():
                rules.apply(
                    connection, self._author, self._options.rules, draft, roster=roster, now=now, skipped=skipped
                )
        except Port2PortError as error:
            self._refused("a rule could not publish", error)
        return taken

    def _tell(self, connection: Connection, one: Sighted, decision: Decision, now: datetime) -> None:
        roster = self._roster()
        if roster is None:
            return
        try:
            with connection.begin_nested():
                sightings.tell(
                    connection,
                    self._author,
                    one,
                    roster=roster,
                    now=now,
                    decision=decision,
                )
        except Port2PortError as error:
            self._refused("a sighting could not be sent", error)

    def _note_states(self, connection: Connection, changed: Sequence[Indicator]) -> None:
        states = {watched.key: admission for watched, admission in self._watch.admissions()}
        for one in changed:
            state = Admission.LISTED if one.may_match and self._listing.known(one.key) else states.get(one.key)
            if state is None and one.may_match and one.issuer != self._author.member:
                state = Admission.NOT_EVALUATED
            indicators.note_state(connection, one.key, "" if state is None else state.value, index=one.index)
            self._listing.note(connection, one)

    async def _housekeeping(self) -> None:
        now = self._clock.now()
        if now - self._kept_visits_at >= VISITS_EVERY:
            await self.flush_visits()
        if now - self._kept_house_at < HOUSEKEEPING_EVERY:
            return
        self._kept_house_at = now
        self._watch.expire(from_ms(self._trusted.now_ms()))
        self._sighter.forget(now - DAY)
        self.tracks.expire(now - DAY)
        await asyncio.to_thread(self._visits.purge, now - KEPT)

    # --- running --------------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        while lines := await self._queue.batch(BATCH_LINES):
            await self.take(lines)
        await self.flush_visits()

    async def _ticks(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            await self.tick()

    async def _source(self, transport: Transport) -> None:
        try:
            await transport.run()
        except Port2PortError as error:
            logger.error("a source failed", extra={"source": transport.name, "code": error.code})  # noqa: TRY400
        else:
            logger.info("a source ended", extra={"source": transport.name})

    def _refused(self, event: str, error: Port2PortError) -> None:
        self._count(refused=1)
        logger.warning(event, extra={"code": error.code, "why": error.text})

    def _count(self, **more: int) -> None:
        self.counters = Counters(
            **{name: getattr(self.counters, name) + more.get(name, 0) for name in Counters.__slots__}
        )


def _facts_of(track: Track) -> dict[str, Value]:
    facts: dict[str, Value] = {}
    for seen in (track.static, track.position):
        if seen is not None:
            facts |= facts_of_ais(seen).facts
    return facts


def _note_of(past: Past, now: datetime) -> dict[str, Json]:
    answer = past.answer
    return {
        "asked_at": to_text(now),
        "count": answer.count,
        "first_seen": None if answer.first_seen is None else to_text(answer.first_seen),
        "hours_asked": answer.hours_asked,
        "hours_looked": answer.hours_looked,
        "last_seen": None if answer.last_seen is None else to_text(answer.last_seen),
        "partial": past.partial,
        "places": [*answer.places],
        "verdict": answer.verdict.value,
    }


def _named(identity: str) -> dict[str, Value]:
    """An identity as the fact that ``Gate.protects`` asks about: a ship's, or ``path=value``."""
    path, sign, text = identity.partition("=")
    if sign:
        return {path: text}
    kind, _, value = identity.partition(":")
    return {f"vessel:{kind}": value}
