"""Officers' key files at the desk: the one that opens with a passphrase and is this officer's in the roster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from port2port import keys
from port2port.errors import ConfigurationError, PolicyError
from port2port.keys import Ed25519Key, PublicKey

_ONE_AT_A_TIME = asyncio.Lock()  # opening a file costs time and memory on purpose
PASSPHRASE_CHARS = 1_000


class KeyFileError(PolicyError):
    """No key file of this officer opens with this passphrase."""

    code = "KEY_FILE"


async def unlock(
    paths: Sequence[Path], mine: Sequence[PublicKey], passphrase: str, *, trial: bool = False
) -> Ed25519Key:
    """The key of one of ``mine`` in one of the files. Raises KeyFileError, which says nothing more.

    Only in a ``trial`` may a file be open: elsewhere whoever found a session could sign with it.
    """
    if len(passphrase) > PASSPHRASE_CHARS or not (passphrase or trial):
        raise KeyFileError("none of your key files opens with this passphrase")
    async with _ONE_AT_A_TIME:
        return await asyncio.to_thread(_unlock, paths, frozenset(key.key_id for key in mine), passphrase.encode())


def _unlock(paths: Sequence[Path], mine: frozenset[str], secret: bytes) -> Ed25519Key:
    for path in paths:
        try:
            key = keys.load(path, secret or None)
        except ConfigurationError:
            continue
        if key.key_id in mine:
            return key
    raise KeyFileError("none of your key files opens with this passphrase")
