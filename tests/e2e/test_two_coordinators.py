"""A production federation: two organisations found it, and neither decides alone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.fakes import stories
from tests.fakes.stories import PORT_A, PORT_B

if TYPE_CHECKING:
    from port2port.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_two_coordinators_found_a_federation_and_admit_ports_together(production: Stage) -> None:
    stage = production
    stories.opened(stage, PORT_A, PORT_B)
    said = json.loads(stage.at_hub("status", "--json"))
    assert said["demo"] is False
    assert said["members"] == 2
    assert "DEMO" not in stage.running["hub"].said()
    stage.decide("group", "neighbours", PORT_A.member, PORT_B.member)
    stories.run_nodes(stage, PORT_A, PORT_B)
    assert not stories.status(stage, PORT_A)["demo"]
    ident = stories.report(stage, PORT_A, "--tlp", "amber", "--group", "neighbours")
    stories.delivered(stage, PORT_A, ident, PORT_B)
    _one_signature_is_not_enough(stage)


def _one_signature_is_not_enough(stage: Stage) -> None:
    first = stage.coordinators[0]
    control, alone = stage.root / "control.p2p-log", stage.root / "alone.p2p-control"
    stage.at_hub("export-control", "--out", control)
    how = ("--control-log", control, "--out", alone, "--yes")
    said = stage.at_desk(first, "revoke", "--member", PORT_B.member, "--reason", "I decide alone", *how)
    assert "1 more coordinator(s) must approve" in said
    refused = stage.attempt("hub", "admit", alone, "--config", stage.hub_config)
    assert refused.code == 2
    again = stage.attempt(
        "port2port", "coordinator", "approve", alone, "--dir", stage.desk(first),
        "--passphrase-file", stage.passphrase, *how,
    )  # fmt: skip
    assert again.code == 2
    assert "signed the proposal already" in again.err
    assert json.loads(stage.at_hub("status", "--json"))["members"] == 2


def test_one_coordinator_alone_founds_no_production_federation(production: Stage) -> None:
    stage = production
    stage.at_desk("ndc", "init", "--name", "ndc")
    public = stage.desk("ndc") / "ndc.coordinator.pub"
    where = ("--dir", stage.hub_dir, "--federation", stage.federation, "--coordinator", public)
    refused = stage.attempt("hub", "init", *where, "--threshold", 1)
    assert refused.code == 2
    assert "--demo" in refused.err


def test_a_hub_that_can_read_a_coordinator_key_does_not_serve(production: Stage) -> None:
    stage = production
    stage.found()
    key = stage.desk("ndc") / "ndc.coordinator.key"
    shutil.copy(key, stage.hub_dir)
    refused = stage.attempt("hub", "serve", "--config", stage.hub_config)
    assert refused.code == 2
    assert "coordinator" in refused.err
