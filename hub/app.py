"""The composition root: what the hub consists of, in one task group, started and stopped as a whole.

Start: see the log, fold the roster, open the ports. Stop: health says NOT_SERVING, followers are sent away, Submit
streams may finish their answers, what is inside intake is committed or never acknowledged, the database is closed.
A task that finds a broken invariant ends the process: a hub that is wrong must not serve.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from hub.audience import Audiences
from hub.console import building
from hub.console.context import PictureContext
from hub.contacts import Contacts
from hub.enrolment import Enrolment, denied_serials
from hub.feed import Feed
from hub.intake import Checker, Intake, IntakeJudge, IntakeLimits
from hub.keyring import Keyring
from hub.members import Members
from hub.nonces import Nonces
from hub.quota import Quotas
from hub.receipts import Receipts
from hub.recovery import Recovery, State
from hub.revocation import Streams
from hub.rpc import services
from hub.rpc.gate import Gate
from hub.rpc.health import Health
from hub.rpc.server import BoundPorts, OwnCertificate, Servers
from hub.settings import HubSettings, split_address
from hub.store import Store
from hub.taxii.attesting import Attestor
from hub.taxii.fold import Folding
from hub.taxii.log_shelf import LogShelf
from hub.taxii.service import Ground, TaxiiService
from hub.transparency import Cosigning, Log, RosterAt
from port2port.clock import Clock, to_ms
from port2port.console import opening
from port2port.database import StorageError
from port2port.genesis import Genesis
from port2port.limits import QUOTA, MemberQuota
from port2port.metrics import Metrics
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator

logger = logging.getLogger(__name__)
WATCH_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What a hub stands on: its settings, keys and database, and the genesis in its log with its hash.

    ``compared`` is a checkpoint that an operator obtained from the members, where he says that nothing was lost.
    """

    settings: HubSettings
    keyring: Keyring
    store: Store
    genesis: Genesis
    genesis_hash: str
    clock: Clock
    quota: MemberQuota = QUOTA
    compared: bytes = b""


class Hub:
    """One hub process. Make it inside the event loop that runs it."""

    def __init__(self, base: Foundation) -> None:
        self._base = base
        self._stopping = False
        settings, keyring, store, clock = base.settings, base.keyring, base.store, base.clock
        self.metrics = Metrics("p2p_hub")
        self.members = Members()
        self.streams = Streams(self.members)
        self.contacts = Contacts()
        self.log = Log(store, origin=base.genesis.origin, key=keyring.log, clock=clock)
        self._audiences = Audiences()
        self.cosigning = Cosigning(store=store, tree=self.log, roster=self._at, changed=self._wake)
        self.feed = Feed(
            store=store,
            log=self.log,
            audiences=self._audiences,
            cosigned=self.cosigning.newest,
            roster_changed=self._take_roster,
        )
        self.receipts = Receipts(store=store, audiences=self._audiences, roster=self._at, clock=clock)
        self.recovery = Recovery(
            store=store,
            log=self.log,
            log_public=keyring.log.public,
            evidence=settings.data_dir / "evidence",
            clock=clock,
            roster=self._at,
            recovered=self._wake,
        )
        self.quotas = Quotas(base.quota, clock)
        self.intake = self._intake()
        self.enrolment = Enrolment(
            database=store.database,
            ca=keyring.ca,
            members=self.members,
            clock=clock,
            nonces=Nonces(secrets.token_bytes(32)),
            charge_renewal=self.quotas.charge_renewal,
        )
        self.health = Health(frozenset(services.NAMES))
        self.taxii: TaxiiService | None = None
        self.certificate = OwnCertificate(ca=keyring.ca, names=settings.names, clock=clock)

    def _at(self) -> RosterAt:
        return self.feed.at

    def _wake(self) -> None:
        self.feed.wake()

    def _intake(self) -> Intake:
        base = self._base
        return Intake(
            store=base.store,
            log=self.log,
            checker=Checker(
                federation=base.settings.federation,
                genesis_hash=base.genesis_hash,
                log=self.log,
                validate=StixValidator(TemplateCache()).validate,
                clock=base.clock,
            ),
            judge=IntakeJudge(self._audiences),
            quotas=self.quotas,
            clock=base.clock,
            gate=self.recovery.gate,
            committed=self._wake,
            limits=IntakeLimits(workers=base.settings.verify_threads or os.cpu_count() or 1),
        )

    async def run(self, stop: asyncio.Event, ready: Callable[[BoundPorts], None]) -> None:
        """Serve until ``stop`` is set. ``ready`` is called once, when both ports answer.

        Raises ConfigurationError where a port cannot be bound, and whatever made a task fail, in a group.
        """
        await self.feed.catch_up()
        await self.cosigning.load()
        await self.recovery.start(self._base.compared)
        await self._read_denied()
        servers, taxii = self._servers(), self._taxii()
        stop_metrics = self._serve_metrics()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work) for work in (self.intake.run(), self.feed.run(), self._watch())]
                tasks += [group.create_task(building.serve(picture)) for picture in self._pictures()]
                tasks += [] if taxii is None else [group.create_task(taxii.run())]
                try:
                    settings = self._base.settings
                    ready(await servers.start(listen=settings.listen, enrolment_listen=settings.enrolment_listen))
                    await stop.wait()
                finally:
                    await self._stop_serving(servers)
                for task in tasks:
                    task.cancel()
        finally:
            stop_metrics()

    async def _stop_serving(self, servers: Servers) -> None:
        self._stopping = True
        await self.health.set(serving=False)
        self.streams.end(but=services.SUBMIT)
        await servers.stop(self._base.settings.stop_grace_s)
        await self.recovery.stop()

    def _servers(self) -> Servers:
        base = self._base
        gate = Gate(
            federation=base.settings.federation,
            members=self.members,
            streams=self.streams,
            quotas=self.quotas,
            clock=base.clock,
            metrics=self.metrics,
        )
        parts = services.Parts(
            federation=base.settings.federation,
            genesis_hash=base.genesis_hash,
            clock=base.clock,
            intake=self.intake,
            feed=self.feed,
            log=self.log,
            cosigning=self.cosigning,
            receipts=self.receipts,
            quotas=self.quotas,
            recovery=self.recovery,
            enrolment=self.enrolment,
            ca=base.keyring.ca,
            hub_key=base.keyring.hub,
            metrics=self.metrics,
            health=self.health,
            members=self.members,
            contacts=self.contacts,
            quota=base.quota,
        )
        return Servers(
            certificate=self.certificate,
            mutual=services.mutual(gate, parts),
            enrolment=services.enrolment(gate, parts),
        )

    def _taxii(self) -> TaxiiService | None:
        """The outlet for those without our software; none without an address for it."""
        base, settings = self._base, self._base.settings
        if settings.taxii.listen is None and settings.taxii.consumer_listen is None:
            return None
        self.taxii = TaxiiService(
            Ground(
                settings=settings.taxii,
                federation=settings.federation,
                database=base.store.database,
                shelf=LogShelf(
                    genesis_hash=base.genesis_hash,
                    audiences=self._audiences,
                    roster=lambda: self.feed.at.roster,
                    validate=StixValidator(TemplateCache()).validate,
                ),
                folding=Folding(
                    genesis_hash=base.genesis_hash,
                    federation=settings.federation,
                    attests=Attestor(self.log, federation=settings.federation),
                    roster=lambda: self.feed.at.roster,
                ),
                moved=self.feed.moved,
                members=self.members,
                quotas=self.quotas,
                clock=base.clock,
                metrics=self.metrics,
                serving=self._is_serving,
                identity=self.certificate.current,
                root_pem=base.keyring.ca.root_pem,
                grace_s=settings.stop_grace_s,
            )
        )
        return self.taxii

    def _pictures(self) -> list[PictureContext]:
        """The hub as its console's pages see it; none without the settings for one."""
        base, console, operator = self._base, self._base.settings.console, self._base.settings.operator
        if console is None or operator is None:
            return []
        return [
            PictureContext(
                settings=base.settings,
                console=console,
                genesis=base.genesis,
                genesis_hash=base.genesis_hash,
                store=base.store,
                log=self.log,
                feed=self.feed,
                members=self.members,
                streams=self.streams,
                receipts=self.receipts,
                audiences=self._audiences,
                clock=base.clock,
                live=opening.live_of(base.clock, console),
                signin=building.signin_of(base.store, console, base.clock, member=operator),
                roster=lambda: self.feed.at.roster,
            )
        ]

    def _serve_metrics(self) -> Callable[[], None]:
        where = self._base.settings.metrics_listen
        if where is None:
            return lambda: None
        host, port = split_address(where)
        return self.metrics.serve(host=host, port=port)

    def _take_roster(self, at: RosterAt) -> None:
        """The tailer saw another roster: whoever no longer belongs is cut off now."""
        before, roster, ours = self.members.roster, at.roster, version("port2port")
        self.members.replace_roster(roster)
        if roster is not None and not roster.admits(ours) and (before is None or before.admits(ours)):
            facts = {"version": ours, "minimum": roster.minimum_version}
            logger.error("hub is older than the minimum version", extra=facts)
        self.metrics.count("streams_cut", self.streams.judge())

    async def _watch(self) -> None:
        """Serials are denied by another process, so the list is read again every few seconds; health follows."""
        while not self._stopping:
            await self._base.clock.sleep(WATCH_S)
            try:
                await self._read_denied()
                await self._write_contacts()
                await self.recovery.tell()
            except StorageError as error:
                logger.warning("denied certificates not read", extra={"cause": repr(error.__cause__)})
            serving = self._is_serving()
            if serving != self.health.serving and not self._stopping:
                await self.health.set(serving=serving)

    def _is_serving(self) -> bool:
        return self.recovery.state in {State.OPEN, State.WAITING}

    async def _write_contacts(self) -> None:
        """A node whose feed is open is there now, whether or not there was anything to tell it."""
        now_ms = to_ms(self._base.clock.now())
        for peer in self.streams.peers(services.FOLLOW):
            self.contacts.follows(peer, at_ms=now_ms)
        await self._base.store.database.write(self.contacts.save)

    async def _read_denied(self) -> None:
        self.members.replace_denied(await self._base.store.database.read(denied_serials))
        self.metrics.count("streams_cut", self.streams.judge())
