"""Directory: what a node needs to know about the hub itself. Answers a node that still awaits its approval too."""

from __future__ import annotations

from importlib.metadata import version

from hub.members import Members, Peer
from port2port.clock import Clock, to_ms
from port2port.v1 import directory_pb2


class Directory:
    """``genesis_hash`` is hex."""

    def __init__(self, *, federation: str, genesis_hash: str, clock: Clock, members: Members) -> None:
        self._federation = federation
        self._genesis = bytes.fromhex(genesis_hash)
        self._clock = clock
        self._members = members

    async def describe(self, peer: Peer, request: directory_pb2.DescribeRequest) -> directory_pb2.DescribeReply:
        """Name, trust anchor to compare, version, the caller's member id, and the time."""
        self._members.compare_version(peer, request.version)
        return directory_pb2.DescribeReply(
            federation=self._federation,
            genesis=self._genesis,
            version=version("port2port"),
            member=peer.member,
            now_ms=to_ms(self._clock.now()),
        )
