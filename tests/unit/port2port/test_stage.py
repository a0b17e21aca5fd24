"""The stage starts what it is told, waits with a deadline, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from node.settings import NodeSettings
from port2port.settings import load
from port2port.stage import Stage, StageError, add_file_source, add_udp_source, free_port, steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IDLE = "import signal\nprint('idle', flush=True)\nsignal.pause()\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + IDLE
FAILS = "import sys\nprint('the cable is out')\nsys.exit(3)\n"
ENDS = "print('{\"well\": true}')\n"
SPEAKS = "print('no json here')\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    for name, text in (("idle", IDLE), ("stubborn", STUBBORN), ("fails", FAILS), ("ends", ENDS), ("node", SPEAKS)):
        (tmp_path / f"p2p_{name}.py").write_text(text)
    with Stage(root=tmp_path / "stage", environment={"PYTHONPATH": str(tmp_path)}) as made:
        yield made


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def idle(stage: Stage, name: str, module: str = "p2p_idle") -> int:
    running = stage.start(name, module)
    stage.wait("it", lambda: True if "idle" in running.said() else None, seconds=20)
    return running.process.pid


def test_leaving_the_stage_ends_every_process(tmp_path: Path) -> None:
    (tmp_path / "p2p_idle.py").write_text(IDLE)
    with Stage(root=tmp_path / "stage", environment={"PYTHONPATH": str(tmp_path)}) as stage:
        pids = [idle(stage, name) for name in ("one", "two")]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_leaving_the_stage_in_anger_ends_every_process_too(tmp_path: Path) -> None:
    (tmp_path / "p2p_idle.py").write_text(IDLE)
    pids: list[int] = []

    def fail() -> None:
        with Stage(root=tmp_path / "stage", environment={"PYTHONPATH": str(tmp_path)}) as stage:
            pids.append(idle(stage, "one"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not any(map(alive, pids))


def test_what_ignores_a_stop_is_killed(stage: Stage) -> None:
    pid = idle(stage, "mule", "p2p_stubborn")
    assert stage.stop("mule", grace_s=0.2) == -signal.SIGKILL
    assert not alive(pid)


def test_a_process_started_again_is_asked_what_it_says_now_and_not_what_it_said(stage: Stage) -> None:
    idle(stage, "one")
    stage.stop("one", signal.SIGKILL)
    again = stage.start("one", "p2p_fails")
    again.process.wait(20)
    assert again.said() == "the cable is out\n"


def test_a_wait_ends_with_what_was_waited_for(stage: Stage) -> None:
    with pytest.raises(StageError, match="in vain for the cows"):
        stage.wait("the cows", lambda: None, seconds=0.0)


def test_a_wait_gives_the_value_that_was_found(stage: Stage) -> None:
    found = iter([None, None, 7])
    assert stage.wait("seven", lambda: next(found), seconds=5) == 7


def test_a_process_that_fails_ends_the_wait_with_its_words(stage: Stage) -> None:
    running = stage.start("broken", "p2p_fails")
    running.process.wait(20)
    with pytest.raises(StageError, match=r"ended with 3:\nthe cable is out"):
        stage.wait("nothing", lambda: None, seconds=20)


def test_a_killed_process_does_not_end_a_wait_since_whoever_kills_one_means_to_wait_on(stage: Stage) -> None:
    pid = idle(stage, "one")
    os.kill(pid, signal.SIGKILL)
    stage.running["one"].process.wait(20)
    assert stage.wait("it", lambda: True, seconds=5)


def test_a_command_that_fails_is_told_with_its_words(stage: Stage) -> None:
    with pytest.raises(StageError, match=r"ended with 3: the cable is out"):
        stage.call("p2p_fails")
    assert stage.attempt("p2p_fails").code == 3
    assert stage.call("p2p_ends") == '{"well": true}\n'


def test_an_answer_that_is_not_json_is_an_error_of_the_stage(stage: Stage) -> None:
    with pytest.raises(StageError, match="node status at nobody"):
        stage.node_json("nobody", "status")


def test_sources_added_are_accepted_by_the_node(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(
        f'federation = "demo.port2port.example"\ngenesis = "{"a" * 64}"\nmember = "port-a"\n'
        'hub = "127.0.0.1:1"\nenrolment = "127.0.0.1:2"\n'
    )
    add_udp_source(config, name="mast", port=free_port())
    add_file_source(config, name="tape", path=tmp_path / "a b.nmea", speed=60.0)
    udp, tape = load(config, NodeSettings).sources
    assert (udp.kind, tape.kind, tape.path, tape.speed) == ("udp", "file", tmp_path / "a b.nmea", 60.0)


def test_one_coordinator_makes_a_demo_and_two_do_not(tmp_path: Path) -> None:
    assert Stage(root=tmp_path).demo
    assert not Stage(root=tmp_path, coordinators=("ndc", "maritime-police")).demo


def test_the_table_lines_up_and_a_long_proof_goes_on_below_itself() -> None:
    long = "seen at " + "Port of Antwerp-Bruges " * 6
    head, rule, founded, back, below, *_ = steps([("founded", 1.25, "genesis 00"), ("Liège sees it", 61.5, long)])
    column = head.index("proof")
    assert (founded[column:], back[column : column + 7]) == ("genesis 00", "seen at")
    assert rule[column - 1 : column + 1] == " -"
    assert below == " " * column + below.strip()
    assert max(map(len, (head, rule, founded, back, below))) == len(rule)


def test_the_programs_run_under_the_interpreter_of_the_stage(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "p2p_which.py").write_text("import sys\nprint(sys.executable, end='')\n")
    assert stage.call("p2p_which") == sys.executable
