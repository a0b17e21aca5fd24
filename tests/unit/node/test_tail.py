"""A log is followed whatever its writer does to it: each line is given once, in order."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node.sensors.transports import tail
from node.sensors.transports.tail import LINE_BYTES, FileTail, TailError
from node.tail_places import TailPosition
from tests.fakes.examples import many


class Reader:
    """Keeps the place as a database would; ``restart`` is a crash after which nothing else is left."""

    def __init__(self, path: Path, *, follow: bool = True) -> None:
        self._path, self._follow = path, follow
        self.tail = FileTail("log", path, follow=follow)
        self.position: TailPosition | None = None
        self.lines: list[bytes] = []
        self.too_long = self.losses = 0
        self.ended = False

    def read(self, times: int = 12) -> list[bytes]:
        """What comes in that many polls."""
        new: list[bytes] = []
        for _ in range(times):
            chunk = self.tail.read(self.position)
            self.position = chunk.position
            self.too_long += chunk.too_long
            self.losses += chunk.lost
            self.ended = chunk.ended
            new += chunk.lines
        self.lines += new
        return new

    def restart(self) -> None:
        self.tail.close()
        self.tail = FileTail("log", self._path, follow=self._follow)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "eve.json"


@pytest.fixture
def reader(log: Path) -> Iterator[Reader]:
    made = Reader(log)
    yield made
    made.tail.close()


def write(path: Path, *lines: str) -> None:
    with path.open("ab") as file:
        file.write(b"".join(f"{line}\n".encode() for line in lines))


def test_a_file_that_appears_later_is_read(reader: Reader, log: Path) -> None:
    assert reader.read() == []
    write(log, "one")
    assert reader.read() == [b"one"]
    assert reader.losses == 0


def test_a_line_is_given_when_it_is_complete(reader: Reader, log: Path) -> None:
    log.write_bytes(b"on")
    assert reader.read() == []
    log.write_bytes(b"one\r\ntw")
    assert reader.read() == [b"one"]
    reader.restart()
    write(log, "o")
    assert reader.read() == [b"two"]


def test_a_renamed_file_is_finished_before_the_new_one(reader: Reader, log: Path) -> None:
    write(log, "one", "two")
    reader.read()
    write(log, "three")
    log.rename(log.with_name("eve.json.1"))
    write(log, "five")
    write(log.with_name("eve.json.1"), "four")  # its writer has not let go of it yet
    assert reader.read() == [b"three", b"four", b"five"]


@pytest.mark.parametrize("down", [False, True], ids=["while it looks", "while it is down"])
def test_a_file_renamed_twice_is_finished_and_so_is_the_one_between(reader: Reader, log: Path, *, down: bool) -> None:
    write(log, "one")
    reader.read()
    write(log, "two")
    log.rename(log.with_name("eve.json.1"))
    write(log, "three")
    log.with_name("eve.json.1").rename(log.with_name("eve.json.2"))
    log.rename(log.with_name("eve.json.1"))
    write(log, "four")
    if down:
        reader.restart()
    assert reader.read() == [b"two", b"three", b"four"]


def test_names_with_dates_are_rotations_and_other_logs_are_not(reader: Reader, log: Path) -> None:
    write(log, "one")
    reader.read()
    log.rename(log.with_name("eve-2026-11-22T08:00:00Z.json"))
    for other in ("eve-dns.json", "eve.json.gz", "eve.json.1.gz", "evening.json"):
        write(log.with_name(other), "not this")
    write(log, "two")
    reader.restart()
    assert reader.read() == [b"two"]


def test_what_stands_behind_the_last_line_end_of_a_rotated_file_is_given(reader: Reader, log: Path) -> None:
    log.write_bytes(b"one\ntwo")
    reader.read()
    log.rename(log.with_name("eve.json.1"))
    write(log, "three")
    assert reader.read() == [b"two", b"three"]


def test_a_truncated_file_is_read_from_its_beginning(reader: Reader, log: Path) -> None:
    write(log, "one", "two")
    reader.read()
    os.truncate(log, 0)
    write(log, "3")
    assert reader.read() == [b"3"]
    assert reader.losses == 1


@pytest.mark.parametrize("down", [False, True], ids=["while it looks", "while it is down"])
def test_a_file_copied_and_truncated_loses_nothing(reader: Reader, log: Path, *, down: bool) -> None:
    write(log, "one")
    reader.read()
    write(log, "two")
    shutil.copy(log, log.with_name("eve.json.1"))
    os.truncate(log, 0)
    write(log, "three, and more than was there before")
    if down:
        reader.restart()
    assert reader.read() == [b"two", b"three, and more than was there before"]
    assert reader.losses == 0


def test_a_file_that_went_away_is_told_and_what_came_after_it_is_read(reader: Reader, log: Path) -> None:
    write(log, "one")
    reader.read()
    reader.tail.close()
    before = log.stat().st_mtime_ns
    log.unlink()
    between = log.with_name("eve.json.1")
    write(between, "two")
    os.utime(between, ns=(before + 1_000, before + 1_000))
    write(log, "three")
    reader.restart()
    assert reader.read() == [b"two", b"three"]
    assert reader.losses == 1


def test_an_inode_that_is_used_again_is_not_the_file_that_was_read(reader: Reader, log: Path) -> None:
    write(log, "one", "two")
    reader.read()
    reader.tail.close()
    with log.open("r+b") as file:  # same inode, other content, and longer
        file.write(b"uno\ndos\ntres\n")
    reader.restart()
    assert reader.read() == [b"uno", b"dos", b"tres"]


def test_a_line_over_the_limit_is_left_out_and_counted_once(reader: Reader, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b"one\n" + b"x" * (LINE_BYTES + 1))
    assert reader.read() == [b"one"]
    reader.restart()
    with log.open("ab") as file:
        file.write(
            b"y" * 3 * tail.CHUNK_BYTES + b"\ntwo\n" + b"z" * (LINE_BYTES + 1) + b"\n" + b"w" * LINE_BYTES + b"\n"
        )
    assert reader.read() == [b"two", b"w" * LINE_BYTES]
    assert reader.too_long == 2


def test_a_finished_log_ends_with_its_last_line(log: Path) -> None:
    log.write_bytes(b"one\ntwo")
    reader = Reader(log, follow=False)
    assert reader.read() == [b"one", b"two"]
    assert reader.ended
    reader.restart()
    assert reader.read() == []
    assert reader.ended


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "directory"])
def test_what_is_no_file_is_not_read(reader: Reader, log: Path, make: object) -> None:
    assert callable(make)
    make(log)
    with pytest.raises(TailError):
        reader.read()


@given(st.binary(max_size=400).map(lambda data: data.replace(b"\0", b"\n")), st.integers(1, 60))
@settings(max_examples=many(40))
def test_any_bytes_come_in_any_pieces(tmp_path_factory: pytest.TempPathFactory, data: bytes, piece: int) -> None:
    log = tmp_path_factory.mktemp("log") / "eve.json"
    reader = Reader(log)
    for start in range(0, len(data), piece):
        with log.open("ab") as file:
            file.write(data[start : start + piece])
        reader.read(1)
    reader.read(3)
    reader.tail.close()
    whole = data.rpartition(b"\n")[0]
    assert reader.lines == [kept for line in whole.split(b"\n") if (kept := line.rstrip(b"\r"))]


class Writer(RuleBasedStateMachine):
    """A log is written, rotated and followed in any order; the follower is restarted at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        self.log = self.home / "dns.log"
        self.reader = Reader(self.log)
        self.written: list[bytes] = []
        self.names = 0

    @rule(count=st.integers(1, 4))
    def write(self, count: int) -> None:
        for _ in range(count):
            line = f"line {len(self.written)}".encode()
            self.written.append(line)
            with self.log.open("ab") as file:
                file.write(line + b"\n")
        stamp = len(self.written) * 10**9  # clocks of file systems are coarse
        os.utime(self.log, ns=(stamp, stamp))

    @precondition(lambda self: self.log.exists() and self.reader.position is not None)  # it begins with what is there
    @rule()
    def rotate(self) -> None:
        for number in range(self.names, 0, -1):
            (self.home / f"dns.log.{number}").rename(self.home / f"dns.log.{number + 1}")
        self.log.rename(self.home / "dns.log.1")
        self.names += 1

    @precondition(lambda self: self.log.exists() and self.reader.position is not None)
    @rule()
    def copy_and_truncate(self) -> None:
        if not self.log.stat().st_size:
            return  # logrotate leaves an empty log alone
        for number in range(self.names, 0, -1):
            (self.home / f"dns.log.{number}").rename(self.home / f"dns.log.{number + 1}")
        shutil.copy2(self.log, self.home / "dns.log.1")
        stamp = self.log.stat().st_mtime_ns
        os.truncate(self.log, 0)
        os.utime(self.log, ns=(stamp, stamp))
        self.names += 1

    @rule()
    def restart(self) -> None:
        self.reader.restart()

    @rule(times=st.integers(1, 3))
    def read(self, times: int) -> None:
        self.reader.read(times)

    @invariant()
    def nothing_is_given_twice_or_out_of_order(self) -> None:
        assert self.reader.lines == self.written[: len(self.reader.lines)]

    def teardown(self) -> None:
        self.write(1)
        self.reader.read(10 + 4 * self.names)
        self.reader.tail.close()
        shutil.rmtree(self.home)
        assert self.reader.lines == self.written


TestWriter = Writer.TestCase
TestWriter.settings = settings(max_examples=many(40), stateful_step_count=20, deadline=None)
