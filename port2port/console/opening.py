"""Opens a console inside a program that runs: its sign-in, its pages, its server, in one task group.

The first start prints the one-time link that enrols the first person: whoever reads that terminal is the one who may
give out accounts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from port2port.clock import Clock
from port2port.console import links
from port2port.console.app import Parts, Section, build
from port2port.console.audit import AuditSink
from port2port.console.demo import DemoPerson
from port2port.console.live import Live, LiveLimits
from port2port.console.local import Passwords
from port2port.console.oidc import Provider
from port2port.console.pages import Ribbon
from port2port.console.serving import ConsoleServer
from port2port.console.settings import ConsoleSettings
from port2port.console.signin.context import SignIn
from port2port.console.signin.section import middleware, section
from port2port.console.signin.standing import SigningKeys
from port2port.database import Database, StorageError

logger = logging.getLogger(__name__)
Service = Callable[[], Awaitable[None]]
_AGAIN_S: Final = 1.0
_DEMO_LIMITS: Final = LiveLimits(person_streams=200, person_open=400)


def live_of(clock: Clock, settings: ConsoleSettings) -> Live:
    """The live stream of a console. In a demo whoever comes is one of the same few persons."""
    return Live(clock, _DEMO_LIMITS if settings.demo else None)


def signin_of(
    database: Database,
    settings: ConsoleSettings,
    clock: Clock,
    *,
    member: str,
    audit: AuditSink,
    demo_people: Sequence[DemoPerson],
) -> SignIn:
    """Accounts and sessions in the program's own database. ``member`` is whose the first accounts are."""
    return SignIn(
        database=database,
        clock=clock,
        settings=settings,
        audit=audit,
        member=member,
        passwords=Passwords(),
        provider=Provider(settings.oidc, settings.origin, clock) if settings.oidc else None,
        demo_people=demo_people if settings.demo else (),
    )


def parts_of(
    signin: SignIn,
    live: Live,
    *,
    title: str | Callable[[], str],
    sections: Sequence[Section],
    demo: Callable[[], bool],
    keys: SigningKeys | None = None,
) -> Parts:
    """What the application is built from.

    ``demo`` says whether the striped banner stands over every page; ``keys`` are those that sign for the member.
    """
    signin.endings.tell = live.revoke
    return Parts(
        settings=signin.settings,
        clock=signin.clock,
        live=live,
        title=title,
        sections=(section(signin, keys), *sections),
        middleware=(middleware(signin),),
        ribbon=lambda _request: Ribbon(kind="demo") if signin.settings.demo or demo() else None,
        still_valid=signin.still_valid,
        remember=signin.remember,
    )


async def serve(signin: SignIn, parts: Parts, services: Sequence[Service] = ()) -> None:
    """Until cancelled. ``services`` run beside the server: what feeds the live stream.

    Raises ConfigurationError where the address is taken or a certificate cannot be read.
    """
    settings = signin.settings
    await signin.prepare()
    first = await links.first_link(signin.database, settings.origin, signin.clock, member=signin.member)
    if first is not None:
        print(f"first sign-in, good once and for 30 minutes:  {first}", flush=True)  # noqa: T201  # for the terminal
    server = ConsoleServer(build(parts), settings, parts.live, ready=lambda _port: _ready(settings))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(), name="console")
            for service in (signin.run, *services):
                tasks.create_task(kept(service, signin.clock))
    finally:
        signin.passwords.close()


def _ready(settings: ConsoleSettings) -> None:
    print(f"console  {settings.origin}", flush=True)  # noqa: T201  # for the terminal
    logger.info("console answers", extra={"listen": settings.listen})


async def kept(service: Service, clock: Clock) -> None:
    """The service, begun anew when the database was away for a moment: that must not end the program around it."""
    while True:
        try:
            await service()
        except StorageError as error:
            logger.warning("a feed of the console begins anew", extra={"cause": repr(error.__cause__)})
            await clock.sleep(_AGAIN_S)
        else:
            return
