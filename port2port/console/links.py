"""One-time enrolment links: the only way to a new account, and to a passkey where none is left.

A link holds 256 random bits, is good for 30 minutes and for one enrolment. It is shown once, to its maker; stored is
its SHA-256. It opens only over TLS or on this machine, because who reads it on the way enrols in its place.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from port2port.clock import Clock, to_ms
from port2port.console import accounts
from port2port.console.accounts import Account
from port2port.console.roles import Role, parse_roles, spell_roles
from port2port.console.sessions import digest_of
from port2port.console.tables import LinkRow
from port2port.database import Database
from port2port.errors import MalformedError, NotFoundError
from port2port.ids import member_id

LIFETIME: Final = timedelta(minutes=30)
FIRST_PSEUDONYM: Final = "A-01"
FIRST_ROLES: Final = frozenset(Role)
_LINK: Final = LinkRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


class LinkError(NotFoundError):
    """The link is unknown, used or too old: all answer alike."""

    code = "LINK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link is good for; ``account`` is "" where it makes a new one."""

    digest: bytes
    pseudonym: str
    member: str
    roles: frozenset[Role]
    account: str
    made_by: str
    expires_ms: int

    @property
    def account_id(self) -> str:
        """The id of the account, also before it is made: a passkey is made for it first."""
        return self.account or sha256(b"account of a link" + self.digest).hexdigest()[:32]


async def first_link(
    database: Database,
    origin: str,
    clock: Clock,
    *,
    member: str,
    pseudonym: str = FIRST_PSEUDONYM,
    roles: frozenset[Role] = FIRST_ROLES,
) -> str | None:
    """The address that enrols the first person, for the terminal of the first start; None once there is an account.

    Each start makes a new one and closes the one before. The first person holds every role and gives them on.
    """

    def make(connection: Connection) -> str | None:
        if accounts.anybody(connection):
            return None
        connection.execute(sa.delete(_LINK).where(_LINK.c.made_by == ""))
        return make_link(connection, pseudonym=pseudonym, member=member, roles=roles, made_by="", now=clock.now())

    secret = await database.write(make)
    return None if secret is None else address(origin, secret)


def address(origin: str, secret: str) -> str:
    """Where the browser goes. The secret is in the fragment, which browsers send to nobody and logs never hold."""
    return f"{origin}/enrol#{secret}"


def make_link(
    connection: Connection,
    *,
    pseudonym: str,
    member: str,
    roles: frozenset[Role],
    made_by: str,
    now: datetime,
    account: str = "",
) -> str:
    """A new link's secret. Raises MalformedError, PseudonymTakenError for a new account that could not be made."""
    if not account:
        _require_new(connection, pseudonym, roles)
    secret = secrets.token_urlsafe(32)
    connection.execute(
        sa.insert(_LINK).values(
            digest=digest_of(secret),
            pseudonym=pseudonym,
            member=member_id(member),
            roles=spell_roles(roles),
            account=account,
            made_by=made_by,
            expires_ms=to_ms(now + LIFETIME),
        )
    )
    return secret


def look(connection: Connection, secret: str, now: datetime) -> Link:
    """What a link is good for, without using it. Raises LinkError."""
    row = connection.execute(sa.select(_LINK).where(_LINK.c.digest == digest_of(secret))).first()
    if row is None or row.used_ms is not None or row.expires_ms <= to_ms(now):
        raise LinkError("this link is not good any more: ask for a new one")
    return _link(row)


def use(connection: Connection, secret: str, now: datetime) -> Account:
    """Use a link up; the answer is its account, made now where there was none. Raises LinkError."""
    link = look(connection, secret, now)
    used = connection.execute(
        sa.update(_LINK).where(_LINK.c.digest == link.digest, _LINK.c.used_ms.is_(None)).values(used_ms=to_ms(now))
    )
    if used.rowcount != 1:
        raise LinkError("this link is not good any more: ask for a new one")
    if link.account:
        return accounts.by_id(connection, link.account)
    return accounts.create(
        connection,
        pseudonym=link.pseudonym,
        member=link.member,
        roles=link.roles,
        now=now,
        account_id=link.account_id,
    )


def outstanding(connection: Connection, now: datetime) -> list[Link]:
    """Links that are still good, the next to expire first."""
    good = sa.and_(_LINK.c.used_ms.is_(None), _LINK.c.expires_ms > to_ms(now))
    return [_link(row) for row in connection.execute(sa.select(_LINK).where(good).order_by(_LINK.c.expires_ms))]


def withdraw(connection: Connection, digest: bytes) -> None:
    """Close a link before its time. Raises NotFoundError."""
    gone = connection.execute(sa.delete(_LINK).where(_LINK.c.digest == digest, _LINK.c.used_ms.is_(None)))
    if gone.rowcount != 1:
        raise NotFoundError("there is no such link")


def _require_new(connection: Connection, pseudonym: str, roles: frozenset[Role]) -> None:
    if not accounts.is_pseudonym(pseudonym):
        raise MalformedError("a pseudonym has 1 to 40 letters, digits, dots, dashes and underscores")
    if not roles:
        raise MalformedError("an account has at least one role")
    if accounts.by_pseudonym(connection, pseudonym) is not None:
        raise accounts.PseudonymTakenError("this pseudonym is taken")


def _link(row: sa.Row[tuple[object, ...]]) -> Link:
    value = row._mapping  # noqa: SLF001  # SQLAlchemy's public way to read a row by name
    return Link(
        digest=value["digest"],
        pseudonym=value["pseudonym"],
        member=value["member"],
        roles=parse_roles(value["roles"]),
        account=value["account"],
        made_by=value["made_by"],
        expires_ms=value["expires_ms"],
    )
