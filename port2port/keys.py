"""Signing keys: make, keep, name and check them.

Two schemes. ``ed25519`` (RFC 8032) is for machines, officers' key files and coordinators.
``webauthn-es256`` is an officer's passkey: the signature is an assertion whose challenge is the SHA-256 of
the message, as W3C Web Authentication Level 3 section 7.2 has it.

A key is known by its id, the SHA-256 of its SubjectPublicKeyInfo in DER; the id only looks the key up, and
trust comes from the roster. Whoever can write a private key file can at most stop its owner from signing;
whoever can read one can sign as its owner, so files that others may read are refused.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import stat
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from port2port import canonical
from port2port.errors import ConfigurationError, MalformedError, VerificationError
from port2port.limits import LIMITS

if TYPE_CHECKING:
    from pathlib import Path

Scheme = Literal["ed25519", "webauthn-es256"]
KeyClass = Literal["machine", "officer", "coordinator"]

KEY_FILE_BYTES: Final = 16 * 1024
_ED25519_BYTES: Final = 32
_RP_ID_CHARS: Final = 253
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_ATTESTED_OR_EXTENDED: Final = 0xC0
_AUTH_DATA_BYTES: Final = 37  # SHA-256 of the relying party id, flags, counter
SCRYPT_N: Final = 2**16  # 64 MiB for each guess at a passphrase; the openssl tool stops at 2**14
_OID_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_OID_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_OID_AES256_CBC: Final = bytes.fromhex("060960864801650304012a")
_URL_TO_STANDARD: Final = str.maketrans("-_", "+/")
_ASSERTION_KEYS: Final = {"authenticatorData", "clientDataJSON", "signature"}


class SignatureError(VerificationError):
    """A signature does not hold for the key, the message or the rules of its scheme."""

    code = "BAD_SIGNATURE"


class SigningKey(Protocol):
    """Something that signs: a file key, or a device behind the same face.

    ``public`` is what ``PublicKey.public`` holds for the scheme; ``sign`` may raise UnavailableError.
    """

    @property
    def key_id(self) -> str: ...
    @property
    def scheme(self) -> Scheme: ...
    @property
    def public(self) -> bytes: ...
    def sign(self, message: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key as the roster has it.

    ``public`` is the 32 bytes of RFC 8032 for Ed25519 and the SubjectPublicKeyInfo in DER for a passkey,
    which also has the relying party it was made for. Raises MalformedError where the parts do not fit together.
    """

    key_id: str
    scheme: Scheme
    key_class: KeyClass
    public: bytes
    rp_id: str | None = None

    def __post_init__(self) -> None:
        if self.key_class not in get_args(KeyClass):
            raise MalformedError("a key is of class machine, officer or coordinator")
        if self.key_id != key_id_of(self.public, scheme=self.scheme):
            raise MalformedError("the key id is not the SHA-256 of the key")
        if (self.scheme == "webauthn-es256") != (self.rp_id is not None):
            raise MalformedError("a passkey, and only a passkey, names its relying party")
        if self.rp_id is not None and not _is_host(self.rp_id):
            raise MalformedError("a relying party is a lower-case host name")
        if self.scheme == "webauthn-es256" and self.key_class == "machine":
            raise MalformedError("a passkey asks for a person and cannot be a machine's key")

    def to_json(self) -> dict[str, canonical.Json]:
        """The form in statements: ``public`` in base64, ``rp_id`` only where there is one."""
        value: dict[str, canonical.Json] = {
            "key_id": self.key_id,
            "scheme": self.scheme,
            "key_class": self.key_class,
            "public": base64.b64encode(self.public).decode(),
        }
        if self.rp_id is not None:
            value["rp_id"] = self.rp_id
        return value

    @classmethod
    def from_json(cls, value: object) -> PublicKey:
        """The reverse of ``to_json``; unknown and missing members are refused. Raises MalformedError."""
        if not isinstance(value, dict) or set(value) - {"rp_id"} != {
            "key_id",
            "scheme",
            "key_class",
            "public",
        }:
            raise MalformedError("a key has key_id, scheme, key_class, public and perhaps rp_id")
        if not all(isinstance(item, str) for item in value.values()):
            raise MalformedError("the members of a key are strings")
        public = base64_exact(value["public"])
        return cls(
            key_id=value["key_id"],
            scheme=value["scheme"],
            key_class=value["key_class"],
            public=public,
            rp_id=value.get("rp_id"),
        )


class Ed25519Key:
    """An Ed25519 private key held in memory."""

    __slots__ = ("_key", "key_id", "public")

    scheme: Scheme = "ed25519"

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: bytes = key.public_key().public_bytes_raw()
        self.key_id: str = key_id_of(self.public)

    def __repr__(self) -> str:
        return f"<Ed25519Key {self.key_id[:16]}>"

    def sign(self, message: bytes, /) -> bytes:
        return self._key.sign(message)

    def record(self, key_class: KeyClass) -> PublicKey:
        """The public half, for the roster."""
        return PublicKey(key_id=self.key_id, scheme="ed25519", key_class=key_class, public=self.public)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS #8 in PEM (RFC 5958, RFC 7468); with a passphrase encrypted under scrypt and AES-256-CBC."""
        if passphrase is None:
            return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        plain = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return _encrypt_pkcs8(plain, passphrase)


def generate() -> Ed25519Key:
    """A new key from the system's random source."""
    return Ed25519Key(Ed25519PrivateKey.generate())


def from_seed(seed: bytes) -> Ed25519Key:
    """The key of a 32-byte RFC 8032 seed: for vectors and tests, whose keys must not be secret."""
    if len(seed) != _ED25519_BYTES:
        raise MalformedError("an Ed25519 seed has 32 bytes")
    return Ed25519Key(Ed25519PrivateKey.from_private_bytes(seed))


def key_id_of(public: bytes, *, scheme: Scheme = "ed25519") -> str:
    """Lower-case hex of the SHA-256 over the SubjectPublicKeyInfo in DER. Raises MalformedError."""
    if scheme == "ed25519":
        return sha256(_ed25519_spki(public)).hexdigest()
    if scheme == "webauthn-es256":
        _p256(public)
        return sha256(public).hexdigest()
    raise MalformedError("a key is of scheme ed25519 or webauthn-es256")


def save(key: Ed25519Key, path: Path, passphrase: bytes | None = None) -> None:
    """Write a new key file, for its owner alone: whole or not at all, and never over an existing one.

    Raises ConfigurationError where ``path`` exists or cannot be written, or the passphrase is empty.
    """
    if passphrase is not None and not passphrase:
        raise ConfigurationError("the passphrase of a key file is empty")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_synced(draft, key.to_pem(passphrase))
        try:
            os.link(draft, path)  # unlike rename, fails where the name is taken
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except FileExistsError as error:
        raise ConfigurationError("a key file of this name exists already; it is never overwritten") from error
    except OSError as error:
        raise ConfigurationError(f"cannot write the key file {path.name}: {error.strerror}") from error


def load(path: Path, passphrase: bytes | None = None) -> Ed25519Key:
    """Read a key file that only its owner may read.

    Raises ConfigurationError: not there, open to others, another kind of key, passphrase wrong or missing.
    """
    pem = _read_private(path)
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:
        wrong = "is encrypted; give its passphrase" if not passphrase else "has no use for this passphrase"
        raise ConfigurationError(f"the key file {path.name} {wrong}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"the key file {path.name} is damaged or the passphrase wrong") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"the key file {path.name} does not hold an Ed25519 key")
    return Ed25519Key(key)


def verify(record: PublicKey, message: bytes, signature: bytes) -> None:
    """That ``signature`` over ``message`` was made with the key of ``record``. Raises SignatureError."""
    if record.rp_id is None:
        verify_ed25519(record.public, message, signature)
    else:
        _verify_assertion(record.public, record.rp_id, message, signature)


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """RFC 8032 section 5.1.7 with the raw public key. Raises SignatureError."""
    try:
        _ed25519(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("the Ed25519 signature does not hold") from error


def assertion_signature(*, authenticator_data: bytes, client_data: bytes, signature: bytes) -> bytes:
    """What a browser's assertion becomes in an envelope: canonical JSON, the signature with the lower s.

    ECDSA has two valid signatures for each; we admit one, so that a relay cannot make another envelope.
    Raises SignatureError where ``signature`` is not in DER.
    """
    r, s = _decode_dss(signature)
    low = encode_dss_signature(r, min(s, _P256_ORDER - s))
    parts = {"authenticatorData": authenticator_data, "clientDataJSON": client_data, "signature": low}
    return canonical.dumps({name: _base64url(part) for name, part in parts.items()})


def base64_exact(text: object) -> bytes:
    """Standard base64 (RFC 4648 section 4) in its one spelling: padded, no spare bits.

    Raises MalformedError.
    """
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not standard base64") from error
    if base64.b64encode(raw).decode() != text:
        raise MalformedError("base64 that is not in its one spelling")
    return raw


def challenge_of(message: bytes) -> str:
    """The WebAuthn challenge for signing ``message``, in the spelling of clientDataJSON."""
    return _base64url(sha256(message).digest())


def _verify_assertion(public: bytes, rp_id: str, message: bytes, signature: bytes) -> None:
    """WebAuthn Level 3 section 7.2, the steps that make sense without a session; the numbers are ours."""
    parts = _parse_assertion(signature)  # 1. three parts, one spelling, bounded
    _check_client_data(parts["clientDataJSON"], challenge_of(message))  # 2. made for this very message
    _check_authenticator_data(parts["authenticatorData"], rp_id)  # 3. for our relying party, by a verified person
    signed = parts["authenticatorData"] + sha256(parts["clientDataJSON"]).digest()
    _, s = _decode_dss(parts["signature"])
    if s > _P256_ORDER // 2:  # 4. the one spelling of the signature that we admit
        raise SignatureError("the passkey's signature is not in its lower form")
    try:  # 5. by the rostered key
        _p256(public).verify(parts["signature"], signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise SignatureError("the passkey's signature does not hold") from error


def _parse_assertion(signature: bytes) -> dict[str, bytes]:
    try:
        value = canonical.loads_object(signature, limit=LIMITS.signature_bytes)
    except MalformedError as error:
        raise SignatureError("the assertion is not canonical JSON within its bound") from error
    if set(value) != _ASSERTION_KEYS:
        raise SignatureError("an assertion has authenticatorData, clientDataJSON and signature")
    try:
        return {name: _base64url_decode(part) for name, part in value.items()}
    except MalformedError as error:
        raise SignatureError("the parts of an assertion are base64url without padding") from error


def _check_client_data(raw: bytes, challenge: str) -> None:
    """Section 7.2, steps on type, challenge, origin and crossOrigin of CollectedClientData (5.8.1)."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError, MalformedError) as error:
        raise SignatureError("clientDataJSON is not JSON with distinct keys") from error
    if not isinstance(value, dict) or value.get("type") != "webauthn.get":
        raise SignatureError("clientDataJSON is not of an assertion")
    if value.get("challenge") != challenge:
        raise SignatureError("the passkey signed another message")
    if not _is_secure_origin(value.get("origin")):
        raise SignatureError("the passkey was used outside a secure origin")
    if value.get("crossOrigin", False) is not False:
        raise SignatureError("the passkey was used from within another site")


def _check_authenticator_data(raw: bytes, rp_id: str) -> None:
    """Section 7.2 steps on rpIdHash and flags, over the layout of section 6.1."""
    if len(raw) < _AUTH_DATA_BYTES:
        raise SignatureError("authenticatorData is too short")
    flags = raw[32]
    if len(raw) != _AUTH_DATA_BYTES and not flags & _ATTESTED_OR_EXTENDED:
        raise SignatureError("authenticatorData is longer than its flags say")
    if raw[:32] != sha256(rp_id.encode()).digest():
        raise SignatureError("the passkey was used for another relying party")
    if not flags & _USER_PRESENT or not flags & _USER_VERIFIED:
        raise SignatureError("the passkey did not verify a person")


def _is_secure_origin(origin: object) -> bool:
    """https, or the loopback name in a development set-up; which host is the relying party's to say."""
    if not isinstance(origin, str):
        return False
    local = origin == "http://localhost" or origin.startswith("http://localhost:")
    return local or (origin.startswith("https://") and len(origin) > len("https://"))


def _is_host(text: str) -> bool:
    labels = text.split(".")
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return len(text) <= _RP_ID_CHARS and all(label and set(label) <= allowed for label in labels)


def _decode_dss(signature: bytes) -> tuple[int, int]:
    try:
        r, s = decode_dss_signature(signature)
    except ValueError as error:
        raise SignatureError("the passkey's signature is not in DER") from error
    if not (0 < r < _P256_ORDER and 0 < s < _P256_ORDER) or encode_dss_signature(r, s) != signature:
        raise SignatureError("the passkey's signature is out of range or not in DER")
    return r, s


def _ed25519_spki(public: bytes) -> bytes:
    if len(public) != _ED25519_BYTES:
        raise MalformedError("an Ed25519 public key has 32 bytes")
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=1_024)
def _ed25519(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def _p256(spki: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("a passkey's public key is a SubjectPublicKeyInfo in DER") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("a passkey's public key is on the curve P-256")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise MalformedError("a passkey's public key has one spelling only")
    return key


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedError("a key of a JSON object is given twice")
    return value


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _base64url_decode(text: object) -> bytes:
    """RFC 4648 section 5 without padding, in its one spelling. Raises MalformedError."""
    if not isinstance(text, str) or set(text) & set("+/="):
        raise MalformedError("not base64url without padding")
    return base64_exact(text.translate(_URL_TO_STANDARD) + "=" * (-len(text) % 4))


def _encrypt_pkcs8(plain: bytes, passphrase: bytes) -> bytes:
    """EncryptedPrivateKeyInfo (RFC 5958 section 3) with PBES2 (RFC 8018 section 6.2) and scrypt (RFC 7914).

    Written out here because the library's own PKCS #8 encryption stops at 2,048 rounds of PBKDF2.
    """
    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    secret = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=8, p=1).derive(passphrase)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(secret), modes.CBC(vector)).encryptor()
    sealed = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    numbers = (_der_integer(SCRYPT_N), _der_integer(8), _der_integer(1), _der_integer(32))
    derivation = _der(0x30, _OID_SCRYPT, _der(0x30, _der(0x04, salt), *numbers))
    scheme = _der(0x30, _OID_AES256_CBC, _der(0x04, vector))
    info = _der(0x30, _OID_PBES2, _der(0x30, derivation, scheme))
    body = base64.encodebytes(_der(0x30, info, _der(0x04, sealed))).replace(b"\n", b"")
    lines = b"\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    label = b"ENCRYPTED PRIVATE KEY"  # RFC 7468, section 11
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, lines, label)


def _der(tag: int, *parts: bytes) -> bytes:
    """One DER element (X.690 section 8.1.3) of at most 255 bytes of content, enough for a key of ours."""
    content = b"".join(parts)
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def _der_integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _write_synced(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner may read, judged on the open file so that nobody swaps it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > KEY_FILE_BYTES:
                raise ConfigurationError(f"{path.name} is not a key file")
            if status.st_mode & 0o077:
                raise ConfigurationError(f"others may read the key file {path.name}: chmod 600 it")
            return os.read(handle, KEY_FILE_BYTES)
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigurationError(f"cannot read the key file {path.name}: {error.strerror}") from error
