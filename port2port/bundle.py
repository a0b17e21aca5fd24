"""Offline proof: one entry with everything needed to check it, given only the pinned genesis hash.

A bundle holds the entry, every control entry of the log up to its checkpoint, and for each of them the path to
that checkpoint and the proof that the log its author saw is the beginning of this one. Checking it needs no
network and no hub. What it cannot show is that no control entry was left out at its end, a late revocation for
example: the chain of versions has no gap, and the report says which version of the roster it reaches.

Format: canonical JSON {"checkpoint": note, "control": [part...], "entry": part, "type": "p2p-bundle", "v": 1} with
part = {"envelope": base64, "index": n, "path": [base64...], "received_ms": n, "seen_path": [base64...]}.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from port2port import canonical, merkle, verify
from port2port.canonical import Json
from port2port.checkpoint import SignedCheckpoint, log_key, verify_cosignatures, verify_log, witnessed
from port2port.errors import MalformedError, ProofError
from port2port.genesis import Genesis, from_b64, pinned, to_b64
from port2port.limits import MIB
from port2port.roster import Roster, found
from port2port.stix.validate import ValidObject
from port2port.verify import Context, VerifiedEntry, Work
from port2port.wire import decode_envelope

BUNDLE_BYTES: Final = 32 * MIB
_CONTROL_MAX: Final = 20_000
_PATH_MAX: Final = 64


class BundleError(MalformedError):
    """Not a proof bundle, or one whose parts do not belong together."""

    code = "BUNDLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One entry of the log with its place in the tree. ``envelope`` is serialised."""

    index: int
    received_ms: int
    envelope: bytes
    path: tuple[bytes, ...]
    seen_path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A parsed bundle; nothing in it is verified."""

    entry: Part
    control: tuple[Part, ...]
    checkpoint: SignedCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a bundle proves: valid when logged; whether disputed since; under whose eyes.

    ``rosters`` are (index of a control entry, the roster after it), in log order.
    """

    entry: VerifiedEntry
    roster: Roster
    disputed: bool
    checkpoint: SignedCheckpoint
    witnesses: tuple[str, ...]
    witnessed: bool
    rosters: tuple[tuple[int, Roster], ...]


def make_part(
    *, index: int, received_ms: int, envelope: bytes, seen: int, leaves: merkle.LeafSource, size: int
) -> Part:
    """A part under the tree of ``size``; ``seen`` is the size in the statement's ``log_seen``."""
    return Part(
        index=index,
        received_ms=received_ms,
        envelope=envelope,
        path=merkle.inclusion_proof(leaves, index=index, size=size),
        seen_path=merkle.consistency_proof(leaves, first=seen, second=size),
    )


def encode(bundle: Bundle) -> bytes:
    """The bytes of a bundle file."""
    return canonical.dumps(
        {
            "checkpoint": bundle.checkpoint.note.decode(),
            "control": [_part_json(part) for part in bundle.control],
            "entry": _part_json(bundle.entry),
            "type": "p2p-bundle",
            "v": 1,
        }
    )


def decode(raw: bytes) -> Bundle:
    """Parse a bundle file. Raises BundleError, CheckpointError or CanonicalError, whatever the bytes."""
    data = canonical.loads_object(raw, limit=BUNDLE_BYTES)
    if data.keys() != {"checkpoint", "control", "entry", "type", "v"} or data["type"] != "p2p-bundle":
        raise BundleError("this is not a Port 2 Port proof bundle")
    note, control = data["checkpoint"], data["control"]
    if data["v"] != 1 or data["v"] is True:
        raise BundleError("a bundle of another version")
    if not isinstance(note, str) or not isinstance(control, list) or len(control) > _CONTROL_MAX:
        raise BundleError("a bundle with wrong parts")
    return Bundle(
        entry=_part(data["entry"]),
        control=tuple(_part(item) for item in control),
        checkpoint=SignedCheckpoint.parse(note.encode()),
    )


def check(raw: bytes, genesis_hash: str, validate: Callable[[bytes], ValidObject]) -> Report:
    """Verify a bundle with the genesis hash alone. Raises the error of the first thing that does not hold."""
    bundle = decode(raw)
    if not bundle.control or bundle.control[0].index != 0:
        raise BundleError("the bundle does not begin with the genesis")
    genesis = pinned(decode_envelope(bundle.control[0].envelope).statement, genesis_hash)
    verify_log(bundle.checkpoint, log_key(genesis.origin, genesis.log_key))
    judge = _Judge(genesis, genesis_hash, bundle.checkpoint, validate)
    roster: Roster | None = None
    entry: VerifiedEntry | None = None
    rosters: list[tuple[int, Roster]] = []
    for part in _in_order(bundle):
        verified, after = judge.part(part, roster)
        if after is not None and after is not roster:
            rosters.append((part.index, after))
        roster = after
        if part == bundle.entry:
            entry = verified
    if entry is None or roster is None:
        raise BundleError("the bundle does not hold the entry it is about")
    cosigners = tuple(item.witness for item in verify_cosignatures(bundle.checkpoint, roster.witness_keys()))
    return Report(
        entry=entry,
        roster=roster,
        disputed=verify.is_disputed(entry.received_ms, entry.voices, roster),
        checkpoint=bundle.checkpoint,
        witnesses=cosigners,
        witnessed=witnessed(cosigners, roster.witnesses()),
        rosters=tuple(rosters),
    )


def _in_order(bundle: Bundle) -> Sequence[Part]:
    parts = list(bundle.control)
    if bundle.entry not in parts:
        parts.append(bundle.entry)
    parts.sort(key=lambda part: part.index)
    if any(a.index == b.index or a.received_ms > b.received_ms for a, b in itertools.pairwise(parts)):
        raise BundleError("the bundle's entries are not in log order")
    return parts


class _Judge:
    """Judges parts in log order against one checkpoint."""

    def __init__(
        self,
        genesis: Genesis,
        genesis_hash: str,
        checkpoint: SignedCheckpoint,
        validate: Callable[[bytes], ValidObject],
    ) -> None:
        self._genesis = genesis
        self._genesis_hash = genesis_hash
        self._head = checkpoint.checkpoint
        self._validate = validate
        self._last_seq: dict[str, tuple[int, bytes]] = {}

    def part(self, part: Part, roster: Roster | None) -> tuple[VerifiedEntry, Roster | None]:
        """The verified entry and the roster after it. Raises RefusedError."""

        def inclusion(leaf: bytes) -> None:
            merkle.verify_inclusion(leaf, index=part.index, size=self._head.size, proof=part.path, root=self._head.root)

        work = Work(
            raw=part.envelope,
            context=Context(
                federation=self._genesis.federation,
                genesis_hash=self._genesis_hash,
                roster=roster,
                index=part.index,
                received_ms=part.received_ms,
                last_seq=self._last_seq.get,
                root_at=lambda size: self._seen(part, size),
                validate=self._validate,
                inclusion=inclusion,
                objects_required=False,
                keep_unknown=True,
            ),
        )
        verify.run(verify.STEPS, work)
        self._last_seq[work.said.signer] = (work.said.seq, work.digest)
        after = roster
        if work.said.kind == "genesis":
            after = found(self._genesis, work.digest)
        elif work.said.is_control and roster is not None:
            after = verify.next_roster(roster, work)
        return verify.finish(work), after

    def _seen(self, part: Part, size: int) -> bytes | None:
        """The claimed root itself if its consistency proof joins it to the checkpoint, else None."""
        claimed = decode_statement_root(part.envelope)
        try:
            merkle.verify_consistency(
                first=size,
                second=self._head.size,
                first_root=claimed,
                second_root=self._head.root,
                proof=part.seen_path,
            )
        except ProofError:
            return None
        return claimed


def decode_statement_root(envelope: bytes) -> bytes:
    """The root in ``log_seen`` of an envelope whose statement has been parsed before."""
    data = canonical.loads_object(decode_envelope(envelope).statement, limit=BUNDLE_BYTES)
    seen = data["log_seen"]
    if not isinstance(seen, Mapping):
        raise BundleError("a statement without log_seen")
    return bytes.fromhex(str(seen["root"]))


def _part_json(part: Part) -> dict[str, Json]:
    return {
        "envelope": to_b64(part.envelope),
        "index": part.index,
        "path": [to_b64(item) for item in part.path],
        "received_ms": part.received_ms,
        "seen_path": [to_b64(item) for item in part.seen_path],
    }


def _part(value: Json) -> Part:
    if not isinstance(value, dict) or value.keys() != {"envelope", "index", "path", "received_ms", "seen_path"}:
        raise BundleError("an entry of the bundle lacks a part")
    envelope = value["envelope"]
    if not isinstance(envelope, str):
        raise BundleError("an envelope is base64 text")
    return Part(
        index=_number(value["index"]),
        received_ms=_number(value["received_ms"]),
        envelope=from_b64(envelope),
        path=_hashes(value["path"]),
        seen_path=_hashes(value["seen_path"]),
    )


def _number(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise BundleError("an index or time is a number from 0")
    return value


def _hashes(value: Json) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > _PATH_MAX or not all(isinstance(item, str) for item in value):
        raise BundleError("a path is a list of at most 64 hashes")
    out = tuple(from_b64(str(item)) for item in value)
    if any(len(item) != merkle.HASH_BYTES for item in out):
        raise BundleError("a hash has 32 bytes")
    return out
