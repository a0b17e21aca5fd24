"""A hub's directory made by hand: real keys, real CA, the founding entries in its log, ready for ``python -m hub serve``.

It skips invitations and the coordinators' desk, which cost seconds and are tested elsewhere; from the first byte on
the wire on, everything is the product. The keys of all members are in ``fed``, as their nodes would hold them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc

from hub.audience import Audiences
from hub.ca import CertificateAuthority
from hub.intake import Checker, IntakeJudge, admit
from hub.keyring import Keyring
from hub.store import open_store
from hub.transparency import Log, Tree
from port2port import keys, tls
from port2port.clock import Clock
from port2port.stage import free_port
from port2port.statement import LogSeen
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation
from tests.fakes.waiting import wait_until

FEDERATION = "p2p.test"


@dataclass(slots=True, kw_only=True)
class HubHome:
    """Where one hub lives, and what a test needs to talk to it."""

    fed: Federation
    ca: CertificateAuthority
    directory: Path
    address: str
    enrolment: str
    database: str
    starts: int = field(default=0)

    @property
    def config(self) -> Path:
        return self.directory / "hub.toml"

    @property
    def keyring(self) -> Keyring:
        return Keyring(ca=self.ca, log=self.fed.log_key, hub=self.fed.hub_key)

    def certificate(self, member: str, *, node: int = 1) -> tuple[bytes, bytes]:
        """(private key, certificate) of a node in PEM, valid from the federation's clock on."""
        key = tls.make_key()
        port = self.fed.ports[member]
        now = self.fed.clock.now()
        issued = self.ca.issue_node(key.public_key(), member=member, node=node, key_id=port.machine.key_id, now=now)
        found = tls.read_certificate(issued.der, federation=self.fed.name)
        return tls.key_to_pem(key), found.pem

    def credentials(self, member: str) -> grpc.ChannelCredentials:
        """What a member connects with."""
        key, certificate = self.certificate(member)
        return tls.channel_credentials(ca_pem=self.ca.root_pem, certificate_pem=certificate, key_pem=key)

    def channel(self, member: str) -> grpc.aio.Channel:
        """A connection of its own."""
        return grpc.aio.secure_channel(self.address, self.credentials(member), options=tls.CHANNEL_OPTIONS)

    def admit(self, raws: Sequence[bytes]) -> None:
        """Log envelopes as ``port2port-hub admit`` does; safe while a hub serves."""
        store = open_store(self.database)
        try:
            log = Log(store, origin=self.fed.origin, key=self.fed.log_key, clock=self.fed.clock)
            checker = Checker(
                federation=self.fed.name,
                genesis_hash=self.fed.genesis_hash,
                log=log,
                validate=self.fed.validate,
                clock=self.fed.clock,
            )
            for raw in raws:
                result = admit(store=store, log=log, checker=checker, judge=IntakeJudge(Audiences()), raw=raw)
                assert result.outcome.name == "ACCEPTED", result
            head = log.head()
            self.fed.seen = LogSeen(size=head.next, root=head.root)
        finally:
            store.close()

    def start(self, failpoints: str = "") -> subprocess.Popen[bytes]:
        """Start ``serve``; what it says lies in ``log.txt``. Use ``wait_ready`` before the first call."""
        environment = {**os.environ, "P2P_FAILPOINTS": failpoints}
        self.starts += 1
        with self.output.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "hub", "serve", "--config", str(self.config), *self._compared()],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
            )

    def _compared(self) -> list[str]:
        """Where no witnesses are to be heard, nobody waits for members either: an operator has compared."""
        if self.fed.witnesses:
            return []
        store, path = open_store(self.database), self.directory / "compared.checkpoint"
        try:
            path.write_bytes(Tree(store, origin=self.fed.origin, key=self.fed.log_key).checkpoint().note)
        finally:
            store.close()
        return ["--i-have-compared", str(path)]

    @property
    def output(self) -> Path:
        return self.directory / "log.txt"

    def said(self) -> str:
        """What the running hub, or the last one, has said."""
        return self.output.read_text(errors="replace")

    def ready(self) -> bool:
        """Whether it says that it serves."""
        return self.said().startswith("ready") or "\nready" in self.said()

    @contextmanager
    def serving(self, failpoints: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """A hub that serves; stopped in order afterwards, if it still lives."""
        process = self.start(failpoints)
        try:
            wait_until(lambda: self.ready() or process.poll() is not None, what="the hub is ready", deadline_s=30)
            assert process.poll() is None, self.said()
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    """End a process of ours and wait for it; its exit code."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def make_hub_home(
    directory: Path,
    *,
    members: Sequence[str] = ("beanr", "north-sea-port", "belgg"),
    witnesses: Sequence[str] = (),
    database: str = "",
    clock: Clock | None = None,
    settings: Mapping[str, str] | None = None,
    seed: str = "p2p",
) -> HubHome:
    """A founded hub on loopback with free ports. Without ``clock`` the federation stands at the present."""
    directory.mkdir(parents=True, exist_ok=True)
    at = clock if isinstance(clock, FakeClock) else FakeClock(datetime.now(UTC).replace(microsecond=0))
    ca = CertificateAuthority.create(FEDERATION, at.now())
    fed = Federation(
        members=members, witnesses=witnesses, clock=at, ca_root=ca.root_pem.decode(), name=FEDERATION, seed=seed
    )
    tls.write_private(directory / "ca.key", ca.key_pem)
    (directory / "ca.pem").write_bytes(ca.root_pem)
    keys.save(fed.log_key, directory / "log.key")
    keys.save(fed.hub_key, directory / "hub.key")
    listen, enrolment = (f"127.0.0.1:{free_port(socket.SOCK_STREAM)}" for _ in range(2))
    url = database or f"sqlite:///{directory.resolve() / 'hub.sqlite'}"
    given = {"federation": FEDERATION, "listen": listen, "enrolment_listen": enrolment, "database": url}
    text = "".join(f'{name} = "{value}"\n' for name, value in {**given, **(settings or {})}.items())
    (directory / "hub.toml").write_text(text)
    home = HubHome(fed=fed, ca=ca, directory=directory, address=listen, enrolment=enrolment, database=url)
    home.admit(fed.founding())
    return home


def make_node_home(home: HubHome, member: str, directory: Path) -> Path:
    """A node's directory as ``join`` leaves it: keys, certificate, node.toml (whose path is returned)."""
    from node import store as node_store
    from port2port.database import sqlite_url

    directory.mkdir(parents=True, exist_ok=True)
    port = home.fed.ports[member]
    keys.save(port.machine, directory / "machine.key")
    keys.save(port.officer, directory / "officer.key")
    keys.save(port.witness, directory / "witness.key")
    key, certificate = home.certificate(member)
    tls.write_private(directory / "tls.key", key)
    tls.write_private(directory / "tls.pem", certificate)
    (directory / "ca.pem").write_bytes(home.ca.root_pem)
    given = {
        "federation": home.fed.name,
        "genesis": home.fed.genesis_hash,
        "member": member,
        "hub": home.address,
        "enrolment": home.enrolment,
    }
    path = directory / "node.toml"
    path.write_text("".join(f'{name} = "{value}"\n' for name, value in given.items()))
    opened = node_store.open_store(sqlite_url(directory / "node.db"))
    for own in (port.machine, port.officer, port.second_officer):
        opened.write_now(lambda c, k=own: node_store.remember_own_key(c, k.key_id, "machine", at_ms=0))
    opened.close()
    return path


def metric(address: str, name: str, reason: str) -> float:
    """A counter of a running hub, from the page that Prometheus would read; 0 where it never moved."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        text = page.read().decode()
    prefix = f'{name}{{reason="{reason}"}} '
    return next((float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix)), 0.0)
