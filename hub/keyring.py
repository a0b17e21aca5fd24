"""The hub's three keys, and the proof that no coordinator's key lies where the hub could read it.

CA key: issues TLS certificates. Log key: signs checkpoints. Hub key: signs receipts "accepted". Their public halves
stand in the genesis; who steals the log key can lie about the log until two ports compare.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.ca import CertificateAuthority
from hub.settings import HubSettings
from port2port import keys
from port2port.errors import ConfigurationError
from port2port.genesis import Genesis
from port2port.keys import Ed25519Key

COORDINATOR_SUFFIX: Final = ".coordinator.key"
_ROOT_BYTES: Final = 16 * 1024


class CoordinatorKeyError(ConfigurationError):
    """A coordinator's private key lies where the hub can read it."""

    code = "COORDINATOR_KEY_HERE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The keys in memory."""

    ca: CertificateAuthority
    log: Ed25519Key
    hub: Ed25519Key

    def require_named_in(self, genesis: Genesis) -> None:
        """That the federation's genesis names these very keys. Raises ConfigurationError."""
        given = (genesis.federation, genesis.ca_root.encode(), genesis.log_key, genesis.hub_key)
        if given != (self.ca.federation, self.ca.root_pem, self.log.public, self.hub.public):
            raise ConfigurationError("the genesis names another federation or other keys than this hub has")


def load(settings: HubSettings) -> Keyring:
    """Read the three keys. Raises ConfigurationError."""
    ca_pem = _read_private(settings.ca_key)
    try:
        root_pem = settings.ca_certificate.read_bytes()[:_ROOT_BYTES]
    except OSError as error:
        raise ConfigurationError(f"cannot read {settings.ca_certificate.name}: {error.strerror}") from error
    return Keyring(
        ca=CertificateAuthority.load(federation=settings.federation, key_pem=ca_pem, root_pem=root_pem),
        log=keys.load(settings.log_key),
        hub=keys.load(settings.hub_key),
    )


def refuse_coordinator_keys(settings: HubSettings, directories: Iterable[Path]) -> None:
    """Raises CoordinatorKeyError for a key file of a coordinator, named in the settings or lying beside the data."""
    for path in (*settings.key_files, *_found(directories)):
        if path.name.endswith(COORDINATOR_SUFFIX) and os.access(path, os.R_OK):
            raise CoordinatorKeyError(
                f"{path.name} is a coordinator's private key and the hub can read it: take it to the coordinator's "
                "own machine; a hub that holds it could decide alone who belongs"
            )


def refuse_coordinators(keyring: Keyring, coordinators: Iterable[str]) -> None:
    """Raises CoordinatorKeyError where a key of the hub is a coordinator's, whatever its file is called."""
    if {keyring.log.key_id, keyring.hub.key_id} & set(coordinators):
        raise CoordinatorKeyError("the log key or the hub key is a coordinator's: each role has a key of its own")


def _found(directories: Iterable[Path]) -> Iterable[Path]:
    for directory in directories:
        yield from sorted(directory.rglob(f"*{COORDINATOR_SUFFIX}"))


def _read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner may read. Raises ConfigurationError."""
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"others may read the key file {path.name}: chmod 600 it")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the key file {path.name}: {error.strerror}") from error
