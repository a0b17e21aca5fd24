"""The fallback to passkeys: a long password with a six-digit code, and recovery codes.

Argon2id with the library's defaults takes 64 MiB and a quarter of a second, so one thread does all of it and few may
wait. An unknown name costs the same work and gets the same answer as a wrong password. Recovery codes carry 80 random
bits, so a plain SHA-256 is kept of them; each is good once.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final, TypeVar

import pyotp
import segno
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy.engine import Connection

from port2port.console.tables import RecoveryRow
from port2port.errors import BackpressureError, MalformedError, PolicyError

T = TypeVar("T")
PASSWORD_MIN: Final = 15
PASSWORD_MAX: Final = 200
RECOVERY_CODES: Final = 8
TOTP_STEP_S: Final = 30
WAITING_MAX: Final = 16
_RECOVERY_BYTES: Final = 10
_NO_SECRET: Final = "A" * 32  # judged where an account has none, and never accepted
_RECOVERY: Final = RecoveryRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


class SignInError(PolicyError):
    """Name, password or code are wrong; which of them is never said."""

    code = "SIGN_IN"

    def __init__(self) -> None:
        super().__init__("this combination is not right")


class Passwords:
    """Argon2id in one thread. Whoever makes it closes it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody = ""

    async def hash(self, password: str) -> str:
        """The stored spelling of a new password. Raises MalformedError where it is too short or too long."""
        if len(password) < PASSWORD_MIN:
            raise MalformedError(f"a password has at least {PASSWORD_MIN} characters; a sentence is good")
        if len(password) > PASSWORD_MAX:
            raise MalformedError(f"a password has at most {PASSWORD_MAX} characters")
        return await self._alone(lambda: self._hasher.hash(password))

    async def verify(self, stored: str, password: str) -> bool:
        """Whether ``password`` is the one behind ``stored``; "" is nobody's and costs the same work."""
        return await self._alone(lambda: self._verify(stored, password[: PASSWORD_MAX + 1]))

    def close(self) -> None:
        """Finish what waits."""
        self._thread.shutdown()

    def _verify(self, stored: str, password: str) -> bool:
        if not self._nobody:
            self._nobody = self._hasher.hash(secrets.token_urlsafe(16))
        try:
            return self._hasher.verify(stored or self._nobody, password) and bool(stored)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    async def _alone(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise BackpressureError("many people sign in right now; try again in a moment", delay_ms=2_000)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def new_totp_secret() -> str:
    """A new TOTP secret in base32 (RFC 6238, RFC 4648 section 6), 160 bits."""
    return pyotp.random_base32()


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The 30-second step whose code this is: now, the one before or the one after; None where it is none of them.

    Whoever accepts a step must remember it, so that the same code does not work twice.
    """
    current = int(now.timestamp()) // TOTP_STEP_S
    known = pyotp.TOTP(secret or _NO_SECRET)
    given = "".join(code.split())
    fitting = [step for step in (current - 1, current, current + 1) if _same(known.at(step * TOTP_STEP_S), given)]
    return fitting[-1] if fitting and secret else None


def totp_picture(secret: str, *, pseudonym: str, issuer: str) -> str:
    """The QR code that an authenticator application reads, as a data address for an image."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=pseudonym, issuer_name=issuer)
    return str(segno.make(uri, error="m", micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff"))


def new_recovery_codes(connection: Connection, account: str) -> list[str]:
    """Eight new codes, to be shown once; the ones before are good no more."""
    connection.execute(sa.delete(_RECOVERY).where(_RECOVERY.c.account == account))
    codes = [_spelled(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    connection.execute(sa.insert(_RECOVERY), [{"digest": _digest(account, code), "account": account} for code in codes])
    return codes


def recovery_codes_left(connection: Connection, account: str) -> int:
    """How many codes an account still has."""
    count = sa.select(sa.func.count()).select_from(_RECOVERY).where(_RECOVERY.c.account == account)
    return int(connection.execute(count).scalar_one())


def use_recovery_code(connection: Connection, account: str, code: str) -> bool:
    """Whether this was an unused code of the account; it is used now."""
    gone = connection.execute(sa.delete(_RECOVERY).where(_RECOVERY.c.digest == _digest(account, code)))
    return gone.rowcount == 1


def _spelled(raw: bytes) -> str:
    text = base64.b32encode(raw).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _digest(account: str, code: str) -> bytes:
    plain = "".join(char for char in code.lower() if char.isalnum())
    return sha256(f"recovery\0{account}\0{plain}".encode()).digest()


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(), other.encode())
