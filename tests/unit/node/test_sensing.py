"""What an officer is told of the logs of network sensors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from node import tail_places
from node.__main__ import main
from node.alarms import Alarm, Code, raise_alarm
from node.store import open_store
from node.tail_places import BadLine, Counted, TailPosition
from port2port.clock import to_ms
from port2port.database import sqlite_url
from tests.fakes.cyber import NOW

BASE = f"""federation = "ports.example"
genesis = "{"ab" * 32}"
member = "beanr"
hub = "127.0.0.1:1"
enrolment = "127.0.0.1:2"
"""
LOG = """[[sources]]
name = "ids"
kind = "eve"
path = "eve.json"
"""


def told(config: Path, capsys: pytest.CaptureFixture[str], *how: str) -> str:
    """What the command prints."""
    assert main(["sensors", "--config", str(config), *how]) == 0
    return capsys.readouterr().out


def test_sensors_tell_what_was_read_of_each_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.toml"
    config.write_text(BASE)
    assert told(config, capsys) == "no network sensor in the settings\n"
    config.write_text(BASE + LOG)
    assert told(config, capsys) == "ids: nothing read yet\n"
    bad = BadLine(source="ids", at=NOW, why="RECORD: the line is not JSON", digest=b"\0" * 32, head=b"\x1b[2J{")

    def fill(connection: Connection) -> None:
        counted = Counted(lines=1_200, records=1_190, repeated=4, bad=6)
        tail_places.keep_place(connection, "ids", TailPosition(device=1, inode=2), counted, now=NOW)
        tail_places.put_aside(connection, [bad])

    store = open_store(sqlite_url(tmp_path / "node.db"))
    store.write_now(fill)
    store.close()
    first, second = told(config, capsys).splitlines()
    assert first.startswith("ids: 1,190 records of 1,200 lines, 4 read before, 6 no records; last read ")
    assert second.endswith("RECORD: the line is not JSON  \\x1b[2J{")
    value = json.loads(told(config, capsys, "--json"))
    assert (value["logs"][0]["bad"], value["bad_lines"][0]["source"]) == (6, "ids")


def test_sensors_tell_which_log_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.toml"
    config.write_text(BASE + LOG)
    text = "the log of ids fails: the log is not there"
    store = open_store(sqlite_url(tmp_path / "node.db"))
    alarm = Alarm(code=Code.SENSOR_FAILED, subject="ids", text=text)
    store.write_now(lambda connection: raise_alarm(connection, alarm, to_ms(NOW)))
    store.close()
    assert told(config, capsys) == f"ids: nothing read yet\nalarm: {text}\n"
    assert json.loads(told(config, capsys, "--json"))["alarms"] == [
        {"name": "ids", "code": "SENSOR_FAILED", "text": text}
    ]
