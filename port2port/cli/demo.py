"""``port2port demo``: a finding at one port reaches another, is matched there, and comes back as a signed sighting."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from port2port.errors import ConfigurationError
from port2port.stage import Stage, add_udp_source, free_port, steps

ANTWERP: Final = "port-of-antwerp-bruges"
NORTH_SEA: Final = "north-sea-port"
LIEGE: Final = "port-of-liege"
_MEMBERS: Final = (
    (ANTWERP, "Port of Antwerp-Bruges", ("BEANR", "BEZEE"), "antwerp"),
    (NORTH_SEA, "North Sea Port", ("BEGNE", "NLTNZ", "NLVLI"), "north-sea-port"),
    (LIEGE, "Port of Liège", ("BELGG",), "liege"),
)
_SPEED: Final = 30.0
_MINUTES: Final = 14.0
_RIBBON: Final = "DEMO - throw-away keys, one coordinator, loopback only"
_MARK: Final = ".port2port-demo"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Hang ``demo`` into the command line."""
    parser = subparsers.add_parser("demo", help="the main job in about a minute, on this machine alone")
    parser.add_argument("--dir", type=Path, default=Path("demo-run"), help="where it happens (default: %(default)s)")


@dataclass(slots=True)
class _Story:
    """What happened, when, and what proves it."""

    begun: float = field(default_factory=time.monotonic)
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def tell(self, step: str, proof: str) -> None:
        """Add a step and say it at once: whoever watches sees progress."""
        at_s = time.monotonic() - self.begun
        self.rows.append((step, at_s, proof))
        print(f"  {at_s:5.1f}s  {step}", flush=True)


def run(args: argparse.Namespace) -> int:
    """Play the story in ``args.dir``, which is emptied first if an earlier demo made it."""
    root: Path = args.dir
    if root.exists():
        if not (root / _MARK).exists():
            raise ConfigurationError(f"{root} exists and was not made by the demo; choose another with --dir")
        shutil.rmtree(root)
    root.mkdir(parents=True)
    (root / _MARK).touch()
    print(_RIBBON)
    story = _Story()
    with Stage(root=root) as stage:
        _set_up(stage, story)
        draft = _find(stage, story)
        published = _publish(stage, story, draft)
        _come_back(stage, story, published)
        bundle = _keep(stage, story, published)
    print()
    print("\n".join(steps(story.rows)))
    print()
    print("check the proof yourself, without the hub:")
    print(f"  .venv/bin/port2port verify {bundle} --genesis {stage.genesis}")
    return 0


def _set_up(stage: Stage, story: _Story) -> None:
    stage.found()
    story.tell("federation founded", f"genesis {stage.genesis[:16]}")
    stage.serve()
    story.tell("hub is up", "checkpoint signed by the log key")
    for member, name, locodes, _station in _MEMBERS:
        stage.join(member, name, *locodes, officer="duty-1")
        story.tell(f"{name} joined", "keys approved by the coordinator")
    stage.decide("group", "seaports", ANTWERP, NORTH_SEA)
    for member, _name, _locodes, station in _MEMBERS:
        port = free_port()
        add_udp_source(stage.node_dir(member) / "node.toml", name="ais", port=port)
        stage.run_node(member)
        stage.wait(f"{member} to follow", partial(_connected, stage, member))
        traffic = ("--station", station, "--port", port, "--minutes", _MINUTES, "--speed", _SPEED)
        stage.start(f"traffic-{station}", "node.simulate", *traffic, "--clone-after", 240)
    story.tell("three nodes read AIS", "mutual TLS 1.3, feed verified from entry 0")


def _connected(stage: Stage, member: str) -> bool | None:
    status = _dict(stage.node_json(member, "status"))
    return True if status.get("connected") else None


def _find(stage: Stage, story: _Story) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        drafts = _rows(stage.node_json(NORTH_SEA, "review", "list"))
        return next((row for row in drafts if row.get("kind") == "IDENTITY_CLONE"), None)

    draft = stage.wait("a cloned identity to be found", look, seconds=90)
    story.tell("North Sea Port finds a cloned identity", str(draft.get("title", draft["id"])))
    return draft


def _publish(stage: Stage, story: _Story, draft: dict[str, Any]) -> str:
    who = ("--officer", "duty-1", "--passphrase-file", stage.root / "passphrase")
    how = ("--tlp", "amber", "--group", "seaports", "--handling", "call_first")
    answer = _dict(stage.node_json(NORTH_SEA, "review", "publish", draft["id"], *how, *who))
    published = str(_rows(answer["statements"])[0]["id"])
    story.tell("an officer publishes it, TLP:AMBER to seaports", f"statement {published[9:17]}, call_first")
    return published


def _come_back(stage: Stage, story: _Story, published: str) -> None:
    def reader(member: str) -> dict[str, Any]:
        rows = _rows(_dict(stage.node_json(NORTH_SEA, "explain", published))["members"])
        return next(row for row in rows if row["member"] == member)

    stage.wait("Antwerp's receipt", lambda: True if reader(ANTWERP)["state"] in {"delivered", "seen"} else None)
    story.tell("Antwerp verified it", "delivered: signed by Antwerp's node")

    def sighting() -> dict[str, Any] | None:
        rows = _rows(_dict(stage.node_json(NORTH_SEA, "explain", published)).get("sightings", []))
        return next((row for row in rows if row["member"] == ANTWERP), None)

    seen = stage.wait("Antwerp's sighting", sighting, seconds=60)
    story.tell("Antwerp had seen the ship: sighting comes back", str(seen.get("summary", seen["id"])))
    liege = reader(LIEGE)
    story.tell("Liège gets nothing", f"{liege['state']}: {liege['reason']}")
    if liege["state"] != "not entitled":
        raise ConfigurationError("Liège should not be entitled")


def _keep(stage: Stage, story: _Story, published: str) -> Path:
    evidence = stage.root / "evidence.zip"
    stage.node(NORTH_SEA, "evidence", published, "--out", evidence)
    shutil.unpack_archive(evidence, stage.root / "evidence")
    bundle = stage.root / "evidence" / "proof.p2p-bundle"
    said = stage.call("port2port", "verify", bundle, "--genesis", stage.genesis)
    story.tell("proof checked offline", said.splitlines()[0])
    return bundle


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"expected an object, got {json.dumps(value)[:80]}")
    return value


def _rows(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, dict)):
        raise ConfigurationError(f"expected a list, got {json.dumps(value)[:80]}")
    return [item for item in value if isinstance(item, dict)]
