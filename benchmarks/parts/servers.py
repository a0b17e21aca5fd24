"""Servers to compare with, each a process of its own: ``python -m benchmarks.parts.servers WHAT HUB_TOML DATABASE``.

``naive`` is a hub as one would write it first: check on the event loop, one ORM transaction for each envelope.
``bare`` does nothing: a unary rpc that answers with what it got, and a Submit stream that accepts everything unread.
Both stand behind the same TLS as the real hub. ``port N`` is printed once it serves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc

from benchmarks.parts.naive_log import NaiveLog
from hub import keyring
from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge, Outcome, Result
from hub.intake.results import of_outcome
from hub.keyring import Keyring
from hub.members import Members
from hub.rpc.peers import peer_of
from hub.rpc.server import OwnCertificate
from hub.rpc.submit import reply_of
from hub.settings import HubSettings
from hub.store import open_store
from hub.transparency import fold_roster
from port2port.clock import SystemClock
from port2port.patterns import TemplateCache
from port2port.settings import load
from port2port.stix.validate import StixValidator
from port2port.tls import SERVER_OPTIONS
from port2port.v1 import exchange_pb2

_SERVICE: Final = "port2port.v1.Exchange"
_DIGEST: Final = bytes(32)


class NaiveHub:
    """Submit, done envelope by envelope on the event loop."""

    def __init__(self, settings: HubSettings, keyring: Keyring, database: Path) -> None:
        self._federation = settings.federation
        self._key = keyring.hub
        self._store = open_store(f"sqlite:///{database}")
        self._at = self._store.database.read_now(fold_roster)
        if self._at.roster is None:
            raise SystemExit("this database has no genesis")
        self._members = Members(self._at.roster)
        origin = self._at.roster.genesis.origin
        clock = SystemClock()
        self._log = NaiveLog(self._store, origin=origin, key=keyring.log, clock=clock)
        self._judge = IntakeJudge(Audiences())
        self._checker = Checker(
            federation=self._federation,
            genesis_hash="",
            log=self._log,
            validate=StixValidator(TemplateCache()).validate,
            clock=clock,
        )

    async def submit(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """One reply for each batch."""
        peer = peer_of(context.auth_context(), federation=self._federation, now=SystemClock().now())
        self._members.require(peer)
        async for raw in requests:
            request = exchange_pb2.SubmitRequest.FromString(raw)
            results = [self._one(peer.member, item) for item in request.envelopes]
            await context.write(reply_of(request.batch_id, results, self._key).SerializeToString())

    def _one(self, member: str, raw: bytes) -> Result:
        checked = self._checker.check(raw, member, self._at)
        if checked.candidate is None:
            return checked.result or Result(outcome=Outcome.REFUSED)
        (outcome,) = self._log.append([checked.candidate], self._judge)
        return of_outcome(outcome, checked.candidate.work.digest)


class Bare:
    """What the transport alone costs."""

    def __init__(self, keyring: Keyring) -> None:
        self._key = keyring.hub
        self._logged = 0

    async def echo(self, raw: bytes, _context: Any) -> bytes:
        """The bare unary rpc."""
        return raw

    async def submit(self, requests: AsyncIterator[bytes], context: Any) -> None:
        """Accept everything unread."""
        async for raw in requests:
            request = exchange_pb2.SubmitRequest.FromString(raw)
            results = [self._accept() for _ in request.envelopes]
            reply = exchange_pb2.SubmitReply(up_to_batch=request.batch_id)
            reply.results.extend(results)
            await context.write(reply.SerializeToString())

    def _accept(self) -> exchange_pb2.SubmitResult:
        self._logged += 1
        return exchange_pb2.SubmitResult(
            outcome=exchange_pb2.SubmitResult.ACCEPTED, digest=_DIGEST, index=self._logged, received_ms=self._logged
        )


async def serve(what: str, config: Path, database: Path) -> None:
    """Until it is killed."""
    settings = load(config, HubSettings)
    ring = keyring.load(settings)
    if what == "naive":
        handlers = {"Submit": grpc.stream_stream_rpc_method_handler(NaiveHub(settings, ring, database).submit)}
    else:
        bare = Bare(ring)
        handlers = {
            "Submit": grpc.stream_stream_rpc_method_handler(bare.submit),
            "Echo": grpc.unary_unary_rpc_method_handler(bare.echo),
        }
    server = grpc.aio.server(
        handlers=[grpc.method_handlers_generic_handler(_SERVICE, handlers)], options=SERVER_OPTIONS
    )
    certificate = OwnCertificate(ca=ring.ca, names=settings.names, clock=SystemClock())
    port = server.add_secure_port("127.0.0.1:0", certificate.credentials(mutual=True))
    await server.start()
    print(f"port {port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
