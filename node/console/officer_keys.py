"""Officers' key files at the desk: the one that opens with a passphrase and is this officer's in the roster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from port2port import keys
from port2port.errors import ConfigurationError, PolicyError
from port2port.keys import Ed25519Key, PublicKey

PASSPHRASE_CHARS = 1_000


class KeyFileError(PolicyError):
    """No key file of this officer opens with this passphrase."""

    code = "KEY_FILE"


class KeyFiles:
    """The officers' files of one desk, opened one at a time: that costs time and memory on purpose.

    Only in a ``trial`` may a file be open: elsewhere whoever found a session could sign with it.
    """

    def __init__(self, paths: Sequence[Path], *, trial: bool = False) -> None:
        self._paths = paths
        self._trial = trial
        self._one_at_a_time = asyncio.Lock()

    async def unlock(self, mine: Sequence[PublicKey], passphrase: str) -> Ed25519Key:
        """The key of one of ``mine`` in one of the files. Raises KeyFileError, which says nothing more."""
        if len(passphrase) > PASSPHRASE_CHARS or not (passphrase or self._trial):
            raise KeyFileError("none of your key files opens with this passphrase")
        ids = frozenset(key.key_id for key in mine)
        async with self._one_at_a_time:
            return await asyncio.to_thread(_unlock, self._paths, ids, passphrase.encode())


def _unlock(paths: Sequence[Path], mine: frozenset[str], secret: bytes) -> Ed25519Key:
    for path in paths:
        try:
            key = keys.load(path, secret or None)
        except ConfigurationError:
            continue
        if key.key_id in mine:
            return key
    raise KeyFileError("none of your key files opens with this passphrase")
