"""Witness cosignatures: collected from the members that witness, shown to everybody with the feed.

A cosignature is stored as the line it is, and verified when it comes in: by a witness key that the roster names
for the very member that hands it in, over a checkpoint of this log. Of a member with several nodes any may co-sign;
the line that came last stands for the member, which is one witness. Whoever can write the table can withhold
cosignatures, so that ports say "unwitnessed"; he cannot make one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.store import Store
from hub.tables import COSIGNATURE
from hub.transparency.rosters import RosterAt
from hub.transparency.tree import Tree, stored_root
from port2port.checkpoint import COSIGNATURE as COSIGNATURE_TYPE
from port2port.checkpoint import (
    CheckpointError,
    NoteSignature,
    SignedCheckpoint,
    VerifierKey,
    verify_cosignatures,
    witnessed,
)
from port2port.errors import NotFoundError, PolicyError
from port2port.roster import Roster

_KEPT_SIZES: Final = 32


class WitnessError(PolicyError):
    """This member is no witness, or the line is not its own."""

    code = "NOT_A_WITNESS"


class Cosigning:
    """The cosignatures of one log. ``newest`` is what the feed shows."""

    def __init__(
        self,
        *,
        store: Store,
        tree: Tree,
        roster: Callable[[], RosterAt],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """``changed`` is called when there is a new line to show."""
        self._store = store
        self._tree = tree
        self._roster = roster
        self._changed = changed
        self._newest = b""

    def newest(self) -> bytes:
        """The note co-signed last, with all its lines; after a start the largest witnessed one. May be empty."""
        return self._newest

    async def load(self) -> None:
        """After a start: the largest witnessed checkpoint, or the largest with any cosignature."""
        roster = self._roster().roster
        if roster is None:
            return
        notes = await self._store.database.read(self._stored)
        named = [item for item in notes if self._is_witnessed(item, roster)] or notes
        self._newest = named[0].note if named else b""

    async def cosign(self, member: str, note: bytes) -> SignedCheckpoint:
        """Take a witness's line and return that checkpoint with all lines there are.

        Raises CheckpointError, SignatureError, NotFoundError (not a checkpoint of this log) or WitnessError.
        """
        roster = self._roster().roster
        keys = () if roster is None else roster.witness_keys().get(member, ())
        if roster is None or not keys:
            raise WitnessError("this member is no witness, or has named no witness key")
        given = SignedCheckpoint.parse(note)
        head = given.checkpoint
        if head.origin != self._tree.origin or not head.size:
            raise CheckpointError("not a checkpoint of this log")
        if not verify_cosignatures(given, {member: keys}):
            raise WitnessError("the checkpoint does not carry this witness's line")
        verifiers = [VerifierKey(name=member, algorithm=COSIGNATURE_TYPE, public=key) for key in keys]
        lines = (item for item in given.signatures if any(map(item.is_for, verifiers)))
        verified = max(lines, key=lambda item: item.signature)
        signed, fresh = await self._store.database.write(
            lambda connection: self._keep(connection, given, member, verified, roster)
        )
        if fresh:
            self._newest = signed.note
            self._changed()
        return signed

    async def latest(self) -> SignedCheckpoint:
        """The newest checkpoint of the log with the cosignatures it has so far."""
        return await self._store.database.read(self._latest)

    def _keep(
        self, connection: Connection, given: SignedCheckpoint, member: str, verified: NoteSignature, roster: Roster
    ) -> tuple[SignedCheckpoint, bool]:
        """The checkpoint with all its lines, and whether it is worth showing: not if a larger one is witnessed."""
        size, root = given.checkpoint.size, given.checkpoint.root
        if stored_root(connection, size) != root:
            raise NotFoundError("this log has no such checkpoint")
        if self._is_past(connection, size, roster):
            return self._tree.sign_at(size, root).with_signatures([verified]), False
        mine = sa.and_(COSIGNATURE.c.size == size, COSIGNATURE.c.witness == member)
        connection.execute(COSIGNATURE.delete().where(mine))
        connection.execute(COSIGNATURE.insert(), [{"size": size, "witness": member, "line": verified.line}])
        signed = self._with_lines(connection, size, root)
        if self._is_witnessed(signed, roster):
            connection.execute(COSIGNATURE.delete().where(COSIGNATURE.c.size < size))
        return signed, True

    def _is_past(self, connection: Connection, size: int, roster: Roster) -> bool:
        """Whether a larger checkpoint is witnessed: all below it are forgotten, so it is the smallest there is."""
        smallest = connection.execute(sa.select(sa.func.min(COSIGNATURE.c.size))).scalar()
        if smallest is None or smallest <= size:
            return False
        root = stored_root(connection, smallest)
        return root is not None and self._is_witnessed(self._with_lines(connection, smallest, root), roster)

    def _latest(self, connection: Connection) -> SignedCheckpoint:
        head = self._tree.head_in(connection)
        return self._with_lines(connection, head.next, head.root)

    def _with_lines(self, connection: Connection, size: int, root: bytes) -> SignedCheckpoint:
        query = sa.select(COSIGNATURE.c.line).where(COSIGNATURE.c.size == size).order_by(COSIGNATURE.c.witness)
        lines = connection.execute(query).scalars()
        more = [NoteSignature.from_line(line.removesuffix("\n")) for line in lines]
        return self._tree.sign_at(size, root).with_signatures(more)

    def _stored(self, connection: Connection) -> list[SignedCheckpoint]:
        sizes = sa.select(COSIGNATURE.c.size).distinct().order_by(COSIGNATURE.c.size.desc()).limit(_KEPT_SIZES)
        notes = []
        for size in connection.execute(sizes).scalars().all():
            root = stored_root(connection, size)
            if root is not None:
                notes.append(self._with_lines(connection, size, root))
        return notes

    @staticmethod
    def _is_witnessed(signed: SignedCheckpoint, roster: Roster) -> bool:
        cosigners = [item.witness for item in verify_cosignatures(signed, roster.witness_keys())]
        return witnessed(cosigners, roster.witnesses())
