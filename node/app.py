"""The composition root of a node: builds everything from the settings, starts it in one task group, stops it cleanly.

What a port does with verified entries and with its own sensors comes in from outside as ``Plugin``: entry handlers
that run in the inbox's transaction, and services that run until the node stops.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Final

from sqlalchemy.engine import Connection

from node import alarms, identity, store
from node.alarms import Alarm, Code
from node.identity import GrpcEnrolment
from node.inbox import EntryHandler, Inbox, load_state
from node.outbox import Outbox, SequenceFile
from node.settings import NodeSettings
from node.status import Status, status
from node.store import NodeStore
from node.trusted_time import TrustedTime
from node.uplink import Hub, Uplink, UplinkParts
from node.uplink.grpc_hub import GrpcHub
from node.witness import Witness, WitnessWatch
from port2port import keys, tls
from port2port.clock import Clock, SystemClock, to_ms
from port2port.errors import ConfigurationError, Port2PortError
from port2port.keys import Ed25519Key
from port2port.metrics import Metrics
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator

logger = logging.getLogger(__name__)
RETRY_RENEWAL_S: Final = 60.0
Service = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Everything of a node that is open; ``close`` it at the end."""

    settings: NodeSettings
    clock: Clock
    store: NodeStore
    machine: Ed25519Key
    outbox: Outbox
    inbox: Inbox
    uplink: Uplink
    witness_watch: WitnessWatch
    time: TrustedTime
    metrics: Metrics
    validator: StixValidator

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What sits on top: made from the open store before the node is, so that its handlers see the first entry."""

    handlers: Sequence[EntryHandler] = ()
    services: Callable[[Node], Sequence[Service]] = lambda _node: ()


def open_node(settings: NodeSettings, *, clock: Clock | None = None, plugin: Plugin | None = None) -> Node:
    """Build a node without starting anything. Raises ConfigurationError or InvariantError."""
    clock = clock or SystemClock()
    plugin = plugin or Plugin()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    opened = store.open_store(settings.database_url)
    try:
        return _build(settings, clock, plugin, opened)
    except BaseException:
        opened.close()
        raise


def _build(settings: NodeSettings, clock: Clock, plugin: Plugin, opened: NodeStore) -> Node:
    state = opened.read_now(
        lambda connection: load_state(
            connection, federation=settings.federation, genesis_hash=settings.genesis, member=settings.member
        )
    )
    if identity.adopt_next_key(settings, state.roster):
        logger.info("new machine key in place")
    adopted = identity.adopt_desk_keys(settings, state.roster)
    if adopted:
        logger.info("new desk keys in place", extra={"keys": adopted})
    machine, witness_key = keys.load(settings.keys.machine), keys.load(settings.keys.witness)
    if machine.key_id == witness_key.key_id:
        raise ConfigurationError("machine and witness key are the same: one key has one role")
    at_ms = to_ms(clock.now())
    software = version("port2port")

    def note(connection: Connection) -> None:
        _note_keys(connection, settings, machine, at_ms)
        if state.roster is not None:
            alarms.compare_version(connection, state.roster, software, at_ms)

    opened.write_now(note)
    validator, metrics = StixValidator(TemplateCache()), Metrics("port2port_node")
    time, watch = TrustedTime(clock, floor_ms=state.last_received_ms), WitnessWatch(clock, size=state.size)
    inbox = Inbox(
        opened,
        state,
        validate=validator.validate,
        clock=clock,
        evidence_dir=settings.evidence_dir,
        version=software,
        handlers=plugin.handlers,
    )
    uplink = Uplink(
        UplinkParts(
            store=opened,
            inbox=inbox,
            witness=Witness(name=settings.member, key=witness_key, clock=clock),
            watch=watch,
            time=time,
            machine=machine,
            clock=clock,
            metrics=metrics,
            connect=lambda: connect(settings, hub_key=partial(_hub_key, inbox)),
        )
    )
    return Node(
        settings=settings,
        clock=clock,
        store=opened,
        machine=machine,
        outbox=Outbox(machine, SequenceFile.beside(settings.keys.machine, machine.key_id)),
        inbox=inbox,
        uplink=uplink,
        witness_watch=watch,
        time=time,
        metrics=metrics,
        validator=validator,
    )


async def run(node: Node, plugin: Plugin | None = None) -> None:
    """Until cancelled, or until something fatal happens, which is raised."""
    services = (plugin or Plugin()).services(node)
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_certificate(node))
        group.create_task(node.uplink.run())
        for service in services:
            group.create_task(_awaited(service))


async def keep_certificate(node: Node, *, dice: random.Random | None = None) -> None:
    """Renew the TLS certificate at half its life, and tell the uplink; a missing one is renewed at once."""
    dice = dice or random.SystemRandom()
    while True:
        found = identity.certificate_of(node.settings)
        due = identity.renewal_due(found, node.clock.now(), dice=dice)
        if due.total_seconds() > 0:
            await node.clock.sleep(due.total_seconds())
        try:
            await asyncio.to_thread(
                identity.renew,
                node.settings,
                node.machine,
                enrolment=GrpcEnrolment(node.settings.enrolment, node.settings.keys.ca.read_bytes()),
                clock=node.clock,
            )
        except Port2PortError as error:
            await _renewal_failed(node, error)
            await node.clock.sleep(RETRY_RENEWAL_S)
        else:
            logger.info("certificate renewed")
            at_ms = to_ms(node.clock.now())
            await node.store.write(partial(alarms.clear_alarm, code=Code.RENEWAL, subject="", at_ms=at_ms))
            node.uplink.renewed()


def _hub_key(inbox: Inbox) -> bytes | None:
    roster = inbox.state.roster
    return None if roster is None else roster.genesis.hub_key


async def connect(settings: NodeSettings, *, hub_key: Callable[[], bytes | None] = lambda: None) -> Hub:
    """A connection with the certificate in place now. Raises ConfigurationError where there is none to read."""
    try:
        credentials = tls.channel_credentials(
            ca_pem=settings.keys.ca.read_bytes(),
            certificate_pem=settings.keys.certificate.read_bytes(),
            key_pem=settings.keys.tls.read_bytes(),
        )
    except OSError as error:
        raise ConfigurationError(f"cannot read the TLS files: {error.strerror}") from error
    return GrpcHub(settings.hub, credentials, kinds=settings.kinds, issuers=settings.issuers, hub_key=hub_key)


def status_of(settings: NodeSettings, opened: NodeStore, *, clock: Clock | None = None) -> Status:
    """The health of the node with these settings, whether it runs or not."""
    now = (clock or SystemClock()).now()
    found = identity.certificate_of(settings)

    def action(connection: Connection) -> Status:
        state = load_state(
            connection, federation=settings.federation, genesis_hash=settings.genesis, member=settings.member
        )
        return status(
            connection,
            member=settings.member,
            roster=state.roster,
            own_keys=store.own_keys(connection),
            certificate_not_after=None if found is None else found.not_after,
            limits=settings.alarms,
            now=now,
        )

    return opened.read_now(action)


def _note_keys(connection: Connection, settings: NodeSettings, machine: Ed25519Key, at_ms: int) -> None:
    """Keys made here, and at this member's other nodes: nothing signed with them is foreign."""
    store.remember_own_key(connection, machine.key_id, "machine", at_ms=at_ms)
    for key_id in settings.sister_keys:
        store.remember_own_key(connection, key_id, "sister", at_ms=at_ms)


async def _renewal_failed(node: Node, error: Port2PortError) -> None:
    logger.warning("certificate renewal failed", extra={"code": error.code})
    node.metrics.count("renewals_failed", reason=error.code)
    at_ms = to_ms(node.clock.now())
    alarm = Alarm(code=Code.RENEWAL, text=f"the TLS certificate could not be renewed: {error.text}")
    await node.store.write(lambda connection: alarms.raise_alarm(connection, alarm, at_ms))


async def _awaited(service: Service) -> None:
    await service()
