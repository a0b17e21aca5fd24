"""Signed tree heads: what the log says of itself, who vouches for having seen it, and proof that it lied.

Forms of C2SP: signed-note (text, an empty line, signature lines), tlog-checkpoint (origin, size, root),
tlog-cosignature v1 with Ed25519 (a witness's time and signature), tlog-proof (an entry's offline proof).
We are stricter than C2SP where it leaves room: no extension lines, an origin that is also a key name, one
spelling of everything, so that parsing and formatting are exact opposites.

The hub signs a checkpoint after each commit. Nodes recompute its root from leaf hashes, then co-sign it; a
cosignature says "the largest tree I have seen, consistent with all before". Two checkpoints that the log signed
and that cannot both be true convict it: see ``port2port.conflict``.
Whoever can write a stored checkpoint can at most destroy it, because every reader checks the signatures.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from port2port import merkle
from port2port.errors import MalformedError
from port2port.keys import SignatureError, SigningKey, base64_exact, verify_ed25519
from port2port.limits import LIMITS

LOG_SIGNATURE: Final = 0x01  # signed-note: Ed25519 over the note text
COSIGNATURE: Final = 0x04  # tlog-cosignature: time and Ed25519
PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"
PROOF_BYTES: Final = 2 * LIMITS.checkpoint_bytes
PATH_MAX: Final = 64  # hashes: the deepest tree has 63 levels
_HASH_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_ED25519_SIGNATURE: Final = 64
_NAME_CHARS: Final = 255
_DASH: Final = "\u2014 "  # signed-note: em dash and space begin a signature line
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_HASH: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


class CheckpointError(MalformedError):
    """Not a checkpoint, verifier key, tlog-proof, prefix proof or evidence file in its one spelling."""

    code = "CHECKPOINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A named Ed25519 key of signed-note. ``algorithm`` is 0x01 for a log and 0x04 for a witness."""

    name: str
    algorithm: int
    public: bytes

    def __post_init__(self) -> None:
        _require_name(self.name)
        if self.algorithm not in {LOG_SIGNATURE, COSIGNATURE} or len(self.public) != 32:
            raise CheckpointError("a verifier key is of type 0x01 or 0x04 with 32 bytes of Ed25519 key")

    @property
    def key_hash(self) -> bytes:
        """signed-note "Signatures": the four bytes that say which key a line is for."""
        material = self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public
        return sha256(material).digest()[:_HASH_ID_BYTES]

    def to_text(self) -> str:
        """The vkey form: name, hash and base64 of type and key, joined by '+'."""
        encoded = base64_of(bytes([self.algorithm]) + self.public)
        return f"{self.name}+{self.key_hash.hex()}+{encoded}"

    @classmethod
    def from_text(cls, text: str) -> VerifierKey:
        """The reverse of ``to_text``. Raises CheckpointError."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not _KEY_HASH.fullmatch(parts[1]):
            raise CheckpointError("a verifier key looks like name+hash+base64")
        material = _decode(parts[2])
        if not material:
            raise CheckpointError("a verifier key looks like name+hash+base64")
        key = cls(name=parts[0], algorithm=material[0], public=material[1:])
        if key.key_hash.hex() != parts[1]:
            raise CheckpointError("the hash in the verifier key is not of this name and key")
        return key


def log_key(origin: str, public: bytes) -> VerifierKey:
    """The verifier key of a log, whose key name is its origin."""
    return VerifierKey(name=origin, algorithm=LOG_SIGNATURE, public=public)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """tlog-checkpoint: the root of the first ``size`` leaves of the log called ``origin``."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _require_name(self.origin)
        if not 0 <= self.size <= merkle.SIZE_MAX or len(self.root) != merkle.HASH_BYTES:
            raise CheckpointError("a checkpoint has a size from 0 and a root of 32 bytes")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise CheckpointError("an empty tree has one root only")

    @property
    def body(self) -> bytes:
        """The note text: what the log signs."""
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: who claims it, for which key, and the bytes; nothing of it is verified."""

    name: str
    key_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        _require_name(self.name)
        if len(self.key_hash) != _HASH_ID_BYTES or not self.signature:
            raise CheckpointError("a signature line holds four bytes of key hash and a signature")

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {base64_of(self.key_hash + self.signature)}\n"

    @classmethod
    def from_line(cls, line: str) -> NoteSignature:
        """The reverse of ``line``, without the line end. Raises CheckpointError."""
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise CheckpointError("a signature line is: em dash, name, base64")
        raw = _decode(encoded)
        return cls(name=name, key_hash=raw[:_HASH_ID_BYTES], signature=raw[_HASH_ID_BYTES:])

    def is_for(self, key: VerifierKey) -> bool:
        """Whether this line names ``key``; such a line must verify, any other is ignored (signed-note)."""
        return self.name == key.name and self.key_hash == key.key_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with its signature lines as received: trust it only through ``verify_log``."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.signatures:
            raise CheckpointError("a checkpoint has at least one signature")

    @property
    def note(self) -> bytes:
        """The exact bytes of the note."""
        return self.checkpoint.body + b"\n" + "".join(item.line for item in self.signatures).encode()

    @classmethod
    def parse(cls, note: bytes) -> SignedCheckpoint:
        """The reverse of ``note``. Raises CheckpointError for anything else, over-long notes included."""
        lines = _lines(note, LIMITS.checkpoint_bytes)
        if len(lines) < 5 or lines[3]:
            raise CheckpointError("a checkpoint is three lines, an empty one and signatures")
        checkpoint = Checkpoint(origin=lines[0], size=parse_number(lines[1]), root=parse_hash(lines[2]))
        return cls(checkpoint=checkpoint, signatures=tuple(NoteSignature.from_line(line) for line in lines[4:]))

    def with_signatures(self, more: Iterable[NoteSignature]) -> SignedCheckpoint:
        """The same with further lines; a line that is there already is not repeated."""
        new = [item for item in dict.fromkeys(more) if item not in self.signatures]
        return replace(self, signatures=(*self.signatures, *new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """A verified cosignature: this witness had seen no larger tree at ``time`` (seconds since the epoch)."""

    witness: str
    time: int


def sign(checkpoint: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """The checkpoint signed by its log (signed-note, Ed25519 signatures).

    A log must never sign two that contradict each other; the caller holds the log's head while it signs.
    """
    verifier = log_key(checkpoint.origin, key.public)
    signature = NoteSignature(name=verifier.name, key_hash=verifier.key_hash, signature=key.sign(checkpoint.body))
    return SignedCheckpoint(checkpoint=checkpoint, signatures=(signature,))


def verify_log(signed: SignedCheckpoint, log: VerifierKey) -> Checkpoint:
    """The checkpoint, once it is of this log and the log's own line verifies. Raises SignatureError."""
    if log.algorithm != LOG_SIGNATURE or signed.checkpoint.origin != log.name:
        raise SignatureError("the checkpoint is of another log", origin=signed.checkpoint.origin)
    lines = [item for item in signed.signatures if item.is_for(log)]
    if not lines:
        raise SignatureError("the checkpoint is not signed with the log's key", origin=log.name)
    for item in lines:
        verify_ed25519(log.public, signed.checkpoint.body, item.signature)
    return signed.checkpoint


def cosign(checkpoint: Checkpoint, *, witness: str, key: SigningKey, time: int) -> NoteSignature:
    """A witness's line (tlog-cosignature, Ed25519). ``time`` is in seconds since the epoch.

    The witness has checked the log's signature and consistency with all it saw before, and stored so, first.
    """
    verifier = VerifierKey(name=witness, algorithm=COSIGNATURE, public=key.public)
    signature = _time_bytes(time) + key.sign(_cosigned_message(checkpoint, time))
    return NoteSignature(name=witness, key_hash=verifier.key_hash, signature=signature)


def verify_cosignatures(signed: SignedCheckpoint, witnesses: Mapping[str, Collection[bytes]]) -> list[Cosigned]:
    """Which of ``witnesses`` (name to raw Ed25519 keys) co-signed, each once with its latest time, by name.

    A witness with several keys, one at each of its nodes, is still one. Lines of others are ignored.
    Raises SignatureError where a line names a known key and does not verify: signed-note lets such a note be refused
    whole, since nobody honest has written it.
    """
    latest: dict[str, int] = {}
    for item in signed.signatures:
        time = _cosigned_time(signed.checkpoint, item, witnesses.get(item.name, ()))
        if time is not None:
            latest[item.name] = max(time, latest.get(item.name, 0))
    return [Cosigned(witness=name, time=latest[name]) for name in sorted(latest)]


def _cosigned_time(checkpoint: Checkpoint, item: NoteSignature, keys: Collection[bytes]) -> int | None:
    """The time of a line by one of ``keys``, None for a line by none of them. Raises SignatureError.

    A line names its key by four bytes: a member that made two keys alike must not spoil every note it signs.
    """
    named = [key for key in keys if item.is_for(VerifierKey(name=item.name, algorithm=COSIGNATURE, public=key))]
    failed: SignatureError | None = None
    for key in named:
        try:
            return _verify_cosignature(checkpoint, item, key)
        except SignatureError as error:
            failed = error
    if failed is not None:
        raise failed
    return None


def witnessed(cosigners: Iterable[str], organisations: Mapping[str, str]) -> bool:
    """Whether a majority of the witness organisations co-signed; ``organisations`` has that of each witness.

    An organisation with several witnesses counts once, and witnesses that are not listed count nothing.
    """
    heard = {organisations[name] for name in cosigners if name in organisations}
    return 2 * len(heard) > len(set(organisations.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """tlog-proof: that an entry stands at ``index`` in the tree of a checkpoint, to be checked offline.

    ``extra`` is authenticated by nothing (and absent rather than empty).
    """

    index: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.signed.checkpoint.size or len(self.path) > PATH_MAX:
            raise CheckpointError("the index lies outside the checkpoint or the path is too long")
        if any(len(item) != merkle.HASH_BYTES for item in self.path):
            raise CheckpointError("a hash of a path has 32 bytes")
        if self.extra is not None and not self.extra:
            raise CheckpointError("extra data is absent rather than empty")

    def verify_leaf(self, leaf: bytes) -> None:
        """That ``leaf`` (a leaf hash) is included; the checkpoint is for ``verify_log``. Raises ProofError."""
        head = self.signed.checkpoint
        merkle.verify_inclusion(leaf, index=self.index, size=head.size, proof=self.path, root=head.root)


def format_proof(proof: TlogProof) -> bytes:
    """The text of a .tlog-proof file."""
    extra = [] if proof.extra is None else [f"extra {base64_of(proof.extra)}"]
    head = [PROOF_HEADER, *extra, f"index {proof.index}", *map(base64_of, proof.path), "", ""]
    return "\n".join(head).encode() + proof.signed.note


def parse_proof(raw: bytes) -> TlogProof:
    """The reverse of ``format_proof``. Raises CheckpointError."""
    lines = _lines(raw, PROOF_BYTES)
    end = lines.index("") if "" in lines else 0
    if end < 2 or lines[0] != PROOF_HEADER:
        raise CheckpointError("a tlog-proof begins with its header and an index")
    extra = _decode(lines[1].removeprefix("extra ")) if lines[1].startswith("extra ") else None
    at = 1 if extra is None else 2
    if not lines[at].startswith("index "):
        raise CheckpointError("a tlog-proof names its index")
    note = "".join(f"{line}\n" for line in lines[end + 1 :]).encode()
    return TlogProof(
        index=parse_number(lines[at].removeprefix("index ")),
        path=tuple(parse_hash(line) for line in lines[at + 1 : end]),
        signed=SignedCheckpoint.parse(note),
        extra=extra,
    )


def parse_number(text: str) -> int:
    """A tree size or leaf index in ASCII decimal (tlog-checkpoint). Raises CheckpointError."""
    if not _DECIMAL.fullmatch(text) or int(text) > merkle.SIZE_MAX:
        raise CheckpointError("a number is decimal without leading zeroes and below 2^63")
    return int(text)


def parse_hash(text: str) -> bytes:
    """A SHA-256 hash in base64 (RFC 4648 section 4). Raises CheckpointError."""
    raw = _decode(text)
    if len(raw) != merkle.HASH_BYTES:
        raise CheckpointError("a hash is 32 bytes in base64")
    return raw


def base64_of(raw: bytes) -> str:
    """Standard base64, padded, as text."""
    return base64.b64encode(raw).decode()


def _cosigned_message(checkpoint: Checkpoint, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n".encode() + checkpoint.body


def _time_bytes(time: int) -> bytes:
    if not 0 <= time <= merkle.SIZE_MAX:
        raise CheckpointError("a cosignature's time lies between 1970 and 2^63 seconds later")
    return time.to_bytes(_TIME_BYTES, "big")


def _verify_cosignature(checkpoint: Checkpoint, item: NoteSignature, public: bytes) -> int:
    time = int.from_bytes(item.signature[:_TIME_BYTES], "big")
    if len(item.signature) != _TIME_BYTES + _ED25519_SIGNATURE or time > merkle.SIZE_MAX:
        raise SignatureError("a cosignature is eight bytes of time and an Ed25519 signature")
    verify_ed25519(public, _cosigned_message(checkpoint, time), item.signature[_TIME_BYTES:])
    return time


def _lines(raw: bytes, limit: int) -> list[str]:
    """signed-note: UTF-8, the last line ended too; control characters fit none of the lines we admit."""
    if len(raw) > limit:
        raise CheckpointError(f"longer than {limit} bytes", size=len(raw))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError("not UTF-8") from error
    if not text.endswith("\n"):
        raise CheckpointError("a note ends its last line")
    return text.split("\n")[:-1]


def _require_name(name: str) -> None:
    """signed-note: not empty, no spaces of any script, no plus; ours is bounded as well."""
    if not 0 < len(name) <= _NAME_CHARS or "+" in name or not name.isprintable() or " " in name:
        raise CheckpointError("a key name is printable, without spaces and plus signs")


def _decode(text: str) -> bytes:
    try:
        return base64_exact(text)
    except MalformedError as error:
        raise CheckpointError("not base64 in its one spelling") from error
