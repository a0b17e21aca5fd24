"""Sessions: a 256-bit id in a cookie, of which only the SHA-256 is stored.

A person's session ends 30 minutes after its last request and 12 hours after its start, a shift. A wall display has
no idle limit and may only read. Signing in, and a change of roles, always give a new id. A session is only ever
the account it was made for: changing user is signing out and in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from port2port.clock import to_ms
from port2port.console import accounts
from port2port.console.people import Person
from port2port.console.roles import SELF_GIVEN, Role, parse_roles, spell_roles
from port2port.console.tables import SessionRow
from port2port.errors import NotFoundError

T = TypeVar("T")
COOKIE: Final = "__Host-p2p"
DISPLAY_ABSOLUTE: Final = timedelta(days=90)
TOUCH_EVERY_MS: Final = 60_000  # how exactly "last used" is kept: one write a minute, not one a request
_DEVICE_CHARS: Final = 120
_ENDED: Final = "port2port.console.sessions.ended"  # in a connection's notes: names of sessions ended on it
_SESSION: Final = SessionRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long a person's session lasts: without a request, and in any case."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)

    def over(self, created_ms: int, seen_ms: int, *, display: bool, now: datetime) -> bool:
        """Whether a session's time is up."""
        moment = to_ms(now)
        if display:
            return moment - created_ms >= _ms(DISPLAY_ABSOLUTE)
        return moment - seen_ms >= _ms(self.idle) or moment - created_ms >= _ms(self.absolute)


LIFETIMES: Final = Lifetimes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser as its owner sees it; ``name`` ends it and opens nothing."""

    name: str
    account: str
    display: bool
    method: str
    device: str
    address: str
    created_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Whose request this is, and whether the session's last use should be written down."""

    person: Person
    stale: bool
    method: str
    created_ms: int


def start(
    connection: Connection,
    account: str,
    *,
    method: str,
    device: str,
    address: str,
    now: datetime,
    roles: frozenset[Role] | None = None,
    display: bool = False,
) -> str:
    """A new session of an account; the answer is the id for the cookie, kept nowhere else."""
    secret = secrets.token_urlsafe(32)
    moment = to_ms(now)
    connection.execute(
        sa.insert(_SESSION).values(
            digest=digest_of(secret),
            name=secrets.token_hex(8),
            account=account,
            display=display,
            roles=spell_roles(frozenset({Role.VIEWER}) if display else roles or frozenset()),
            method=method,
            device=_plain(device),
            address=address[:60],
            created_ms=moment,
            seen_ms=moment,
        )
    )
    return secret


def rotate(connection: Connection, name: str) -> str:
    """The same session under another id and name, where what it may do has changed; the old ones open nothing.

    It began when it began: neither the end of the shift nor "signed in just now" moves. Raises NotFoundError.
    """
    row = connection.execute(sa.select(_SESSION).where(_SESSION.c.name == name)).first()
    if row is None:
        raise NotFoundError("there is no such session")
    forget(connection, name)
    secret = secrets.token_urlsafe(32)
    fresh = {"digest": digest_of(secret), "name": secrets.token_hex(8)}
    connection.execute(sa.insert(_SESSION).values({**row._mapping, **fresh}))  # noqa: SLF001  # SQLAlchemy's public way
    return secret


def find(connection: Connection, secret: str, now: datetime, lifetimes: Lifetimes = LIFETIMES) -> Visit | None:
    """Who the cookie's id belongs to; None where it is unknown, over, or of a disabled account. Reads only."""
    row = connection.execute(sa.select(_SESSION).where(_SESSION.c.digest == digest_of(secret))).first()
    if row is None or lifetimes.over(row.created_ms, row.seen_ms, display=row.display, now=now):
        return None
    account = accounts.by_id(connection, row.account)
    if account.disabled:
        return None
    wishes = accounts.preferences(connection, account.id)
    person = Person(
        account=account.id,
        pseudonym=account.pseudonym,
        member=account.member,
        roles=_allowed(account.roles, parse_roles(row.roles)),
        session=row.name,
        language=wishes.get("language", ""),
        theme=wishes.get("theme", "system"),
        keyboard=wishes.get("keyboard", "single"),
        display=row.display,
    )
    return Visit(
        person=person,
        stale=to_ms(now) - row.seen_ms >= TOUCH_EVERY_MS,
        method=row.method,
        created_ms=row.created_ms,
    )


def touch(connection: Connection, name: str, now: datetime) -> None:
    """Write down that a session was just used; the time only advances."""
    moment = to_ms(now)
    connection.execute(
        sa.update(_SESSION).where(_SESSION.c.name == name, _SESSION.c.seen_ms < moment).values(seen_ms=moment)
    )


def alive(connection: Connection, name: str, now: datetime, lifetimes: Lifetimes = LIFETIMES) -> bool:
    """Whether a session still opens pages: what a long stream asks each minute."""
    row = connection.execute(sa.select(_SESSION).where(_SESSION.c.name == name)).first()
    if row is None or lifetimes.over(row.created_ms, row.seen_ms, display=row.display, now=now):
        return False
    return not accounts.by_id(connection, row.account).disabled


def end(connection: Connection, account: str, name: str) -> None:
    """End one session of an account. Raises NotFoundError where it is not that account's."""
    gone = connection.execute(sa.delete(_SESSION).where(_SESSION.c.name == name, _SESSION.c.account == account))
    if gone.rowcount != 1:
        raise NotFoundError("there is no such session")
    _note_ended(connection, name)


def forget(connection: Connection, name: str) -> None:
    """End a session by its name, whether or not it is still there."""
    connection.execute(sa.delete(_SESSION).where(_SESSION.c.name == name))
    _note_ended(connection, name)


def end_all(connection: Connection, account: str, *, but: str = "") -> list[str]:
    """End every session of an account except the one named ``but``; the answer names those that ended."""
    chosen = sa.and_(_SESSION.c.account == account, _SESSION.c.name != but)
    names = list(connection.execute(sa.select(_SESSION.c.name).where(chosen)).scalars())
    connection.execute(sa.delete(_SESSION).where(chosen))
    _note_ended(connection, *names)
    return names


def with_ended(connection: Connection, action: Callable[[Connection], T]) -> tuple[T, frozenset[str]]:
    """What an action gives, and the names of the sessions that it ended: to be told once that is committed."""
    connection.info.pop(_ENDED, None)
    done = action(connection)
    return done, frozenset(connection.info.pop(_ENDED, ()))


def of_account(connection: Connection, account: str, now: datetime, lifetimes: Lifetimes = LIFETIMES) -> list[Session]:
    """The sessions of an account that still open pages, newest first."""
    rows = connection.execute(
        sa.select(_SESSION).where(_SESSION.c.account == account).order_by(_SESSION.c.created_ms.desc())
    )
    return [
        Session(
            name=row.name,
            account=row.account,
            display=row.display,
            method=row.method,
            device=row.device,
            address=row.address,
            created_ms=row.created_ms,
            seen_ms=row.seen_ms,
        )
        for row in rows
        if not lifetimes.over(row.created_ms, row.seen_ms, display=row.display, now=now)
    ]


def sweep(connection: Connection, now: datetime, lifetimes: Lifetimes = LIFETIMES) -> int:
    """Forget sessions that are over; the answer is how many."""
    moment = to_ms(now)
    person = sa.and_(
        ~_SESSION.c.display,
        sa.or_(
            _SESSION.c.seen_ms <= moment - _ms(lifetimes.idle),
            _SESSION.c.created_ms <= moment - _ms(lifetimes.absolute),
        ),
    )
    display = sa.and_(_SESSION.c.display, _SESSION.c.created_ms <= moment - _ms(DISPLAY_ABSOLUTE))
    return connection.execute(sa.delete(_SESSION).where(sa.or_(person, display))).rowcount


def digest_of(secret: str) -> bytes:
    """What is stored of an id: 256 random bits need no salt and no slow hash."""
    return sha256(secret.encode()).digest()


def _allowed(mine: frozenset[Role], cap: frozenset[Role]) -> frozenset[Role]:
    """A session may be given less than the account has; reading and drafting is all it may be given besides."""
    return cap & (mine | SELF_GIVEN) if cap else mine


def _note_ended(connection: Connection, *names: str) -> None:
    connection.info.setdefault(_ENDED, set()).update(names)


def _plain(device: str) -> str:
    return "".join(char for char in device if char.isprintable())[:_DEVICE_CHARS]


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
