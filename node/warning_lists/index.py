"""One file with everything on all lists, mapped into memory: what is opened is checked whole, and never parsed.

::

    magic, length of the header, header (JSON: the lists, their short texts and expressions, what lies where)
    65,537 numbers: where the keys begin whose first two bytes are 0, 1, 2 ... and where the last ends
    keys, sorted: 16 bytes, 2 bytes number of the list
    networks, sorted: 16 bytes address, 1 byte prefix length, 2 bytes number of the list

Whoever can write the file can make values look harmless or drop those that are. So it is opened by its SHA-256 alone,
which stands in the node's database: a file that was cut or changed is refused.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from node.warning_lists.entries import (
    KEY_BYTES,
    NET_BYTES,
    V4_BITS,
    exact_key,
    folded,
    net_key,
    net_of,
    suffix_key,
    suffixes,
)
from node.warning_lists.lists import ListType
from node.warning_lists.regexes import Automaton
from node.warning_lists.substrings import Substrings, anchored
from port2port.errors import MalformedError, VerificationError
from port2port.limits import MIB
from port2port.observables import Kind, Observable, network

MAGIC: Final = b"P2P-WL\0\1"
HEADER_BYTES: Final = 32 * MIB
INDEX_BYTES: Final = 1_024 * MIB
LISTS_MOST: Final = 4_096
BUCKETS: Final = 65_536
INSIDE_MOST: Final = 256  # networks inside one that is asked for: it is listed anyhow
_NUMBER: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")
_TWO: Final = struct.Struct(">II")
_PLACES: Final = struct.Struct(f">{BUCKETS + 1}I")
_KEY_ROW: Final = KEY_BYTES + _NUMBER.size
_NET_ROW: Final = NET_BYTES + _NUMBER.size
_HALF_V4: Final = b"\0" * 10 + b"\xff\xff"


class WarningIndexError(VerificationError):
    """The index of the warning lists is not the file that was built."""

    code = "WARNING_INDEX"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInfo:
    """A list as it was imported. ``source`` is the SHA-256 of what it was read from, ``refused`` by why."""

    name: str
    version: int
    type: ListType
    description: str
    kinds: frozenset[Kind]
    source: str
    entries: int
    refused: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file and in the database."""
        return {
            "description": self.description,
            "entries": self.entries,
            "kinds": sorted(self.kinds),
            "name": self.name,
            "refused": dict(self.refused),
            "source": self.source,
            "type": self.type.value,
            "version": self.version,
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """The reverse. Raises KeyError, TypeError or ValueError."""
        return cls(
            name=str(data["name"]),
            version=int(data["version"]),
            type=ListType(data["type"]),
            description=str(data["description"]),
            kinds=frozenset(Kind(one) for one in data["kinds"]),
            source=str(data["source"]),
            entries=int(data["entries"]),
            refused={str(why): int(count) for why, count in data["refused"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A value stands on a list: ``entry`` is how, as far as the index still knows (a name, a network, a text)."""

    list: str
    version: int
    value: str
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an index is written from: rows as they lie in the file, sorted; short texts and expressions by list."""

    lists: Sequence[ListInfo]
    keys: Iterable[bytes]
    nets: Sequence[bytes]
    substrings: Sequence[tuple[str, int]] = ()
    regexes: Sequence[tuple[str, int]] = ()


def key_row(key: bytes, number: int) -> bytes:
    """A key of list ``number``."""
    return key + _NUMBER.pack(number)


def net_row(net: bytes, number: int) -> bytes:
    """A network of list ``number``."""
    return net + _NUMBER.pack(number)


def write(path: Path, contents: Contents) -> str:
    """Write an index and bring it to the disk; its SHA-256. The keys pass through once, in the order they have."""
    header = orjson.dumps(
        {
            "lists": [one.to_json() for one in contents.lists],
            "nets": len(contents.nets),
            "prefixes": sorted({row[NET_BYTES - 1] for row in contents.nets}),
            "regexes": contents.regexes,
            "substrings": anchored(contents.substrings),
        }
    )
    start = len(MAGIC) + _LENGTH.size + len(header)
    counts = [0] * BUCKETS
    with path.open("wb+") as file:
        file.write(MAGIC + _LENGTH.pack(len(header)) + header)
        file.write(bytes(_PLACES.size))
        for row in contents.keys:
            counts[row[0] << 8 | row[1]] += 1
            file.write(row)
        file.writelines(contents.nets)
        file.seek(start)
        file.write(_PLACES.pack(*_places(counts)))
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        digest = sha256()
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


class Index:
    """An open index; ``close`` it, or use it as context manager. Not shared between threads."""

    def __init__(self, path: Path, digest: str) -> None:
        """Raises WarningIndexError for anything but the file of this SHA-256."""
        self.digest = digest
        self._map = _opened(path, digest)
        try:
            self._read()
        except (KeyError, TypeError, ValueError, struct.error, MalformedError) as error:
            self.close()
            raise WarningIndexError("the index of the warning lists is not built as this version reads it") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()

    def __len__(self) -> int:
        return sum(one.entries for one in self.lists)

    def ask(self, what: Observable) -> tuple[Listed, ...]:
        """The lists on which a value stands, by name, of those that are for what it is."""
        return self.found(what, wanted=what.kind)

    def found(self, what: Observable, *, wanted: Kind | None) -> tuple[Listed, ...]:
        """The same, of all lists where ``wanted`` is None."""
        by_list: dict[int, str] = {}
        for form in (what, what.host):
            for number, entry in () if form is None else self._entries(form, wanted):
                if self._is_for(number, wanted):
                    by_list.setdefault(number, entry)
        named = [(self.lists[number], entry) for number, entry in by_list.items()]
        return tuple(
            Listed(list=one.name, version=one.version, value=what.value, entry=entry)
            for one, entry in sorted(named, key=lambda item: item[0].name)
        )

    def _read(self) -> None:
        at = len(MAGIC)
        (length,) = _LENGTH.unpack_from(self._map, at)
        if self._map[:at] != MAGIC or length > HEADER_BYTES:
            raise ValueError
        at += _LENGTH.size
        header = orjson.loads(self._map[at : at + length])
        self.lists = tuple(ListInfo.of_json(one) for one in header["lists"])
        self._regexes: dict[int, list[str]] = {}
        for text, number in header["regexes"]:
            self._regexes.setdefault(int(number), []).append(str(text))
        self._automata: dict[int, Automaton] = {}
        self._texts = Substrings((str(text), int(number), int(place)) for text, number, place in header["substrings"])
        prefixes = [int(one) for one in header["prefixes"]]
        self._prefixes = (prefixes, [one for one in prefixes if one >= V4_BITS])
        self._places = at + length
        self._keys = self._places + _PLACES.size
        self._nets = self._keys + self._place(BUCKETS) * _KEY_ROW
        self._nets_count = int(header["nets"])
        if self._nets + self._nets_count * _NET_ROW != len(self._map):
            raise ValueError

    def _place(self, bucket: int) -> int:
        found: int = _LENGTH.unpack_from(self._map, self._places + bucket * _LENGTH.size)[0]
        return found

    def _is_for(self, number: int, wanted: Kind | None) -> bool:
        return wanted is None or wanted in self.lists[number].kinds

    def _entries(self, what: Observable, wanted: Kind | None) -> Iterator[tuple[int, str]]:
        """Numbers of lists with the entry on each; expressions, which cost most, only where the list is for it."""
        text = folded(what.value, what.kind)
        yield from ((number, what.value) for number in self._on(exact_key(text)))
        if what.kind is Kind.HOST:
            for suffix in suffixes(what.value):
                yield from ((number, suffix) for number in self._on(suffix_key(suffix)))
        if what.kind is Kind.ADDRESS:
            yield from self._on_networks(what.value)
        yield from self._texts.inside(text.lower()).items()
        for number in self._regexes:
            if self._is_for(number, wanted) and self._automaton(number).finds(what.value):
                yield number, "an expression"

    def _on(self, key: bytes) -> Iterator[int]:
        bucket = key[0] << 8 | key[1]
        begins, ends = _TWO.unpack_from(self._map, self._places + bucket * _LENGTH.size)
        if begins == ends:
            return
        first, last = self._keys + begins * _KEY_ROW, self._keys + ends * _KEY_ROW
        at = self._map.find(key, first, last)
        while at >= 0:
            if (at - first) % _KEY_ROW == 0:
                yield _NUMBER.unpack_from(self._map, at + KEY_BYTES)[0]
            at = self._map.find(key, at + 1, last)

    def _on_networks(self, value: str) -> Iterator[tuple[int, str]]:
        """Networks that hold an address or network, the widest first; then those inside a network that is asked for."""
        found = network(value)
        if found is None:
            return
        asked = net_of(found)
        length, number = asked[-1], int.from_bytes(asked[:-1])
        for prefix in self._prefixes[asked.startswith(_HALF_V4) and length >= V4_BITS]:
            if prefix > length:
                break
            masked = (number >> (128 - prefix) << (128 - prefix)).to_bytes(16)
            yield from ((row, _net_text(masked, prefix)) for row in self._on(net_key(masked + bytes([prefix]))))
        if length < 128:
            first = self._bisect(asked[:-1])
            last = self._bisect((number | ((1 << (128 - length)) - 1)).to_bytes(16) + b"\xff")
            for place in range(first, min(last, first + INSIDE_MOST)):
                row = self._net(place)
                yield _NUMBER.unpack_from(row, NET_BYTES)[0], _net_text(row[:16], row[16])

    def _net(self, place: int) -> bytes:
        at = self._nets + place * _NET_ROW
        return self._map[at : at + _NET_ROW]

    def _bisect(self, row: bytes) -> int:
        """How many networks sort before a row."""
        low, high = 0, self._nets_count
        while low < high:
            middle = (low + high) // 2
            if self._net(middle) < row:
                low = middle + 1
            else:
                high = middle
        return low

    def _automaton(self, number: int) -> Automaton:
        """Made when a list is first asked."""
        if number not in self._automata:
            self._automata[number] = Automaton(self._regexes[number])
        return self._automata[number]


def _places(counts: Sequence[int]) -> Iterator[int]:
    place = 0
    yield place
    for count in counts:
        place += count
        yield place


def _net_text(address: bytes, prefix: int) -> str:
    if prefix >= V4_BITS and address.startswith(_HALF_V4):
        return f"{'.'.join(map(str, address[12:]))}/{prefix - V4_BITS}"
    return str(network(f"{':'.join(address[at : at + 2].hex() for at in range(0, 16, 2))}/{prefix}"))


def _opened(path: Path, digest: str) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not len(MAGIC) + _LENGTH.size + _PLACES.size < size <= INDEX_BYTES:
                raise WarningIndexError("the index of the warning lists was cut: import the lists again")
            found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise WarningIndexError(f"the index of the warning lists cannot be read: {error.strerror}") from error
    if sha256(found).hexdigest() != digest:
        with contextlib.suppress(BufferError):
            found.close()
        raise WarningIndexError("the index of the warning lists was changed or cut: import the lists again")
    return found
