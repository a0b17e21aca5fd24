"""Who no longer belongs hears nothing more; who comes back, or comes new, gets what it may have."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.fakes import stories
from tests.fakes.stories import PORT_A, PORT_B, PORT_C

if TYPE_CHECKING:
    from port2port.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CUT_WITHIN_S = 5.0


def cut_off(stage: Stage) -> bool:
    """Whether port B's node has been told that it does not belong."""
    said = stories.status(stage, PORT_B)
    return not said["connected"] and "CUT_OFF" in {alarm["code"] for alarm in said["alarms"]}


def test_a_removed_member_is_cut_off_within_five_seconds(stage: Stage) -> None:
    stories.opened(stage, PORT_A, PORT_B)
    stories.run_nodes(stage, PORT_A, PORT_B)
    stage.decide("revoke", "--member", PORT_B.member, "--reason", "left the federation")
    admitted = time.time()
    stage.wait("port B to be cut off", lambda: True if cut_off(stage) else None)
    since = _cut_at(stage)
    assert since - admitted <= CUT_WITHIN_S

    size = stories.status(stage, PORT_B)["size"]
    ident = stories.report(stage, PORT_A, "--tlp", "green")
    stories.logged(stage, PORT_A, ident)
    assert stories.status(stage, PORT_B)["size"] == size
    check = stage.attempt("node", "status", "--check", "--config", stage.node_config(PORT_B.member))
    assert check.code == 2
    assert PORT_B.member not in {row["member"] for row in stories.explained(stage, PORT_A, ident)["members"]}


def _cut_at(stage: Stage) -> float:
    """When the hub cut its streams, by the hub's own log."""
    lines = [json.loads(line) for line in stage.running["hub"].said().splitlines() if line.startswith("{")]
    return min(_seconds(line["at"]) for line in lines if line["event"] == "stream cut off")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_suspended_member_gets_what_it_missed_once_it_is_reinstated(stage: Stage) -> None:
    stories.opened(stage, PORT_A, PORT_B)
    stories.run_nodes(stage, PORT_A, PORT_B)
    stage.decide("suspend", "--member", PORT_B.member, "--reason", "machine key in doubt")
    stage.wait("port B to be cut off", lambda: True if cut_off(stage) else None)
    missed = stories.report(stage, PORT_A, "--tlp", "green")
    stories.logged(stage, PORT_A, missed)
    stage.decide("suspend", "--member", PORT_B.member, "--lift", "--reason", "it was not")
    stories.delivered(stage, PORT_A, missed, PORT_B)
    assert not cut_off(stage)


def test_a_new_member_begins_at_entry_zero_and_gets_what_all_may_read(stage: Stage) -> None:
    stories.opened(stage, PORT_A, PORT_B)
    stories.run_nodes(stage, PORT_A)
    for_all = stories.report(stage, PORT_A, "--tlp", "green")
    for_one = stories.report(stage, PORT_A, "--tlp", "amber", "--recipient", PORT_B.member)
    stories.logged(stage, PORT_A, for_one)
    stage.join(PORT_C)
    stories.run_nodes(stage, PORT_C)
    assert stories.delivered(stage, PORT_A, for_all, PORT_C)
    assert stories.fate(stage, PORT_A, for_one, PORT_C)["state"] == "not entitled"
