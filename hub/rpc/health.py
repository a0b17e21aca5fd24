"""grpc.health.v1 for whoever has a certificate: SERVING, or NOT_SERVING while the hub recovers or stops."""

from __future__ import annotations

import asyncio
from typing import Final

from grpc_health.v1 import health_pb2

from hub.members import Peer
from hub.rpc.gate import Write
from port2port.errors import NotFoundError

SERVICE: Final = "grpc.health.v1.Health"
SERVING: Final = 1
NOT_SERVING: Final = 2
SERVICE_UNKNOWN: Final = 3


class Health:
    """One status for all services of this hub; ``names`` are those it answers for, besides the empty one."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names | {""}
        self._serving = True
        self._changed = asyncio.Condition()

    @property
    def serving(self) -> bool:
        """What is answered now."""
        return self._serving

    async def set(self, *, serving: bool) -> None:
        """Tell all who watch."""
        async with self._changed:
            self._serving = serving
            self._changed.notify_all()

    async def check(self, _peer: Peer, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        """The status now. Raises NotFoundError for a service that is not here."""
        if request.service not in self._names:
            raise NotFoundError("no such service")
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def watch(self, _peer: Peer, request: health_pb2.HealthCheckRequest, write: Write) -> None:
        """The status now and at each change."""
        status = self._status(request.service)
        while True:
            await write(health_pb2.HealthCheckResponse(status=status).SerializeToString())
            status = await self._other_than(request.service, status)

    async def _other_than(self, service: str, told: int) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: self._status(service) != told)
            return self._status(service)

    def _status(self, service: str) -> int:
        if service not in self._names:
            return SERVICE_UNKNOWN
        return SERVING if self._serving else NOT_SERVING
