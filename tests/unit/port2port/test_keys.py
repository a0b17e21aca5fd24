"""Keys are kept safely, named by their digest, and vouch for exactly what they signed."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import keys
from port2port.errors import ConfigurationError, MalformedError, VerificationError
from port2port.keys import PublicKey, SignatureError
from tests.fakes.examples import many
from tests.fakes.passkey import USER_PRESENT, USER_VERIFIED, Passkey

MESSAGE = b"what was decided at the desk"
PASSKEY = Passkey()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# RFC 8032 section 7.1, TEST 2.
RFC8032_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC8032_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
RFC8032_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def holds(record: PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        keys.verify(record, message, signature)
    except SignatureError:
        return False
    return True


def test_ed25519_signatures_are_those_of_rfc_8032() -> None:
    key = keys.from_seed(RFC8032_SEED)
    assert key.public.hex() == RFC8032_PUBLIC
    assert key.sign(b"\x72").hex() == RFC8032_SIGNATURE
    keys.verify(key.record("machine"), b"\x72", bytes.fromhex(RFC8032_SIGNATURE))


def test_a_key_id_is_the_digest_of_the_subject_public_key_info() -> None:
    key = keys.from_seed(RFC8032_SEED)
    spki = Ed25519PublicKey.from_public_bytes(key.public).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.key_id == keys.key_id_of(key.public) == sha256(spki).hexdigest()
    assert PASSKEY.key_id == sha256(PASSKEY.public).hexdigest()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda m, s: (m + b".", s), id="another message"),
        pytest.param(lambda m, s: (m, bytes([s[0] ^ 1]) + s[1:]), id="another R"),
        pytest.param(lambda m, s: (m, s[:-1]), id="short"),
        pytest.param(lambda m, s: (m, s + b"\x00"), id="long"),
        pytest.param(lambda m, s: (m, b""), id="none"),
        pytest.param(
            lambda m, s: (m, s[:32] + (int.from_bytes(s[32:], "little") + ORDER).to_bytes(32, "little")),
            id="malleable: S plus the group order",
        ),
    ],
)
def test_an_ed25519_signature_holds_for_one_message_only(spoil: Callable[[bytes, bytes], tuple[bytes, bytes]]) -> None:
    key = keys.from_seed(RFC8032_SEED)
    assert holds(key.record("machine"), MESSAGE, key.sign(MESSAGE))
    assert not holds(key.record("machine"), *spoil(MESSAGE, key.sign(MESSAGE)))


ORDER = 2**252 + 27742317777372353535851937790883648493


def test_another_key_vouches_for_nothing() -> None:
    assert not holds(keys.generate().record("machine"), MESSAGE, keys.from_seed(RFC8032_SEED).sign(MESSAGE))
    assert not holds(Passkey(8).record(), MESSAGE, PASSKEY.sign(MESSAGE))
    assert not holds(PASSKEY.record(), MESSAGE, keys.from_seed(RFC8032_SEED).sign(MESSAGE))


def test_a_bad_signature_is_a_verification_error_with_its_own_code() -> None:
    with pytest.raises(VerificationError) as caught:
        keys.verify(PASSKEY.record(), MESSAGE, b"")
    assert caught.value.code == "BAD_SIGNATURE"


def test_a_passkey_vouches_for_what_it_signed() -> None:
    keys.verify(PASSKEY.record(), MESSAGE, PASSKEY.sign(MESSAGE))


@pytest.mark.parametrize(
    ("auth", "client"),
    [
        pytest.param({"flags": 0x1D}, {}, id="backed-up passkey"),
        pytest.param({"flags": 0x85, "extra": b"\xa0"}, {}, id="with extensions"),
        pytest.param({}, {"crossOrigin": None}, id="older browser without crossOrigin"),
        pytest.param({}, {"origin": "http://localhost:8443"}, id="development on localhost"),
        pytest.param({}, {"other_keys_can_be_added_here": "do not compare"}, id="grease"),
    ],
)
def test_what_honest_browsers_send_is_accepted(auth: dict[str, object], client: dict[str, object]) -> None:
    signature = PASSKEY.assertion(PASSKEY.authenticator_data(**auth), PASSKEY.client_data(MESSAGE, **client))
    keys.verify(PASSKEY.record(), MESSAGE, signature)


def test_a_passkey_on_localhost_alone_is_accepted() -> None:
    passkey = Passkey(rp_id="localhost")
    client = passkey.client_data(MESSAGE, origin="http://localhost")
    keys.verify(passkey.record(), MESSAGE, passkey.assertion(passkey.authenticator_data(), client))


@pytest.mark.parametrize(
    ("auth", "client"),
    [
        pytest.param({"flags": USER_VERIFIED}, {}, id="nobody present"),
        pytest.param({"flags": USER_PRESENT}, {}, id="nobody verified"),
        pytest.param({"rp_id": "evil.example"}, {}, id="another relying party"),
        pytest.param({"extra": b"\x00"}, {}, id="longer than the flags say"),
        pytest.param({}, {"type": "webauthn.create"}, id="a registration"),
        pytest.param({}, {"type": None}, id="no type"),
        pytest.param({}, {"challenge": keys.challenge_of(b"something else")}, id="another message"),
        pytest.param({}, {"challenge": keys.challenge_of(MESSAGE) + "="}, id="padded challenge"),
        pytest.param({}, {"challenge": None}, id="no challenge"),
        pytest.param({}, {"origin": "http://desk.port.example"}, id="no TLS"),
        pytest.param({}, {"origin": "http://localhost.evil.example"}, id="a false localhost"),
        pytest.param({}, {"origin": "https://"}, id="no host"),
        pytest.param({}, {"origin": 7}, id="origin of another type"),
        pytest.param({}, {"origin": None}, id="no origin"),
        pytest.param({}, {"crossOrigin": True}, id="cross origin"),
        pytest.param({}, {"crossOrigin": "false"}, id="crossOrigin of another type"),
        pytest.param({}, {"grease": "x" * 4000}, id="too large"),
    ],
)
def test_an_assertion_that_breaks_a_rule_is_refused_although_its_key_signed_it(
    auth: dict[str, object], client: dict[str, object]
) -> None:
    signature = PASSKEY.assertion(PASSKEY.authenticator_data(**auth), PASSKEY.client_data(MESSAGE, **client))
    assert not holds(PASSKEY.record(), MESSAGE, signature)


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff{}", id="not UTF-8"),
        pytest.param(b"[" * 1500, id="deep"),
        pytest.param(PASSKEY.client_data(b"x")[:-1] + b"," + PASSKEY.client_data(MESSAGE)[1:], id="keys given twice"),
    ],
)
def test_client_data_that_is_no_object_of_distinct_keys_is_refused(client: bytes) -> None:
    assert not holds(PASSKEY.record(), MESSAGE, PASSKEY.assertion(PASSKEY.authenticator_data(), client))


def test_short_authenticator_data_is_refused() -> None:
    short = PASSKEY.authenticator_data()[:-1]
    assert not holds(PASSKEY.record(), MESSAGE, PASSKEY.assertion(short, PASSKEY.client_data(MESSAGE)))


def respelled(change: Callable[[dict[str, str]], object]) -> bytes:
    value = orjson.loads(PASSKEY.sign(MESSAGE))
    return orjson.dumps(change(value), option=orjson.OPT_SORT_KEYS)


def other_s(value: dict[str, str]) -> dict[str, str]:
    """The second valid ECDSA signature for the same bytes."""
    raw = base64.urlsafe_b64decode(value["signature"] + "==")
    r, s = decode_dss_signature(raw)
    flipped = encode_dss_signature(r, P256_ORDER - s)
    return {**value, "signature": base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()}


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(respelled(other_s), id="the malleable twin"),
        pytest.param(respelled(lambda v: {**v, "userHandle": "AA"}), id="one member more"),
        pytest.param(respelled(lambda v: {k: v[k] for k in ("clientDataJSON", "signature")}), id="one less"),
        pytest.param(respelled(lambda v: {**v, "signature": v["signature"] + "="}), id="padding"),
        pytest.param(respelled(lambda v: {**v, "signature": v["signature"][:-1]}), id="cut"),
        pytest.param(respelled(lambda v: {**v, "signature": 1}), id="a number"),
        pytest.param(respelled(lambda v: {**v, "signature": "MAYCAQACAQA"}), id="r and s zero"),
        pytest.param(respelled(lambda v: {**v, "signature": "AAAA"}), id="not DER"),
        pytest.param(respelled(lambda v: [v]), id="a list"),
        pytest.param(PASSKEY.sign(MESSAGE) + b" ", id="a space after"),
        pytest.param(b" " + PASSKEY.sign(MESSAGE), id="a space before"),
        pytest.param(b"{", id="not JSON"),
    ],
)
def test_an_assertion_has_one_spelling(signature: bytes) -> None:
    assert not holds(PASSKEY.record(), MESSAGE, signature)


@given(st.binary(max_size=300) | st.tuples(st.integers(0, 400), st.integers(1, 255)))
@settings(max_examples=many(1000), deadline=None)
def test_no_other_bytes_are_a_passkeys_signature(change: bytes | tuple[int, int]) -> None:
    signature = bytearray(SIGNED)
    if isinstance(change, bytes):
        signature = bytearray(change)
    else:
        signature[change[0] % len(signature)] ^= change[1]
    assert not holds(PASSKEY.record(), MESSAGE, bytes(signature))


SIGNED = PASSKEY.sign(MESSAGE)


def test_records_survive_json() -> None:
    for record in (keys.from_seed(RFC8032_SEED).record("coordinator"), PASSKEY.record()):
        assert PublicKey.from_json(orjson.loads(orjson.dumps(record.to_json()))) == record


SOUND = keys.from_seed(RFC8032_SEED).record("machine").to_json()
SOUND_PASSKEY = PASSKEY.record().to_json()
P384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
COMPRESSED = bytes.fromhex(
    "3039301306072a8648ce3d020106082a8648ce3d030107032200"
) + PASSKEY.private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def spki_record(der: bytes) -> dict[str, object]:
    return {**SOUND_PASSKEY, "public": base64.b64encode(der).decode(), "key_id": sha256(der).hexdigest()}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="nothing"),
        pytest.param({}, id="empty"),
        pytest.param({**SOUND, "x": "y"}, id="a member more"),
        pytest.param({**SOUND, "scheme": "rsa"}, id="another scheme"),
        pytest.param({**SOUND, "key_class": "admin"}, id="another class"),
        pytest.param({**SOUND, "key_id": "0" * 64}, id="another id"),
        pytest.param({**SOUND, "key_id": SOUND["key_id"].upper()}, id="id in capitals"),
        pytest.param({**SOUND, "public": SOUND["public"][:-4]}, id="short key"),
        pytest.param({**SOUND, "public": SOUND["public"] + "\n"}, id="base64 with a line end"),
        pytest.param({**SOUND, "public": 7}, id="key of another type"),
        pytest.param({**SOUND, "rp_id": "desk.port.example"}, id="a file key with a relying party"),
        pytest.param({**SOUND_PASSKEY, "key_class": "machine"}, id="a machine with a passkey"),
        pytest.param({**SOUND_PASSKEY, "rp_id": "Desk.example"}, id="host in capitals"),
        pytest.param({**SOUND_PASSKEY, "rp_id": ""}, id="no host"),
        pytest.param({k: v for k, v in SOUND_PASSKEY.items() if k != "rp_id"}, id="a passkey without one"),
        pytest.param(spki_record(b"junk"), id="a passkey that is no key"),
        pytest.param(
            spki_record(P384.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)), id="another curve"
        ),
        pytest.param(spki_record(COMPRESSED), id="a compressed point"),
        pytest.param(spki_record(PASSKEY.public + b"\x00"), id="a byte after the key"),
    ],
)
def test_a_key_record_that_does_not_fit_together_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        PublicKey.from_json(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(list(SOUND_PASSKEY.values())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SOUND_PASSKEY]) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=10,
)


@given(JSON | st.fixed_dictionaries(dict.fromkeys(SOUND, JSON)))
@settings(max_examples=many(500), deadline=None)
def test_any_json_is_a_key_record_or_refused(value: object) -> None:
    try:
        record = PublicKey.from_json(value)
    except MalformedError:
        return
    assert record.to_json() == value


def test_base64_has_one_spelling() -> None:
    assert keys.base64_exact("AAE=") == b"\x00\x01"
    for text in ("AAE", "AAF=", "AA E=", "AAE=\n", "ÄÄ==", 7, None, b"AAE="):
        with pytest.raises(MalformedError):
            keys.base64_exact(text)


@pytest.mark.parametrize("passphrase", [None, b"correct horse", "schippersgracht 12 ÿ".encode()])
def test_a_key_file_gives_back_its_key(tmp_path: Path, passphrase: bytes | None) -> None:
    key = keys.generate()
    path = tmp_path / "node.pem"
    keys.save(key, path, passphrase)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["node.pem"]
    again = keys.load(path, passphrase)
    assert (again.key_id, again.sign(MESSAGE)) == (key.key_id, key.sign(MESSAGE))
    assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    keys.save(keys.from_seed(RFC8032_SEED), path)
    with pytest.raises(ConfigurationError):
        keys.save(keys.generate(), path)
    assert keys.load(path).public.hex() == RFC8032_PUBLIC
    assert [item.name for item in tmp_path.iterdir()] == ["node.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.pem"
    keys.save(keys.generate(), path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        keys.load(path)


@pytest.mark.parametrize(
    ("made_with", "opened_with", "says"),
    [
        (b"right", b"wrong", "passphrase wrong"),
        (b"right", None, "give its passphrase"),
        (b"right", b"", "give its passphrase"),
        (None, b"needless", "no use"),
    ],
)
def test_a_wrong_passphrase_is_named(
    tmp_path: Path, made_with: bytes | None, opened_with: bytes | None, says: str
) -> None:
    path = tmp_path / "officer.pem"
    keys.save(keys.generate(), path, made_with)
    with pytest.raises(ConfigurationError, match=says):
        keys.load(path, opened_with)


def test_an_empty_passphrase_makes_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        keys.save(keys.generate(), tmp_path / "officer.pem", b"")
    assert list(tmp_path.iterdir()) == []


def private(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def test_what_is_no_key_file_is_refused(tmp_path: Path) -> None:
    ec_pem = PASSKEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (
        tmp_path / "missing.pem",
        tmp_path,
        tmp_path / "fifo",
        private(tmp_path / "empty.pem", b""),
        private(tmp_path / "large.pem", b"x" * 20_000),
        private(tmp_path / "ec.pem", ec_pem),
    ):
        with pytest.raises(ConfigurationError):
            keys.load(path)
    with pytest.raises(ConfigurationError):
        keys.save(keys.generate(), tmp_path / "nowhere" / "node.pem")


PEM = keys.from_seed(RFC8032_SEED).to_pem()


@given(st.binary(max_size=200) | st.tuples(st.integers(0, 200), st.integers(1, 255)))
@settings(max_examples=many(200), deadline=None)
def test_any_bytes_are_a_key_file_or_refused(
    tmp_path_factory: pytest.TempPathFactory, change: bytes | tuple[int, int]
) -> None:
    content = bytearray(PEM)
    if isinstance(change, bytes):
        content = bytearray(change)
    else:
        content[change[0] % len(content)] ^= change[1]
    path = private(tmp_path_factory.mktemp("keys") / "node.pem", bytes(content))
    try:
        assert len(keys.load(path).public) == 32
    except ConfigurationError:
        return


def test_a_key_file_without_passphrase_is_one_that_openssl_reads(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    keys.save(keys.from_seed(RFC8032_SEED), path)
    try:
        told = subprocess.run(
            ["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("install the openssl tool to compare with it")
    assert sha256(told.stdout).hexdigest() == keys.load(path).key_id


def test_neither_key_nor_record_shows_a_secret() -> None:
    key = keys.from_seed(RFC8032_SEED)
    assert RFC8032_SEED.hex() not in repr(key)
    assert key.key_id[:16] in repr(key)


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(MalformedError):
        keys.from_seed(b"short")
