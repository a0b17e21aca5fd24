"""A node is killed again and again while it follows a log that is written and rotated: each line counts once.

before_commit: a batch is written, not committed. after_commit: it is durable, and the process does not know.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from node import tables
from node.cyber_past import digest_of
from node.store import open_store
from port2port.database import sqlite_url
from tests.fakes import followed_log
from tests.fakes.cyber import zeek_dns
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
ROUNDS = 6
LINES = 40  # in each round, in four parts


class Victim:
    """The process, and the database that outlives it."""

    def __init__(self, home: Path) -> None:
        self.home, self.log = home, home / "dns.log"
        self.database = home / "node.db"
        open_store(sqlite_url(self.database)).close()
        self.engine = sa.create_engine(sqlite_url(self.database))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoints: str) -> None:
        command = [sys.executable, "-m", followed_log.__name__, str(self.database), str(self.log)]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "P2P_FAILPOINTS": failpoints})

    def is_dead(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def write(self, first: int, count: int) -> None:
        now = datetime.now(UTC)
        lines = [zeek_dns("evil.example", at=now, number=number) for number in range(first, first + count)]
        with self.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    def rotate(self, number: int) -> None:
        """By name, or by copying and truncating once what was copied is what was read."""
        if number % 2:
            self.log.rename(self.home / f"dns.log.{number}")
        else:
            shutil.copy(self.log, self.home / f"dns.log.{number}")
            os.truncate(self.log, 0)

    def read(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(tables.TailLineRow)) or 0

    def wait_for(self, lines: int, *, or_death: bool = False) -> None:
        """Until so many lines were read."""
        what = f"{lines} lines read"
        wait_until(lambda: self.read() >= lines or (or_death and self.is_dead()), what=what, deadline_s=60)

    def counted(self) -> int:
        values = tables.RecordValueRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
        key = digest_of(("domain-name:value", "evil.example"))
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.sum(values.c["count"])).where(values.c.digest == key)) or 0


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    made = Victim(tmp_path)
    yield made
    made.kill()
    made.engine.dispose()


@pytest.mark.parametrize("point", ["node.before_commit", "node.after_commit"])
def test_each_line_counts_once_however_often_the_node_is_killed(victim: Victim, point: str) -> None:
    written = deaths = 0
    victim.write(written, 1)
    written += 1
    victim.start("")
    victim.wait_for(written)
    victim.kill()
    for number in range(1, ROUNDS + 1):
        victim.write(written, LINES // 4)
        victim.start(f"{point}=0.5,seed={number}")
        for part in range(3):
            if part == 1:
                victim.rotate(number)
            victim.write(written + (part + 1) * LINES // 4, LINES // 4)
            victim.wait_for(written + (part + 2) * LINES // 4, or_death=True)
        deaths += victim.is_dead()
        victim.kill()
        written += LINES
        assert victim.counted() == victim.read() <= written
    victim.start("")
    victim.wait_for(written)
    assert not victim.is_dead()
    victim.kill()
    assert victim.counted() == written
    assert victim.process is not None
    assert victim.process.returncode == -signal.SIGKILL
    assert deaths > 0
