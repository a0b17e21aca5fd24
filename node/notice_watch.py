"""The service that watches what waits and calls officers: one sweep, and beside it one sender for each channel, so that
a mail server that hangs delays no webhook.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.engine import Connection

from node import alarms, desk_items, duty, duty_swaps, notices
from node.alarms import Alarm, Code
from node.duty import Person, Rota, RotaError
from node.duty_settings import DutySettings
from node.notice_channels import Channel, NoticeDeliveryError, channels_of
from node.notices import Delivery, Message, Plan
from node.store import NodeStore
from port2port.clock import Clock, to_ms

logger = logging.getLogger(__name__)
SWEEP_S: Final = 5.0
SEND_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class RotaKeeper:
    """The rota file, read again when it changes. A change that is wrong leaves the last good rota, and a text."""

    settings: DutySettings
    rota: Rota
    stamp: tuple[int, int]
    wrong: str = ""

    @classmethod
    def open(cls, settings: DutySettings) -> RotaKeeper:
        """Raises RotaError."""
        raw, stamp = _read(settings)
        return cls(settings=settings, rota=duty.parse(raw), stamp=stamp)

    def refresh(self) -> None:
        """Look whether the file changed."""
        try:
            raw, stamp = _read(self.settings)
            if stamp != self.stamp:
                self.stamp, self.rota = stamp, duty.parse(raw)
                self.wrong = ""
        except RotaError as error:
            self.wrong = error.text


def rota_now(settings: DutySettings, store: NodeStore) -> Rota:
    """The rota as it is: the file, and what officers agreed on. Blocks; raises RotaError."""
    rota = RotaKeeper.open(settings).rota
    return store.read_now(lambda connection: duty_swaps.applied(connection, rota))


def _read(settings: DutySettings) -> tuple[bytes, tuple[int, int]]:
    try:
        with settings.rota.open("rb") as file:
            found = settings.rota.stat()
            return file.read(duty.ROTA_BYTES + 1), (found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise RotaError(f"cannot read {settings.rota.name}: {error.strerror}") from error


@dataclass(slots=True, kw_only=True)
class NoticeWatch:
    """What is needed to call officers. ``port`` is how messages name this port."""

    store: NodeStore
    clock: Clock
    keeper: RotaKeeper
    port: str
    channels: Mapping[str, Channel]
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=max(1, len(self.channels)), thread_name_prefix="notices")

    @classmethod
    def open(cls, settings: DutySettings, store: NodeStore, clock: Clock, member: str) -> NoticeWatch:
        """Raises ConfigurationError."""
        return cls(
            store=store,
            clock=clock,
            keeper=RotaKeeper.open(settings),
            port=settings.port_name or member,
            channels=channels_of(settings),
        )

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep())
                for name in self.channels:
                    group.create_task(self._send(name))
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def sweep_once(self) -> None:
        """Look once at what waits."""
        await asyncio.to_thread(self.keeper.refresh)
        now = self.clock.now()
        waiting = await self.store.read(lambda connection: desk_items.items(connection, now))
        rota = await self.store.read(lambda connection: duty_swaps.applied(connection, self.keeper.rota))
        plan = Plan(called=rota.called(now), channels=frozenset(self.channels))
        at_ms = to_ms(now)

        def action(connection: Connection) -> None:
            notices.sweep(connection, waiting.needs_decision, plan, now)
            _note_rota(connection, self.keeper.wrong, at_ms)

        await self.store.write(action)

    async def send_once(self, name: str) -> None:
        """Try what is due on one channel."""
        now = self.clock.now()
        for delivery in await self.store.read(lambda connection: notices.due(connection, name, now)):
            await self._deliver(delivery)

    async def _sweep(self) -> None:
        while True:
            await self.sweep_once()
            await self.clock.sleep(SWEEP_S)

    async def _send(self, name: str) -> None:
        while True:
            await self.send_once(name)
            await self.clock.sleep(SEND_S)

    async def _deliver(self, delivery: Delivery) -> None:
        rota = self.keeper.rota
        message = Message(
            id=f"notice-{delivery.notice}-{delivery.id}",
            port=self.port,
            severity=delivery.severity,
            since=delivery.opened_at,
            zone=rota.zone,
        )
        to = rota.people.get(delivery.receiver, Person(pseudonym="")).email
        channel, now = self.channels[delivery.channel], self.clock.now()
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, channel.send, message, to, now)
        except NoticeDeliveryError as error:
            code = error.code
            logger.warning("notice not delivered", extra={"channel": delivery.channel, "text": error.text})
            await self.store.write(lambda connection: notices.failed(connection, delivery, code, self.clock.now()))
        else:
            await self.store.write(lambda connection: notices.delivered(connection, delivery, self.clock.now()))


def _note_rota(connection: Connection, wrong: str, at_ms: int) -> None:
    if wrong:
        text = f"the rota file is wrong, and the one before it holds: {wrong}"
        alarms.raise_alarm(connection, Alarm(code=Code.ROTA_WRONG, text=text), at_ms)
    else:
        alarms.clear_alarm(connection, Code.ROTA_WRONG, "", at_ms)
