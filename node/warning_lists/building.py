"""Build the index: read every list once, keep what was read, join it, and put the new file in place of the old.

1. Find the files. 2. Read each list that has no part yet, and write its part: a kill loses at most the list at hand.
3. Join the parts into one sorted file, under a name of its own. 4. The caller makes that file the one in force, in a
transaction; until then, and if anything fails, the old index goes on. 5. Parts and older files are removed.

A file that is no warning list is left out, counted and named; it never takes the others with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson

from node.warning_lists.entries import KEY_BYTES, NET_BYTES, Entries, entries_of, net_key
from node.warning_lists.index import LISTS_MOST, Contents, ListInfo, key_row, net_row, write
from node.warning_lists.lists import LIST_BYTES, NAME_CHARS, WarningList, WarningListError, parse
from port2port.errors import ConfigurationError
from port2port.limits import MIB

SUFFIX: Final = ".idx"
TOTAL_MOST: Final = 20_000_000  # entries of all lists
TOTAL_BYTES: Final = 1_024 * MIB
_PART: Final = ".part1"  # the number changes when entries are read differently
_NEW: Final = ".new"
_DIGEST: Final = 32
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that is no warning list, or one too many, and why."""

    file: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An index that is whole on the disk. ``reused`` lists were read by an earlier run that did not end."""

    path: Path
    digest: str
    lists: tuple[ListInfo, ...]
    refused: tuple[Refused, ...]
    reused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One list as it was read: keys and networks sorted, one behind the other."""

    info: ListInfo
    keys: bytes
    nets: bytes
    substrings: tuple[str, ...]
    regexes: tuple[str, ...]

    def keys_from(self, first: int) -> Iterator[bytes]:
        """The keys whose first byte is this."""
        low, high = self._place(first), self._place(first + 1)
        return (self.keys[at : at + KEY_BYTES] for at in range(low * KEY_BYTES, high * KEY_BYTES, KEY_BYTES))

    def _place(self, first: int) -> int:
        low, high = 0, len(self.keys) // KEY_BYTES
        while low < high:
            middle = (low + high) // 2
            if self.keys[middle * KEY_BYTES] < first:
                low = middle + 1
            else:
                high = middle
        return low


def sources(given: Sequence[Path]) -> list[Path]:
    """The files meant by these files and directories, in order.

    A directory is one list's, one of lists (each a file, or a directory with ``list.json``), or a copy of
    misp-warninglists. Raises ConfigurationError where there is nothing.
    """
    found: dict[Path, None] = {}
    for one in given:
        if not one.exists():
            raise ConfigurationError(f"there is no {one}")
        for file in [one] if one.is_file() else _inside(one):
            found[file.resolve()] = None
    if not found:
        raise ConfigurationError(
            "there is no warning list in what was named: give files, or directories with list.json"
        )
    return list(found)


def build(files: Sequence[Path], directory: Path, progress: Progress) -> Built:
    """Read and join. ``progress`` is told bytes read, bytes in all, and the list at hand.

    Raises ConfigurationError where nothing is left or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return _build(files, directory, progress)
    except OSError as error:
        raise ConfigurationError(f"cannot build the index in {directory}: {error.strerror}") from error


def clean(directory: Path, digest: str) -> None:
    """Remove everything that the index in force does not need."""
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.name.endswith((_PART, _NEW, SUFFIX)) and path.name != digest + SUFFIX:
            path.unlink(missing_ok=True)


def _inside(directory: Path) -> list[Path]:
    for inside in (directory, directory / "lists", directory / "misp-warninglists" / "lists"):
        found = sorted([*inside.glob("list.json"), *inside.glob("*/list.json")])
        if found:
            return found
    return sorted(directory.glob("*.json"))


def _build(files: Sequence[Path], directory: Path, progress: Progress) -> Built:
    total, done, reused = sum(file.stat().st_size for file in files), 0, 0
    parts: dict[str, _Part] = {}
    refused: list[Refused] = []
    for file in files:
        progress(done, total, file.parent.name)
        done += file.stat().st_size
        try:
            part, known = _part_of(file, directory)
            _require_room(parts, part)
        except WarningListError as error:
            refused.append(Refused(file=str(file)[-NAME_CHARS:], why=error.text))
            continue
        reused += known
        parts[part.info.name] = part
    progress(total, total, "")
    if not parts:
        raise ConfigurationError(f"none of these files is a warning list: {refused[0].why}")
    kept = [parts[name] for name in sorted(parts)]
    fresh = directory / f"index{_NEW}"
    digest = write(fresh, _joined(kept))
    path = directory / (digest + SUFFIX)
    fresh.rename(path)
    _sync(directory)
    return Built(path=path, digest=digest, lists=tuple(one.info for one in kept), refused=tuple(refused), reused=reused)


def _require_room(parts: dict[str, _Part], part: _Part) -> None:
    if part.info.name in parts:
        raise WarningListError("another file has a list of this name already")
    if len(parts) >= LISTS_MOST or sum(one.info.entries for one in parts.values()) + part.info.entries > TOTAL_MOST:
        raise WarningListError(f"all lists together have at most {TOTAL_MOST} values, and there are {LISTS_MOST}")


def _part_of(file: Path, directory: Path) -> tuple[_Part, bool]:
    """One list, and whether it had been read before. Raises WarningListError."""
    raw = _bounded(file)
    source = sha256(raw).hexdigest()
    path = directory / (source + _PART)
    known = _read_part(path)
    if known is not None:
        return known, True
    made = _part(parse(raw), source)
    fresh = path.with_suffix(_NEW)
    body = _part_bytes(made)
    with fresh.open("wb") as out:
        out.write(sha256(body).digest() + body)
        out.flush()
        os.fsync(out.fileno())
    fresh.rename(path)
    return made, False


def _bounded(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LIST_BYTES + 1)
    except OSError as error:
        raise WarningListError(f"cannot be read: {error.strerror}") from error
    if len(raw) > LIST_BYTES:
        raise WarningListError(f"a warning list has at most {LIST_BYTES // MIB} MiB")
    return raw


def _part(found: WarningList, source: str) -> _Part:
    entries: Entries = entries_of(found)
    info = ListInfo(
        name=found.name,
        version=found.version,
        type=found.type,
        description=found.description,
        kinds=found.kinds,
        source=source,
        entries=len(entries),
        refused=entries.refused,
    )
    return _Part(
        info=info,
        keys=b"".join(sorted(entries.keys | {net_key(net) for net in entries.nets})),
        nets=b"".join(sorted(entries.nets)),
        substrings=tuple(sorted(entries.substrings)),
        regexes=tuple(entries.regexes),
    )


def _part_bytes(part: _Part) -> bytes:
    head = {
        "info": part.info.to_json(),
        "keys": len(part.keys),
        "regexes": part.regexes,
        "substrings": part.substrings,
    }
    return orjson.dumps(head) + b"\n" + part.keys + part.nets


def _read_part(path: Path) -> _Part | None:
    """What an earlier run left; None for what is not there or not whole."""
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    body = raw[_DIGEST:]
    if sha256(body).digest() != raw[:_DIGEST]:
        return None
    head_raw, _, rows = body.partition(b"\n")
    head = orjson.loads(head_raw)
    return _Part(
        info=ListInfo.of_json(head["info"]),
        keys=rows[: head["keys"]],
        nets=rows[head["keys"] :],
        substrings=tuple(head["substrings"]),
        regexes=tuple(head["regexes"]),
    )


def _joined(parts: Sequence[_Part]) -> Contents:
    numbered = list(enumerate(parts))
    return Contents(
        lists=[part.info for part in parts],
        keys=_sorted_keys(numbered),
        nets=sorted(net_row(net, number) for number, part in numbered for net in _cut(part.nets, NET_BYTES)),
        substrings=[(text, number) for number, part in numbered for text in part.substrings],
        regexes=[(text, number) for number, part in numbered for text in part.regexes],
    )


def _sorted_keys(parts: Iterable[tuple[int, _Part]]) -> Iterator[bytes]:
    """All keys in order; one 256th of them is in memory as rows at a time."""
    every = list(parts)
    for first in range(256):
        yield from sorted(key_row(key, number) for number, part in every for key in part.keys_from(first))


def _cut(rows: bytes, size: int) -> Iterator[bytes]:
    return (rows[at : at + size] for at in range(0, len(rows), size))


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
