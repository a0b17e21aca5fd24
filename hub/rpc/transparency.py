"""Transparency: the log as a tree. Proofs are made on a thread, since they read the database."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.members import Peer
from hub.rpc.errors import RequestError
from hub.transparency import LEAVES_PER_CALL, Log
from port2port.merkle import SIZE_MAX
from port2port.v1 import transparency_pb2

_LATEST: Final = None


class Transparency:
    """GetCheckpoint, GetInclusion, GetConsistency, GetLeaves."""

    def __init__(self, *, log: Log) -> None:
        self._log = log

    async def checkpoint(
        self, _peer: Peer, _request: transparency_pb2.GetCheckpointRequest
    ) -> transparency_pb2.CheckpointReply:
        """The newest one."""
        signed = await asyncio.to_thread(self._log.checkpoint, _LATEST)
        return transparency_pb2.CheckpointReply(note=signed.note.decode())

    async def inclusion(self, _peer: Peer, request: transparency_pb2.InclusionRequest) -> transparency_pb2.ProofReply:
        """Raises RequestError or NotFoundError."""
        if not request.index < request.size <= SIZE_MAX:
            raise RequestError("the index must lie below the size")
        path = await asyncio.to_thread(self._log.inclusion, request.index, request.size)
        return transparency_pb2.ProofReply(path=path)

    async def consistency(
        self, _peer: Peer, request: transparency_pb2.ConsistencyRequest
    ) -> transparency_pb2.ProofReply:
        """Raises RequestError or NotFoundError."""
        if not request.old_size <= request.new_size <= SIZE_MAX:
            raise RequestError("the old size must not be beyond the new one")
        path = await asyncio.to_thread(self._log.consistency, request.old_size, request.new_size)
        return transparency_pb2.ProofReply(path=path)

    async def leaves(self, _peer: Peer, request: transparency_pb2.LeavesRequest) -> transparency_pb2.LeavesReply:
        """Raises RequestError."""
        if request.start > SIZE_MAX - LEAVES_PER_CALL or not 1 <= request.count <= LEAVES_PER_CALL:
            raise RequestError(f"1 to {LEAVES_PER_CALL} leaves are given at once")
        found = await asyncio.to_thread(self._log.leaves, request.start, request.count)
        return transparency_pb2.LeavesReply(leaf_hashes=b"".join(found))
