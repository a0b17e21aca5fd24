"""Made-up persons for the demo, chosen from a list instead of signing in: on this machine only.

The list exists only where the settings say demo (which bind to loopback) and the request came from loopback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection
from starlette.requests import Request

from port2port.console import accounts
from port2port.console.roles import Role
from port2port.console.settings import ConsoleSettings, is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """One entry of the list."""

    pseudonym: str
    roles: frozenset[Role]


def _person(pseudonym: str, *roles: Role) -> DemoPerson:
    return DemoPerson(pseudonym=pseudonym, roles=frozenset({Role.VIEWER, *roles}))


AT_A_NODE: Final = (
    _person("A-04", Role.OFFICER, Role.APPROVER),
    _person("A-17", Role.OFFICER, Role.APPROVER),
    _person("B-02", Role.OFFICER),
    _person("D-01", Role.ADMIN, Role.AUDITOR),
)
AT_THE_HUB: Final = (
    _person("C-01", Role.COORDINATOR, Role.APPROVER),
    _person("C-02", Role.COORDINATOR, Role.APPROVER),
    _person("R-05", Role.AUDITOR),
    _person("D-01", Role.ADMIN),
)


def seed(connection: Connection, people: Sequence[DemoPerson], *, member: str, now: datetime) -> None:
    """Make the accounts that are not there yet."""
    for one in people:
        if accounts.by_pseudonym(connection, one.pseudonym) is None:
            accounts.create(connection, pseudonym=one.pseudonym, member=member, roles=one.roles, now=now)


def has_picker(settings: ConsoleSettings, request: Request) -> bool:
    """Whether this request may choose a person from the list."""
    return settings.demo and request.client is not None and is_loopback(request.client.host)
