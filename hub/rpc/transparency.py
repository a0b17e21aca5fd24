"""Transparency: the log as a tree. Proofs are made on a thread, since they read the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hub.members import Peer
from hub.recovery import HeldEntry, Recovery
from hub.rpc.errors import RequestError
from hub.rpc.gate import parse
from hub.transparency import LEAVES_PER_CALL, Cosigning, Log
from port2port.merkle import HASH_BYTES, SIZE_MAX
from port2port.v1 import transparency_pb2


class Transparency:
    """Checkpoints and proofs, cosignatures, and what members give back to a hub that lost entries."""

    def __init__(self, *, log: Log, cosigning: Cosigning, recovery: Recovery) -> None:
        self._log = log
        self._cosigning = cosigning
        self._recovery = recovery

    async def checkpoint(
        self, _peer: Peer, _request: transparency_pb2.GetCheckpointRequest
    ) -> transparency_pb2.CheckpointReply:
        """The newest one with the cosignatures so far."""
        signed = await self._cosigning.latest()
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

    async def cosign(self, peer: Peer, request: transparency_pb2.CosignRequest) -> transparency_pb2.CheckpointReply:
        """Raises what ``hub.transparency.Cosigning`` raises."""
        signed = await self._cosigning.cosign(peer.member, request.note.encode())
        return transparency_pb2.CheckpointReply(note=signed.note.decode())

    async def recover(self, peer: Peer, requests: AsyncIterator[bytes]) -> transparency_pb2.RecoverReply:
        """Raises RequestError and what ``hub.recovery`` raises."""
        giving = self._recovery.giving(peer.member)
        size = wanted = 0
        async for raw in requests:
            request = parse(transparency_pb2.RecoverRequest, raw)
            progress = await self._recovery.give(
                giving,
                first_index=request.first_index,
                leaves=_hashes(request.leaf_hashes),
                entries=[
                    HeldEntry(index=item.index, received_ms=item.received_ms, envelope=item.envelope)
                    for item in request.entries
                ],
                checkpoint=request.checkpoint.encode(),
            )
            size, wanted = progress.size, progress.wanted
        return transparency_pb2.RecoverReply(size=size, wanted=wanted)


def _hashes(raw: bytes) -> list[bytes]:
    if len(raw) % HASH_BYTES:
        raise RequestError("leaf hashes have 32 bytes each")
    return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
