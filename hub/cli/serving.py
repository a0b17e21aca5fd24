"""``port2port-hub serve``: check that this machine may serve, then do until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub import keyring
from hub.app import Foundation, Hub
from hub.cli.desk import Desk, read_bounded
from hub.rpc.server import BoundPorts
from hub.settings import TaxiiSettings, split_address
from port2port import logs
from port2port.errors import ConfigurationError

logger = logging.getLogger(__name__)
_GC_THRESHOLDS: Final = (50_000, 20, 100)


def run(args: argparse.Namespace) -> int:
    """Serve in the foreground. Exit code 0 after a stop, 1 if the hub found itself broken."""
    with Desk.open(args.config) as desk:
        logs.start(level=desk.settings.log_level)
        compared = b"" if args.i_have_compared is None else read_bounded(args.i_have_compared)
        base = _foundation(desk, args.config, compared)
        try:
            _spare_the_collector()
            asyncio.run(_serve(base))
        except ExceptionGroup as group:
            return _ended(group)
    return 0


def _ended(group: ExceptionGroup[Exception]) -> int:
    """Exit code 1 once the causes are logged; a wrong setting is the caller's to tell in one sentence."""
    causes = list(_leaves(group))
    for error in causes:
        if isinstance(error, ConfigurationError):
            raise error from group
    for error in causes:
        logger.critical("hub stopped itself", extra={"cause": str(error)}, exc_info=error)
    return 1


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _foundation(desk: Desk, config: Path, compared: bytes) -> Foundation:
    """Everything that must hold before a port is opened. Raises ConfigurationError."""
    settings = desk.settings
    keyring.refuse_coordinator_keys(settings, {config.resolve().parent, settings.data_dir.resolve()})
    genesis, anchor = desk.genesis()
    roster = desk.roster()
    coordinators = set() if roster is None else set(roster.coordinators)
    keyring.refuse_coordinators(desk.keyring, coordinators | {key.key_id for key in genesis.coordinators})
    return Foundation(
        settings=settings,
        keyring=desk.keyring,
        store=desk.store,
        genesis=genesis,
        genesis_hash=anchor,
        clock=desk.clock,
        compared=compared,
    )


def _spare_the_collector() -> None:
    """What was loaded stays: never look at it again, and look at the rest less often.

    Envelopes on their way hold thousands of small objects and no cycles; with the standard thresholds looking for
    cycles among them costs a tenth of intake (benchmarks/intake.py).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def _serve(base: Foundation) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    served = Hub(base)

    def ready(ports: BoundPorts) -> None:
        host, _ = split_address(base.settings.listen)
        enrolment_host, _ = split_address(base.settings.enrolment_listen)
        ribbon = "  DEMO FEDERATION: one machine founded it alone" if base.genesis.demo else ""
        outlets = _outlets(base.settings.taxii, served)
        print(
            f"ready  nodes {host}:{ports.mutual}  enrolment {enrolment_host}:{ports.enrolment}  "
            f"{outlets}federation {base.settings.federation}  genesis {base.genesis_hash}{ribbon}",
            flush=True,
        )

    await served.run(stop, ready)
    logger.info("hub stopped")


def _outlets(settings: TaxiiSettings, served: Hub) -> str:
    """Where TAXII clients are answered, for the line that says that the hub is ready."""
    if served.taxii is None:
        return ""
    members, consumers = served.taxii.member_port, served.taxii.consumer_port
    found = (("taxii", settings.listen, members), ("consumers", settings.consumer_listen, consumers))
    return "".join(f"{name} {split_address(listen)[0]}:{port}  " for name, listen, port in found if listen is not None)
