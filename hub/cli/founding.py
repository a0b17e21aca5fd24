"""``port2port-hub init``: the hub's keys, its settings, and the proposal that the coordinators sign."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hub.ca import CertificateAuthority
from hub.settings import HubSettings, template
from port2port import canonical, keys
from port2port import settings as toml
from port2port.clock import SystemClock
from port2port.errors import ConfigurationError, MalformedError
from port2port.genesis import MAX_COORDINATORS, Genesis
from port2port.ids import is_federation_name
from port2port.keys import PublicKey
from port2port.tls import write_private

SETTINGS: Final = "hub.toml"
PROPOSAL: Final = "genesis.p2p-proposal"


def run(args: argparse.Namespace) -> int:
    """Make everything new in ``--dir``; nothing is ever overwritten."""
    directory: Path = args.dir
    if not is_federation_name(args.federation):
        raise ConfigurationError("--federation must look like a DNS name, as in ports.example")
    coordinators = tuple(map(_coordinator, args.coordinator))
    _require_threshold(coordinators, args.threshold, demo=args.demo)
    _require_free(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = template(args.federation, _addresses(args))
    toml.parse(text.encode(), HubSettings, name=SETTINGS, directory=directory)
    ca = CertificateAuthority.create(args.federation, SystemClock().now())
    log, hub = keys.generate(), keys.generate()
    genesis = Genesis(
        federation=args.federation,
        origin=f"{args.federation}/log",
        ca_root=ca.root_pem.decode(),
        log_key=log.public,
        hub_key=hub.public,
        coordinators=coordinators,
        threshold=args.threshold,
        demo=args.demo,
    )
    write_private(directory / "ca.key", ca.key_pem)
    (directory / "ca.pem").write_bytes(ca.root_pem)
    keys.save(log, directory / "log.key")
    keys.save(hub, directory / "hub.key")
    (directory / SETTINGS).write_text(text)
    proposal = {"body": genesis.to_body(), "type": "genesis-proposal", "v": 1}
    (directory / PROPOSAL).write_bytes(canonical.dumps(proposal) + b"\n")
    print(f"made keys and {directory / SETTINGS}: read it, it explains every option")
    print(f"next: {args.threshold} of {len(coordinators)} coordinators sign {directory / PROPOSAL} on their machines")
    print("      (port2port coordinator approve), then here: port2port-hub admit genesis.p2p-control --config ...")
    return 0


def _coordinator(path: Path) -> PublicKey:
    try:
        value = canonical.loads(path.read_bytes().rstrip(b"\n"), limit=keys.KEY_FILE_BYTES)
        found = PublicKey.from_json(value)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except MalformedError as error:
        raise ConfigurationError(f"{path.name} is not a coordinator's public key file: {error.text}") from error
    if found.key_class != "coordinator":
        raise ConfigurationError(f"{path.name} is a key of class {found.key_class}, not a coordinator's")
    return found


def _require_threshold(coordinators: Sequence[PublicKey], threshold: int, *, demo: bool) -> None:
    if len({key.key_id for key in coordinators}) != len(coordinators) or len(coordinators) > MAX_COORDINATORS:
        raise ConfigurationError(f"give each coordinator's key once, at most {MAX_COORDINATORS}")
    if not 1 <= threshold <= len(coordinators):
        raise ConfigurationError(f"--threshold must be between 1 and {len(coordinators)}, the number of coordinators")
    if threshold < 2 and not demo:
        raise ConfigurationError(
            "--threshold 1 lets one person decide who belongs: production wants two organisations (--demo for a trial)"
        )


def _require_free(directory: Path) -> None:
    for name in (SETTINGS, PROPOSAL, "ca.key", "ca.pem", "log.key", "hub.key"):
        if (directory / name).exists():
            raise ConfigurationError(f"{directory / name} exists already: init makes a new hub and overwrites nothing")


def _addresses(args: argparse.Namespace) -> dict[str, str]:
    """What is written out: the addresses given; in the demo, free ports of this machine."""
    chosen = {"listen": args.listen, "enrolment_listen": args.enrolment_listen}
    if args.demo:
        free = _free_ports(2)
        chosen = {name: value or f"127.0.0.1:{port}" for (name, value), port in zip(chosen.items(), free, strict=True)}
    return {name: value for name, value in chosen.items() if value}


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
