"""Checkpoints, cosignatures and tlog-proofs: C2SP's own examples, a real log, our vectors, and every spoiled form."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import checkpoint as cp
from port2port import keys, merkle
from port2port.checkpoint import CheckpointError, SignedCheckpoint, VerifierKey
from port2port.errors import ProofError
from port2port.keys import SignatureError
from port2port.limits import LIMITS
from tests.fakes.examples import many
from tests.vectors import build_checkpoint as builder

VECTORS = Path(__file__).parents[2] / "vectors" / "checkpoint.json"
V = json.loads(VECTORS.read_text(encoding="utf-8"))
LOG = VerifierKey.from_text(V["vkey"])
LOG_KEY = keys.from_seed(bytes.fromhex(V["log_seed"]))
WITNESS_KEYS = {name: keys.from_seed(bytes.fromhex(seed)) for name, seed in V["witness_seeds"].items()}
WITNESSES = {name: (key.public,) for name, key in WITNESS_KEYS.items()}
SIGNED = V["signed"].encode()
COSIGNED = V["cosigned"].encode()

# C2SP signed-note, the example with its verifier key (in the repository C2SP/C2SP, signed-note.md).
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_TEXT = b"This is an example message.\n"
C2SP_LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)
# golang.org/x/mod, sumdb/note/note_test.go: a key with its seed, a text and the signature made of them.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
# A checkpoint of a public log (the Certificate Transparency staging log arche2025h1), as served in May 2026 with
# the cosignatures of public witnesses; log and witnesses publish these keys. The log's first line is of type 0x05.
REAL_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
REAL_WITNESSES = (
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
)
REAL_NOTE = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
""".encode()


def signed(size: int = 3, seed: bytes = b"a", origin: str = builder.ORIGIN) -> SignedCheckpoint:
    return cp.sign(cp.Checkpoint(origin=origin, size=size, root=merkle.leaf_hash(seed)), LOG_KEY)


def test_the_vector_file_is_what_its_script_builds() -> None:
    assert VECTORS.read_text(encoding="utf-8") == builder.text()


@pytest.mark.parametrize(
    ("vkey", "text", "line"), [(C2SP_VKEY, C2SP_TEXT, C2SP_LINE), (GO_VKEY, GO_TEXT, GO_LINE)], ids=["C2SP", "Go"]
)
def test_published_notes_verify_and_their_parts_are_spelled_alike(vkey: str, text: bytes, line: str) -> None:
    key = VerifierKey.from_text(vkey)
    signature = cp.NoteSignature.from_line(line)
    assert signature.is_for(key)
    keys.verify_ed25519(key.public, text, signature.signature)
    assert (key.to_text(), signature.line) == (vkey, line + "\n")


def test_we_sign_as_the_go_reference_does() -> None:
    key = keys.from_seed(GO_SEED)
    verifier = cp.log_key("PeterNeumann", key.public)
    signature = cp.NoteSignature(name=verifier.name, key_hash=verifier.key_hash, signature=key.sign(GO_TEXT))
    assert (verifier.to_text(), signature.line) == (GO_VKEY, GO_LINE + "\n")


def test_a_real_checkpoint_with_its_witnesses_verifies() -> None:
    parsed = SignedCheckpoint.parse(REAL_NOTE)
    witnesses = [VerifierKey.from_text(text) for text in REAL_WITNESSES]
    assert parsed.note == REAL_NOTE
    assert cp.verify_log(parsed, VerifierKey.from_text(REAL_LOG)).size == 1_432_088_532
    cosigned = cp.verify_cosignatures(parsed, {key.name: (key.public,) for key in witnesses})
    assert {item.witness for item in cosigned} == {key.name for key in witnesses}
    assert {item.time for item in cosigned} == {1_779_573_024}


def test_a_real_checkpoint_with_another_size_does_not() -> None:
    parsed = SignedCheckpoint.parse(REAL_NOTE.replace(b"1432088532", b"1432088533"))
    with pytest.raises(SignatureError):
        cp.verify_log(parsed, VerifierKey.from_text(REAL_LOG))
    key = VerifierKey.from_text(REAL_WITNESSES[0])
    with pytest.raises(SignatureError):
        cp.verify_cosignatures(parsed, {key.name: (key.public,)})


@pytest.mark.parametrize("name", ["empty", "signed", "cosigned", "forked", "earlier_fork"])
def test_our_vectors_parse_verify_and_format_back(name: str) -> None:
    parsed = SignedCheckpoint.parse(V[name].encode())
    assert parsed.note == V[name].encode()
    assert cp.verify_log(parsed, LOG) == parsed.checkpoint


def test_signing_and_cosigning_give_the_vectors() -> None:
    leaves = [bytes.fromhex(leaf) for leaf in V["leaves"]]
    head = cp.Checkpoint(origin=builder.ORIGIN, size=3, root=merkle.root_of(leaves))
    note = cp.sign(head, LOG_KEY)
    assert note.note == SIGNED
    lines = [
        cp.cosign(head, witness=name, key=key, time=V["witness_times"][name]) for name, key in WITNESS_KEYS.items()
    ]
    assert note.with_signatures(lines).note == COSIGNED
    assert note.with_signatures([*lines, *lines]).with_signatures(lines).note == COSIGNED


def test_cosignatures_name_witness_and_time() -> None:
    found = cp.verify_cosignatures(SignedCheckpoint.parse(COSIGNED), WITNESSES)
    assert found == [cp.Cosigned(witness=name, time=time) for name, time in sorted(V["witness_times"].items())]


def test_a_witness_counts_once_with_its_latest_time() -> None:
    note = signed()
    name, key = next(iter(WITNESS_KEYS.items()))
    lines = [cp.cosign(note.checkpoint, witness=name, key=key, time=time) for time in (5, 9, 7)]
    assert cp.verify_cosignatures(note.with_signatures(lines), WITNESSES) == [cp.Cosigned(witness=name, time=9)]


def test_lines_of_unknown_witnesses_and_replaced_keys_are_ignored() -> None:
    parsed = SignedCheckpoint.parse(COSIGNED)
    assert cp.verify_cosignatures(parsed, {}) == []
    assert cp.verify_cosignatures(parsed, dict.fromkeys(WITNESSES, (keys.generate().public,))) == []


def test_a_log_signature_is_no_cosignature_even_with_the_same_key_and_name() -> None:
    assert cp.verify_cosignatures(signed(), {builder.ORIGIN: (LOG_KEY.public,)}) == []


def spoiled_cosignature(change: bytes) -> SignedCheckpoint:
    name, key = next(iter(WITNESS_KEYS.items()))
    note = signed()
    return note.with_signatures([replace(cp.cosign(note.checkpoint, witness=name, key=key, time=5), signature=change)])


def test_a_line_of_a_known_witness_that_does_not_verify_refuses_the_note() -> None:
    name, key = next(iter(WITNESS_KEYS.items()))
    good = cp.cosign(signed().checkpoint, witness=name, key=key, time=5).signature
    foreign = cp.cosign(signed(4).checkpoint, witness=name, key=key, time=5).signature
    for change in (
        b"\x00" * 7 + b"\x06" + good[8:],  # another time
        foreign,  # another checkpoint
        good[:-1],
        good + b"\x00",
        (2**63).to_bytes(8, "big") + key.sign(f"cosignature/v1\ntime {2**63}\n".encode() + signed().checkpoint.body),
        key.sign(signed().checkpoint.body),
    ):
        with pytest.raises(SignatureError):
            cp.verify_cosignatures(spoiled_cosignature(change), WITNESSES)
    assert cp.verify_cosignatures(spoiled_cosignature(good), WITNESSES)


@pytest.mark.parametrize("time", [-1, 2**63])
def test_a_witness_cannot_sign_a_time_out_of_range(time: int) -> None:
    with pytest.raises(CheckpointError):
        cp.cosign(signed().checkpoint, witness="w", key=LOG_KEY, time=time)


def test_a_checkpoint_of_another_log_or_key_is_refused() -> None:
    other = keys.generate()
    forged = cp.sign(signed().checkpoint, other)
    line = replace(forged.signatures[0], key_hash=LOG.key_hash)
    elsewhere = signed(origin="another.example/log")
    under_our_name = replace(elsewhere.signatures[0], name=LOG.name, key_hash=LOG.key_hash)
    for note, log in (
        (signed(origin="another.example/log"), LOG),
        (replace(elsewhere, signatures=(under_our_name,)), LOG),
        (forged, LOG),
        (replace(forged, signatures=(line,)), LOG),  # claims the log's key
        (signed().with_signatures([line]), LOG),  # one true and one false line of the log
        (replace(signed(), checkpoint=replace(signed().checkpoint, size=4)), LOG),
        (signed(), replace(LOG, algorithm=cp.COSIGNATURE)),
    ):
        with pytest.raises(SignatureError):
            cp.verify_log(note, log)
    assert cp.verify_log(signed().with_signatures(forged.signatures), LOG) == signed().checkpoint


NOTE = V["signed"]
HEAD, LINE = NOTE.split("\n\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(NOTE[:-1], id="last line not ended"),
        pytest.param(NOTE + "\n", id="an empty line after"),
        pytest.param(NOTE + " ", id="a space after"),
        pytest.param(NOTE.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param("\ufeff" + NOTE, id="byte order mark"),
        pytest.param(HEAD + "\n\n", id="no signature"),
        pytest.param(HEAD + "\n" + LINE, id="no empty line"),
        pytest.param(HEAD + "\n\n\n" + LINE, id="two empty lines"),
        pytest.param(HEAD + "\nextension\n\n" + LINE, id="an extension line"),
        pytest.param(NOTE.replace("\n3\n", "\n03\n"), id="leading zero"),
        pytest.param(NOTE.replace("\n3\n", "\n+3\n"), id="plus sign"),
        pytest.param(NOTE.replace("\n3\n", "\n-3\n"), id="minus sign"),
        pytest.param(NOTE.replace("\n3\n", "\n\u0663\n"), id="another script's digit"),
        pytest.param(NOTE.replace("\n3\n", "\n3 \n"), id="space after the size"),
        pytest.param(NOTE.replace("\n3\n", f"\n{2**63}\n"), id="size beyond 2^63"),
        pytest.param(NOTE.replace("\n3\n", "\n" + "9" * 5000 + "\n"), id="endless size"),
        pytest.param(NOTE.replace("\n3\n", "\n0\n"), id="empty tree with a root"),
        pytest.param(NOTE.replace("=\n\n", "\n\n"), id="root not padded"),
        pytest.param(NOTE.replace("=\n\n", "==\n\n"), id="root padded twice"),
        pytest.param(NOTE.replace("qhk=\n\n", "qhl=\n\n"), id="spare bits of the root set"),
        pytest.param(NOTE.replace("— ", "- "), id="hyphen for the dash"),
        pytest.param(NOTE.replace("— ", "—\u00a0"), id="another space"),
        pytest.param(NOTE.replace("log ni", "log  ni"), id="two spaces"),
        pytest.param(NOTE.replace("vectors.port2port", "vectors+port2port"), id="plus in the origin"),
        pytest.param(NOTE.replace("vectors.port2port", "vectors port2port"), id="space in the origin"),
        pytest.param(NOTE.replace("vectors.port2port", "vectors\tport2port"), id="tab in the origin"),
        pytest.param(NOTE.replace("vectors.port2port", "vectors\u2028port2port"), id="line separator"),
        pytest.param("x" * 300 + NOTE, id="endless origin"),
        pytest.param(HEAD + "\n\n— w AAAAAA==\n", id="a key hash without signature"),
        pytest.param(HEAD + "\n\n— w \n", id="an empty signature"),
        pytest.param(HEAD + "\n\n—  AAAAAAAA\n", id="a signature without name"),
        pytest.param(NOTE + "— w AAAAAAAA\n" * 1200, id="too large"),
    ],
)
def test_a_checkpoint_has_one_spelling(text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        SignedCheckpoint.parse(text.encode())
    assert caught.value.code == "CHECKPOINT"


def test_a_note_with_sixteen_signatures_and_more_is_read() -> None:
    note = NOTE + "".join(f"— witness-{at} AAAAAAAA\n" for at in range(100))
    assert len(SignedCheckpoint.parse(note.encode()).signatures) == 101
    assert len(note) < LIMITS.checkpoint_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        C2SP_VKEY[:-4],
        C2SP_VKEY.replace("530d903a", "530d903b"),
        C2SP_VKEY.replace("530d903a", "530D903A"),
        C2SP_VKEY.replace("example", "examplf"),
        C2SP_VKEY + "\n",
        "+" + C2SP_VKEY,
        "a b+00000000+AQ==",
        "a+00000000+",
        "rekor.sigstore.dev+12345678+AwEB",
        "bananas.sigstore.dev+12344556",
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
    ],
)
def test_a_verifier_key_has_one_spelling(text: str) -> None:
    with pytest.raises(CheckpointError):
        VerifierKey.from_text(text)


@pytest.mark.parametrize(
    "vkey",
    [
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",  # transparency-dev/formats, a '+' in the base64
        *REAL_WITNESSES,
    ],
)
def test_published_verifier_keys_are_read_and_written_back(vkey: str) -> None:
    assert VerifierKey.from_text(vkey).to_text() == vkey


PORTS = {"a1": "Antwerp", "a2": "Antwerp", "n": "North Sea Port", "l": "Liège"}


@pytest.mark.parametrize(
    ("cosigners", "organisations", "majority"),
    [
        pytest.param(["a1", "n"], PORTS, True, id="two of three"),
        pytest.param(["a1", "a2"], PORTS, False, id="one organisation with two witnesses"),
        pytest.param(["a1", "x", "y"], PORTS, False, id="strangers"),
        pytest.param(["a1", "a2", "n", "l", "n"], PORTS, True, id="all"),
        pytest.param([], PORTS, False, id="nobody"),
        pytest.param([], {}, False, id="no witnesses at all"),
        pytest.param(["a"], {"a": "A", "b": "B"}, False, id="half is no majority"),
        pytest.param(["a"], {"a": "A"}, True, id="the only one"),
    ],
)
def test_witnessed_is_a_majority_of_organisations(
    cosigners: list[str], organisations: dict[str, str], majority: bool
) -> None:
    assert cp.witnessed(cosigners, organisations) is majority


PROOF = V["tlog_proof"].encode()


def test_a_tlog_proof_proves_its_leaf_and_no_other() -> None:
    proof = cp.parse_proof(PROOF)
    assert (proof.index, proof.extra) == (2, b"salt")
    assert cp.format_proof(proof) == PROOF
    cp.verify_log(proof.signed, LOG)
    leaf = bytes.fromhex(V["leaves"][2])
    proof.verify_leaf(leaf)
    for other, false in ((proof, bytes.fromhex(V["leaves"][1])), (replace(proof, index=1), leaf)):
        with pytest.raises(ProofError):
            other.verify_leaf(false)


def test_a_tlog_proof_needs_neither_path_nor_extra() -> None:
    proof = cp.TlogProof(index=0, path=(), signed=signed(1))
    assert cp.format_proof(proof).startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\nvectors")
    assert cp.parse_proof(cp.format_proof(proof)) == proof


P = V["tlog_proof"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("\n", id="an empty line"),
        pytest.param(P[1:], id="another header"),
        pytest.param(P.replace("@v1", "@v2"), id="another version"),
        pytest.param(P.replace("index 2\n", ""), id="no index"),
        pytest.param(P.replace("index 2", "index 02"), id="leading zero"),
        pytest.param(P.replace("index 2", "index 3"), id="index outside the tree"),
        pytest.param(P.replace("index 2", "Index 2"), id="capital"),
        pytest.param(P.replace("extra c2FsdA==", "extra c2FsdB=="), id="spare bits in extra"),
        pytest.param(P.replace("extra c2FsdA==", "extra "), id="empty extra"),
        pytest.param(P.replace("extra c2FsdA==\n", "extra c2FsdA==\n" * 2), id="extra twice"),
        pytest.param(P.replace("index 2\n", "index 2\nAAAA\n"), id="a short hash"),
        pytest.param(
            P.replace("index 2\n", "index 2\n" + "A" * 43 + "=\n" * 1, 1).replace(
                "=\n", "=\n" + ("A" * 43 + "=\n") * 64, 1
            ),
            id="too many hashes",
        ),
        pytest.param(P.replace("\n\n", "\n", 1), id="no empty line"),
        pytest.param(P.split("\n\n")[0] + "\n\n", id="no checkpoint"),
        pytest.param(P + "x" * cp.PROOF_BYTES, id="too large"),
    ],
)
def test_a_tlog_proof_has_one_spelling(text: str) -> None:
    with pytest.raises(CheckpointError):
        cp.parse_proof(text.encode())


def test_values_that_have_no_text_cannot_be_made() -> None:
    for make in (
        lambda: cp.TlogProof(index=3, path=(), signed=signed()),
        lambda: cp.TlogProof(index=0, path=(b"short",), signed=signed()),
        lambda: cp.TlogProof(index=0, path=(bytes(32),) * 65, signed=signed()),
        lambda: cp.TlogProof(index=0, path=(), signed=signed(), extra=b""),
        lambda: cp.Checkpoint(origin="a", size=1, root=b""),
        lambda: cp.Checkpoint(origin="", size=1, root=bytes(32)),
        lambda: cp.NoteSignature(name="a", key_hash=b"", signature=b"x"),
        lambda: VerifierKey(name="a", algorithm=6, public=bytes(32)),
        lambda: SignedCheckpoint(checkpoint=signed().checkpoint, signatures=()),
    ):
        with pytest.raises(CheckpointError):
            make()


def mutations(good: bytes) -> st.SearchStrategy[bytes]:
    """Bytes near ``good``: a stretch replaced, doubled or dropped; and bytes that have nothing to do with it."""
    places = st.integers(0, len(good))
    near = st.tuples(places, places, st.binary(max_size=6) | st.sampled_from([b"\n", b"\n\n", b" ", b"="])).map(
        lambda cut: good[: cut[0]] + cut[2] + good[cut[1] :]
    )
    return near | st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


@given(mutations(COSIGNED))
@settings(max_examples=many(1500), deadline=None)
def test_any_bytes_are_a_checkpoint_or_refused_and_none_but_the_logs_verifies(raw: bytes) -> None:
    try:
        parsed = SignedCheckpoint.parse(raw)
    except CheckpointError:
        return
    assert parsed.note == raw
    try:
        assert cp.verify_log(parsed, LOG) == SignedCheckpoint.parse(SIGNED).checkpoint
        found = cp.verify_cosignatures(parsed, WITNESSES)
        assert all(item.time == V["witness_times"][item.witness] for item in found)
    except SignatureError:
        return


@given(mutations(PROOF))
@settings(max_examples=many(1000), deadline=None)
def test_any_bytes_are_a_tlog_proof_or_refused(raw: bytes) -> None:
    try:
        proof = cp.parse_proof(raw)
    except CheckpointError:
        return
    assert cp.format_proof(proof) == raw


@given(st.text(max_size=120) | mutations(C2SP_VKEY.encode()).map(lambda raw: raw.decode("utf-8", "replace")))
@settings(max_examples=many(500), deadline=None)
def test_any_text_is_a_verifier_key_or_refused(text: str) -> None:
    try:
        key = VerifierKey.from_text(text)
    except CheckpointError:
        return
    assert key.to_text() == text


def test_a_witness_with_two_keys_counts_once():
    first, second = keys.from_seed(b"1" * 32), keys.from_seed(b"2" * 32)
    lines = [cp.cosign(signed().checkpoint, witness="w", key=key, time=at) for key, at in ((first, 7), (second, 9))]
    both = {"w": (first.public, second.public)}
    assert cp.verify_cosignatures(signed().with_signatures(lines), both) == [cp.Cosigned(witness="w", time=9)]


def test_a_member_with_two_keys_of_one_key_hash_spoils_no_note():
    """Four bytes name a key: these two were found by trying fifty thousand seeds."""
    twins = [keys.from_seed(seed.to_bytes(32, "big")) for seed in (35_399, 50_728)]
    lines = [cp.cosign(signed().checkpoint, witness="w", key=key, time=9) for key in twins]
    assert lines[0].key_hash == lines[1].key_hash
    for line in lines:
        for order in (twins, twins[::-1]):
            found = cp.verify_cosignatures(signed().with_signatures([line]), {"w": [key.public for key in order]})
            assert found == [cp.Cosigned(witness="w", time=9)]
