"""What a person may do at the screens. Settings name roles too, so nothing of a web server is loaded here."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from port2port.errors import MalformedError


class Role(StrEnum):
    """What a person may do; the values are those of the settings, the database and the address line."""

    VIEWER = "viewer"  # reads what the member may read
    OFFICER = "officer"  # drafts, reports, acknowledges
    APPROVER = "approver"  # decides: publishes, approves as the second person
    COORDINATOR = "coordinator"  # the hub's picture, incidents, levels, members
    AUDITOR = "auditor"  # reads logs, never content above his clearance
    ADMIN = "admin"  # accounts and members, no content


# What an organisation's own provider may give; the other roles are given here, by an admin.
SELF_GIVEN: Final = frozenset({Role.VIEWER, Role.OFFICER, Role.AUDITOR})


def parse_roles(text: str) -> frozenset[Role]:
    """Roles in words, as the database and the forms have them. Raises MalformedError for an unknown word."""
    try:
        return frozenset(Role(word) for word in text.split())
    except ValueError as error:
        raise MalformedError("a role is viewer, officer, approver, coordinator, auditor or admin") from error


def spell_roles(roles: frozenset[Role]) -> str:
    """The reverse of ``parse_roles``, always in the same order."""
    return " ".join(role.value for role in Role if role in roles)
