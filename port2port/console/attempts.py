"""How often somebody may try: in the database, so that it holds over replicas and restarts.

An account allows five tries, then each failure closes it for twice as long as the one before, up to 15 minutes;
nothing is closed for ever. An address may try 30 times a minute. A try is charged before it is judged, so that tries
at the same moment are not free. Names that do not exist are charged like names that do.

Who keeps trying somebody's name elsewhere does not lock him out at his own desk: tries from an address where the name
signed in within 30 days are counted for that name at that address alone, and all others together. Passkeys are not
limited by name at all.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from port2port.clock import to_ms
from port2port.console.tables import AttemptRow
from port2port.errors import UnavailableError

FREE_TRIES: Final = 5
FIRST_DELAY_S: Final = 5
KEY_FILE_TRIES: Final = 3
KEY_FILE_TRIES_ANYWHERE: Final = 6
LONGEST_DELAY_S: Final = 15 * 60
ADDRESS_TRIES: Final = 30
ADDRESS_WINDOW_MS: Final = 60_000
FORGOTTEN_MS: Final = 24 * 3_600_000  # a quiet day, and an account starts anew
KNOWN_MS: Final = 30 * 24 * 3_600_000  # how long an address is remembered as one where a name signed in
_ATTEMPT: Final = AttemptRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


class TooManyTriesError(UnavailableError):
    """Too many tries; ``delay_s`` says when the next one is judged."""

    code = "TOO_MANY_TRIES"

    def __init__(self, delay_s: int) -> None:
        super().__init__("too many tries; wait and try again", delay_s=delay_s)
        self.delay_s = delay_s


def charge_address(connection: Connection, address: str, now: datetime) -> None:
    """Count a try from an address. Raises TooManyTriesError."""
    subject, moment = _digest("address", address), to_ms(now)
    row = _row(connection, subject)
    if row is None or moment - row.since_ms >= ADDRESS_WINDOW_MS:
        _keep(connection, subject, tries=1, since_ms=moment, closed_until_ms=0)
    elif row.tries >= ADDRESS_TRIES:
        raise TooManyTriesError(_seconds(row.since_ms + ADDRESS_WINDOW_MS - moment))
    else:
        _keep(connection, subject, tries=row.tries + 1, since_ms=row.since_ms, closed_until_ms=0)


def charge_account(connection: Connection, name: str, address: str, now: datetime) -> None:
    """Count a try at a name, as if it failed; ``clear`` takes it back. Raises TooManyTriesError."""
    moment = to_ms(now)
    _charge(connection, _account(connection, name, address, moment), moment, FREE_TRIES)


def charge_key_file(connection: Connection, person: str, address: str, now: datetime) -> None:
    """Count a try at opening a person's key file; ``clear_key_file`` takes it back. Raises TooManyTriesError.

    A machine has three tries for each person, and a person six at all machines together.
    """
    for (kind, name), free in _key_file(person, address).items():
        _charge(connection, _digest(kind, name), to_ms(now), free)


def clear_key_file(connection: Connection, person: str, address: str) -> None:
    """The file opened: the failures before it are forgotten."""
    for kind, name in _key_file(person, address):
        connection.execute(sa.delete(_ATTEMPT).where(_ATTEMPT.c.subject == _digest(kind, name)))


def clear(connection: Connection, name: str, address: str, now: datetime) -> None:
    """The try at a name succeeded: its failures are forgotten, and the address is one of its own from now on."""
    moment = to_ms(now)
    charged = _account(connection, name, address, moment)
    connection.execute(sa.delete(_ATTEMPT).where(_ATTEMPT.c.subject == charged))
    _keep(connection, _known(name, address), tries=0, since_ms=moment, closed_until_ms=moment + KNOWN_MS)


def delay_s(failures: int, free: int = FREE_TRIES) -> int:
    """How long an account stays closed after its n-th failure in a row, in seconds."""
    if failures < free:
        return 0
    doublings = min(failures - free, 16)
    return int(min(FIRST_DELAY_S * 2**doublings, LONGEST_DELAY_S))


def sweep(connection: Connection, now: datetime) -> int:
    """Forget what no longer limits anybody; the answer is how many rows."""
    moment = to_ms(now)
    old = sa.and_(_ATTEMPT.c.since_ms <= moment - FORGOTTEN_MS, _ATTEMPT.c.closed_until_ms <= moment)
    return connection.execute(sa.delete(_ATTEMPT).where(old)).rowcount


def _account(connection: Connection, name: str, address: str, moment: int) -> bytes:
    """What a try at a name counts for: the name at this address where it signed in before, else the name at large."""
    row = _row(connection, _known(name, address))
    if row is not None and moment < row.closed_until_ms:
        return _digest("account at", f"{name.lower()}\0{address}")
    return _digest("account", name.lower())


def _known(name: str, address: str) -> bytes:
    return _digest("known", f"{name.lower()}\0{address}")


def _charge(connection: Connection, subject: bytes, moment: int, free: int) -> None:
    row = _row(connection, subject)
    if row is None or moment - row.since_ms >= FORGOTTEN_MS:
        _keep(connection, subject, tries=1, since_ms=moment, closed_until_ms=0)
        return
    if moment < row.closed_until_ms:
        raise TooManyTriesError(_seconds(row.closed_until_ms - moment))
    tries = row.tries + 1
    _keep(connection, subject, tries=tries, since_ms=moment, closed_until_ms=moment + 1_000 * delay_s(tries, free))


def _key_file(person: str, address: str) -> dict[tuple[str, str], int]:
    """What is counted, and how many tries are free."""
    return {
        ("key file here", f"{person}\0{address}"): KEY_FILE_TRIES,
        ("key file", person): KEY_FILE_TRIES_ANYWHERE,
    }


def _row(connection: Connection, subject: bytes) -> sa.Row[tuple[int, int, int]] | None:
    columns = (_ATTEMPT.c.tries, _ATTEMPT.c.since_ms, _ATTEMPT.c.closed_until_ms)
    query = sa.select(*columns).where(_ATTEMPT.c.subject == subject).with_for_update()
    return connection.execute(query).first()


def _keep(connection: Connection, subject: bytes, **values: int) -> None:
    connection.execute(sa.delete(_ATTEMPT).where(_ATTEMPT.c.subject == subject))
    connection.execute(sa.insert(_ATTEMPT).values(subject=subject, **values))


def _digest(kind: str, text: str) -> bytes:
    return sha256(f"{kind}\0{text}".encode()).digest()


def _seconds(milliseconds: int) -> int:
    return max(1, -(-milliseconds // 1_000))
