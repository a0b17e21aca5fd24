"""One file or page cut into its objects, with the exact bytes of each, without holding more than one of them.

Bundles, envelopes, plain lists and MISP's ``response`` are taken apart; a single object or event is its own only part.
What is larger than an object may be is told by its size and its beginning. Depth is a counter, not a stack: however
deep it nests, one odd object is one part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from node.foreign.reading import OBJECT_BYTES
from port2port.errors import MalformedError, ProfileError
from port2port.limits import KIB, MIB
from port2port.stix.validate import require_depth

CHUNK_BYTES: Final = 256 * KIB
REST_BYTES: Final = 1 * MIB
KEY_BYTES: Final = 4 * KIB
KEPT_BYTES: Final = 4 * KIB  # of a part that is too large
_LISTS: Final = frozenset({"objects", "response", "Event"})
_BLANK: Final = b" \t\r\n"
_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'["\\]')
_END: Final = re.compile(rb"[,\]}\s]")
_BOM: Final = b"\xef\xbb\xbf"
_MISP: Final = frozenset({"response", "Event"})


class BrokenError(MalformedError):
    """The file or page is not JSON from here on; what came before it stands."""

    code = "BROKEN_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The bytes of one object. ``size`` is the whole; ``raw`` is the beginning where that is too much.

    ``event`` says that it is a MISP event, or holds one.
    """

    raw: bytes
    size: int
    event: bool = False

    @property
    def whole(self) -> bool:
        """Whether ``raw`` is all of it."""
        return len(self.raw) == self.size


@dataclass(slots=True)
class Splitter:
    """Parts of one stream. ``rest`` holds the other members of the outermost object, once ``parts`` is exhausted."""

    read: Callable[[int], bytes]
    part_bytes: int = OBJECT_BYTES
    event_bytes: int = 64 * MIB
    rest: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    _chunk: bytes = b""
    _at: int = 0
    _left: int = REST_BYTES
    _dropped: int = 0

    def parts(self) -> Iterator[Part]:
        """One after the other. Raises BrokenError where it stops being JSON."""
        if self._peek() == b"\xef":
            self._take(len(_BOM))
        first = self._next()
        if first == b"[":
            yield from self._elements(event=False)
        elif first == b"{":
            yield from self._members()
        else:
            raise BrokenError("neither a JSON object nor a list")
        if self._next(needed=False):
            raise BrokenError("something follows the end")

    def _members(self) -> Iterator[Part]:
        taken = False
        more = self._next()
        while more != b"}":
            if more != b'"':
                raise BrokenError("a name was expected")
            name = self._name()
            if self._next() != b":":
                raise BrokenError("a colon was expected")
            if name in _LISTS:
                taken = True
                yield from self._listed(name)
            else:
                self._other(name)
            more = self._next()
            if more == b",":
                more = self._next()
            elif more != b"}":
                raise BrokenError("a comma was expected")
        if not taken and "type" in self.rest:
            raw = json.dumps(self.rest).encode()
            yield Part(raw=raw, size=len(raw) + self._dropped)

    def _listed(self, name: str) -> Iterator[Part]:
        first = self._next()
        if first == b"[":
            yield from self._elements(event=name in _MISP)
        elif name == "objects":
            raise BrokenError("the objects are no list")
        else:
            raw, size = self._value(first, self.event_bytes)
            yield Part(raw=raw, size=size, event=True)

    def _elements(self, *, event: bool) -> Iterator[Part]:
        first = self._next()
        while first != b"]":
            raw, size = self._value(first, self.event_bytes if event else self.part_bytes)
            yield Part(raw=raw, size=size, event=event)
            first = self._next()
            if first == b",":
                first = self._next()
            elif first != b"]":
                raise BrokenError("a comma was expected")

    def _name(self) -> str:
        raw, size = self._value(b'"', KEY_BYTES)
        if size > KEY_BYTES:
            raise BrokenError("a name is too long")
        return str(_loads(raw))

    def _other(self, name: str) -> None:
        raw, size = self._value(self._next(), REST_BYTES)
        self._left -= size
        if size <= REST_BYTES and self._left >= 0 and _is_shallow(raw):
            self.rest[name] = _loads(raw)
        else:
            self._dropped += size

    def _value(self, first: bytes, limit: int) -> tuple[bytes, int]:
        """One value from its first byte, which was taken; (its bytes, or as many as are kept; its size)."""
        kept, size = bytearray(first), 1
        depth, text = int(first in b"{["), first == b'"'
        plain = not depth and not text
        while depth or text or plain:
            if self._peek() == b"":
                if plain:
                    break
                raise BrokenError("it breaks off in the middle of an object")
            found = (_END if plain else _INSIDE if text else _OUTSIDE).search(self._chunk, self._at)
            end = len(self._chunk) if found is None else found.end() - int(plain)
            piece = self._chunk[self._at : end]
            self._at = end
            size += len(piece)
            kept += piece if len(kept) <= limit else b""
            if found is None:
                continue
            char = found.group()
            if plain:
                break
            if text and char == b"\\":
                skipped = self._take(1)
                size += len(skipped)
                kept += skipped
            elif char == b'"':
                text = not text
            else:
                depth += 1 if char in b"{[" else -1
        return (bytes(kept), size) if size <= limit else (bytes(kept[:KEPT_BYTES]), size)

    def _next(self, *, needed: bool = True) -> bytes:
        """The next byte that is not blank, taken. Raises BrokenError at the end."""
        while True:
            byte = self._take(1)
            if not byte and needed:
                raise BrokenError("it breaks off")
            if not byte or byte not in _BLANK:
                return byte

    def _peek(self) -> bytes:
        if self._at >= len(self._chunk):
            self.done += len(self._chunk)
            self._chunk, self._at = self.read(CHUNK_BYTES), 0
        return self._chunk[self._at : self._at + 1]

    def _take(self, count: int) -> bytes:
        found = b""
        while len(found) < count and self._peek():
            piece = self._chunk[self._at : self._at + count - len(found)]
            self._at += len(piece)
            found += piece
        return found


def _is_shallow(raw: bytes) -> bool:
    try:
        require_depth(raw)
    except ProfileError:
        return False
    return True


def _loads(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenError("not JSON") from error
