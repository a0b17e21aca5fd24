"""What a person's keys count for outside his console: asked of whoever knows, for consoles that sign.

The kernel does not know a federation. A console that signs for a member hands in its ``SigningKeys``; one without them
(the hub's) shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy.engine import Connection

from port2port.console.passkeys import Passkey
from port2port.console.people import Person
from port2port.console.roles import Role

SIGNERS: Final = (Role.OFFICER, Role.APPROVER)


class Standing(StrEnum):
    """What a key counts for in the federation; the words stand in the template."""

    NOT_OFFERED = "not-offered"
    NOT_TAKEN = "not-taken"  # offered, and the hub has not answered
    WAITING = "waiting"  # for the coordinators
    IN_FORCE = "in-force"
    LOST = "lost"  # reported so, and not revoked yet
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """One key and its standing; ``fingerprint`` is read aloud while it waits, ``until`` is when it ends."""

    key_id: str
    pseudonym: str
    standing: Standing
    passkey: bool
    until: datetime | None = None
    fingerprint: str = ""


class SigningKeys(Protocol):
    """What a console knows of its member's keys, and what it can do with them."""

    def listed(self, connection: Connection) -> Sequence[KnownKey]:
        """Every officer's key of the member, by pseudonym."""
        ...

    def proof_of(self, person: Person, key: Passkey) -> bytes:
        """What the passkey signs to be offered as this person's. Raises Port2PortError where it cannot be."""
        ...

    def remember(self, connection: Connection, person: Person, key: Passkey) -> None:
        """Before the offer goes out: it is one of our own."""
        ...

    async def hand_in(self, person: Person, key: Passkey, proof: bytes) -> None:
        """Hand the offer in. Raises UnavailableError or ConfigurationError (try later), or why it was refused."""
        ...

    def lost(self, connection: Connection, key_id: str) -> None:
        """It signs nothing more at this console."""
        ...
