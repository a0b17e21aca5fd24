"""What the end-to-end stories have in common: ports, and short ways through the commands that an officer types."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from port2port.stage import Newcomer, Stage, StageError
from tests.fakes.gfw import tagged

if TYPE_CHECKING:
    from pathlib import Path

    from port2port.stage import Done

PORT_A = Newcomer(member="port-a", name="Port A", locodes=("BEANR",))
PORT_B = Newcomer(member="port-b", name="Port B", locodes=("BEGNE",))
PORT_C = Newcomer(member="port-c", name="Port C", locodes=("BEOST",))
MMSI = "205123456"
DELIVERED = {"delivered", "seen"}


def opened(stage: Stage, *ports: Newcomer) -> None:
    """A founded federation, served, with these ports as members; their nodes do not run yet."""
    stage.found()
    stage.serve()
    stage.join(*ports)


def run_nodes(stage: Stage, *ports: Newcomer) -> None:
    """Start their nodes and wait until each follows the whole log."""
    for port in ports:
        stage.run_node(port.member)
    for port in ports:
        connected(stage, port)


def status(stage: Stage, port: Newcomer) -> dict[str, Any]:
    """What ``status --json`` says."""
    return _object(stage.node_json(port.member, "status"))


def connected(stage: Stage, port: Newcomer) -> dict[str, Any]:
    """Wait until a node is connected and holds the log as far as the hub has it now."""
    size = json.loads(stage.at_hub("status", "--json"))["log_size"]

    def look() -> dict[str, Any] | None:
        said = status(stage, port)
        return said if said["connected"] and said["size"] >= size else None

    return stage.wait(f"{port.member} to follow up to {size}", look)


def signed_by_officer(stage: Stage, port: Newcomer) -> tuple[object, ...]:
    """The arguments under which a port's officer decides."""
    return ("--officer", port.officer, "--passphrase-file", stage.passphrase)


def report(stage: Stage, port: Newcomer, *how: object, mmsi: str = MMSI) -> str:
    """An officer reports a vessel; the id of the statement."""
    what = ("vessel", "--mmsi", mmsi, "--text", "slips its lines at night without lights", "--publish", *how)
    return statement_of(stage.node_json(port.member, "report", *what, *signed_by_officer(stage, port)))


def statement_of(answer: object) -> str:
    """The id of the one statement that was published."""
    (statement,) = _object(answer)["statements"]
    return str(statement["id"])


def explained(stage: Stage, port: Newcomer, ident: str) -> dict[str, Any]:
    """What ``explain --json`` says at a port."""
    return _object(stage.node_json(port.member, "explain", ident))


def fate(stage: Stage, author: Newcomer, ident: str, reader: Newcomer) -> dict[str, Any]:
    """What the author knows about one member."""
    rows = [row for row in explained(stage, author, ident)["members"] if row["member"] == reader.member]
    if not rows:
        raise StageError(f"{author.member} knows nothing of {reader.member} yet")
    return dict(rows[0])


def logged(stage: Stage, author: Newcomer, ident: str) -> str:
    """Wait until a statement is in the log and its author has verified that."""

    def look() -> str | None:
        (statement,) = explained(stage, author, ident)["statements"]
        state = str(statement["state"])
        return state if state.startswith("in the log") and state.endswith(", verified by us") else None

    return stage.wait(f"{ident} to be logged", look)


def delivered(stage: Stage, author: Newcomer, ident: str, reader: Newcomer) -> dict[str, Any]:
    """Wait for the reader's signed receipt."""

    def look() -> dict[str, Any] | None:
        row = fate(stage, author, ident, reader)
        return row if row["state"] in DELIVERED else None

    return stage.wait(f"{reader.member}'s receipt", look)


def sighted(stage: Stage, author: Newcomer, ident: str, by: Newcomer) -> dict[str, Any]:
    """Wait for a sighting by another port."""

    def look() -> dict[str, Any] | None:
        rows = explained(stage, author, ident)["sightings"]
        return next((row for row in rows if row["member"] == by.member), None)

    return stage.wait(f"a sighting by {by.member}", look)


def bundle_of(stage: Stage, port: Newcomer, ident: str) -> Path:
    """The proof in the evidence of a statement."""
    archive = stage.root / "evidence.zip"
    archive.unlink(missing_ok=True)
    stage.node(port.member, "evidence", ident, "--out", archive)
    shutil.unpack_archive(archive, stage.root / "evidence")
    return stage.root / "evidence" / "proof.p2p-bundle"


def verified(stage: Stage, bundle: Path) -> Done:
    """``port2port verify`` on a bundle."""
    return stage.attempt("port2port", "verify", bundle, "--genesis", stage.genesis)


def passing_ship(path: Path, mmsi: str = MMSI, *, reports: int = 5) -> Path:
    """A recording of a ship on the Scheldt in the last minute."""
    now = int(time.time())
    lines: list[bytes] = []
    for number in range(reports):
        fields = {
            "type": 1, "mmsi": mmsi, "lat": 51.28 + number * 1e-4, "lon": 4.32, "speed": 4.0, "course": 0.0,
            "heading": 511, "turn": -128, "second": 60, "status": 0,
        }  # fmt: skip
        lines += tagged(fields, station="mast", at=now - 60 + 10 * number)
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StageError(f"expected an object, got {json.dumps(value)[:200]}")
    return value
