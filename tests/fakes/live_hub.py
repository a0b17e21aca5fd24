"""A real hub in this process: real TLS 1.3 on loopback, real database, keys of a fake federation.

async with live_hub(tmp_path, LiveFederation.make(("beanr", "belgg"))) as hub:
    async with hub.channel("beanr") as channel: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hub.app import Foundation, Hub
from hub.audience import Audiences
from hub.ca import CertificateAuthority
from hub.cli.desk import founded
from hub.intake import Checker, IntakeJudge, Outcome, Result, admit
from hub.keyring import Keyring
from hub.rpc.errors import CODE_KEY, ID_KEY, RETRY_KEY
from hub.rpc.server import BoundPorts
from hub.settings import HubSettings, TaxiiSettings
from hub.store import Store
from hub.transparency import Log, Tree
from port2port.clock import SystemClock
from port2port.limits import QUOTA, MemberQuota
from port2port.tls import CHANNEL_OPTIONS, channel_credentials, key_to_pem, make_csr, make_key, read_csr
from port2port.v1 import directory_pb2, directory_pb2_grpc, exchange_pb2, exchange_pb2_grpc
from tests.fakes.clock import FakeClock
from tests.fakes.federation import Federation
from tests.fakes.prepared import hub_store

DEADLINE_S = 15.0


@dataclass(slots=True, kw_only=True)
class LiveFederation:
    """A fake federation with a real certificate authority, dated now."""

    ca: CertificateAuthority
    fed: Federation

    @classmethod
    def make(cls, members: Sequence[str] = ("beanr", "belgg", "north-sea-port"), **more: Any) -> LiveFederation:
        now = datetime.now(UTC)
        ca = CertificateAuthority.create("p2p.test", now)
        fed = Federation(members=members, ca_root=ca.root_pem.decode(), clock=FakeClock(now), **more)
        return cls(ca=ca, fed=fed)


@dataclass(slots=True, kw_only=True)
class LiveHub:
    """The running hub, and how a test reaches it."""

    hub: Hub
    ports: BoundPorts
    store: Store
    live: LiveFederation
    stop: asyncio.Event
    done: asyncio.Task[None]
    made: list[grpc.aio.Channel] = field(default_factory=list)

    def certificate(self, member: str, *, node: int = 1, key_id: str | None = None) -> tuple[bytes, bytes, str]:
        """(certificate PEM, key PEM, serial) of a node, issued on the spot."""
        key = make_key()
        key_id = key_id or self.live.fed.ports[member].machine.key_id
        issued = self.live.ca.issue_node(
            read_csr(make_csr(key)), member=member, node=node, key_id=key_id, now=datetime.now(UTC)
        )
        return pem_of(issued.der), key_to_pem(key), issued.serial

    @asynccontextmanager
    async def channel(
        self, member: str | None = None, *, enrolment: bool = False, identity: tuple[bytes, bytes, str] | None = None
    ) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to one of the ports; with a member's certificate unless ``member`` is None."""
        shown = identity or (None if member is None else self.certificate(member))
        credentials = channel_credentials(
            ca_pem=self.live.ca.root_pem,
            certificate_pem=None if shown is None else shown[0],
            key_pem=None if shown is None else shown[1],
        )
        port = self.ports.enrolment if enrolment else self.ports.mutual
        options = [
            *(item for item in CHANNEL_OPTIONS if "max_" not in item[0] or "message" not in item[0]),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
        ]
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
            yield channel

    async def admit(self, *raws: bytes) -> list[Result]:
        """Log coordinators' entries as ``port2port-hub admit`` does, beside the running hub."""
        return [await asyncio.to_thread(admit_into, self.store, self.live, raw) for raw in raws]


@asynccontextmanager
async def live_hub(
    path: Path,
    live: LiveFederation,
    *,
    quota: MemberQuota = QUOTA,
    found: Sequence[bytes] | None = None,
    grace_s: float = 0.2,
    taxii: TaxiiSettings | None = None,
) -> AsyncIterator[LiveHub]:
    """Start, and stop in the end; whatever made it stop by itself is raised."""
    store = hub_store(f"sqlite:///{path / 'hub.sqlite'}")
    for raw in live.fed.founding() if found is None else found:
        result = admit_into(store, live, raw)
        assert result.outcome is Outcome.ACCEPTED, result
    known = store.database.read_now(founded)
    assert known is not None
    # Where no witnesses are to be heard, nobody waits for members either: an operator has compared.
    tree = Tree(store, origin=live.fed.origin, key=live.fed.log_key)
    compared = b"" if live.fed.witnesses else tree.checkpoint().note
    hub = Hub(
        Foundation(
            settings=HubSettings(
                federation=live.fed.name,
                listen="127.0.0.1:0",
                enrolment_listen="127.0.0.1:0",
                data_dir=path,
                stop_grace_s=grace_s,
                taxii=taxii or TaxiiSettings(),
            ),
            keyring=keyring(live),
            store=store,
            genesis=known[0],
            genesis_hash=known[1],
            clock=SystemClock(),
            quota=quota,
            compared=compared,
        )
    )
    stop = asyncio.Event()
    ready: asyncio.Future[BoundPorts] = asyncio.get_running_loop().create_future()
    done = asyncio.create_task(hub.run(stop, ready.set_result))
    await asyncio.wait({done, ready}, return_when=asyncio.FIRST_COMPLETED)
    if done.done():
        done.result()
    try:
        yield LiveHub(hub=hub, ports=ready.result(), store=store, live=live, stop=stop, done=done)
    finally:
        stop.set()
        try:
            await asyncio.wait_for(done, DEADLINE_S)
        finally:
            store.close()


def keyring(live: LiveFederation) -> Keyring:
    return Keyring(ca=live.ca, log=live.fed.log_key, hub=live.fed.hub_key)


def admit_into(store: Store, live: LiveFederation, raw: bytes) -> Result:
    clock = SystemClock()
    log = Log(store, origin=live.fed.origin, key=live.fed.log_key, clock=clock)
    checker = Checker(
        federation=live.fed.name,
        genesis_hash=live.fed.genesis_hash,
        log=log,
        validate=live.fed.validate,
        clock=clock,
    )
    return admit(store=store, log=log, checker=checker, judge=IntakeJudge(Audiences()), raw=raw)


def pem_of(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a peer was told of an error."""

    status: str
    text: str
    code: str | None
    error_id: str | None
    retry_ms: str | None


def told(error: grpc.aio.AioRpcError) -> Told:
    trailing = dict(error.trailing_metadata() or ())
    return Told(
        status=error.code().name,
        text=error.details() or "",
        code=trailing.get(CODE_KEY),
        error_id=trailing.get(ID_KEY),
        retry_ms=trailing.get(RETRY_KEY),
    )


async def until(condition: Callable[[], object], *, deadline_s: float = DEADLINE_S) -> None:
    """As ``waiting.wait_until``, on the event loop."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110  # waits for any state of the hub, which has no event for it
            await asyncio.sleep(0.01)


def run(work) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * DEADLINE_S):
            await work

    asyncio.run(bounded())


async def submit(channel, *raws: bytes) -> list[exchange_pb2.SubmitResult]:
    """One batch, its results."""
    call = exchange_pb2_grpc.ExchangeStub(channel).Submit(timeout=DEADLINE_S)
    await call.write(exchange_pb2.SubmitRequest(batch_id=1, envelopes=raws))
    await call.done_writing()
    return [item async for reply in call for item in reply.results]


async def refused(work):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await work
    return told(caught.value)


async def ended(call):
    """Read a stream to its end; how it ended."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await call.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return told(error)
    return None


async def describe(channel) -> directory_pb2.DescribeReply:
    stub = directory_pb2_grpc.DirectoryStub(channel)
    return await stub.Describe(directory_pb2.DescribeRequest(version="0"), timeout=DEADLINE_S)
