"""The rows behind sign-in. Node and hub make them in their own database by one revision each.

Ids of sessions, links, challenges and recovery codes are kept as their SHA-256 only, so reading here gives nobody a
way in; the TOTP secrets are the exception, and are a second factor only. Whoever can write here can sign in as
anybody at this console. He can still sign nothing in an officer's name: readers ask the roster for the key.

Times are milliseconds since the epoch, digests 32 raw bytes.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

_NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
console_metadata = sa.MetaData(naming_convention=_NAMES)


class ConsoleRow(SQLModel, registry=registry(metadata=console_metadata)):
    """Base of every row of the frame; node and hub have registries of their own."""


def _big(*, nullable: bool = False, default: int | None = None) -> int:
    return Field(  # type: ignore[no-any-return]  # Field is untyped
        default=default, sa_type=sa.BigInteger, nullable=nullable
    )


class AccountRow(ConsoleRow, table=True):
    """Somebody who may sign in: a pseudonym of a member."""

    __tablename__ = "console_account"

    id: str = Field(primary_key=True)
    pseudonym: str = Field(unique=True)
    member: str
    roles: str
    password: str = ""  # argon2id in its own spelling; "" is none
    totp_secret: str = ""
    totp_step: int = _big(default=0)  # the newest 30-second step that was used
    subject: str | None = Field(default=None, unique=True)  # issuer and pairwise pseudonym at an OIDC provider
    disabled: bool = False
    created_ms: int = _big()


class PreferenceRow(ConsoleRow, table=True):
    """What a person set for himself: language, theme, keyboard, and what pages remember."""

    __tablename__ = "console_preference"

    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str


class PasskeyRow(ConsoleRow, table=True):
    """A passkey; ``public`` is the SubjectPublicKeyInfo in DER and ``key_id`` its SHA-256, as in the roster."""

    __tablename__ = "console_passkey"

    credential: bytes = Field(primary_key=True)
    account: str = Field(index=True)
    key_id: str = Field(unique=True)
    public: bytes
    rp_id: str
    name: str
    counter: int = _big(default=0)
    synced: bool = False  # its maker keeps a copy: it may sign at several devices
    created_ms: int = _big()
    used_ms: int | None = _big(nullable=True)


class RecoveryRow(ConsoleRow, table=True):
    """A recovery code's digest; the row goes when the code is used."""

    __tablename__ = "console_recovery"

    digest: bytes = Field(primary_key=True)
    account: str = Field(index=True)


class SessionRow(ConsoleRow, table=True):
    """A signed-in browser, or a wall display. ``name`` tells sessions apart on the page and opens nothing."""

    __tablename__ = "console_session"

    digest: bytes = Field(primary_key=True)
    name: str = Field(unique=True)
    account: str = Field(index=True)
    display: bool = False
    roles: str = ""  # only these, where the provider or the display says so; "" is all of the account's
    method: str
    device: str
    address: str
    created_ms: int = _big()
    seen_ms: int = _big()


class LinkRow(ConsoleRow, table=True):
    """A one-time enrolment link: for a new account, or for another passkey of an account that is there."""

    __tablename__ = "console_link"

    digest: bytes = Field(primary_key=True)
    pseudonym: str
    member: str
    roles: str
    account: str = ""  # "" makes a new account
    made_by: str
    expires_ms: int = _big()
    used_ms: int | None = _big(nullable=True)


class AttemptRow(ConsoleRow, table=True):
    """Failures of an account, tries from an address, or until when an address is one of an account's own.

    ``subject`` is a digest, not the name that was typed.
    """

    __tablename__ = "console_attempt"

    subject: bytes = Field(primary_key=True)
    tries: int = _big()
    since_ms: int = _big()
    closed_until_ms: int = _big()


class ChallengeRow(ConsoleRow, table=True):
    """A challenge given out once: for enrolling, for signing in, for a step-up over a digest, for an OIDC trip."""

    __tablename__ = "console_challenge"

    digest: bytes = Field(primary_key=True)
    purpose: str
    account: str = ""
    challenge: bytes
    facts: str = ""
    expires_ms: int = _big()
