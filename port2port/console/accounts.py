"""Accounts and what their owners prefer. Every function works inside the caller's transaction.

Nobody is ever deleted: a disabled account keeps its pseudonym, so that the audit rows stay readable.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from port2port.clock import to_ms
from port2port.console.people import KEYBOARDS, THEMES
from port2port.console.roles import Role, parse_roles, spell_roles
from port2port.console.tables import AccountRow, PreferenceRow
from port2port.errors import ConflictError, MalformedError, NotFoundError, PolicyError
from port2port.ids import member_id

_ACCOUNT: Final = AccountRow.__table__  # type: ignore[attr-defined]  # set by SQLModel
_PREFERENCE: Final = PreferenceRow.__table__  # type: ignore[attr-defined]  # set by SQLModel
_PSEUDONYM: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,59}", re.ASCII)
PREFERENCE_CHARS: Final = 8_000
PREFERENCES_MAX: Final = 100


class PseudonymTakenError(ConflictError):
    """Another account has this pseudonym."""

    code = "PSEUDONYM_TAKEN"


class LastAdminError(PolicyError):
    """The change would leave nobody who can make accounts."""

    code = "LAST_ADMIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    id: str
    pseudonym: str
    member: str
    roles: frozenset[Role]
    password: str
    totp_secret: str
    totp_step: int
    subject: str | None
    disabled: bool
    created_ms: int


def create(
    connection: Connection,
    *,
    pseudonym: str,
    member: str,
    roles: frozenset[Role],
    now: datetime,
    account_id: str = "",
) -> Account:
    """A new account without any way in yet; ``account_id`` is 32 hex digits, by chance where none is given.

    Raises MalformedError, PseudonymTakenError.
    """
    if not is_pseudonym(pseudonym):
        raise MalformedError("a pseudonym has 1 to 40 letters, digits, dots, dashes and underscores")
    if not roles:
        raise MalformedError("an account has at least one role")
    if _row(connection, sa.func.lower(_ACCOUNT.c.pseudonym) == pseudonym.lower()) is not None:
        raise PseudonymTakenError("this pseudonym is taken")
    account_id = account_id or secrets.token_hex(16)
    values = {
        "id": account_id,
        "pseudonym": pseudonym,
        "member": member_id(member),
        "roles": spell_roles(roles),
        "password": "",
        "totp_secret": "",
        "totp_step": 0,
        "disabled": False,
        "created_ms": to_ms(now),
    }
    connection.execute(sa.insert(_ACCOUNT).values(values))
    return by_id(connection, account_id)


def is_pseudonym(text: str) -> bool:
    """Whether ``text`` may name an account, as ``officer:<pseudonym>`` in statements."""
    return _PSEUDONYM.fullmatch(text) is not None


def by_id(connection: Connection, account: str) -> Account:
    """The account. Raises NotFoundError."""
    found = _row(connection, _ACCOUNT.c.id == account)
    if found is None:
        raise NotFoundError("there is no such account")
    return found


def by_pseudonym(connection: Connection, pseudonym: str) -> Account | None:
    """The account of a pseudonym, however its letters are capitalised, or None."""
    return _row(connection, sa.func.lower(_ACCOUNT.c.pseudonym) == pseudonym.lower())


def by_subject(connection: Connection, subject: str) -> Account | None:
    """The account that an OIDC provider's subject belongs to, or None."""
    return _row(connection, _ACCOUNT.c.subject == subject)


def everybody(connection: Connection) -> list[Account]:
    """All accounts by pseudonym."""
    rows = connection.execute(sa.select(_ACCOUNT).order_by(_ACCOUNT.c.pseudonym))
    return [_account(row) for row in rows]


def anybody(connection: Connection) -> bool:
    """Whether there is an account at all: the first start has none."""
    return connection.execute(sa.select(_ACCOUNT.c.id).limit(1)).first() is not None


def set_roles(connection: Connection, account: str, roles: frozenset[Role]) -> None:
    """Change what an account may do. Raises NotFoundError, MalformedError, LastAdminError."""
    if not roles:
        raise MalformedError("an account has at least one role")
    if Role.ADMIN not in roles:
        _keep_an_admin(connection, without=account)
    _update(connection, account, roles=spell_roles(roles))


def set_disabled(connection: Connection, account: str, *, disabled: bool) -> None:
    """Close an account, or open it again. Raises NotFoundError, LastAdminError."""
    if disabled:
        _keep_an_admin(connection, without=account)
    _update(connection, account, disabled=disabled)


def set_password(connection: Connection, account: str, digest: str) -> None:
    """Keep the argon2id spelling of a new password; "" removes it. Raises NotFoundError."""
    _update(connection, account, password=digest)


def set_totp(connection: Connection, account: str, secret: str, *, step: int = 0) -> None:
    """Keep a confirmed TOTP secret with the step that confirmed it; "" removes it. Raises NotFoundError."""
    _update(connection, account, totp_secret=secret, totp_step=step)


def use_totp_step(connection: Connection, account: str, step: int) -> bool:
    """Whether ``step`` is newer than every one used before; it is used now."""
    moved = connection.execute(
        sa.update(_ACCOUNT).where(_ACCOUNT.c.id == account, _ACCOUNT.c.totp_step < step).values(totp_step=step)
    )
    return moved.rowcount == 1


def set_subject(connection: Connection, account: str, subject: str | None) -> None:
    """Bind an account to a provider's subject. Raises NotFoundError."""
    _update(connection, account, subject=subject)


def preferences(connection: Connection, account: str) -> dict[str, str]:
    """Everything a person set for himself."""
    rows = connection.execute(
        sa.select(_PREFERENCE.c.name, _PREFERENCE.c.value).where(_PREFERENCE.c.account == account)
    )
    return {name: value for name, value in rows}  # noqa: C416  # rows are not pairs to mypy


def prefer(connection: Connection, account: str, name: str, value: str) -> None:
    """Keep one setting of a person; "" forgets it. Raises MalformedError."""
    if not _NAME.fullmatch(name) or len(value) > PREFERENCE_CHARS:
        raise MalformedError("a setting has a short name in lower case and at most 8,000 characters")
    if value and value not in {"theme": THEMES, "keyboard": KEYBOARDS}.get(name, (value,)):
        raise MalformedError("this setting does not know this value")
    mine = sa.and_(_PREFERENCE.c.account == account, _PREFERENCE.c.name == name)
    connection.execute(sa.delete(_PREFERENCE).where(mine))
    if not value:
        return
    if len(preferences(connection, account)) >= PREFERENCES_MAX:
        raise MalformedError("a person keeps at most 100 settings")
    connection.execute(sa.insert(_PREFERENCE).values(account=account, name=name, value=value))


def _keep_an_admin(connection: Connection, *, without: str) -> None:
    others = [one for one in everybody(connection) if one.id != without and not one.disabled]
    was = by_id(connection, without)
    if Role.ADMIN in was.roles and not was.disabled and not any(Role.ADMIN in one.roles for one in others):
        raise LastAdminError("this is the last account that can make accounts")


def _update(connection: Connection, account: str, **values: object) -> None:
    changed = connection.execute(sa.update(_ACCOUNT).where(_ACCOUNT.c.id == account).values(values))
    if changed.rowcount != 1:
        raise NotFoundError("there is no such account")


def _row(connection: Connection, condition: sa.ColumnElement[bool]) -> Account | None:
    row = connection.execute(sa.select(_ACCOUNT).where(condition)).first()
    return None if row is None else _account(row)


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    value = row._mapping  # noqa: SLF001  # SQLAlchemy's public way to read a row by name
    return Account(**{**value, "roles": parse_roles(str(value["roles"]))})
