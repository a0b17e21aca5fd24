"""What takes a while to make and is the same in every test, made once and copied: databases, locked key files.

A prepared database is byte for byte what ``open_store`` leaves. It is opened without asking for its revision, and
nothing waits for the disk: both are for the contract tests of the stores, and for every test that starts a process,
kills it or cuts its power. A prepared key file is locked under the few rounds of the library's own encryption, which the
product reads but never writes: what the product's own costs, and that it costs it, is for ``test_keys``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hub.store import Store
from hub.store import open_store as open_hub
from node.store import NodeStore
from node.store import open_store as open_node
from port2port.database import Database, make_engine, sqlite_url
from port2port.keys import Ed25519Key

_UNHURRIED: Final = "OFF"  # SQLite's word for writing when the system likes to


def node_store(path: Path) -> NodeStore:
    """A node's store, of the newest revision where it is new. The caller closes it."""
    if not path.exists():
        path.write_bytes(_fresh(open_node))
    return NodeStore(Database(make_engine(sqlite_url(path), synchronous=_UNHURRIED)))


def hub_store(url: str) -> Store:
    """A hub's store at a URL, of the newest revision where it is new. The caller closes it."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or path.exists():
        return open_hub(url)
    path.write_bytes(_fresh(open_hub))
    return Store(make_engine(url, synchronous=_UNHURRIED))


def key_file(key: Ed25519Key, path: Path, passphrase: bytes | None = None) -> None:
    """A key file, for its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(_locked(key.to_pem(), passphrase))


@cache
def _fresh(opened: Callable[[str], NodeStore | Store]) -> bytes:
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "fresh.db"
        opened(sqlite_url(path)).close()
        return path.read_bytes()


@cache
def _locked(pem: bytes, passphrase: bytes | None) -> bytes:
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return load_pem_private_key(pem, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
