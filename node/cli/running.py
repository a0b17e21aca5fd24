"""``join`` and ``run``: become a member, and be one."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from node import acts, app, desk_keys, identity, indicators, sightings, unseen
from node.app import Node, Plugin, Service
from node.cli.desk import defaults_of, passphrase, rules_of
from node.console import building
from node.console.context import DeskContext
from node.cyber import CyberFlow, look_back, own_things
from node.data import starter_places
from node.detectors.base import RecordDetector
from node.detectors.cyber import cyber_detectors
from node.foreign.normalising import Normaliser
from node.identity import GrpcEnrolment, Officer
from node.imports.service import FeedService
from node.lookalikes.permutations import PermutationError, permutations
from node.notice_watch import NoticeWatch, rota_now
from node.observations import SourceClass
from node.passage_settings import PassageSettings
from node.passages import server, telling
from node.passages.keys import dice_of
from node.pipeline import Options, Pipeline
from node.places import Places, load_places
from node.publish import Author
from node.rules import RuleFile
from node.sensors.logs import LogSource
from node.sensors.parsers.ais import AisParser, line_time
from node.sensors.transports.file import FileReplay
from node.sensors.transports.lines import LineQueue, Transport
from node.sensors.transports.tcp import TcpClient
from node.sensors.transports.udp import UdpListener
from node.settings import NodeSettings, SourceSettings
from node.visit_store import SqlVisits
from node.warning_lists.gate import Gate
from port2port import invitation, logs
from port2port import settings as toml
from port2port.clock import Clock, SystemClock
from port2port.console import opening
from port2port.console.settings import ConsoleSettings
from port2port.errors import ConfigurationError
from port2port.limits import LIMITS
from port2port.patterns import Value

logger = logging.getLogger(__name__)


def run_join(args: argparse.Namespace) -> int:
    """Redeem an invitation; what remains is a telephone call."""
    raw = read_limited(args.invitation, LIMITS.invitation_bytes)
    invited = invitation.parse(raw)
    officer = None
    if args.officer is not None:
        secret = None if args.no_passphrase else passphrase(args.passphrase_file, "new passphrase: ")
        officer = Officer(pseudonym=args.officer, passphrase=secret)
    enrolment = GrpcEnrolment(invited.enrolment, invited.ca.encode())
    joined = identity.join(raw, args.dir, enrolment=enrolment, clock=SystemClock(), officer=officer)
    print(f"{joined.member} has asked to join; settings in {joined.settings}")
    print(f"fingerprint  {joined.fingerprint}")
    print(
        "read it to the coordinator by telephone; once it is approved: port2port-node run --config "
        + str(joined.settings)
    )
    return 0


def run(args: argparse.Namespace) -> int:
    """Run in the foreground. Exit code 0 after a stop, 1 if the node found itself or the hub broken."""
    settings = toml.load(args.config, NodeSettings)
    logs.start(level=settings.log_level)
    try:
        asyncio.run(serve(settings))
    except ExceptionGroup as group:
        for error in _leaves(group):
            if isinstance(error, ConfigurationError):
                raise error from group
            logger.critical("node stopped itself", extra={"cause": str(error)}, exc_info=error)
        return 1
    return 0


async def serve(settings: NodeSettings, *, clock: Clock | None = None) -> None:
    """Until SIGTERM or SIGINT, or until something fatal happens, which is raised."""
    plugin = plugin_of(settings)
    node = app.open_node(settings, clock=clock, plugin=plugin)
    try:
        running = asyncio.create_task(app.run(node, plugin))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        print(f"running  {settings.member} node {settings.node}  federation {settings.federation}", flush=True)
        try:
            await running
        except asyncio.CancelledError:
            logger.info("node stopped")
    finally:
        node.close()


def plugin_of(settings: NodeSettings) -> Plugin:
    """What a port's own eyes add to the node: handlers in the inbox's transaction, and the pipeline.

    Raises ConfigurationError for places, rules or sources that are wrong: before anything is started.
    """
    rules = rules_of(settings)
    rules.automatic()
    places = places_of(settings)

    def services(node: Node) -> Sequence[Service]:
        pipeline = pipeline_of(node, rules, places)
        watching: tuple[Service, ...] = (
            pipeline.run,
            partial(acts.watch, node.store, node.clock),
            partial(unseen.watch, node.store, node.clock, lambda: node.inbox.state.roster),
        )
        if settings.feeds:
            watching += (feeds_of(node, rules).run,)
        if any(source.is_network_sensor for source in settings.sources):
            watching += (cyber_of(node, pipeline).run,)
        if settings.duty is not None:
            watching += (NoticeWatch.open(settings.duty, node.store, node.clock, settings.member).run,)
        if settings.passages is not None:
            watching += passages_of(node, rules, settings.passages)
        if settings.console is None:
            return watching
        return (*watching, partial(building.serve, desk_of(node, rules, places, pipeline, settings.console)))

    return Plugin(handlers=(indicators.handle, sightings.handle_incoming(settings.member)), services=services)


def passages_of(node: Node, rules: RuleFile, settings: PassageSettings) -> tuple[Service, ...]:
    """What answers gates and terminals, and what tells officers of it. Raises ConfigurationError."""
    dice, roster = dice_of(settings.lots), lambda: node.inbox.state.roster
    parts = server.Parts(
        settings=settings,
        member=node.settings.member,
        store=node.store,
        clock=node.clock,
        trusted_ms=node.time.now_ms,
        roster=roster,
        dice=dice,
    )
    desk = telling.Desk(store=node.store, author=author_of(node, rules), clock=node.clock, roster=roster)
    return partial(server.serve, parts), telling.Telling(desk, dice).run


def desk_of(node: Node, rules: RuleFile, places: Places, pipeline: Pipeline, console: ConsoleSettings) -> DeskContext:
    """The open node as the pages of its console see it."""
    settings = node.settings
    return DeskContext(
        settings=settings,
        console=console,
        store=node.store,
        clock=node.clock,
        author=author_of(node, rules),
        defaults=defaults_of(settings, rules),
        places=places,
        tracks=pipeline.tracks,
        live=opening.live_of(node.clock, console),
        signin=building.signin_of(node.store, settings, console, node.clock),
        roster=lambda: node.inbox.state.roster,
        status=lambda: app.status_of(settings, node.store, clock=node.clock),
        machine=node.machine,
        connect=partial(app.connect, settings),
        rule=rules.two_person.rule(),
        rules=rules,
        rota=lambda: None if settings.duty is None else rota_now(settings.duty, node.store),
    )


def feeds_of(node: Node, rules: RuleFile) -> FeedService:
    """The feeds of the settings, to be followed."""
    return FeedService(
        node.settings,
        node.store,
        node.clock,
        defaults=defaults_of(node.settings, rules),
        normaliser=Normaliser(node.validator.validate),
        roster=lambda: node.inbox.state.roster,
        gate=Gate(node.settings.warning_lists_dir, rules.protected),
    )


def author_of(node: Node, rules: RuleFile) -> Author:
    """This port as somebody who says things."""
    settings = node.settings
    return Author(
        federation=settings.federation,
        genesis_hash=settings.genesis,
        member=settings.member,
        outbox=node.outbox,
        validate=node.validator.validate,
        desk=desk_keys.load(settings.keys.desk),
        gate=Gate(settings.warning_lists_dir, rules.protected),
    )


def pipeline_of(node: Node, rules: RuleFile, places: Places) -> Pipeline:
    """The pipeline of an open node, with its sources."""
    settings, queue = node.settings, LineQueue()
    classes = {source.name: SourceClass[source.source_class.upper()] for source in settings.sources}
    author = author_of(node, rules)
    return Pipeline(
        node.store,
        author,
        Options(
            defaults=defaults_of(settings, rules),
            rules=rules.automatic(),
            protected=protection_of(author, settings),
            match_own=rules.match_own,
            security_level=rules.security_level,
        ),
        clock=node.clock,
        trusted=node.time,
        places=places,
        visits=SqlVisits(node.store),
        roster=lambda: node.inbox.state.roster,
        parser=AisParser(source_classes=classes),
        queue=queue,
        transports=[
            transport_of(source, queue, node.clock) for source in settings.sources if not source.is_network_sensor
        ],
        network=partial(look_back, node.store),
    )


def protection_of(author: Author, settings: NodeSettings) -> Callable[[Mapping[str, Value]], bool]:
    """Whose matches go to the duty officer alone: what rules and lists protect, and the port's own network."""
    gate, own = author.gate, own_things(settings.cyber)
    return lambda facts: own(facts) or (gate is not None and gate.protects(facts))


def cyber_of(node: Node, pipeline: Pipeline) -> CyberFlow:
    """The flow of the network sensors of an open node; what it finds goes the way of what ships transmit."""
    settings = node.settings

    def detectors() -> list[RecordDetector]:
        try:
            table = permutations(settings.cyber.own_domains)
        except PermutationError as error:
            logger.warning("lookalike domains are found by rules alone", extra={"code": error.code})
            table = {}
        return cyber_detectors(settings.cyber, table)

    return CyberFlow(
        node.store,
        pipeline,
        [log_of(source) for source in settings.sources if source.is_network_sensor],
        clock=node.clock,
        detectors=detectors,
        metrics=node.metrics,
    )


def log_of(source: SourceSettings) -> LogSource:
    """A log as the settings describe it. Raises ConfigurationError."""
    if source.path is None:
        raise ConfigurationError(f"{source.name}: {source.kind} needs path")
    source_class = SourceClass[source.source_class.upper()]
    silent_after = timedelta(minutes=source.silent_minutes)
    return LogSource(
        source.name, source.kind, source.path, source_class, follow=source.follow, silent_after=silent_after
    )


def transport_of(source: SourceSettings, queue: LineQueue, clock: Clock) -> Transport:
    """A source as the settings describe it. Raises ConfigurationError."""
    if source.kind == "file" and source.path is not None:
        return FileReplay(source.name, source.path, queue, clock=clock, stamp=line_time, speed=source.speed)
    host, port = host_and_port((source.listen if source.kind == "udp" else source.connect) or "")
    if source.kind == "udp":
        return UdpListener(source.name, host, port, queue, clock=clock)
    return TcpClient(source.name, host, port, queue, clock=clock, jitter=random.SystemRandom())


def host_and_port(address: str) -> tuple[str, int]:
    """``host:port``, ``[::1]:port``. Raises ConfigurationError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ConfigurationError(f"an address looks like host:port, not {address[:80]}")
    return host.strip("[]"), int(port)


def places_of(settings: NodeSettings) -> Places:
    """The port's map, or the starter map. Raises ConfigurationError or PlacesError."""
    if settings.places is None:
        return load_places(starter_places())
    return load_places(read_limited(settings.places, LIMITS.geojson_bytes))


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most ``limit``. Raises ConfigurationError."""
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > limit:
        raise ConfigurationError(f"{path} is larger than {limit} bytes")
    return raw


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
