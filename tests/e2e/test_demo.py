"""``port2port demo`` tells its story, twice in a row, and leaves nothing running."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from port2port.cli import demo_work
from tests.fakes.checkout import REPOSITORY
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
DEADLINE_S = 480.0  # for a machine that does much else; how long it takes is measured, not asserted


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A demo that ended: its exit code, what it printed, and the session it and its children ran in."""

    code: int
    out: str
    err: str
    session: int

    def row(self, step: str) -> str:
        """The row of the table that begins with ``step``, on one line."""
        table = self.out[self.out.index("\nstep ") :].split("\n\n")[0].splitlines()
        (first,) = (number for number, line in enumerate(table) if line.startswith(step))
        more = itertools.takewhile(lambda line: line.startswith(" "), table[first + 1 :])
        return " ".join([table[first], *map(str.strip, more)])


def start(directory: Path) -> subprocess.Popen[str]:
    """Run it as ``make demo`` does, in a session of its own, so that its processes can be told from others."""
    return subprocess.Popen(
        [sys.executable, "-m", "port2port", "demo", "--dir", directory],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def play(directory: Path) -> Told:
    process = start(directory)
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
        return Told(code=process.returncode, out=out, err=err, session=process.pid)
    finally:
        end(process.pid)


def stay(directory: Path, said: Path) -> Told:
    """Keep its screens up, press Ctrl-C as a terminal does (the whole foreground group gets it), and see it end."""
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "port2port", "demo", "--stay", "--dir", directory],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: "Ctrl-C ends everything." in said.read_text() or process.poll() is not None,
            what="the screens are up",
            deadline_s=DEADLINE_S,
        )
        assert process.poll() is None, said.read_text()
        shows_what_happened(said.read_text())
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(timeout=DEADLINE_S)
        return Told(code=code, out=said.read_text(), err="", session=process.pid)
    finally:
        end(process.pid)


def shows_what_happened(out: str) -> None:
    """The first address opens what was published, for whoever chooses the coordinator; its board has an incident."""
    found = re.search(r"^  (http://localhost:[0-9]+)(/\?item=[0-9]+)$", out, re.MULTILINE)
    assert found is not None, out
    visitor = demo_work.Visitor(origin=found[1])
    visitor.send("/sign-in", "/sign-in/demo", {"pseudonym": demo_work.COORDINATOR, "next": "/"})
    assert "Cloned identity" in visitor.read(found[2])
    assert "Cloned identity" in visitor.read("/incidents")


def end(session: int) -> None:
    """Whatever comes of a test, nothing that it started stays."""
    for pid in in_session(session):
        os.kill(pid, signal.SIGKILL)


def in_session(session: int) -> list[int]:
    """The processes of a session that are alive; zombies are not."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            _, _, rest = (entry / "stat").read_text().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, belongs_to = rest.split()[:4]
        if int(belongs_to) == session and state not in "ZX":
            found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to count processes: run it on Linux")
def test_the_demo_runs_twice_in_a_row_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for run in (play, partial(stay, said=tmp_path / "said.txt")):
        told = run(tmp_path / "demo")
        assert told.code == 0, told.err + told.out
        assert told.err == ""
        assert "Traceback" not in told.out
        assert in_session(told.session) == []
        says_what_happened(told)
        proof_holds(told)


def says_what_happened(told: Told) -> None:
    assert told.out.startswith("DEMO ")
    assert "North Sea Port finds a cloned identity" in told.out
    assert "TLP:AMBER to seaports, call_first" in told.row("its officer publishes it")
    assert "receipt signed by" in told.row("Port of Antwerp-Bruges verifies it")
    back = told.row("its sighting comes back")
    assert "Port of Antwerp-Bruges" in back
    assert "times" in back
    nothing = told.row("Liège gets nothing")
    assert "not entitled: " in nothing
    assert "in no group that the author named" in nothing
    assert told.row("the proof holds offline").endswith("valid when logged: yes")


def proof_holds(told: Told) -> None:
    """The last line works when it is pasted, and not with another genesis."""
    command = shlex.split(told.out.rstrip("\n").splitlines()[-1])
    assert subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, timeout=60).returncode == 0
    wrong = [*command[:-1], "0" * 64]
    assert subprocess.run(wrong, cwd=REPOSITORY, check=False, capture_output=True, timeout=60).returncode == 1


def test_a_demo_that_is_told_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    process = start(tmp_path / "demo")
    log = tmp_path / "demo" / "hub.log"
    try:
        wait_until(lambda: log.exists() and "ready" in log.read_text(), what="the hub is up", deadline_s=DEADLINE_S)
        assert len(in_session(process.pid)) > 1
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert in_session(process.pid) == []
    finally:
        end(process.pid)
        process.communicate()


def test_the_demo_overwrites_no_directory_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    told = play(tmp_path)
    assert told.code == 2
    assert "was not made by the demo" in told.err
    assert (tmp_path / "thesis.txt").exists()
