"""The rules in force, in plain words: read here, set in the files that each line names.

Nothing is changed on this page. Limits of detectors belong to a version of the program, so that every port means the
same by a finding; fences stand on the port's map, and what this port asks for beyond the default stands in its rules
file, where an officer signs each automatic rule. Changing a file leaves its trace where files are kept.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.console import rules_view
from node.console.context import DeskContext
from port2port.console.app import Section
from port2port.console.pages import page
from port2port.console.people import needs
from port2port.console.roles import Role
from port2port.console.words import N_

READS: Final = (Role.OFFICER, Role.APPROVER, Role.AUDITOR, Role.ADMIN)
ALERTS: Final = {"enter": N_("entering"), "leave": N_("leaving")}


class RulesRoom:
    """The endpoint /rules."""

    def __init__(self, desk: DeskContext) -> None:
        self._desk = desk

    def section(self) -> Section:
        """The room."""
        return Section(
            name="node",
            package="node.console",
            routes=(Route("/rules", needs(*READS)(self.show), name="rules"),),
        )

    async def show(self, request: Request) -> Response:
        """Every rule with its numbers and how often it fired."""
        desk = self._desk
        found = await desk.store.read(lambda c: rules_view.in_force(c, desk))
        settings = desk.settings
        return page(
            request,
            "node/rules.html",
            found=found,
            rules_file="" if settings.rules is None else settings.rules.name,
            places_file="" if settings.places is None else settings.places.name,
            alerts=ALERTS,
        )
