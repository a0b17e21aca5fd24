"""DSSE: the specification's own vectors, another library as oracle, and the leaf."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib import dsse as oracle
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from port2port import envelope as dsse
from port2port import keys, merkle
from port2port.envelope import LEAF_BYTES, PAYLOAD_TYPE, Signature
from tests.fakes.examples import many

KEYS = [keys.from_seed(bytes([number]) * 32) for number in range(1, 4)]
STATEMENT = b'{"kind":"publish"}'


def test_the_specification_s_example_of_pae():
    """secure-systems-lab/dsse, protocol.md, "Test Vectors": the message that is signed there."""
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@settings(max_examples=many(300), deadline=None)
@given(st.text(max_size=40), st.binary(max_size=200))
def test_pae_counts_bytes_and_equals_another_library_s(payload_type, payload):
    envelope = oracle.Envelope(payload, payload_type, {})
    assert dsse.pae(payload_type, payload) == envelope.pae()


def oracle_key(key: keys.Ed25519Key) -> SSlibKey:
    public = Ed25519PublicKey.from_public_bytes(key.public)
    return SSlibKey.from_crypto(public, keyid=key.key_id)


def as_oracle(statement: bytes, signatures: tuple[Signature, ...]) -> oracle.Envelope:
    return oracle.Envelope.from_dict(
        {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": item.key_id, "sig": base64.b64encode(item.sig).decode()} for item in signatures],
        }
    )


def test_another_library_verifies_our_envelopes():
    signed = as_oracle(STATEMENT, dsse.sign(STATEMENT, KEYS))
    found = signed.verify([oracle_key(key) for key in KEYS], threshold=3)
    assert set(found) == {key.key_id for key in KEYS}


def test_another_library_refuses_what_was_changed():
    signatures = dsse.sign(STATEMENT, KEYS[:1])
    with pytest.raises(VerificationError):
        as_oracle(STATEMENT + b" ", signatures).verify([oracle_key(KEYS[0])], threshold=1)


def test_signatures_are_sorted_by_key_id_whoever_signed_first():
    signed = dsse.sign(STATEMENT, KEYS)
    assert [item.key_id for item in signed] == sorted(key.key_id for key in KEYS)
    assert signed == dsse.sign(STATEMENT, KEYS[::-1])
    for item in signed:
        key = next(key for key in KEYS if key.key_id == item.key_id)
        keys.verify(key.record("machine"), dsse.pae(PAYLOAD_TYPE, STATEMENT), item.sig)


def test_the_name_of_an_entry_is_the_hash_of_the_signed_message():
    assert dsse.digest_of(STATEMENT) == hashlib.sha256(dsse.pae(PAYLOAD_TYPE, STATEMENT)).digest()


def leaf(**changes):
    given_ = {"kind": "publish", "received_ms": 1_795_334_400_000, "digest": bytes(32)}
    return dsse.leaf_data(**{**given_, "signatures": dsse.sign(STATEMENT, KEYS[:2]), **changes})


def test_the_leaf_byte_by_byte():
    first, second = dsse.sign(STATEMENT, KEYS[:2])
    pairs = b"".join(bytes.fromhex(item.key_id) + item.sig for item in (first, second))
    assert leaf(digest=b"\x07" * 32) == (
        b"P2P-leaf-v1\x00\x06" + struct.pack(">Q", 1_795_334_400_000) + b"\x07" * 32 + hashlib.sha256(pairs).digest()
    )
    assert len(leaf()) == LEAF_BYTES == 85


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"kind": "sighting"}, id="kind"),
        pytest.param({"received_ms": 1}, id="time"),
        pytest.param({"digest": b"\x01" * 32}, id="statement"),
        pytest.param({"signatures": dsse.sign(STATEMENT, KEYS[:1])}, id="stripped signature"),
        pytest.param({"signatures": dsse.sign(STATEMENT, KEYS)}, id="added signature"),
    ],
)
def test_a_change_of_any_part_changes_the_leaf(changes):
    assert merkle.leaf_hash(leaf(**changes)) != merkle.leaf_hash(leaf())


def test_the_order_in_which_signatures_are_listed_does_not_matter_to_the_leaf():
    signatures = dsse.sign(STATEMENT, KEYS)
    assert leaf(signatures=signatures[::-1]) == leaf(signatures=signatures)


def test_an_unknown_kind_has_number_zero():
    assert leaf(kind="weather")[12] == 0
