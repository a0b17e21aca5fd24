"""A port's network sensors, wired: log → lines → records → detectors, watch, past → drafts and sightings.

The story of one batch. Some lines behind the last place in a log are read. Those read before, by digest, are left
out; what is no record is put aside. Detectors turn some of the rest into findings, the watch meets some with
indicators. Then one transaction stores all of it: the place, the digests, what was seen for looking back, findings as
drafts and matches as sightings. A crash before it changes nothing, a crash after it is told to nobody twice. Where
the write fails and the node goes on, what was found waits for the next try: detectors raise an occasion only once.

The watch and what follows from it are shared with what ships transmit, and so is the lock: a batch is worked on by
one of them at a time. The sources come from outside as ``Source``: this module opens no file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final, Protocol

from sqlalchemy.engine import Connection

from node import cyber_past, tail_places
from node.cyber_past import ValueFold
from node.detectors.base import RecordDetector
from node.detectors.recorded import Territory
from node.findings import Finding
from node.records import Record
from node.sensor_health import Log, SensorHealth
from node.settings import CyberSettings
from node.sightings import Sighted
from node.store import NodeStore
from node.tail_places import HEAD_BYTES, BadLine, Chunk, Counted, TailPosition
from node.watch import NETWORK_TYPES, Decision, ManyFacts, Match, Past, WatchedIndicator, WatchIndex
from port2port.clock import Clock
from port2port.database import StorageError
from port2port.errors import Port2PortError
from port2port.failpoints import reach
from port2port.metrics import Metrics
from port2port.observables import Kind, observable
from port2port.patterns import IndexKey, Value, spelled

logger = logging.getLogger(__name__)
POLL_S: Final = 0.5
HOUSEKEEPING_EVERY: Final = timedelta(hours=1)
_MAILBOX: Final = "email-addr:value"
_OWNED: Final = frozenset({"domain-name:value", "ipv4-addr:value", "ipv6-addr:value", "url:value", _MAILBOX})
Due = tuple[Sighted, Decision]


class Source(Log, Protocol):
    """One log: how it is followed, and how a line of it is read."""

    def read(self, position: TailPosition | None) -> Chunk:
        """The lines behind a place. Blocks; raises Port2PortError where the log cannot be read now."""

    def parse(self, data: bytes, digest: bytes, received_at: datetime) -> Record:
        """Raises Port2PortError for what is no record."""

    def close(self) -> None:
        """Let go of the log."""


class Desk(Protocol):
    """What a batch has in common with those of other sensors; its owner holds ``busy`` while a batch is worked on."""

    @property
    def busy(self) -> asyncio.Lock: ...
    def met(self, find: Callable[[WatchIndex, datetime], Iterable[Match]]) -> list[Due]:
        """The sightings that are to be told now, of the matches that ``find`` finds at the trusted time."""

    async def keep(
        self, findings: Sequence[Finding], due: Sequence[Due], also: Callable[[Connection], None] | None = None
    ) -> None:
        """One transaction: findings become drafts, matches sightings, and ``also`` runs before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines of one log, sorted out; nothing is stored yet."""

    position: TailPosition
    digests: tuple[bytes, ...]
    records: tuple[Record, ...]
    bad: tuple[BadLine, ...]
    counted: Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What a batch read behind ``before`` amounts to; it waits here until its place is stored."""

    before: TailPosition | None
    chunk: Chunk
    batch: Batch
    findings: Sequence[Finding]
    due: Sequence[Due]


class CyberFlow:
    """Run it as one task. ``detectors`` makes them: some take seconds, so it is called in a thread."""

    def __init__(
        self,
        store: NodeStore,
        desk: Desk,
        sources: Sequence[Source],
        *,
        clock: Clock,
        detectors: Callable[[], Sequence[RecordDetector]] = tuple,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._desk = desk
        self._sources = tuple(sources)
        self._clock = clock
        self._make = detectors
        self._detectors: tuple[RecordDetector, ...] = ()
        self._places: dict[str, TailPosition | None] = {}
        self._waiting: dict[str, _Looked] = {}
        self._failing: set[str] = set()
        self.health = SensorHealth(self._sources, clock, metrics or Metrics("port2port_node"))

    async def run(self) -> None:
        """Follow the logs until cancelled; a finished one ends alone."""
        await self.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for source in self._sources:
                    tasks.create_task(self._follow(source), name=f"source {source.name}")
                tasks.create_task(self._housekeeping(), name="records housekeeping")
                tasks.create_task(self.health.run(self._store), name="sensor health")
        finally:
            for source in self._sources:
                source.close()

    async def start(self) -> None:
        """Make the detectors; every log is taken up where the last run left it."""
        self._detectors = tuple(await asyncio.to_thread(self._make))
        await self.health.resume(self._store)

    async def take(self, source: Source) -> Chunk | None:
        """One batch of a log, to the end; None where there was nothing to do."""
        if source.name not in self._places:
            self._places[source.name] = await self._store.read(partial(tail_places.place_of, source=source.name))
        before = self._places[source.name]
        waiting = self._waiting.pop(source.name, None)
        if waiting is not None and waiting.before == before:  # its write was lost
            async with self._desk.busy:
                return await self._keep(source, waiting)
        chunk = await asyncio.to_thread(source.read, before)
        self.health.looked(source.name, missing=chunk.missing)
        after = chunk.position
        if after is None or (chunk.is_empty and after == before):
            return chunk if chunk.ended else None
        async with self._desk.busy:
            batch = await self._sorted_out(source, replace(chunk, position=after), after)
            findings, due = await asyncio.to_thread(self._look, batch.records)
            looked = _Looked(before=before, chunk=chunk, batch=batch, findings=findings, due=due)
            return await self._keep(source, looked)

    async def _keep(self, source: Source, looked: _Looked) -> Chunk:
        self._waiting[source.name] = looked
        del self._places[source.name]  # whether the write is lost or its answer, the database knows
        await self._desk.keep(looked.findings, looked.due, partial(self._store_batch, source.name, looked.batch))
        reach("node.after_commit")
        del self._waiting[source.name]
        self._places[source.name] = looked.batch.position
        self.health.took(source.name, looked.batch.counted)
        return looked.chunk

    # --- looking --------------------------------------------------------------------------------------------------

    async def _sorted_out(self, source: Source, chunk: Chunk, position: TailPosition) -> Batch:
        lines = {sha256(line).digest(): line for line in chunk.lines}
        known = await self._store.read(partial(tail_places.known_lines, digests=lines.keys()))
        new = {digest: line for digest, line in lines.items() if digest not in known}
        records, bad = await asyncio.to_thread(_parsed, source, new, self._clock.now())
        counted = Counted(
            lines=len(chunk.lines),
            records=len(records),
            repeated=len(chunk.lines) - len(new),
            bad=len(bad),
            too_long=chunk.too_long,
            lost=int(chunk.lost),
        )
        return Batch(position=position, digests=tuple(new), records=records, bad=bad, counted=counted)

    def _look(self, records: Sequence[Record]) -> tuple[list[Finding], list[Due]]:
        """The pure part: nothing is stored yet."""
        findings = [finding for detector in self._detectors for finding in _found_by(detector, records)]
        return findings, self._desk.met(partial(_matches, records))

    def _store_batch(self, source: str, batch: Batch, connection: Connection) -> None:
        now, fold = self._clock.now(), ValueFold()
        fold.fold(batch.records)
        tail_places.keep_place(connection, source, batch.position, batch.counted, now=now)
        tail_places.keep_lines(connection, batch.digests, now)
        tail_places.put_aside(connection, batch.bad)
        fold.store(connection)
        reach("node.before_commit")

    # --- running --------------------------------------------------------------------------------------------------

    async def _follow(self, source: Source) -> None:
        while True:
            chunk = await self._tried(source)
            if chunk is not None and chunk.ended:
                logger.info("a source ended", extra={"source": source.name})
                return
            if chunk is None:
                await self._clock.sleep(POLL_S)

    async def _tried(self, source: Source) -> Chunk | None:
        """A batch; a log that cannot be read is tried again later, and said so once."""
        try:
            chunk = await self.take(source)
        except Port2PortError as error:
            if not error.retryable:
                raise
            if source.name not in self._failing:
                logger.warning("a log cannot be read", extra={"source": source.name, "code": error.code})
            self._failing.add(source.name)
            self.health.failed(source.name, error.text)
            return None
        self._failing.discard(source.name)
        self.health.went_well(source.name)
        return chunk

    async def _housekeeping(self) -> None:
        while True:
            try:
                await self._store.write(self._purge)
            except StorageError as error:
                logger.warning("old records not purged yet", extra={"cause": repr(error.__cause__)})
            await self._clock.sleep(HOUSEKEEPING_EVERY.total_seconds())

    def _purge(self, connection: Connection) -> None:
        now = self._clock.now()
        cyber_past.purge(connection, now)
        tail_places.purge(connection, now)


def _found_by(detector: RecordDetector, records: Sequence[Record]) -> list[Finding]:
    """What a detector finds; where it fails as nobody foresaw, it misses this batch aloud, and the others go on."""
    try:
        return detector.detect(records)
    except Exception:
        logger.exception("a detector failed", extra={"detector": detector.name})
        return []


def _parsed(
    source: Source, lines: Mapping[bytes, bytes], now: datetime
) -> tuple[tuple[Record, ...], tuple[BadLine, ...]]:
    records, bad = [], []
    for digest, line in lines.items():
        try:
            records.append(source.parse(line, digest, now))
        except Port2PortError as error:
            why = f"{error.code}: {error.text}"
            bad.append(BadLine(source=source.name, at=now, why=why, digest=digest, head=line[:HEAD_BYTES]))
    return tuple(records), tuple(bad)


def _matches(records: Sequence[Record], index: WatchIndex, now: datetime) -> Iterable[Match]:
    for record in records:
        yield from index.observe_record(ManyFacts(facts=record.facts, observed_at=record.observed_at), now)


def look_back(store: NodeStore, indicator: WatchedIndicator, since: datetime, until: datetime) -> Past | None:
    """What network sensors saw in [since, until) of what an indicator names; None if it names nothing of theirs.

    Blocks for one transaction.
    """
    keys = _named(indicator)
    if not keys:
        return None
    answer, seen = store.read_now(
        lambda connection: (
            cyber_past.look_back(connection, keys, since, until),
            cyber_past.seen_among(connection, keys, since),
        )
    )
    pattern = indicator.pattern
    return Past(
        identities=tuple(f"{path}={value}" for path, value in seen or keys),
        answer=answer,
        partial=not pattern.plain or len(keys) != len(pattern.index_keys or ()),
        network=True,
    )


def own_things(settings: CyberSettings) -> Callable[[Mapping[str, Value]], bool]:
    """Whether facts are of the port's own addresses or domains: such matches go to the duty officer alone."""
    territory = Territory(settings.own_networks)
    domains = tuple(str(spelled("domain-name:value", one)) for one in settings.own_domains)

    def own(facts: Mapping[str, Value]) -> bool:
        return any(own_value(path, value) for path, value in facts.items() if path in _OWNED)

    def own_value(path: str, value: Value) -> bool:
        text = str(value).rpartition("@")[2] if path == _MAILBOX else str(value)
        seen = observable("domain-name:value" if path == _MAILBOX else path, text)
        host = seen if seen.host is None else seen.host
        if host.kind is Kind.ADDRESS:
            return territory.is_inside(host.value)
        return any(host.value == one or host.value.endswith(f".{one}") for one in domains)

    return own


def _named(indicator: WatchedIndicator) -> list[IndexKey]:
    keys = indicator.pattern.index_keys or frozenset()
    return sorted((key for key in keys if key[0].partition(":")[0] in NETWORK_TYPES), key=str)
