"""``port2port demo``: a finding at one port reaches another, is matched there, and comes back as a signed sighting."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from port2port.cli.demo_work import index_of, open_incident, reports
from port2port.errors import ConfigurationError
from port2port.stage import Newcomer, Stage, StageError, add_console, add_picture, add_udp_source, free_port, steps

ANTWERP: Final = Newcomer(member="port-of-antwerp-bruges", name="Port of Antwerp-Bruges", locodes=("BEANR", "BEZEE"))
NORTH_SEA: Final = Newcomer(member="north-sea-port", name="North Sea Port", locodes=("BEGNE", "NLTNZ", "NLVLI"))
LIEGE: Final = Newcomer(member="port-of-liege", name="Port of Liège", locodes=("BELGG",))
AUTHORITY: Final = Newcomer(member="maritime-security", name="National Maritime Security Authority", kind="authority")
_STATIONS: Final = ((ANTWERP, "antwerp"), (NORTH_SEA, "north-sea-port"), (LIEGE, "liege"))
_GROUP: Final = "seaports"
_MINUTES: Final = 14.0
_SPEED: Final = 30.0
_CLONE_AFTER_S: Final = 240.0
_RIBBON: Final = "DEMO   throw-away keys, one coordinator, loopback only"
_MARK: Final = ".port2port-demo"


_PICTURE: Final = "national picture"
_SCREENS: Final = {
    _PICTURE: ("C-01", "what happened, who knows it, and why it can be trusted; an incident is on the board"),
    NORTH_SEA.member: ("A-17", "the desk that published the cloned ship; a new draft waits for a decision"),
    ANTWERP.member: ("A-17", "the desk that had seen the ship before; it is asked to call, and a draft waits"),
}
_SEEN_BY_OFFICERS: Final = {
    NORTH_SEA.member: (
        *("no-ais", "--text", "Speedboat without lights, two persons; turned away when lit from the lock"),
        *("--place", "Terneuzen, outer harbour", "--position", "51.337,3.815"),
    ),
    ANTWERP.member: (
        *("container", "MSKU3054388", "--text", "Seal broken, a sports bag lay beside the box"),
        *("--place", "Deurganck dock, quay 1742", "--position", "51.296,4.263"),
    ),
}
_NOTE: Final = "Port of Antwerp-Bruges had the ship in its records. The terminals are called."


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Hang ``demo`` into the command line."""
    parser = subparsers.add_parser("demo", help="the main job in a minute or two, on this machine alone")
    parser.add_argument("--dir", type=Path, default=Path("demo-run"), help="where it happens (default: %(default)s)")
    parser.add_argument("--stay", action="store_true", help="keep the screens up until Ctrl-C (a terminal always does)")


@dataclass(slots=True)
class _Story:
    """What happened, when, and what proves it."""

    begun: float = field(default_factory=time.monotonic)
    rows: list[tuple[str, float, str]] = field(default_factory=list)
    count: int = 0

    def tell(self, step: str, proof: str) -> None:
        """Add a step and say it at once: whoever watches sees progress."""
        at_s = time.monotonic() - self.begun
        self.rows.append((step, at_s, proof))
        print(f"  {at_s:5.1f}s  {step}", flush=True)

    @property
    def short(self) -> str:
        """The same for somebody who has a minute."""
        again = "once" if self.count == 1 else f"{self.count} times"
        return (
            "In short\n"
            f"  what happened   a ship at {NORTH_SEA.name} showed the identity of another ship\n"
            f"  who knows it    {ANTWERP.name}, which finds it {again} in its records, and the authority; not Liège\n"
            "  why trust it    an officer signed it, each port checked it against the log, and the proof holds offline"
        )


def run(args: argparse.Namespace) -> int:
    """Play the story in ``args.dir``, which is emptied first if an earlier demo made it."""
    root: Path = args.dir
    _clear(root)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell in the background left it as
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    print(f"{_RIBBON}\na coordinator, a hub and three ports, each a process of its own; a minute or two\n", flush=True)
    story, stays = _Story(), sys.stdout.isatty() or args.stay
    ears = {who.member: free_port() for who, _ in _STATIONS}
    with Stage(root=root) as stage:
        screens = _found(stage, story, ears)
        _listen(stage, story, ears)
        waiting = reports(stage, _SEEN_BY_OFFICERS) if stays else []  # beside the wait for the finding
        draft = _find(stage, story)
        published = _publish(stage, story, draft)
        _come_back(stage, story, published)
        bundle = _keep(stage, story, published)
        print(f"\n{_RIBBON}\n")
        print("\n".join(steps(story.rows)))
        print(f"\n{story.short}")
        if stays:
            for one in waiting:
                one.result()
            _stay(stage, _prepared(stage, screens, published))
    print("\nEvery process has ended. Check the proof yourself, without hub and network:\n")
    print(_command(bundle, stage.genesis))
    return 0


def _prepared(stage: Stage, screens: Mapping[str, str], published: str) -> dict[str, str]:
    """The addresses to begin at: the picture with what was published opened, and an incident about it on its board."""
    said = _rows(_dict(stage.node_json(NORTH_SEA.member, "explain", published))["statements"])
    index = index_of(str(said[0]["state"])) if said else None
    if index is None:
        return dict(screens)
    open_incident(screens[_PICTURE], index, _NOTE)
    return {**screens, _PICTURE: f"{screens[_PICTURE]}/?item={index}"}


def _stay(stage: Stage, screens: Mapping[str, str]) -> None:
    """The screens, live with the story, until Ctrl-C."""
    print("\nLook at it in a browser on this machine:\n")
    for name, address in screens.items():
        person, words = _SCREENS[name]
        print(f"  {address}\n      {name}: choose {person}\n      {words}\n")
    print("Ctrl-C ends everything.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        stage.rest()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ending takes a moment, and an impatient hand must not orphan it
    print("\nending ...", flush=True)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Told to stop from outside: unwind, so that the stage ends its processes."""
    raise SystemExit(128 + number)


def _clear(root: Path) -> None:
    if root.exists():
        if not (root / _MARK).exists() and any(root.iterdir()):
            raise ConfigurationError(f"{root} exists and was not made by the demo; choose another with --dir")
        shutil.rmtree(root)
    root.mkdir(parents=True)
    (root / _MARK).touch()


def _found(stage: Stage, story: _Story, ears: Mapping[str, int]) -> dict[str, str]:
    stage.found()
    screens = {"national picture": add_picture(stage.hub_config, AUTHORITY.member)}
    story.tell("federation founded", f"genesis {stage.genesis[:16]}, signed by the coordinator")
    stage.serve()
    story.tell("hub is up", "TLS 1.3 alone; the coordinator's key is not on it")
    for who in stage.joining(*(who for who, _ in _STATIONS), AUTHORITY):
        if who.member in ears:
            add_udp_source(stage.node_config(who.member), name="ais", port=ears[who.member])
        if who.member in _SCREENS:
            screens[who.member] = add_console(stage.node_config(who.member))
        stage.run_node(who.member)
        story.tell(f"{who.name} joined", "fingerprint compared, keys approved by the coordinator")
    stage.decide("group", _GROUP, ANTWERP.member, NORTH_SEA.member, AUTHORITY.member)
    story.tell(f"sharing group {_GROUP} made", f"{ANTWERP.name}, {NORTH_SEA.name} and the authority, not Liège")
    return screens


def _listen(stage: Stage, story: _Story, ears: Mapping[str, int]) -> None:
    for who, _ in _STATIONS:
        stage.wait(f"{who.member} to follow", partial(_connected, stage, who.member))
    story.tell("three nodes follow the log", "every leaf recomputed from entry 0, each under its own certificate")
    for who, station in _STATIONS:
        traffic = ("--station", station, "--port", ears[who.member], "--minutes", _MINUTES, "--speed", _SPEED)
        stage.start(f"traffic-{station}", "node.simulate", *traffic, "--clone-after", _CLONE_AFTER_S)
    story.tell("ships sail on the Scheldt", f"AIS sentences over UDP, {_SPEED:g} times as fast as real")


def _connected(stage: Stage, member: str) -> bool | None:
    return True if _dict(stage.node_json(member, "status")).get("connected") else None


def _find(stage: Stage, story: _Story) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        drafts = _rows(stage.node_json(NORTH_SEA.member, "review", "list"))
        return next((row for row in drafts if row.get("kind") == "IDENTITY_CLONE"), None)

    draft = stage.wait("a cloned identity to be found", look, seconds=90)
    story.tell(f"{NORTH_SEA.name} finds a cloned identity", str(draft.get("title", draft["id"])))
    return draft


def _publish(stage: Stage, story: _Story, draft: dict[str, Any]) -> str:
    who = ("--officer", NORTH_SEA.officer, "--passphrase-file", stage.passphrase)
    how = ("--tlp", "amber", "--group", _GROUP, "--handling", "call_first")
    answer = _dict(stage.node_json(NORTH_SEA.member, "review", "publish", draft["id"], *how, *who))
    published = str(_rows(answer["statements"])[0]["id"])
    story.tell("its officer publishes it", f"TLP:AMBER to {_GROUP}, call_first, {published}")
    return published


def _come_back(stage: Stage, story: _Story, published: str) -> None:
    def explained() -> dict[str, Any]:
        return _dict(stage.node_json(NORTH_SEA.member, "explain", published))

    def reader(who: Newcomer) -> dict[str, Any]:
        return next((row for row in _rows(explained()["members"]) if row["member"] == who.member), {})

    def delivered() -> str | None:
        state = reader(ANTWERP).get("state")
        return state if state in {"delivered", "seen"} else None

    def sighting() -> dict[str, Any] | None:
        rows = _rows(explained().get("sightings", []))
        return next((row for row in rows if row["member"] == ANTWERP.member), None)

    state = stage.wait("Antwerp's receipt", delivered)
    story.tell(f"{ANTWERP.name} verifies it", f"{state}: receipt signed by {ANTWERP.name}'s own node")
    seen = stage.wait("Antwerp's sighting", sighting)
    story.count = int(seen.get("count", 0))
    story.tell("its sighting comes back: the ship was seen there", str(seen.get("summary", seen["id"])))
    liege = reader(LIEGE)
    if liege.get("state") != "not entitled":
        raise StageError(f"Liège should not be entitled, and is {liege.get('state')}")
    story.tell("Liège gets nothing", f"not entitled: {liege['reason']}")


def _keep(stage: Stage, story: _Story, published: str) -> Path:
    evidence = stage.root / "evidence.zip"
    stage.node(NORTH_SEA.member, "evidence", published, "--out", evidence)
    shutil.unpack_archive(evidence, stage.root / "evidence")
    bundle = stage.root / "evidence" / "proof.p2p-bundle"
    said = stage.call("port2port", "verify", bundle, "--genesis", stage.genesis)
    story.tell("the proof holds offline", said.splitlines()[0])
    return bundle


def _command(bundle: Path, genesis: str) -> str:
    """What to paste: the program beside this interpreter, by the shortest way from here."""
    program = Path(sys.executable).with_name("port2port")
    said = os.path.relpath(program) if program.exists() else "port2port"
    return shlex.join([min(said, str(program), key=len), "verify", str(bundle), "--genesis", genesis])


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StageError(f"expected an object, got {json.dumps(value)[:80]}")
    return value


def _rows(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | dict):
        raise StageError(f"expected a list, got {json.dumps(value)[:80]}")
    return [item for item in value if isinstance(item, dict)]
