"""Import a file: STIX bundles, envelopes and lists, MISP events, what OpenCTI exports. Read twice, held never.

The first reading learns the markings and what holds objects together, and takes the digest of the whole; the second
takes objects in, a stretch at a time, each with the position behind it. Stopped anywhere, the same file goes on where
it was; done, it says so. A file that is not JSON from some place on is taken in up to there, and says so too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy.engine import Connection

from node.foreign import keeping, misp
from node.foreign.keeping import Feed
from node.foreign.reading import OddError, read_event
from node.foreign.taking import Desk, Item, Source, survey, take
from node.imports.following import added, item_of
from node.imports.splitting import BrokenError, Part, Splitter
from node.store import NodeStore
from port2port.canonical import Json
from port2port.clock import to_ms
from port2port.errors import ConfigurationError, TooLargeError
from port2port.limits import KIB, MIB
from port2port.tlp import UNMARKED, strictest

KIND: Final = "file"
FILE_BYTES: Final = 4 * 1024**3
STRETCH: Final = 200
STRETCH_BYTES: Final = 16 * MIB
KINDS_MOST: Final = 200  # of MISP attributes, told by name
_SURVEYED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it is: of both readings together, 0 to 1; ``counts`` are those of the whole file."""

    share: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a file. ``before``: it had been read to its end already; ``broken``: why it was not read further."""

    digest: str
    before: bool
    broken: str
    counts: Mapping[str, int]


class FileImport:
    """One file of one source."""

    def __init__(
        self, path: Path, source: Source, store: NodeStore, *, tell: Callable[[Progress], None] = lambda _progress: None
    ) -> None:
        self._path = path
        self._source = source
        self._store = store
        self._tell = tell

    def run(self, desk: Desk) -> Report:
        """Take the file in, or what is left of it. Raises ConfigurationError or TooLargeError."""
        size = self._size()
        digest = self._survey(desk, size)
        name = f"{self._source.name}/{digest[:32]}"
        before = self._store.read_now(lambda connection: keeping.feed(connection, name))
        position, facts = ({}, {}) if before is None else (before.position, before.facts)
        if position.get("done"):
            return Report(digest=digest, before=True, broken=str(facts.get("error", "")), counts=_numbers(facts))
        counts, broken = self._take(desk, name, size)
        return Report(digest=digest, before=False, broken=broken, counts=counts)

    def _size(self) -> int:
        try:
            size = self._path.stat().st_size
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._path}: {error.strerror}") from error
        if size > FILE_BYTES:
            raise TooLargeError(f"{self._path} is larger than {FILE_BYTES} bytes")
        return size

    def _survey(self, desk: Desk, size: int) -> str:
        whole = sha256()
        with self._opened() as file:

            def read(count: int) -> bytes:
                piece = file.read(count)
                whole.update(piece)
                return piece

            splitter = Splitter(read)
            plain = (item_of(part) for part in self._readable(splitter.parts()) if not part.event)
            for some, _broken in _stretches(plain, _SURVEYED):
                self._store.write_now(partial(survey, source=self._source, items=some, now=desk.now))
                self._tell(Progress(share=_share(splitter.done, size) / 4, counts={}))
            while read(MIB):  # of a broken file, the rest
                pass
        return whole.hexdigest()

    def _readable(self, parts: Iterator[Part]) -> Iterator[Part]:
        """What is too large to be read may hold others together and mark them: none of this file is looser than that.

        The first reading sees it before the second makes any draft.
        """
        for part in parts:
            if not part.whole:
                self._source = replace(self._source, default=strictest(UNMARKED, self._source.default))
            yield part

    def _take(self, desk: Desk, name: str, size: int) -> tuple[dict[str, int], str]:
        skipped: Counter[str] = Counter()
        counts: dict[str, int] = {}
        number, broken = 0, ""
        start = self._store.read_now(lambda connection: keeping.feed(connection, name))
        done = 0 if start is None else int(str(start.position.get("items", 0)))
        with self._opened() as file:
            splitter = Splitter(file.read)
            for some, why in _stretches(_items(splitter.parts(), skipped), STRETCH):
                broken = why
                number += len(some)
                new = some[max(0, done - (number - len(some))) :]
                if new:
                    counts = self._store.write_now(self._storing(name, new, desk, {"items": number}, {}))
                self._tell(Progress(share=1 / 4 + _share(splitter.done, size) * 3 / 4, counts=counts))
        at_end: dict[str, Json] = {f"skipped {kind}": count for kind, count in sorted(skipped.items())[:KINDS_MOST]}
        position: dict[str, Json] = {"items": number, "done": True}
        counts = self._store.write_now(self._storing(name, [], desk, position, {**at_end, "error": broken}))
        return counts, broken

    def _storing(
        self, name: str, items: list[Item], desk: Desk, position: Mapping[str, Json], more: Mapping[str, Json]
    ) -> Callable[[Connection], dict[str, int]]:
        def store(connection: Connection) -> dict[str, int]:
            found = take(connection, self._source, items, desk)
            before = keeping.feed(connection, name)
            facts: dict[str, Json] = added({} if before is None else before.facts, found)
            facts |= {"file": self._path.name[:200], **more}
            moved = Feed(name=name, kind=KIND, position=position, at_ms=to_ms(desk.now), facts=facts)
            keeping.move(connection, moved)
            return _numbers(facts)

        return store

    def _opened(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._path}: {error.strerror}") from error


def _stretches(items: Iterator[Item], most: int) -> Iterator[tuple[list[Item], str]]:
    """(so many items, why there are no more): what was read before a file broke off is not lost."""
    some: list[Item] = []
    broken, size = "", 0
    try:
        for item in items:
            some.append(item)
            size += len(item.raw)
            if len(some) == most or size > STRETCH_BYTES:
                yield some, ""
                some, size = [], 0
    except BrokenError as error:
        broken = error.text
    yield some, broken


def _items(parts: Iterator[Part], skipped: Counter[str]) -> Iterator[Item]:
    """Objects as they are; a MISP event taken apart into what is carried of it."""
    for part in parts:
        if not part.event or not part.whole:
            yield item_of(part)
            continue
        try:
            yield from misp.items_of(read_event(part.raw), skipped)
        except OddError as error:
            yield Item(raw=part.raw[: 64 * KIB], odd=error.text, size=part.size)


def _numbers(facts: Mapping[str, object]) -> dict[str, int]:
    return {name: value for name, value in facts.items() if isinstance(value, int)}


def _share(done: int, size: int) -> float:
    return min(1.0, done / size) if size else 1.0
