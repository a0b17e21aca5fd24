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
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeVar

from port2port.errors import Port2PortError

T = TypeVar("T")
START_S: Final = 60.0
CALL_S: Final = 90.0
STOP_S: Final = 15.0
_POLL_S: Final = 0.25
_SAID_CHARS: Final = 2_000
_PROOF_CHARS: Final = 60
_PASSPHRASE: Final = "correct horse battery staple"  # noqa: S105 the keys it opens are thrown away with the stage


class StageError(Port2PortError):
    """A process of the stage did not do what it should; the text ends with what it last said."""

    code = "STAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ran to its end."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody about to join: member id, name, UN/LOCODEs, pseudonym of its first officer (or none), what it is."""

    member: str
    name: str
    locodes: tuple[str, ...] = ()
    officer: str | None = "duty-1"
    kind: str = "port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process we started, with the file that takes what it prints; ``begins`` is where in it this start begins."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    begins: int

    def said(self) -> str:
        """Everything it printed since this start."""
        return self.output.read_bytes()[self.begins :].decode(errors="replace")


@dataclass(slots=True)
class Stage:
    """Coordinators' desks, a hub and nodes below ``root``. Use as context manager: leaving it ends every process.

    One coordinator makes a demo federation, with its ribbon; several make a production one, in which all must sign.
    """

    root: Path
    federation: str = "demo.port2port.example"
    coordinators: tuple[str, ...] = ("demo",)
    environment: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    genesis: str = ""

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        self.passphrase.write_text(_PASSPHRASE)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def end(self) -> dict[str, int]:
        """Ask every process to stop, all at once, and wait for each; their exit codes."""
        for item in self.running.values():
            _signal(item.process, signal.SIGTERM)
        codes = {name: _ended(item.process, STOP_S) for name, item in self.running.items()}
        self.running.clear()
        return codes

    # processes ---------------------------------------------------------------------------------------------------

    def attempt(self, package: str, *args: object) -> Done:
        """Run one command of ``port2port``, ``hub`` or ``node`` to its end, whatever comes of it."""
        done = subprocess.run(  # noqa: S603 our own modules with arguments made here
            [sys.executable, "-m", package, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=CALL_S,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def call(self, package: str, *args: object) -> str:
        """Run one command that must pass; what it printed. Raises StageError."""
        done = self.attempt(package, *args)
        if done.code != 0:
            said = f"{done.out}{done.err}"[-_SAID_CHARS:]
            raise StageError(f"{package} {' '.join(map(str, args))} ended with {done.code}: {said}")
        return done.out

    def start(self, name: str, package: str, *args: object, environment: Mapping[str, str] | None = None) -> Running:
        """Start a process that goes on; its output is added to ``root/<name>.log``."""
        output = self.root / f"{name}.log"
        begins = output.stat().st_size if output.exists() else 0
        with output.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603 our own modules with arguments made here
                [sys.executable, "-m", package, *map(str, args)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment, **(environment or {})},
            )
        self.running[name] = Running(name=name, process=process, output=output, begins=begins)
        return self.running[name]

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM, *, grace_s: float = STOP_S) -> int:
        """End a process that we started, by its id, and wait for it; its exit code. One that lingers is killed."""
        found = self.running.pop(name)
        _signal(found.process, how)
        return _ended(found.process, grace_s)

    def wait(self, what: str, look: Callable[[], T | None], *, seconds: float = START_S) -> T:
        """The first value that ``look`` gives, or StageError after ``seconds``; a process that failed ends the wait."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(StageError):
                value = look()
                if value is not None:
                    return value
            self._require_alive()
            if time.monotonic() > deadline:
                raise StageError(f"waited {seconds:.0f} s in vain for {what}\n{self._tails()}")
            time.sleep(_POLL_S)

    def rest(self) -> None:
        """Stay as it is until somebody interrupts. Raises StageError when a process fails meanwhile."""
        while True:
            self._require_alive()
            time.sleep(_POLL_S)

    def _require_alive(self) -> None:
        for item in self.running.values():
            code = item.process.poll()
            if code is not None and code not in (0, -signal.SIGKILL):
                raise StageError(f"{item.name} ended with {code}:\n{item.said()[-_SAID_CHARS:]}")

    def _tails(self) -> str:
        return "\n".join(f"--- {item.name}\n{item.said()[-_SAID_CHARS:]}" for item in self.running.values())

    # roles -------------------------------------------------------------------------------------------------------

    @property
    def demo(self) -> bool:
        """One coordinator alone: a trial."""
        return len(self.coordinators) == 1

    @property
    def passphrase(self) -> Path:
        """The file with the passphrase of every officer's key, and of coordinators' keys outside the demo."""
        return self.root / "passphrase"

    def desk(self, coordinator: str) -> Path:
        """A coordinator's directory; it stands for a machine of his own."""
        return self.root / f"coordinator-{coordinator}"

    @property
    def hub_dir(self) -> Path:
        """The hub's directory."""
        return self.root / "hub"

    @property
    def hub_config(self) -> Path:
        """The hub's settings."""
        return self.hub_dir / "hub.toml"

    def node_dir(self, member: str) -> Path:
        """A node's directory."""
        return self.root / member

    def node_config(self, member: str) -> Path:
        """A node's settings."""
        return self.node_dir(member) / "node.toml"

    def at_desk(self, coordinator: str, *args: object) -> str:
        """One command of a coordinator, where his key is."""
        opened = ("--no-passphrase",) if self.demo else ("--passphrase-file", self.passphrase)
        return self.call("port2port", "coordinator", *args, "--dir", self.desk(coordinator), *opened)

    def at_hub(self, command: str, *args: object) -> str:
        """One command of the hub's operator."""
        return self.call("hub", command, *args, "--config", self.hub_config)

    def found(self) -> None:
        """Coordinators' keys, hub's keys, genesis signed and logged. The hub is not running yet."""
        for name in self.coordinators:
            self.at_desk(name, "init", "--name", name)
        publics = [
            part
            for name in self.coordinators
            for part in ("--coordinator", self.desk(name) / f"{name}.coordinator.pub")
        ]
        trial = ("--demo",) if self.demo else self._free_listeners()
        where = ("--dir", self.hub_dir, "--federation", self.federation)
        self.call("hub", "init", *where, *publics, "--threshold", len(self.coordinators), *trial)
        signed = self.root / "genesis.p2p-control"
        for name, file in self._relay(self.hub_dir / "genesis.p2p-proposal", signed):
            self.at_desk(name, "approve", file, "--out", signed, "--yes")
        self.genesis = json.loads((self.desk(self.coordinators[0]) / "coordinator.json").read_bytes())["genesis"]
        self.admit(signed)

    def admit(self, path: Path) -> None:
        """Hand a complete control statement to the hub."""
        self.at_hub("admit", path)

    def serve(self, environment: Mapping[str, str] | None = None) -> Running:
        """Start the hub and wait until it says that it is ready."""
        hub = self.start("hub", "hub", "serve", "--config", self.hub_config, environment=environment)
        self.wait("the hub", lambda: True if "ready" in hub.said() else None)
        return hub

    def decide(self, *args: object) -> None:
        """One decision of the coordinators: proposed by the first, signed by all, admitted."""
        control, signed = self.root / "control.p2p-log", self.root / "decision.p2p-control"
        self.at_hub("export-control", "--out", control)
        how = ("--control-log", control, "--out", signed, "--yes")
        self.at_desk(self.coordinators[0], *args, *how)
        for name in self.coordinators[1:]:
            self.at_desk(name, "approve", signed, *how)
        self.admit(signed)

    def enrol(self, who: Newcomer) -> Path:
        """Invite a member and let its node join; the request that waits for the coordinators."""
        invitation = self.root / f"{who.member}.p2p-invitation"
        self.at_hub("invite", who.member, "--out", invitation)
        officer = () if who.officer is None else ("--officer", who.officer, "--passphrase-file", self.passphrase)
        self.call("node", "join", invitation, "--dir", self.node_dir(who.member), *officer)
        request = self.root / f"{who.member}.p2p-request"
        self.at_hub("requests", "--export", who.member, "--out", request)
        return request

    def approve(self, who: Newcomer, request: Path) -> None:
        """The coordinators compare and approve a join request."""
        places = [part for code in who.locodes for part in ("--locode", code)]
        self.decide("approve", request, "--name", who.name, "--kind", who.kind, *places)

    def joining(self, *newcomers: Newcomer) -> Iterator[Newcomer]:
        """Members come in: their nodes ask all at once, and each is given back as soon as it is approved."""
        with ThreadPoolExecutor(max_workers=len(newcomers)) as pool:
            for who, request in zip(newcomers, pool.map(self.enrol, newcomers), strict=True):
                self.approve(who, request)
                yield who

    def join(self, *newcomers: Newcomer) -> None:
        """Members come in, and all are approved."""
        for _ in self.joining(*newcomers):
            pass

    def run_node(self, member: str, environment: Mapping[str, str] | None = None) -> Running:
        """Start a node."""
        return self.start(member, "node", "run", "--config", self.node_config(member), environment=environment)

    def node(self, member: str, *args: object) -> str:
        """One command at a node's desk that must pass."""
        return self.call("node", *args, "--config", self.node_config(member))

    def node_json(self, member: str, *args: object) -> object:
        """One command at a node's desk, its ``--json`` answer parsed; its exit code may say that all is not well.

        Raises StageError where it gave no answer.
        """
        done = self.attempt("node", *args, "--json", "--config", self.node_config(member))
        try:
            return json.loads(done.out)
        except ValueError as error:
            raise StageError(f"node {' '.join(map(str, args))} at {member}: {done.err[-_SAID_CHARS:]}") from error

    def _relay(self, first: Path, passed_on: Path) -> Iterator[tuple[str, Path]]:
        """Who signs which file: the first coordinator what was proposed, the others what was handed on to them."""
        for number, name in enumerate(self.coordinators):
            yield name, passed_on if number else first

    def _free_listeners(self) -> tuple[str, ...]:
        ports = [free_port(socket.SOCK_STREAM) for _ in range(2)]
        return ("--listen", f"127.0.0.1:{ports[0]}", "--enrolment-listen", f"127.0.0.1:{ports[1]}")


def _signal(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Once: a second signal would meet a process that has taken its handler down already."""
    if process.poll() is None:
        process.send_signal(how)


def _ended(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """Wait for the end of a process, and kill it where it lingers; its exit code."""
    try:
        return process.wait(timeout=grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port of this machine that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def add_udp_source(config: Path, *, name: str, port: int) -> None:
    """Append an AIS receiver on loopback to a node's settings."""
    _append(config, f'\n[[sources]]\nname = "{name}"\nkind = "udp"\nlisten = "127.0.0.1:{port}"\n')


def add_console(config: Path) -> str:
    """Give a node a console on loopback with made-up persons; its address as browsers write it."""
    port = free_port(socket.SOCK_STREAM)
    origin = f"http://localhost:{port}"
    _append(config, f'\n[console]\nlisten = "127.0.0.1:{port}"\norigin = "{origin}"\ndemo = true\n')
    return origin


def add_picture(config: Path, operator: str) -> str:
    """Give a hub a console at which the coordinators of ``operator`` sit; its address as browsers write it."""
    text = config.read_text()
    config.write_text(f"operator = {json.dumps(operator)}\n{text}")
    return add_console(config)


def add_file_source(config: Path, *, name: str, path: Path, speed: float) -> None:
    """Append a recording to a node's settings, ``speed`` times faster than it happened."""
    _append(config, f'\n[[sources]]\nname = "{name}"\nkind = "file"\npath = {json.dumps(str(path))}\nspeed = {speed}\n')


def add_log_source(config: Path, *, name: str, kind: str, path: Path) -> None:
    """Append the log of a network sensor (``eve`` or ``zeek``) to a node's settings."""
    where = f"path = {json.dumps(str(path))}"
    _append(config, f'\n[[sources]]\nname = "{name}"\nkind = "{kind}"\n{where}\nsource_class = "local"\n')


def _append(config: Path, text: str) -> None:
    with config.open("a") as file:
        file.write(text)


def steps(rows: Sequence[tuple[str, float, str]]) -> Iterator[str]:
    """A readable table of (step, seconds since the start, proof); a long proof goes on below itself."""
    width = max(len(row[0]) for row in rows)
    yield f"{'step'.ljust(width)}  {'at':>7}  proof"
    yield f"{'-' * width}  {'-' * 7}  {'-' * _PROOF_CHARS}"
    for step, at_s, proof in rows:
        first, *more = textwrap.wrap(proof, _PROOF_CHARS) or [""]
        yield f"{step.ljust(width)}  {at_s:6.1f}s  {first}"
        yield from (" " * (width + 11) + line for line in more)
