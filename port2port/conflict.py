"""When a log lies: comparing checkpoints, and evidence that convicts it before everybody who has its key.

A log shows two ports different histories only by signing two checkpoints that cannot both be true. Ports compare
theirs in the feed, by direct fetch or by hand (``port2port checkpoint compare``); the first pair found is
written down as ``Evidence``, which needs no trust in who hands it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from port2port import canonical, merkle
from port2port.checkpoint import (
    PATH_MAX,
    CheckpointError,
    SignedCheckpoint,
    VerifierKey,
    base64_of,
    parse_hash,
    parse_number,
    verify_log,
)
from port2port.errors import MalformedError, ProofError
from port2port.keys import SignatureError
from port2port.limits import LIMITS

EVIDENCE_BYTES: Final = 6 * LIMITS.checkpoint_bytes  # two notes, escaped as JSON


class Verdict(Enum):
    """What two checkpoints of one log say about each other."""

    SAME = "same"
    CONSISTENT = "consistent"
    NEEDS_PROOF = "needs proof"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixProof:
    """What a holder of the larger tree says of its beginning: the root of its first ``first`` leaves, proven.

    ``path`` is a consistency proof from ``first_root`` to the larger checkpoint. A tree has one root at each
    size, so a proven ``first_root`` that differs from a signed one is as good as two checkpoints of one size.
    """

    first: int
    second: int
    first_root: bytes
    path: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.dumps(_prefix_json(self))

    @classmethod
    def from_bytes(cls, raw: bytes) -> PrefixProof:
        """The reverse of ``to_bytes``. Raises CheckpointError."""
        return _prefix_from(_load(raw, LIMITS.checkpoint_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Two checkpoints signed by one log that cannot both be true, for anybody who has the log's key.

    ``proof`` is there where their sizes differ. Believe it only through ``check_evidence``.
    """

    log: VerifierKey
    first: SignedCheckpoint
    second: SignedCheckpoint
    proof: PrefixProof | None = None


def compare(a: SignedCheckpoint, b: SignedCheckpoint, log: VerifierKey, proof: PrefixProof | None = None) -> Verdict:
    """What two checkpoints, both verified here as signed by ``log``, say about each other.

    Raises SignatureError where the log signed only one of them, and ProofError where ``proof`` is needed and
    does not lead from the smaller size to the larger checkpoint: a wrong proof convicts nobody.
    """
    older, newer = sorted((verify_log(a, log), verify_log(b, log)), key=lambda item: item.size)
    if older.size == newer.size:
        return Verdict.SAME if older.root == newer.root else Verdict.CONFLICT
    if older.size == 0:
        return Verdict.CONSISTENT
    if proof is None:
        return Verdict.NEEDS_PROOF
    if (proof.first, proof.second) != (older.size, newer.size):
        raise ProofError("the proof is between other sizes", first=proof.first, second=proof.second)
    merkle.verify_consistency(
        first=proof.first,
        second=proof.second,
        first_root=proof.first_root,
        second_root=newer.root,
        proof=proof.path,
    )
    return Verdict.CONSISTENT if proof.first_root == older.root else Verdict.CONFLICT


def write_evidence(evidence: Evidence) -> bytes:
    """The evidence file: canonical JSON with both notes verbatim and the log's key.

    Raises as ``check_evidence``: what proves nothing is never written.
    """
    _require_conflict(evidence)
    return canonical.dumps(
        {
            "v": 1,
            "type": "port2port-log-conflict",
            "log_key": evidence.log.to_text(),
            "first": evidence.first.note.decode(),
            "second": evidence.second.note.decode(),
            "proof": None if evidence.proof is None else _prefix_json(evidence.proof),
        }
    )


def read_evidence(raw: bytes) -> Evidence:
    """The reverse of ``write_evidence``, nothing verified. Raises CheckpointError."""
    value = _load(raw, EVIDENCE_BYTES)
    if set(value) != {"v", "type", "log_key", "first", "second", "proof"}:
        raise CheckpointError("an evidence file has v, type, log_key, first, second and proof")
    if value["type"] != "port2port-log-conflict" or value["v"] != 1 or isinstance(value["v"], bool):
        raise CheckpointError("not an evidence file of version 1")
    return Evidence(
        log=VerifierKey.from_text(_text(value["log_key"])),
        first=SignedCheckpoint.parse(_text(value["first"]).encode()),
        second=SignedCheckpoint.parse(_text(value["second"]).encode()),
        proof=None if value["proof"] is None else _prefix_from(value["proof"]),
    )


def check_evidence(raw: bytes, log: VerifierKey) -> Evidence:
    """The evidence, once it convicts ``log``, whose key the reader has from its own genesis.

    Raises CheckpointError, SignatureError (another log, or not signed by it) or ProofError (no conflict).
    """
    evidence = read_evidence(raw)
    if evidence.log != log:
        raise SignatureError("the evidence is about another log", origin=evidence.log.name)
    _require_conflict(evidence)
    return evidence


def _require_conflict(evidence: Evidence) -> None:
    if compare(evidence.first, evidence.second, evidence.log, evidence.proof) is not Verdict.CONFLICT:
        raise ProofError("these two checkpoints do not contradict each other")


def _prefix_json(proof: PrefixProof) -> dict[str, canonical.Json]:
    return {
        "first": str(proof.first),
        "second": str(proof.second),
        "first_root": base64_of(proof.first_root),
        "path": [base64_of(item) for item in proof.path],
    }


def _prefix_from(value: canonical.Json) -> PrefixProof:
    if not isinstance(value, dict) or set(value) != {"first", "second", "first_root", "path"}:
        raise CheckpointError("a prefix proof has first, second, first_root and path")
    path = value["path"]
    if not isinstance(path, list) or len(path) > PATH_MAX:
        raise CheckpointError("a prefix proof has a list of at most 64 hashes")
    return PrefixProof(
        first=parse_number(_text(value["first"])),
        second=parse_number(_text(value["second"])),
        first_root=parse_hash(_text(value["first_root"])),
        path=tuple(parse_hash(_text(item)) for item in path),
    )


def _load(raw: bytes, limit: int) -> dict[str, canonical.Json]:
    try:
        return canonical.loads_object(raw, limit=limit)
    except MalformedError as error:
        raise CheckpointError("not canonical JSON within its bound") from error


def _text(value: canonical.Json) -> str:
    if not isinstance(value, str):
        raise CheckpointError("a string was expected")
    return value
