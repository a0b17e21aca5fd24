"""A real federation for the bench: founded, served and joined through the product's own commands and enrolment rpc.

``Stage`` runs the three programs; a bench port makes its keys and offers them over the wire as a node does, and
the coordinator approves it. No node runs: the bench itself is what connects with the port's certificate.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import grpc

from benchmarks.parts.ports import BenchPort, TlsFiles
from port2port import invitation, keys, tls
from port2port.invitation import Invitation
from port2port.keys import Ed25519Key
from port2port.stage import Stage
from port2port.v1 import enrolment_pb2

_ENROL: Final = "/port2port.v1.Enrolment/Enrol"
_PROOF_TAG: Final = b"P2P-enrol-v1\0"
PSEUDONYM: Final = "officer-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """The running federation. ``control`` is the control log after the last port joined, ``genesis`` its anchor."""

    stage: Stage
    ports: list[BenchPort]
    hub_pid: int
    control: Path
    genesis: str


def found(
    stage: Stage, members: int, cores: set[int], *, prepare: Callable[[Stage], None] = lambda _stage: None
) -> Founded:
    """Coordinator, hub (served after ``prepare`` had its settings, pinned to ``cores``) and ``members`` ports."""
    stage.found()
    prepare(stage)
    hub = stage.serve()
    pin(hub.process.pid, cores)
    ports = [_join(stage, f"bench-{number}") for number in range(1, members + 1)]
    control = stage.root / "roster.p2p-log"
    stage.call("hub", "export-control", "--config", stage.hub_dir / "hub.toml", "--out", control)
    return Founded(stage=stage, ports=ports, hub_pid=hub.process.pid, control=control, genesis=stage.genesis)


def pin(pid: int, cores: set[int]) -> None:
    """Keep every thread of a process on these cores; threads it makes later inherit them."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def _join(stage: Stage, member: str) -> BenchPort:
    invited = stage.root / f"{member}.p2p-invitation"
    config = stage.hub_dir / "hub.toml"
    stage.call("hub", "invite", member, "--config", config, "--out", invited)
    port = asyncio.run(_enrol(stage, invitation.parse(invited.read_bytes())))
    request = stage.root / f"{member}.p2p-request"
    stage.call("hub", "requests", "--config", config, "--export", member, "--out", request)
    stage.decide("approve", request, "--name", member, "--locode", "BEANR")
    return port


async def _enrol(stage: Stage, invited: Invitation) -> BenchPort:
    """Offer fresh keys, keep the certificate."""
    machine, officer, witness, tls_key = keys.generate(), keys.generate(), keys.generate(), tls.make_key()
    request = enrolment_pb2.EnrolRequest(token=invited.token, csr=tls.make_csr(tls_key), witness_key=witness.public)
    _offer(request, machine, "machine", "")
    _offer(request, officer, "officer", PSEUDONYM)
    credentials = tls.channel_credentials(ca_pem=invited.ca.encode())
    async with grpc.aio.secure_channel(invited.enrolment, credentials, options=tls.CHANNEL_OPTIONS) as channel:
        call = channel.unary_unary(_ENROL, response_deserializer=enrolment_pb2.EnrolReply.FromString)
        reply = await call(request.SerializeToString(), timeout=30)
    directory = stage.node_dir(invited.member)
    directory.mkdir(parents=True)
    files = TlsFiles(
        address=invited.hub, ca=directory / "ca.pem", certificate=directory / "tls.pem", key=directory / "tls.key"
    )
    certificate = tls.read_certificate(reply.certificate, federation=invited.federation)
    files.ca.write_text(invited.ca)
    files.certificate.write_bytes(certificate.pem)
    tls.write_private(files.key, tls.key_to_pem(tls_key))
    return BenchPort(
        federation=invited.federation,
        member=invited.member,
        pseudonym=PSEUDONYM,
        machine=machine,
        officer=officer,
        tls=files,
    )


def _offer(request: enrolment_pb2.EnrolRequest, key: Ed25519Key, key_class: str, pseudonym: str) -> None:
    request.keys.add(
        key_class=key_class,
        scheme="ed25519",
        public_key=key.public,
        pseudonym=pseudonym,
        proof=key.sign(_PROOF_TAG + sha256(request.token).digest()),
    )
