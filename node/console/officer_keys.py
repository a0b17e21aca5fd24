"""Officers' key files at the desk: the one that opens with a passphrase and is this officer's in the roster.

Whoever found a session may not guess his way to a signature: after three wrong passphrases the machine waits, twice as
long each time, and every try is an audit row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.engine import Connection
from starlette.requests import Request

from node import officers
from node.console.context import DeskContext
from port2port import keys
from port2port.console import attempts
from port2port.console.attempts import TooManyTriesError
from port2port.console.audit import from_where
from port2port.console.people import current
from port2port.errors import ConfigurationError, PolicyError
from port2port.keys import Ed25519Key

PASSPHRASE_CHARS = 1_000


class KeyFileError(PolicyError):
    """No key file of this officer opens with this passphrase."""

    code = "KEY_FILE"


class KeyFiles:
    """The officers' files of one desk, opened one at a time: that costs time and memory on purpose.

    Only in a trial may a file be open: elsewhere whoever found a session could sign with it.
    """

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk
        self._one_at_a_time = asyncio.Lock()

    async def unlock(self, request: Request, passphrase: str, act: str) -> Ed25519Key:
        """The key of the person of this request, to sign ``act`` with.

        Raises KeyFileError, which says nothing more, or TooManyTriesError.
        """
        desk, who = self._desk, current(request).pseudonym
        where = from_where(request)
        if len(passphrase) > PASSPHRASE_CHARS or not (passphrase or desk.console.demo):
            await self._note(request, "act-not-signed", act)
            raise KeyFileError("none of your key files opens with this passphrase")
        try:
            await desk.store.write(lambda c: attempts.charge_key_file(c, who, where, desk.now))
        except TooManyTriesError:
            await self._note(request, "key-file-refused", act)
            raise
        try:
            key = await self._opened(who, passphrase)
        except KeyFileError:
            await self._note(request, "act-not-signed", act)
            raise
        await desk.store.write(lambda c: attempts.clear_key_file(c, who, where))
        return key

    async def _opened(self, who: str, passphrase: str) -> Ed25519Key:
        desk, roster = self._desk, self._desk.known_roster()
        mine = await desk.store.read(lambda c: officers.usable(c, roster, desk.member, who, now=desk.now))
        ids = frozenset(key.key_id for key in mine)
        async with self._one_at_a_time:
            return await asyncio.to_thread(_unlock, desk.settings.keys.officers, ids, passphrase.encode())

    async def _note(self, request: Request, action: str, act: str) -> None:
        def note(connection: Connection) -> None:
            self._desk.signin.note(connection, request, action, act)

        await self._desk.store.write(note)


def _unlock(paths: Sequence[Path], mine: frozenset[str], secret: bytes) -> Ed25519Key:
    for path in paths:
        try:
            key = keys.load(path, secret or None)
        except ConfigurationError:
            continue
        if key.key_id in mine:
            return key
    raise KeyFileError("none of your key files opens with this passphrase")
