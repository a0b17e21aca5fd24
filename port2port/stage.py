"""A whole federation on this machine, as separate processes on loopback with throw-away keys.

The demo and the end-to-end tests use it. Everything is done through the commands that operators and officers use;
nothing here reaches into a process or a database.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TextIO, TypeVar

from port2port.errors import Port2PortError, UnavailableError

T = TypeVar("T")
START_S: Final = 30.0
CALL_S: Final = 60.0
_POLL_S: Final = 0.1


class StageError(Port2PortError):
    """A process of the stage did not do what it should; the text ends with what it last said."""

    code = "STAGE"


@dataclass(slots=True)
class Running:
    """A process we started, with the file that takes what it prints."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        """Everything it printed so far."""
        return self.output.read_text(errors="replace")


@dataclass(slots=True)
class Stage:
    """A coordinator's desk, a hub and nodes below ``root``. Use as context manager: leaving it ends every process."""

    root: Path
    federation: str = "demo.port2port.example"
    environment: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    genesis: str = ""

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_exc: object) -> None:
        for name in list(self.running)[::-1]:
            self.stop(name)

    # processes ---------------------------------------------------------------------------------------------------

    def call(self, package: str, *args: object, passes: bool = True) -> str:
        """Run one command of ``port2port``, ``hub`` or ``node`` to its end; what it printed. Raises StageError."""
        done = subprocess.run(  # noqa: S603 our own modules with arguments made here
            [sys.executable, "-m", package, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=CALL_S,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if passes and done.returncode != 0:
            raise StageError(
                f"{package} {' '.join(map(str, args))} ended with {done.returncode}: {done.stderr[-2000:]}"
            )
        return done.stdout

    def start(self, name: str, package: str, *args: object, environment: Mapping[str, str] | None = None) -> Running:
        """Start a process that goes on; its output lies in ``root/<name>.log``."""
        output = self.root / f"{name}.log"
        file: TextIO
        with output.open("a") as file:
            process = subprocess.Popen(  # noqa: S603 our own modules with arguments made here
                [sys.executable, "-m", package, *map(str, args)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment, **(environment or {})},
            )
        self.running[name] = Running(name, process, output)
        return self.running[name]

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End a process that we started, by its id, and wait for it; its exit code."""
        found = self.running.pop(name)
        if found.process.poll() is None:
            found.process.send_signal(how)
        try:
            return found.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            found.process.kill()
            return found.process.wait()

    def wait(self, what: str, look: Callable[[], T | None], *, seconds: float = START_S) -> T:
        """The first value that ``look`` gives, or StageError after ``seconds``; a dead process ends the wait."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(StageError, UnavailableError):
                value = look()
                if value is not None:
                    return value
            self._require_alive()
            time.sleep(_POLL_S)
        tails = "\n".join(f"--- {item.name}\n{item.said()[-1500:]}" for item in self.running.values())
        raise StageError(f"waited {seconds:.0f} s in vain for {what}\n{tails}")

    def _require_alive(self) -> None:
        for item in self.running.values():
            code = item.process.poll()
            if code is not None and code not in (0, -signal.SIGKILL):
                raise SystemExit(f"{item.name} ended with {code}:\n{item.said()[-3000:]}")

    # roles -------------------------------------------------------------------------------------------------------

    @property
    def desk(self) -> Path:
        """The coordinator's directory."""
        return self.root / "coordinator"

    @property
    def hub_dir(self) -> Path:
        """The hub's directory."""
        return self.root / "hub"

    def node_dir(self, member: str) -> Path:
        """A node's directory."""
        return self.root / member

    def found(self) -> None:
        """Coordinator's key, hub's keys, genesis signed and logged. The hub is not running yet."""
        self.call("port2port", "coordinator", "init", "--dir", self.desk, "--name", "demo", "--no-passphrase")
        public = self.desk / "demo.coordinator.pub"
        where = ("--dir", self.hub_dir, "--federation", self.federation)
        self.call("hub", "init", *where, "--coordinator", public, "--threshold", 1, "--demo")
        signed = self.root / "genesis.p2p-control"
        how = ("--dir", self.desk, "--no-passphrase", "--out", signed, "--yes")
        self.call("port2port", "coordinator", "approve", self.hub_dir / "genesis.p2p-proposal", *how)
        self.genesis = json.loads((self.desk / "coordinator.json").read_bytes())["genesis"]
        self.admit(signed)

    def admit(self, path: Path) -> None:
        """Hand a complete control statement to the hub."""
        self.call("hub", "admit", path, "--config", self.hub_dir / "hub.toml")

    def serve(self, environment: Mapping[str, str] | None = None) -> Running:
        """Start the hub and wait until it says that it is ready."""
        hub = self.start("hub", "hub", "serve", "--config", self.hub_dir / "hub.toml", environment=environment)
        said = len(hub.said())
        self.wait("the hub", lambda: True if "ready" in hub.said()[max(0, said - 200) :] else None)
        return hub

    def decide(self, *args: object) -> None:
        """One decision of the coordinator, signed and admitted."""
        control, signed = self.root / "control.p2p-log", self.root / "decision.p2p-control"
        self.call("hub", "export-control", "--config", self.hub_dir / "hub.toml", "--out", control)
        how = ("--dir", self.desk, "--no-passphrase", "--control-log", control, "--out", signed, "--yes")
        self.call("port2port", "coordinator", *args, *how)
        self.admit(signed)

    def join(self, member: str, name: str, *locodes: str, officer: str) -> None:
        """Invite a member, let its node join, compare, approve."""
        invitation = self.root / f"{member}.p2p-invitation"
        self.call("hub", "invite", member, "--config", self.hub_dir / "hub.toml", "--out", invitation)
        passphrase = self.root / "passphrase"
        passphrase.write_text("correct horse battery staple")
        who = ("--officer", officer, "--passphrase-file", passphrase)
        self.call("node", "join", invitation, "--dir", self.node_dir(member), *who)
        request = self.root / f"{member}.p2p-request"
        self.call("hub", "requests", "--config", self.hub_dir / "hub.toml", "--export", member, "--out", request)
        places = [part for code in locodes for part in ("--locode", code)]
        self.decide("approve", request, "--name", name, *places)

    def run_node(self, member: str, environment: Mapping[str, str] | None = None) -> Running:
        """Start a node."""
        config = self.node_dir(member) / "node.toml"
        return self.start(member, "node", "run", "--config", config, environment=environment)

    def node(self, member: str, *args: object, passes: bool = True) -> str:
        """One command at a node's desk."""
        return self.call("node", *args, "--config", self.node_dir(member) / "node.toml", passes=passes)

    def node_json(self, member: str, *args: object) -> object:
        """One command at a node's desk, its ``--json`` answer parsed."""
        return json.loads(self.node(member, *args, "--json", passes=False) or "null")


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port of this machine that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def add_udp_source(config: Path, *, name: str, port: int) -> None:
    """Append an AIS receiver on loopback to a node's settings."""
    with config.open("a") as file:
        file.write(f'\n[[sources]]\nname = "{name}"\nkind = "udp"\nlisten = "127.0.0.1:{port}"\n')


def steps(rows: Sequence[tuple[str, float, str]]) -> Iterator[str]:
    """A readable table of (step, seconds since the start, proof)."""
    width = max(len(row[0]) for row in rows)
    yield f"{'step'.ljust(width)}  {'at':>7}  proof"
    yield f"{'-' * width}  {'-' * 7}  {'-' * 40}"
    for step, at_s, proof in rows:
        yield f"{step.ljust(width)}  {at_s:6.1f}s  {proof}"
