"""Step-up: a person confirms one act with a passkey, over the digest of exactly what was shown.

The challenge is that digest itself, so that the assertion is the officer's signature: it goes into the envelope and
every reader verifies it with the key of the roster. A single-use row, bound to person, purpose and digest for five
minutes, keeps the browser from confirming what this console did not ask.

``challenge`` and ``redeem`` are for statements, which are unique by themselves. ``ask`` and ``confirm`` are for
everything else: they add a nonce, so that an old confirmation of the same act cannot be given twice.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.engine import Connection

from port2port import canonical, keys
from port2port.console import challenges, passkeys
from port2port.console.passkeys import PasskeyError, Relying
from port2port.console.people import Person
from port2port.errors import InvariantError, PolicyError

_DIGEST_BYTES: Final = 32
_CONTEXT: Final = b"port2port-confirm-v1\0"


class NoPasskeyError(PolicyError):
    """The person has no passkey for this address, so he can confirm nothing here."""

    code = "NO_PASSKEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """A confirmation that holds: ``signature`` over ``message`` by ``key``, checkable by anybody with that key."""

    key: keys.PublicKey
    message: bytes
    signature: bytes


def challenge(
    connection: Connection,
    person: Person,
    *,
    purpose: str,
    digest: bytes,
    relying: Relying,
    now: datetime,
    key_id: str = "",
) -> str:
    """Options in JSON for the browser to sign exactly ``digest``, the SHA-256 of the message. Raises NoPasskeyError.

    Where ``key_id`` is given, that passkey alone is asked; whether it was that one, ``StepUp.key`` says.
    """
    return _open(
        connection,
        person,
        purpose=purpose,
        name=digest.hex(),
        challenge=digest,
        relying=relying,
        now=now,
        key_id=key_id,
    )


def redeem(
    connection: Connection,
    person: Person,
    *,
    purpose: str,
    message: bytes,
    answer: str,
    relying: Relying,
    now: datetime,
) -> StepUp:
    """The confirmation of ``message`` that ``challenge`` asked for, once.

    Raises ChallengeError, PasskeyError, MalformedError; then nothing is confirmed and the caller's transaction ends.
    """
    name = sha256(message).hexdigest()
    challenges.take(connection, name=name, purpose=_purpose(purpose), account=person.account, now=now)
    return _check(connection, person, message=message, answer=answer, relying=relying, now=now)


def ask(
    connection: Connection,
    person: Person,
    *,
    purpose: str,
    facts: dict[str, canonical.Json],
    relying: Relying,
    now: datetime,
) -> str:
    """Options in JSON for the browser to confirm an act with these facts. Raises NoPasskeyError."""
    nonce = secrets.token_hex(16)
    name = sha256(canonical.dumps(facts)).hexdigest()
    digest = sha256(_document(person, purpose, facts, nonce)).digest()
    return _open(
        connection, person, purpose=purpose, name=name, challenge=digest, relying=relying, now=now, facts=nonce
    )


def confirm(
    connection: Connection,
    person: Person,
    *,
    purpose: str,
    facts: dict[str, canonical.Json],
    answer: str,
    relying: Relying,
    now: datetime,
) -> StepUp:
    """The confirmation that ``ask`` asked for, once. Raises as ``redeem``."""
    name = sha256(canonical.dumps(facts)).hexdigest()
    given = challenges.take(connection, name=name, purpose=_purpose(purpose), account=person.account, now=now)
    message = _document(person, purpose, facts, given.facts)
    return _check(connection, person, message=message, answer=answer, relying=relying, now=now)


def can(connection: Connection, person: Person, relying: Relying) -> bool:
    """Whether the person has a passkey to confirm with at this address."""
    return bool(_usable(connection, person, relying))


def _open(
    connection: Connection,
    person: Person,
    *,
    purpose: str,
    name: str,
    challenge: bytes,
    relying: Relying,
    now: datetime,
    facts: str = "",
    key_id: str = "",
) -> str:
    if len(challenge) != _DIGEST_BYTES:
        raise InvariantError("a step-up is over a SHA-256")
    allowed = [one for one in _usable(connection, person, relying) if key_id in {"", one.key_id}]
    if not allowed:
        raise NoPasskeyError("enrol a passkey first: this act is confirmed with one")
    challenges.give(
        connection,
        name=name,
        purpose=_purpose(purpose),
        account=person.account,
        challenge=challenge,
        now=now,
        facts=facts,
    )
    return passkeys.get_options(relying, challenge=challenge, allowed=allowed)


def _check(
    connection: Connection, person: Person, *, message: bytes, answer: str, relying: Relying, now: datetime
) -> StepUp:
    parsed = passkeys.parse_answer(answer)
    passkey = passkeys.by_credential(connection, parsed.credential)
    if passkey is None or passkey.account != person.account:
        raise PasskeyError("this passkey is not yours")
    signature = passkeys.check(connection, passkey, relying, message=message, answer=parsed, now=now)
    return StepUp(key=passkey.record, message=message, signature=signature)


def _usable(connection: Connection, person: Person, relying: Relying) -> list[passkeys.Passkey]:
    return [one for one in passkeys.of_account(connection, person.account) if one.rp_id == relying.rp_id]


def _document(person: Person, purpose: str, facts: dict[str, canonical.Json], nonce: str) -> bytes:
    who: dict[str, canonical.Json] = {"account": person.account, "pseudonym": person.pseudonym}
    return _CONTEXT + canonical.dumps({"facts": facts, "nonce": nonce, "purpose": purpose, "who": who})


def _purpose(purpose: str) -> str:
    return f"step-up {purpose}"
