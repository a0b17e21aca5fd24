"""The duty rota as it is: who is on duty, who is called next, and every watch of the coming days with its swaps.

The rota itself is a file of the port, read again when it changes: no screen writes it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.console.context import DeskContext
from node.duty import HORIZON_DAYS, Rota, RotaError, Watch
from port2port.console.app import Section
from port2port.console.pages import page, wording
from port2port.console.people import needs
from port2port.console.roles import Role
from port2port.console.told import told

READS: Final = (Role.VIEWER, Role.OFFICER, Role.APPROVER, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A watch of the coming days. ``planned`` differs from ``people`` where turns were swapped."""

    watch: Watch
    planned: tuple[str, ...]
    now: bool

    @property
    def swapped(self) -> bool:
        return self.planned != self.watch.people


class DutyPages:
    """The page /duty."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room; the page of the shift leads to it."""
        return Section(
            name="node", package="node.console", routes=(Route("/duty", needs(*READS)(self.show), name="duty"),)
        )

    async def show(self, request: Request) -> Response:
        """The page."""
        now, broken = self._desk.now, ""
        try:
            rota = await asyncio.to_thread(self._desk.rota)
        except RotaError as error:
            rota, broken = None, told(error, wording(request))
        return page(
            request,
            "node/duty.html",
            rota=rota,
            broken=broken,
            on_duty=rota.on_duty(now) if rota else (),
            called=rota.called(now) if rota else (),
            rows=rows(rota, now) if rota else [],
            absent=[one for one in rota.replacements if one.ends_at > now] if rota else [],
        )


def rows(rota: Rota, now: datetime) -> list[Row]:
    """The watches that are on or begin within the coming days, by their start."""
    today = now.astimezone(rota.zone).date()
    planned = {shift.name: shift.people for shift in rota.shifts}
    found = [
        Row(watch=one, planned=planned[one.shift], now=one.starts_at <= now < one.ends_at)
        for days in range(-2, HORIZON_DAYS)
        for one in rota.starting_on(today + timedelta(days=days))
        if one.ends_at > now
    ]
    return sorted(found, key=lambda row: (row.watch.starts_at, row.watch.shift))
