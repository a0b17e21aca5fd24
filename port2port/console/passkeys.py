"""Passkeys: made, kept and used. One is a way in and, once the roster has it, an officer's signature.

Only ES256 is enrolled, because the roster takes keys on P-256; the device must keep the key by itself
(discoverable) and must have verified its person. Numbers refer to W3C Web Authentication Level 3.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
import webauthn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.engine import Connection
from webauthn.helpers import base64url_to_bytes, decode_credential_public_key
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import DecodedEC2PublicKey
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from port2port import keys
from port2port.clock import to_ms
from port2port.console import challenges
from port2port.console.tables import PasskeyRow
from port2port.errors import ConflictError, MalformedError, NotFoundError, VerificationError

ANSWER_BYTES: Final = 16 * 1024
PASSKEYS_MAX: Final = 20
TIMEOUT_MS: Final = 120_000
_NAME_CHARS: Final = 60
_PASSKEY: Final = PasskeyRow.__table__  # type: ignore[attr-defined]  # set by SQLModel


class PasskeyError(VerificationError):
    """A passkey's answer does not hold."""

    code = "PASSKEY"


class PasskeyTakenError(ConflictError):
    """This passkey is enrolled already."""

    code = "PASSKEY_TAKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relying:
    """This console as browsers know it: its origin, and the host name that passkeys are bound to."""

    origin: str
    name: str = "Port 2 Port"

    @property
    def rp_id(self) -> str:
        """The host name of the origin."""
        return urlsplit(self.origin).hostname or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose passkey is being made; the account itself may be made only afterwards."""

    account: str
    pseudonym: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """An enrolled passkey."""

    credential: bytes
    account: str
    key_id: str
    public: bytes
    rp_id: str
    name: str
    counter: int
    synced: bool
    created_ms: int
    used_ms: int | None

    @property
    def record(self) -> keys.PublicKey:
        """The key as the roster has it."""
        return keys.PublicKey(
            key_id=self.key_id, scheme="webauthn-es256", key_class="officer", public=self.public, rp_id=self.rp_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a browser hands back after ``navigator.credentials.get``; nothing in it is believed yet."""

    credential: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes


def enrol_options(connection: Connection, holder: Holder, relying: Relying, *, ticket: str, now: datetime) -> str:
    """Options in JSON for ``navigator.credentials.create`` (5.4); ``ticket`` finds the challenge again."""
    challenge = secrets.token_bytes(32)
    challenges.give(connection, name=ticket, purpose="enrol", account=holder.account, challenge=challenge, now=now)
    options = webauthn.generate_registration_options(
        rp_id=relying.rp_id,
        rp_name=relying.name,
        user_id=bytes.fromhex(holder.account),
        user_name=holder.pseudonym,
        user_display_name=holder.pseudonym,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=one.credential) for one in of_account(connection, holder.account)
        ],
    )
    return webauthn.options_to_json(options)


def enrol(
    connection: Connection, holder: Holder, relying: Relying, *, ticket: str, answer: str, name: str, now: datetime
) -> Passkey:
    """Keep the passkey that a browser just made (7.1). Raises PasskeyError, PasskeyTakenError, ChallengeError."""
    given = challenges.take(connection, name=ticket, purpose="enrol", account=holder.account, now=now)
    verified = _verify_registration(answer, given.challenge, relying)
    public = _spki(verified.credential_public_key)
    if len(of_account(connection, holder.account)) >= PASSKEYS_MAX:
        raise ConflictError("remove a passkey first: an account has at most 20")
    key_id = keys.key_id_of(public, scheme="webauthn-es256")
    if _rows(connection, sa.or_(_PASSKEY.c.credential == verified.credential_id, _PASSKEY.c.key_id == key_id)):
        raise PasskeyTakenError("this passkey is enrolled already")
    made = Passkey(
        credential=verified.credential_id,
        account=holder.account,
        key_id=key_id,
        public=public,
        rp_id=relying.rp_id,
        name=_name(name),
        counter=verified.sign_count,
        synced=verified.credential_backed_up,
        created_ms=to_ms(now),
        used_ms=None,
    )
    connection.execute(sa.insert(_PASSKEY).values(asdict(made)))
    return made


def sign_in_options(connection: Connection, relying: Relying, *, ticket: str, now: datetime) -> str:
    """Options in JSON for ``navigator.credentials.get`` (5.5): no name is asked, the device knows the account."""
    nonce = secrets.token_bytes(32)
    challenges.give(connection, name=ticket, purpose="sign-in", account="", challenge=nonce, now=now)
    return get_options(relying, challenge=sha256(nonce).digest())


def sign_in(connection: Connection, relying: Relying, *, ticket: str, answer: str, now: datetime) -> Passkey:
    """The passkey that answered (7.2). Raises PasskeyError, ChallengeError, MalformedError."""
    given = challenges.take(connection, name=ticket, purpose="sign-in", account="", now=now)
    parsed = parse_answer(answer)
    passkey = by_credential(connection, parsed.credential)
    if passkey is None:
        raise PasskeyError("this passkey is not known here")
    check(connection, passkey, relying, message=given.challenge, answer=parsed, now=now)
    return passkey


def get_options(relying: Relying, *, challenge: bytes, allowed: list[Passkey] | None = None) -> str:
    """Options in JSON for ``navigator.credentials.get`` over exactly this challenge."""
    options = webauthn.generate_authentication_options(
        rp_id=relying.rp_id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one.credential) for one in allowed or []],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def check(
    connection: Connection, passkey: Passkey, relying: Relying, *, message: bytes, answer: Answer, now: datetime
) -> bytes:
    """That ``answer`` is this passkey's over the SHA-256 of ``message``; the result is a signature for an envelope.

    The steps that every reader repeats are those of ``keys.verify``; two more need this console. Raises PasskeyError.
    """
    try:
        signature = keys.assertion_signature(
            authenticator_data=answer.authenticator_data, client_data=answer.client_data, signature=answer.signature
        )
        keys.verify(passkey.record, message, signature)  # 1. made by this key, over this message, by a verified person
    except keys.SignatureError as error:
        raise PasskeyError("the passkey's answer does not hold") from error
    if json.loads(answer.client_data).get("origin") != relying.origin:  # 2. at this very address (7.2 step 13)
        raise PasskeyError("the passkey was used at another address")
    counter = int.from_bytes(answer.authenticator_data[33:37], "big")
    if (counter or passkey.counter) and counter <= passkey.counter:  # 3. by no copy of the key (7.2 step 22)
        raise PasskeyError("the passkey counts backwards, as a copy would")
    connection.execute(
        sa.update(_PASSKEY)
        .where(_PASSKEY.c.credential == passkey.credential)
        .values(counter=counter, used_ms=to_ms(now))
    )
    return signature


def parse_answer(text: str) -> Answer:
    """The JSON of ``PublicKeyCredential.toJSON()`` (5.1.8). Raises MalformedError for anything else."""
    if len(text) > ANSWER_BYTES:
        raise MalformedError("a passkey's answer is short")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError("a passkey's answer is JSON") from error
    response = value.get("response") if isinstance(value, dict) else None
    if not isinstance(response, dict):
        raise MalformedError("a passkey's answer has a response")
    return Answer(
        credential=_bytes(value.get("id")),
        authenticator_data=_bytes(response.get("authenticatorData")),
        client_data=_bytes(response.get("clientDataJSON")),
        signature=_bytes(response.get("signature")),
    )


def of_account(connection: Connection, account: str) -> list[Passkey]:
    """The passkeys of an account, oldest first."""
    return _rows(connection, _PASSKEY.c.account == account)


def by_credential(connection: Connection, credential: bytes) -> Passkey | None:
    """The passkey with this credential id, or None."""
    found = _rows(connection, _PASSKEY.c.credential == credential)
    return found[0] if found else None


def rename(connection: Connection, account: str, key_id: str, name: str) -> None:
    """Give one of an account's passkeys another name. Raises NotFoundError, MalformedError."""
    mine = sa.and_(_PASSKEY.c.account == account, _PASSKEY.c.key_id == key_id)
    if connection.execute(sa.update(_PASSKEY).where(mine).values(name=_name(name))).rowcount != 1:
        raise NotFoundError("there is no such passkey")


def remove(connection: Connection, account: str, key_id: str) -> None:
    """Forget one of an account's passkeys; what it signed stays signed. Raises NotFoundError."""
    mine = sa.and_(_PASSKEY.c.account == account, _PASSKEY.c.key_id == key_id)
    if connection.execute(sa.delete(_PASSKEY).where(mine)).rowcount != 1:
        raise NotFoundError("there is no such passkey")


def _verify_registration(answer: str, challenge: bytes, relying: Relying) -> VerifiedRegistration:
    if len(answer) > ANSWER_BYTES:
        raise PasskeyError("a passkey's answer is short")
    try:
        return webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=relying.rp_id,
            expected_origin=relying.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise PasskeyError("the new passkey's answer does not hold") from error


def _spki(cose: bytes) -> bytes:
    """A COSE key (RFC 9053 section 7.1.1) on P-256 as SubjectPublicKeyInfo in DER. Raises PasskeyError."""
    decoded = decode_credential_public_key(cose)
    if not isinstance(decoded, DecodedEC2PublicKey) or decoded.crv != 1:
        raise PasskeyError("only passkeys on the curve P-256 are enrolled")
    x, y = int.from_bytes(decoded.x, "big"), int.from_bytes(decoded.y, "big")
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise PasskeyError("the new passkey's key is not on its curve") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _rows(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Passkey]:
    rows = connection.execute(sa.select(_PASSKEY).where(condition).order_by(_PASSKEY.c.created_ms, _PASSKEY.c.key_id))
    return [Passkey(**row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public way to read a row by name


def _name(text: str) -> str:
    name = "".join(char for char in text.strip() if char.isprintable())[:_NAME_CHARS]
    return name or "passkey"


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise MalformedError("a passkey's answer is in base64url")
    try:
        return base64url_to_bytes(text)
    except ValueError as error:
        raise MalformedError("a passkey's answer is in base64url") from error
