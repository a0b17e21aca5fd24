"""Follows a log that somebody else writes, rotates and truncates, and reads each line of it.

The story. A place in the log is a file and an offset in it. The file is known by its inode and by a digest of its
first bytes: inodes are used again, and a truncated file has its old inode. Before each read both are compared.
Where they no longer hold, the same bytes are looked for under the names that rotation gives: a renamed file has them
and the inode, a copy has them without it. What was renamed is read to its end, then the files that were rotated after
it, the oldest first, however many there were while nobody looked; then the one that is being written.

Nothing is remembered here. Who calls ``read`` stores the place it gives back together with what the lines did, so
that after a crash both are as they were. Whoever can write the directory decides what this sensor saw.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from node.tail_places import Chunk, TailPosition
from port2port.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES: Final = 1024 * 1024
LINE_BYTES: Final = 256 * 1024
BATCH_LINES: Final = 512
HEAD_BYTES: Final = 1024
SETTLED: Final = 2  # reads in a row that found a rotated file at its end: its writer has let go of it
_ID_BITS: Final = 2**63 - 1  # file systems that number with 64 bits
_WHEN: Final = r"[0-9][0-9TZ:._+-]*"
_PACKED: Final = (".gz", ".xz", ".bz2", ".zst")


class TailError(UnavailableError):
    """The log cannot be read now; it is tried again."""

    code = "TAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file of the log's directory, as it was when it was looked at."""

    path: Path
    device: int
    inode: int
    size: int
    rank: tuple[int, bool, int, str]

    def is_same(self, position: TailPosition) -> bool:
        return (self.device, self.inode) == (position.device, position.inode)


class FileTail:
    """One log. ``follow`` False reads a finished one to its end. Not shared between threads; ``read`` blocks."""

    def __init__(self, name: str, path: Path, *, follow: bool = True) -> None:
        self._name = name
        self._path = path
        self._follow = follow
        self._fd: int | None = None
        self._at_end = 0
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        self._rotated = re.compile(rf"{stem}(?:[._-]{_WHEN})?(?:{suffix})?(?:[._-](?:{_WHEN}|old|bak))?")

    @property
    def name(self) -> str:
        return self._name

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self, position: TailPosition | None) -> Chunk:
        """The lines behind a place (None: from the beginning). An empty chunk: nothing new. Raises TailError."""
        try:
            return self._read(position)
        except OSError as error:
            self.close()
            raise TailError(f"the log cannot be read: {error.strerror}", source=self._name) from error

    def _read(self, position: TailPosition | None) -> Chunk:
        lost = False
        here = None if position is None else self._placed(position)
        if here is not None and not here.head_bytes and (missed := self._after(here)) is not None:
            here = self._start(missed)  # the file was empty when it was found, and is a truncated one now
        if here is None:
            lost = position is not None and position.offset > 0
            here = self._start(self._after(position))
            if here is None:
                return Chunk(position=position, missing=True)
        assert self._fd is not None  # _placed and _start open it
        chunk = _cut(os.pread(self._fd, CHUNK_BYTES, here.offset), here)
        if chunk.position != here:
            self._at_end = 0
            return replace(chunk, position=self._with_head(chunk.position), lost=lost)
        if lost:
            return Chunk(position=here, lost=True)
        return self._at_the_end(here)

    # --- where the file is ----------------------------------------------------------------------------------------

    def _placed(self, position: TailPosition) -> TailPosition | None:
        """The same place in the file as it is called now, opened; None where no file has it."""
        if self._fd is not None and self._holds(self._fd, position, same_inode=True):
            return position
        self.close()
        files = sorted(self._files(), key=lambda file: not file.is_same(position))
        for file in files:
            if not file.is_same(position) and not position.head_bytes:
                continue
            self._open(file.path)
            if self._fd is not None and self._holds(self._fd, position, same_inode=False):
                return replace(position, device=file.device, inode=file.inode)
            self.close()
        return None

    def _holds(self, fd: int, position: TailPosition, *, same_inode: bool) -> bool:
        found = os.fstat(fd)
        if same_inode and _id(found) != (position.device, position.inode):
            return False
        if found.st_size < position.offset:
            return False
        head = os.pread(fd, position.head_bytes, 0) if position.head_bytes else b""
        return not position.head_bytes or sha256(head).digest() == position.head

    def _start(self, file: _File | None, after_ns: int = 0) -> TailPosition | None:
        """The beginning of a file, opened; of the one that is being written without one.

        ``after_ns`` is when the file before it was last written to.
        """
        self.close()
        self._at_end = 0
        self._open(self._path if file is None else file.path)
        if self._fd is None:
            return None
        found = os.fstat(self._fd)
        device, inode = _id(found)
        begun = TailPosition(device=device, inode=inode, written_ns=after_ns)
        return self._with_head(begun)

    def _after(self, lost: TailPosition | None) -> _File | None:
        """The oldest file that was written to after one that is gone."""
        if lost is None or not lost.written_ns:
            return None
        rotated = (file for file in self._files() if file.path != self._path and file.rank[0] > lost.written_ns)
        return min(rotated, key=lambda file: file.rank, default=None)

    def _open(self, path: Path) -> None:
        """Regular files only; one that went away meanwhile is not there. Rotated names are no links."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if path == self._path else os.O_NOFOLLOW)
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise TailError("the log is no regular file", source=self._name)
        self._fd = fd

    def _files(self) -> Iterator[_File]:
        """The log and what rotation has made of it."""
        try:
            names = [path.name for path in self._path.parent.iterdir()]
        except FileNotFoundError:
            return
        for name in names:
            if name != self._path.name and (name.endswith(_PACKED) or not self._rotated.fullmatch(name)):
                continue
            path = self._path.parent / name
            try:
                found = path.stat(follow_symlinks=name == self._path.name)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                device, inode = _id(found)
                rank = self._rank(name, found.st_mtime_ns)
                yield _File(path=path, device=device, inode=inode, size=found.st_size, rank=rank)

    def _rank(self, name: str, written_ns: int) -> tuple[int, bool, int, str]:
        """Sorts by age: what was last written to, then that of two rotated at once the lower number is younger."""
        number = name.rpartition(".")[2]
        return written_ns, name == self._path.name, -int(number) if number.isdigit() else 0, name

    # --- at the end of it -----------------------------------------------------------------------------------------

    def _at_the_end(self, here: TailPosition) -> Chunk:
        """Nothing new in this file: is there a younger one?"""
        if not self._follow:
            return Chunk(position=self._behind_rest(here), lines=self._rest(here), ended=True)
        younger = self._younger(here)
        if younger is None:
            self._at_end = 0
            return Chunk(position=here, missing=not self._path.exists())
        self._at_end += 1
        if self._at_end < SETTLED:
            return Chunk(position=here)
        assert self._fd is not None  # as above
        rest, after_ns = self._rest(here), os.fstat(self._fd).st_mtime_ns
        return Chunk(position=self._start(younger, after_ns) or here, lines=rest)

    def _younger(self, here: TailPosition) -> _File | None:
        """The oldest file that is younger than this one; the one being written is younger than all others."""
        files = tuple(self._files())
        current = next((file for file in files if file.path == self._path), None)
        if current is None or current.is_same(here):
            return None  # not made yet, or this is it
        mine = next((file.rank for file in files if file.is_same(here)), None)
        if mine is None:
            assert self._fd is not None  # it was read from just now
            mine = (os.fstat(self._fd).st_mtime_ns, False, 0, "")
        between = (file for file in files if file is not current and not file.is_same(here) and file.rank > mine)
        return min(between, key=lambda file: file.rank, default=current)

    def _rest(self, here: TailPosition) -> tuple[bytes, ...]:
        """What stands behind the last line end of a file nobody writes any more."""
        assert self._fd is not None  # as above
        rest = os.pread(self._fd, LINE_BYTES + 1, here.offset).rstrip(b"\r\n")
        return () if here.skipping or not rest or len(rest) > LINE_BYTES else (rest,)

    def _behind_rest(self, here: TailPosition) -> TailPosition:
        assert self._fd is not None  # as above
        return self._with_head(replace(here, offset=os.fstat(self._fd).st_size))

    def _with_head(self, position: TailPosition | None) -> TailPosition:
        """The place with the digest of as much of the beginning as there is by now, read or not."""
        assert position is not None  # a chunk that was cut has one
        assert self._fd is not None  # as above
        found = os.fstat(self._fd)
        position = replace(position, written_ns=max(position.written_ns, found.st_mtime_ns))
        wanted = min(found.st_size, HEAD_BYTES)
        if wanted == position.head_bytes:
            return position
        head = os.pread(self._fd, wanted, 0)
        return replace(position, head=sha256(head).digest(), head_bytes=wanted)


def _cut(data: bytes, here: TailPosition) -> Chunk:
    """The complete lines of what follows a place; a line over the limit is left out, however long it goes on."""
    lines: list[bytes] = []
    at, too_long, skipping = 0, 0, here.skipping
    while len(lines) < BATCH_LINES:
        end = data.find(b"\n", at)
        if end < 0:
            if len(data) - at > LINE_BYTES or skipping:
                too_long, skipping, at = too_long + (not skipping), True, len(data)
            break
        line, at = data[at:end].rstrip(b"\r"), end + 1
        if skipping:
            skipping = False
        elif len(line) > LINE_BYTES:
            too_long += 1
        elif line:
            lines.append(line)
    position = replace(here, offset=here.offset + at, skipping=skipping)
    return Chunk(position=position, lines=tuple(lines), too_long=too_long)


def _id(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev & _ID_BITS, found.st_ino & _ID_BITS
