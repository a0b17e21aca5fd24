"""Challenges given out once and taken back once: the single-use rows behind passkeys, step-up and OIDC.

A row is found by a secret, or by what it is bound to; of both only a SHA-256 is stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from port2port.clock import to_ms
from port2port.console.tables import ChallengeRow
from port2port.errors import PolicyError

LIFETIME: Final = timedelta(minutes=5)
_CHALLENGE: Final = ChallengeRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


class ChallengeError(PolicyError):
    """No such challenge is open: it was used, it is too old, or it was somebody else's."""

    code = "CONSOLE_CHALLENGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What was given out: the bytes to sign, and facts that come back with it."""

    challenge: bytes
    facts: str


def give(  # what it is bound to, what is signed, and until when
    connection: Connection,
    *,
    name: str,
    purpose: str,
    account: str,
    challenge: bytes,
    now: datetime,
    facts: str = "",
    lifetime: timedelta = LIFETIME,
) -> None:
    """Open a challenge under ``name``; an open one of the same name, purpose and account is replaced."""
    digest = _bound(name, purpose, account)
    connection.execute(sa.delete(_CHALLENGE).where(_CHALLENGE.c.digest == digest))
    connection.execute(
        sa.insert(_CHALLENGE).values(
            digest=digest,
            purpose=purpose,
            account=account,
            challenge=challenge,
            facts=facts,
            expires_ms=to_ms(now + lifetime),
        )
    )


def take(connection: Connection, *, name: str, purpose: str, account: str, now: datetime) -> Challenge:
    """Close the challenge and return it, once. Raises ChallengeError."""
    mine = _CHALLENGE.c.digest == _bound(name, purpose, account)
    row = connection.execute(sa.select(_CHALLENGE).where(mine).with_for_update()).first()
    gone = connection.execute(sa.delete(_CHALLENGE).where(mine))
    if row is None or gone.rowcount != 1 or row.expires_ms <= to_ms(now):
        raise ChallengeError("this took too long, or was used already: start again")
    return Challenge(challenge=row.challenge, facts=row.facts)


def fresh_name() -> str:
    """A name nobody guesses, for a form field or a cookie."""
    return secrets.token_urlsafe(32)


def sweep(connection: Connection, now: datetime) -> int:
    """Forget challenges that are too old; the answer is how many."""
    return connection.execute(sa.delete(_CHALLENGE).where(_CHALLENGE.c.expires_ms <= to_ms(now))).rowcount


def _bound(name: str, purpose: str, account: str) -> bytes:
    return sha256(f"{purpose}\0{account}\0{name}".encode()).digest()
