"""A log that lies is convicted by what it signed; a log that does not is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import checkpoint as cp
from port2port import conflict, keys, merkle
from port2port.checkpoint import CheckpointError, SignedCheckpoint, VerifierKey
from port2port.conflict import Evidence, PrefixProof, Verdict
from port2port.errors import ProofError
from port2port.keys import SignatureError
from tests.fakes.examples import many

V = json.loads((Path(__file__).parents[2] / "vectors" / "checkpoint.json").read_text(encoding="utf-8"))
LOG = VerifierKey.from_text(V["vkey"])
LOG_KEY = keys.from_seed(bytes.fromhex(V["log_seed"]))
TRUE = SignedCheckpoint.parse(V["cosigned"].encode())
FORKED = SignedCheckpoint.parse(V["forked"].encode())
EARLIER_FORK = SignedCheckpoint.parse(V["earlier_fork"].encode())
EMPTY = SignedCheckpoint.parse(V["empty"].encode())
PROOF = PrefixProof.from_bytes(V["prefix_proof"].encode())
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(40)]
FORK = [*LEAVES[:20], *(merkle.leaf_hash(b"other %d" % number) for number in range(20))]


def head(leaves: list[bytes], size: int) -> SignedCheckpoint:
    return cp.sign(cp.Checkpoint(origin=LOG.name, size=size, root=merkle.root_of(leaves[:size])), LOG_KEY)


def prefix(leaves: list[bytes], first: int, second: int) -> PrefixProof:
    path = merkle.consistency_proof(lambda a, b: leaves[a:b], first=first, second=second)
    return PrefixProof(first=first, second=second, first_root=merkle.root_of(leaves[:first]), path=path)


@pytest.mark.parametrize(
    ("a", "b", "proof", "verdict"),
    [
        pytest.param(TRUE, SignedCheckpoint.parse(V["signed"].encode()), None, Verdict.SAME, id="same head"),
        pytest.param(TRUE, FORKED, None, Verdict.CONFLICT, id="same size"),
        pytest.param(TRUE, EARLIER_FORK, None, Verdict.NEEDS_PROOF, id="other size"),
        pytest.param(TRUE, EARLIER_FORK, PROOF, Verdict.CONFLICT, id="other size with proof"),
        pytest.param(TRUE, EMPTY, None, Verdict.CONSISTENT, id="empty tree"),
        pytest.param(head(LEAVES, 7), head(LEAVES, 40), prefix(LEAVES, 7, 40), Verdict.CONSISTENT, id="one log"),
        pytest.param(head(LEAVES, 16), head(FORK, 40), prefix(FORK, 16, 40), Verdict.CONSISTENT, id="before the fork"),
        pytest.param(head(LEAVES, 25), head(FORK, 40), prefix(FORK, 25, 40), Verdict.CONFLICT, id="after the fork"),
    ],
)
def test_two_checkpoints_are_judged_in_either_order(
    a: SignedCheckpoint, b: SignedCheckpoint, proof: PrefixProof | None, verdict: Verdict
) -> None:
    assert conflict.compare(a, b, LOG, proof) is verdict
    assert conflict.compare(b, a, LOG, proof) is verdict


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(prefix(LEAVES, 25, 40), id="of the other tree"),
        pytest.param(replace(prefix(FORK, 25, 40), first_root=merkle.root_of(LEAVES[:25])), id="false root"),
        pytest.param(prefix(FORK, 24, 40), id="other sizes"),
        pytest.param(replace(prefix(FORK, 25, 40), path=()), id="no path"),
    ],
)
def test_a_wrong_proof_neither_convicts_nor_acquits(proof: PrefixProof) -> None:
    with pytest.raises(ProofError):
        conflict.compare(head(LEAVES, 25), head(FORK, 40), LOG, proof)


def test_what_the_log_did_not_sign_does_not_convict_it() -> None:
    forged = cp.sign(FORKED.checkpoint, keys.generate())
    claimed = replace(FORKED, checkpoint=replace(FORKED.checkpoint, root=bytes(32)))
    other_log = cp.sign(replace(FORKED.checkpoint, origin="another.example/log"), LOG_KEY)
    for false in (forged, claimed, other_log):
        with pytest.raises(SignatureError):
            conflict.compare(TRUE, false, LOG)
        with pytest.raises(SignatureError):
            conflict.write_evidence(Evidence(log=LOG, first=TRUE, second=false))


@pytest.mark.parametrize("name", ["evidence", "evidence_other_size"])
def test_evidence_convicts_and_is_written_as_the_vectors_have_it(name: str) -> None:
    raw = V[name].encode()
    evidence = conflict.check_evidence(raw, LOG)
    assert conflict.write_evidence(evidence) == raw
    assert evidence.first.checkpoint.origin == LOG.name


def test_evidence_about_another_log_is_refused() -> None:
    with pytest.raises(SignatureError):
        conflict.check_evidence(V["evidence"].encode(), cp.log_key(LOG.name, keys.generate().public))


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(Evidence(log=LOG, first=TRUE, second=TRUE), id="the same twice"),
        pytest.param(Evidence(log=LOG, first=TRUE, second=EARLIER_FORK), id="a proof is missing"),
        pytest.param(
            Evidence(log=LOG, first=head(LEAVES, 7), second=head(LEAVES, 40), proof=prefix(LEAVES, 7, 40)),
            id="they are consistent",
        ),
    ],
)
def test_what_proves_nothing_is_neither_written_nor_believed(evidence: Evidence) -> None:
    with pytest.raises(ProofError):
        conflict.write_evidence(evidence)
    value = orjson.loads(V["evidence_other_size"])
    value |= {"first": evidence.first.note.decode(), "second": evidence.second.note.decode()}
    value["proof"] = None if evidence.proof is None else orjson.loads(evidence.proof.to_bytes())
    with pytest.raises(ProofError):
        conflict.check_evidence(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), LOG)


def test_a_prefix_proof_survives_being_written() -> None:
    assert PROOF.to_bytes() == V["prefix_proof"].encode()
    big = PrefixProof(first=2**62, second=2**63 - 1, first_root=bytes(32), path=(bytes(32),) * 64)
    assert PrefixProof.from_bytes(big.to_bytes()) == big


SOUND = orjson.loads(V["evidence_other_size"])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="a list"),
        pytest.param({**SOUND, "x": 1}, id="a member more"),
        pytest.param({**SOUND, "v": 2}, id="another version"),
        pytest.param({**SOUND, "v": True}, id="a version that equals 1"),
        pytest.param({**SOUND, "type": "x"}, id="another type"),
        pytest.param({**SOUND, "first": 1}, id="a number for a note"),
        pytest.param({**SOUND, "first": SOUND["first"] + "x"}, id="a spoiled note"),
        pytest.param({**SOUND, "log_key": "x"}, id="a spoiled key"),
        pytest.param({**SOUND, "proof": []}, id="a list for a proof"),
        pytest.param({**SOUND, "proof": {**SOUND["proof"], "path": "x"}}, id="a string for a path"),
        pytest.param({**SOUND, "proof": {**SOUND["proof"], "path": ["x"]}}, id="no hash"),
        pytest.param({**SOUND, "proof": {**SOUND["proof"], "path": SOUND["proof"]["path"] * 65}}, id="endless path"),
        pytest.param({**SOUND, "proof": {**SOUND["proof"], "first": 2}}, id="a number for a size"),
        pytest.param({**SOUND, "proof": {**SOUND["proof"], "first": "02"}}, id="leading zero"),
    ],
)
def test_an_evidence_file_has_one_spelling(value: object) -> None:
    with pytest.raises(CheckpointError):
        conflict.read_evidence(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


GOOD = V["evidence_other_size"].encode()
PLACES = st.integers(0, len(GOOD))


@given(
    st.tuples(PLACES, PLACES, st.binary(max_size=6)).map(lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[1] :])
    | st.binary(max_size=300)
    | st.dictionaries(st.sampled_from(sorted(SOUND)), st.text() | st.integers(-9, 9) | st.none()).map(orjson.dumps)
)
@settings(max_examples=many(1000), deadline=None)
def test_any_bytes_are_evidence_or_refused(raw: bytes) -> None:
    try:
        conflict.check_evidence(raw, LOG)
    except (CheckpointError, SignatureError, ProofError):
        return
    assert raw == GOOD


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(sorted(SOUND["proof"])), st.text()).map(orjson.dumps))
@settings(max_examples=many(500), deadline=None)
def test_any_bytes_are_a_prefix_proof_or_refused(raw: bytes) -> None:
    try:
        proof = PrefixProof.from_bytes(raw)
    except CheckpointError:
        return
    assert proof.to_bytes() == raw
