"""What SQLite promised before the power went is there afterwards: with FULL, and only with FULL."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from port2port.database import make_engine, read, sqlite_url
from tests.fakes import committer
from tests.fakes.powercut import PowerCutDisk, power_cut_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

pytestmark = pytest.mark.fault

# Acknowledged commits before each cut. NORMAL syncs at a checkpoint, every 4,000 pages of log: stay well below.
CUTS = range(10, 130, 6)


@pytest.fixture
def disk() -> Iterator[PowerCutDisk]:
    with power_cut_disk() as switched_on:
        yield switched_on


def _commit_until_the_power_goes(disk: PowerCutDisk, file: Path, synchronous: str, after: int) -> set[int]:
    """The numbers acknowledged by a writer before its disk loses power, once ``after`` of them have arrived."""
    command = [sys.executable, committer.__file__, str(file), synchronous]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = {int(child.stdout.readline()) for _ in range(after)}
        disk.cut()
        _, errors = child.communicate(timeout=20)
    assert child.returncode == 1, "the writer did not notice that its disk is gone"
    assert "StorageError" in errors, errors
    disk.restore()
    return acknowledged


@contextmanager
def _engine(file: Path) -> Iterator[Engine]:
    engine = make_engine(sqlite_url(file))
    try:
        yield engine
    finally:
        engine.dispose()


def _create(file: Path) -> None:
    with _engine(file) as engine:
        committer.create(engine)


def _stored(file: Path) -> set[int]:
    with _engine(file) as engine:
        assert read(engine, lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
        return read(engine, committer.numbers)


def test_with_full_nothing_acknowledged_is_lost(disk: PowerCutDisk) -> None:
    file = disk.mount / "rows.db"
    _create(file)
    acknowledged: set[int] = set()
    for after in CUTS:
        acknowledged |= _commit_until_the_power_goes(disk, file, "FULL", after)
        assert acknowledged <= _stored(file), f"lost: {sorted(acknowledged - _stored(file))}"
    assert len(acknowledged) == sum(CUTS)


def test_with_normal_acknowledged_rows_are_lost_so_this_test_can_see_a_loss(disk: PowerCutDisk) -> None:
    file = disk.mount / "rows.db"
    _create(file)
    acknowledged = _commit_until_the_power_goes(disk, file, "NORMAL", after=100)
    assert acknowledged - _stored(file), "nothing was lost: this power cut cuts nothing"


def test_the_disk_is_unmounted_even_when_a_test_fails_with_a_file_open() -> None:
    with pytest.raises(RuntimeError) as failure:
        _fail_with_a_file_open()
    mount, held = failure.value.args
    held.close()
    assert not mount.exists()


def _fail_with_a_file_open() -> None:
    with power_cut_disk() as disk:
        raise RuntimeError(disk.mount, (disk.mount / "held").open("wb"))
