"""Real recordings through the production processes: shared numbers are found at one port and known at the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from port2port.stage import Stage, add_file_source
from tests.fakes import stories
from tests.fakes.gfw import sentences_of
from tests.fakes.shared_data import shared_path
from tests.fakes.stories import PORT_A, PORT_B

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLONED = ("412331088", "416241500", "567000000", "412588888")
SINGLE = ("209515000", "244020394", "372768000", "574574574", "600014098")
BENELUX = "aishub_20120314_benelux_tagged.nmea"
SPEED = 100_000.0  # nine days in eight seconds


def recordings(directory: Path) -> Iterator[tuple[str, Path]]:
    """(name of the source, file); the labels in the recordings are not read."""
    yield "benelux", shared_path(f"ais/{BENELUX}")
    for mmsi in (*CLONED, *SINGLE):
        lines = sentences_of(shared_path(f"ais/gfw_segment/{mmsi}.jsonl.gz"))
        file = directory / f"{mmsi}.nmea"
        file.write_bytes(b"\n".join(lines) + b"\n")
        yield f"gfw-{mmsi}", file


def drafts_of(stage: Stage) -> list[dict[str, Any]]:
    found = stage.node_json(PORT_A.member, "review", "list")
    assert isinstance(found, list)
    return found


def clones(stage: Stage) -> dict[str, str]:
    """MMSI → draft, of every identity clone that waits for an officer."""
    found = {}
    for row in drafts_of(stage):
        number = re.search(r"\b\d{9}\b", row["title"])
        if row["kind"] == "IDENTITY_CLONE" and number:
            found[number.group()] = row["id"]
    return found


def test_shared_numbers_in_recordings_reach_the_second_port_as_indicators(stage: Stage, tmp_path: Path) -> None:
    files = list(recordings(tmp_path))
    stories.opened(stage, PORT_A, PORT_B)
    stage.decide("group", "neighbours", PORT_A.member, PORT_B.member)
    for name, path in files:
        add_file_source(stage.node_config(PORT_A.member), name=name, path=path, speed=SPEED)
    stories.run_nodes(stage, PORT_A, PORT_B)
    node = stage.running[PORT_A.member]
    stage.wait(
        "every recording to be read",
        lambda: True if node.said().count("a source ended") == len(files) else None,
        seconds=120,
    )
    found = stage.wait("the clones", lambda: clones(stage) if clones(stage).keys() >= {*CLONED} else None)
    assert not found.keys() & {*SINGLE}

    how = ("--tlp", "amber", "--group", "neighbours", "--handling", "call_first")
    for mmsi in CLONED:
        officer = stories.signed_by_officer(stage, PORT_A)
        answer = stage.node_json(PORT_A.member, "review", "publish", found[mmsi], *how, *officer)
        stories.delivered(stage, PORT_A, stories.statement_of(answer), PORT_B)
    held = stage.node_json(PORT_B.member, "indicators")
    assert isinstance(held, list)
    patterns = [row["pattern"] for row in held if row["issuer"] == PORT_A.member]
    assert sorted(re.search(r"\d{9}", pattern).group() for pattern in patterns) == sorted(CLONED)  # type: ignore[union-attr]  # each has one
    assert {row["handling"] for row in held} == {"call_first"}
    assert not clones(stage).keys() & {*SINGLE}  # and by now the last line has been looked at
