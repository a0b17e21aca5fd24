"""The walking skeleton: one report goes out, is logged, verified and matched elsewhere, and a sighting comes back."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from port2port import canonical
from port2port.stage import add_file_source
from port2port.wire import decode_envelope
from tests.fakes import stories
from tests.fakes.stories import PORT_A, PORT_B

if TYPE_CHECKING:
    from pathlib import Path

    from port2port.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_report_becomes_a_sighting_elsewhere_and_its_proof_holds_offline(stage: Stage, tmp_path: Path) -> None:
    stories.opened(stage, PORT_A, PORT_B)
    stage.decide("group", "neighbours", PORT_A.member, PORT_B.member)
    ship = stories.passing_ship(tmp_path / "ship.nmea")
    add_file_source(stage.node_config(PORT_B.member), name="mast", path=ship, speed=100_000.0)
    stories.run_nodes(stage, PORT_A, PORT_B)

    ident = stories.report(stage, PORT_A, "--tlp", "amber", "--group", "neighbours", "--handling", "call_first")
    assert stories.delivered(stage, PORT_A, ident, PORT_B)["state"] in stories.DELIVERED
    sighting = stories.sighted(stage, PORT_A, ident, PORT_B)
    assert sighting["port"] == "BEGNE"
    assert sighting["looking"] == "back"
    assert "Port B (BEGNE)" in sighting["summary"]

    _nobody_else_learns_of_it(stage, ident)
    _status_says_so(stage)
    _proof_holds(stage, ident)
    _hub_goes_away(stage)


def _nobody_else_learns_of_it(stage: Stage, ident: str) -> None:
    """At another member, an entry it holds and one that does not exist give the same answer."""
    held = stage.attempt("node", "explain", ident, "--config", stage.node_config(PORT_B.member))
    random = "urn:uuid:8d2bb4f5-5f1a-4d56-9d13-6a4a3c2f9a61"
    unknown = stage.attempt("node", "explain", random, "--config", stage.node_config(PORT_B.member))
    assert held == unknown


def _status_says_so(stage: Stage) -> None:
    said = stories.status(stage, PORT_A)
    assert (said["level"], said["connected"], said["waiting"], said["returned"]) == ("ok", True, 0, 0)
    assert said["demo"]
    check = stage.attempt("node", "status", "--check", "--config", stage.node_config(PORT_A.member))
    assert check.code == 0


def _proof_holds(stage: Stage, ident: str) -> None:
    bundle = stories.bundle_of(stage, PORT_A, ident)
    good = stories.verified(stage, bundle)
    assert good.code == 0
    assert good.out.startswith("valid when logged: yes\n")
    assert f"{PORT_A.member}, signed by " in good.out
    assert "officer duty-1" in good.out
    assert "disputed since: no" in good.out

    raw = bundle.read_bytes()
    entry = base64.b64decode(json.loads(raw)["entry"]["envelope"])
    signature = decode_envelope(entry).signatures[0].sig
    downgraded = entry.replace(b'"tlp":"amber"', b'"tlp":"green"')
    forged = entry.replace(signature, bytes(64))
    for spoilt in (downgraded, forged):
        assert spoilt != entry
        assert re.match(r"NOT VALID: step \d+ SIGNATURE\w*: ", _verdict(stage, raw, envelope=_b64(spoilt)))
    path = [_b64(bytes(32)), *json.loads(raw)["entry"]["path"][1:]]
    assert _verdict(stage, raw, path=path).startswith("NOT VALID: ")


def _verdict(stage: Stage, bundle: bytes, **changes: object) -> str:
    """What the command says of a bundle whose entry was changed; its exit code must say the same."""
    spoilt = json.loads(bundle)
    spoilt["entry"] |= changes
    file = stage.root / "spoilt.p2p-bundle"
    file.write_bytes(canonical.dumps(spoilt))
    bad = stories.verified(stage, file)
    assert bad.code == 1
    return bad.out


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _hub_goes_away(stage: Stage) -> None:
    """The node goes on, says since when it is alone, and keeps what is reported meanwhile."""
    stage.stop("hub")
    stage.wait("the node to notice", lambda: None if stories.status(stage, PORT_A)["connected"] else True)
    check = stage.attempt("node", "status", "--check", "--config", stage.node_config(PORT_A.member))
    assert check.code in {1, 2}
    assert "not connected" in check.out
    ident = stories.report(stage, PORT_A, "--tlp", "green")
    assert stories.status(stage, PORT_A)["waiting"] == 1
    stage.serve()
    stories.delivered(stage, PORT_A, ident, PORT_B)
    assert stories.status(stage, PORT_A)["waiting"] == 0
