"""Directory: what a node needs to know about the hub, and what a member tells it about its own keys.

``describe`` answers a node that still awaits its approval too.
"""

from __future__ import annotations

from importlib.metadata import version

from hub.contacts import Contacts
from hub.enrolment import Enrolment
from hub.members import Members, Peer
from hub.rpc.enrolment import offered_key
from hub.rpc.errors import RequestError
from port2port.clock import Clock, to_ms
from port2port.join_request import KEYS_MAX
from port2port.key_request import KeyRequest
from port2port.v1 import directory_pb2


class Directory:
    """``genesis_hash`` is hex."""

    def __init__(
        self,
        *,
        federation: str,
        genesis_hash: str,
        clock: Clock,
        enrolment: Enrolment,
        members: Members,
        contacts: Contacts,
    ) -> None:
        self._federation = federation
        self._genesis = bytes.fromhex(genesis_hash)
        self._clock = clock
        self._enrolment = enrolment
        self._members = members
        self._contacts = contacts

    async def describe(self, peer: Peer, request: directory_pb2.DescribeRequest) -> directory_pb2.DescribeReply:
        """Name, trust anchor to compare, version, the caller's member id, and the time."""
        self._members.compare_version(peer, request.version)
        self._contacts.says(peer, request.version)
        return directory_pb2.DescribeReply(
            federation=self._federation,
            genesis=self._genesis,
            version=version("port2port"),
            member=peer.member,
            now_ms=to_ms(self._clock.now()),
        )

    async def offer_keys(self, peer: Peer, request: directory_pb2.OfferKeysRequest) -> directory_pb2.OfferKeysReply:
        """Keep further keys of the caller's member for the coordinators."""
        if len(request.keys) > KEYS_MAX:
            raise RequestError(f"at most {KEYS_MAX} keys are offered at once")
        made = KeyRequest(
            federation=self._federation,
            member=peer.member,
            keys=tuple(map(offered_key, request.keys)),
            signer=request.keyid.hex(),
            sig=request.sig,
        )
        await self._enrolment.offer_keys(made, tuple(item.proof for item in request.keys))
        return directory_pb2.OfferKeysReply(fingerprint=made.fingerprint)
