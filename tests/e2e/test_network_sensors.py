"""Real recordings of Suricata and Zeek through the production processes: what one port asks about is seen at another.

The logs are those of a competition, brought to now. They are written while the node follows them, and rotated.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from port2port.stage import Stage, add_log_source
from tests.fakes import stories
from tests.fakes.cyber import eve_recording, moved, zeek_recording
from tests.fakes.stories import PORT_A, PORT_B

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LIVE_DOMAIN, PAST_DOMAIN = "tags.onscroll.com", "forums.jerry.land"  # the first behind the hundredth alert


def write(path: Path, lines: list[bytes]) -> None:
    """Append as a sensor does: whole lines, written through."""
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def logs(stage: Stage) -> dict[str, dict[str, Any]]:
    """What the second port's node says of its logs."""
    found = stage.node_json(PORT_B.member, "sensors")
    assert isinstance(found, dict)
    return {row["name"]: row for row in found["logs"]}


def read(stage: Stage, name: str, lines: int) -> None:
    """Wait until so many lines of a log were read."""
    stage.wait(
        f"{lines} lines of {name}", lambda: True if logs(stage)[name].get("lines") == lines else None, seconds=60
    )


def told(stage: Stage, what: str, value: str) -> str:
    """The first port's officer reports a value of the network; the id of the statement."""
    how = ("--text", "seen in an attack on our gate system", "--publish", "--tlp", "green", "--handling", "act")
    answer = stage.node_json(PORT_A.member, "report", what, value, *how, *stories.signed_by_officer(stage, PORT_A))
    return stories.statement_of(answer)


def test_values_in_real_logs_come_back_as_sightings(stage: Stage, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    dns = moved(zeek_recording("dns.head1500"), now - timedelta(minutes=2))
    alerts = moved(eve_recording("wrccdc2018"), now - timedelta(minutes=1))
    dns_log, eve_log = tmp_path / "dns.log", tmp_path / "eve.json"
    stories.opened(stage, PORT_A, PORT_B)
    add_log_source(stage.node_config(PORT_B.member), name="dns", kind="zeek", path=dns_log)
    add_log_source(stage.node_config(PORT_B.member), name="ids", kind="eve", path=eve_log)
    write(dns_log, dns[:700])
    stories.run_nodes(stage, PORT_A, PORT_B)
    read(stage, "dns", 700)

    dns_log.rename(tmp_path / "dns.log.1")  # rotated by name, and its writer has not let go yet
    write(dns_log, dns[900:])
    write(tmp_path / "dns.log.1", dns[700:900])
    read(stage, "dns", len(dns))

    past = told(stage, "domain", PAST_DOMAIN)
    found = stories.sighted(stage, PORT_A, past, PORT_B)
    assert found["looking"] == "back", found

    live = told(stage, "domain", LIVE_DOMAIN)
    stories.delivered(stage, PORT_A, live, PORT_B)
    write(eve_log, alerts[:100])
    read(stage, "ids", 100)
    shutil.copy(eve_log, tmp_path / "eve.json.1")  # rotated by copying and truncating
    os.truncate(eve_log, 0)
    write(eve_log, alerts[100:])
    read(stage, "ids", len(alerts))
    assert stories.sighted(stage, PORT_A, live, PORT_B)["looking"] == "live"
