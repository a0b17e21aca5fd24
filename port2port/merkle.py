"""The append-only Merkle tree of RFC 6962, as restated by RFC 9162: hashes, frontier, proofs.

All pure: leaf hashes come in as bytes or through a ``LeafSource``, nothing here reads a store.
Clause numbers are those of RFC 9162; the hashes are the same as in RFC 6962 section 2.1 with SHA-256.

A log keeps a ``Frontier`` (the hashes of its complete subtrees) to append in constant memory, and stores the
root after every leaf, so that the root at any size is one look-up. Proofs are made on request from stored
leaf hashes; a ``SubtreeCache`` spares hashing the whole log again for each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Final

from port2port.errors import InvariantError, MalformedError, ProofError

HASH_BYTES: Final = 32
SIZE_MAX: Final = 2**63 - 1  # what a signed 64-bit database column holds
TILE: Final = 256  # leaves under the smallest subtree that is cached
_SIZE_BYTES: Final = 8

# (start, end) -> the leaf hashes start, start + 1, ... end - 1.
LeafSource = Callable[[int, int], Sequence[bytes]]


def leaf_hash(data: bytes) -> bytes:
    """MTH of one entry (section 2.1.1): the prefix 0x00 keeps leaves and nodes apart."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """MTH of two subtrees (section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


EMPTY_ROOT: Final = sha256(b"").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """A tree cut down to what appending needs: its size and its complete subtrees, largest first.

    There is one subtree for each 1 in the binary size. Raises MalformedError for any other shape.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.subtrees) != self.size.bit_count():
            raise MalformedError("a frontier has one subtree for each bit set in its size")
        if any(len(subtree) != HASH_BYTES for subtree in self.subtrees):
            raise MalformedError("a subtree hash has 32 bytes")

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after more leaf hashes."""
        subtrees = list(self.subtrees)
        size = self.size
        for leaf in leaves:
            _push(subtrees, size, leaf)
            size += 1
        return Frontier(size=size, subtrees=tuple(subtrees))

    def root(self) -> bytes:
        """The Merkle tree hash (section 2.1.1)."""
        return _fold(self.subtrees)

    def to_bytes(self) -> bytes:
        """Eight bytes of size, big-endian, then the subtree hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.subtrees)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Frontier:
        """The reverse of ``to_bytes``. Raises MalformedError."""
        body = raw[_SIZE_BYTES:]
        if len(raw) < _SIZE_BYTES or len(body) % HASH_BYTES:
            raise MalformedError("a frontier is eight bytes of size and whole hashes")
        subtrees = tuple(body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES))
        return cls(size=int.from_bytes(raw[:_SIZE_BYTES], "big"), subtrees=subtrees)


EMPTY_FRONTIER: Final = Frontier()


def extend_with_roots(frontier: Frontier, leaves: Iterable[bytes]) -> tuple[Frontier, list[bytes]]:
    """The frontier after ``leaves`` and the root after each of them: the hot path of hub and node."""
    subtrees = list(frontier.subtrees)
    size = frontier.size
    roots = []
    for leaf in leaves:
        _push(subtrees, size, leaf)
        size += 1
        roots.append(_fold(subtrees))
    return Frontier(size=size, subtrees=tuple(subtrees)), roots


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes (section 2.1.1)."""
    return EMPTY_FRONTIER.extend(leaves).root()


class SubtreeCache:
    """Hashes of complete subtrees of 256 leaves and more, bounded; the least recently used goes first.

    A complete subtree of an append-only log never changes, so one cache serves every reader of one log, from
    any thread. It must never be shared between two logs. ``capacity`` counts hashes, about 200 bytes each; a
    log of n leaves has n / 128 of them.
    """

    def __init__(self, *, capacity: int = 32_768) -> None:
        if capacity < 1:
            raise InvariantError("a subtree cache holds at least one hash")
        self._capacity = capacity
        self._hashes: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._hashes)

    def get(self, start: int, end: int) -> bytes | None:
        with self._lock:
            found = self._hashes.get((start, end))
            if found is not None:
                self._hashes.move_to_end((start, end))
            return found

    def put(self, start: int, end: int, subtree: bytes) -> None:
        with self._lock:
            self._hashes[start, end] = subtree
            if len(self._hashes) > self._capacity:
                self._hashes.popitem(last=False)


def inclusion_proof(
    leaves: LeafSource, *, index: int, size: int, cache: SubtreeCache | None = None
) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of section 2.1.3.1: the siblings of leaf ``index``, lowest first.

    Raises ProofError where there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofError("there is no such leaf in a tree of this size", index=index, size=size)
    tree = _Tree(leaves, size, cache)
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(tree.hash(middle, end))
            end = middle
        else:
            path.append(tree.hash(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_proof(
    leaves: LeafSource, *, first: int, second: int, cache: SubtreeCache | None = None
) -> tuple[bytes, ...]:
    """PROOF(first, D[second]) of section 2.1.4.1; empty where ``first`` is 0 or equals ``second``.

    Raises ProofError where ``first`` is larger than ``second``.
    """
    if not 0 <= first <= second <= SIZE_MAX:
        raise ProofError("a proof leads from a smaller to a larger tree", first=first, second=second)
    if first in {0, second}:
        return ()
    tree = _Tree(leaves, second, cache)
    path = []
    start, end = 0, second
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(tree.hash(middle, end))
            end = middle
        else:
            path.append(tree.hash(start, middle))
            start = middle
    if start:  # SUBPROOF with b false: the first tree's own root is not a subtree here
        path.append(tree.hash(start, end))
    return tuple(reversed(path))


def inclusion_root(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root to which an inclusion proof leads (section 2.1.3.2, steps 1 to 4). Raises ProofError."""
    if not 0 <= index < size <= SIZE_MAX:
        raise ProofError("there is no such leaf in a tree of this size", index=index, size=size)
    _require_hashes((leaf, *proof))
    root = leaf
    for sibling, is_left in _climb(index, size - 1, proof):
        root = node_hash(sibling, root) if is_left else node_hash(root, sibling)
    return root


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """That ``leaf`` (a leaf hash) stands at ``index`` in the tree of ``size`` and ``root`` (section 2.1.3.2).

    Raises ProofError.
    """
    if inclusion_root(leaf, index=index, size=size, proof=proof) != root:
        raise ProofError("the inclusion proof does not lead to the root", index=index, size=size)


def verify_consistency(
    *, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """That the tree of ``first`` leaves is the beginning of the tree of ``second`` (section 2.1.4.2).

    Beyond the RFC, which begins at 1: a first size of 0 needs the empty root and an empty proof, as C2SP
    tlog-witness has it. Raises ProofError.
    """
    if not 0 <= first <= second <= SIZE_MAX:
        raise ProofError("a proof leads from a smaller to a larger tree", first=first, second=second)
    _require_hashes((first_root, second_root, *proof))
    if first in {0, second}:
        expected = second_root if first == second else EMPTY_ROOT
        if proof or first_root != expected or (second == 0 and second_root != EMPTY_ROOT):
            raise ProofError("the roots differ or the proof is not empty", first=first, second=second)
        return
    if _consistency_roots(first, second, first_root, proof) != (first_root, second_root):
        raise ProofError("the consistency proof does not join the two roots", first=first, second=second)


def _consistency_roots(first: int, second: int, first_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Section 2.1.4.2, steps 2 to 6: the roots of both trees as the proof has them."""
    path = list(proof)
    if first & (first - 1) == 0:  # step 2: the first tree is a complete subtree of the second
        path.insert(0, first_root)
    if not path:
        raise ProofError("a consistency proof is missing", first=first, second=second)
    fn, sn = first - 1, second - 1
    while fn & 1:  # step 4
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for sibling, is_left in _climb(fn, sn, path[1:]):
        if is_left:
            fr, sr = node_hash(sibling, fr), node_hash(sibling, sr)
        else:
            sr = node_hash(sr, sibling)
    return fr, sr


def _climb(fn: int, sn: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The walk that both verifications share: each proof hash, and whether it stands on the left.

    ``fn`` is the node's place on its level and ``sn`` that of the last one. Raises ProofError for a proof
    that is too long (sn is 0 already) or too short (sn is not 0 at the end).
    """
    for sibling in proof:
        if sn == 0:
            raise ProofError("the proof has too many hashes")
        is_left = bool(fn & 1) or fn == sn
        yield sibling, is_left
        while is_left and fn and not fn & 1:
            fn >>= 1
            sn >>= 1
        fn >>= 1
        sn >>= 1
    if sn:
        raise ProofError("the proof has too few hashes")


class _Tree:
    """Subtree hashes for one proof, reading the stretch of 256 leaves that holds its lowest hashes once."""

    def __init__(self, leaves: LeafSource, size: int, cache: SubtreeCache | None) -> None:
        self._leaves = leaves
        self._size = size
        self._cache = cache
        self._stretch: tuple[int, Sequence[bytes]] = (0, ())

    def hash(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]) where the range is a subtree of some tree (section 2.1.2)."""
        count = end - start
        if count < TILE:
            return root_of(self._small(start, end))
        complete = count & (count - 1) == 0
        found = self._cache.get(start, end) if complete and self._cache is not None else None
        if found is not None:
            return found
        if count == TILE:
            subtree = root_of(self._read(start, end))
        else:
            middle = start + _split(count)
            subtree = node_hash(self.hash(start, middle), self.hash(middle, end))
        if complete and self._cache is not None:
            self._cache.put(start, end, subtree)
        return subtree

    def _small(self, start: int, end: int) -> Sequence[bytes]:
        base, held = self._stretch
        if not base <= start <= end <= base + len(held):
            base = start - start % TILE
            held = self._read(base, min(base + TILE, self._size))
            self._stretch = (base, held)
        return held[start - base : end - base]

    def _read(self, start: int, end: int) -> Sequence[bytes]:
        found = self._leaves(start, end)
        if len(found) != end - start:
            raise InvariantError("the log has lost leaf hashes", start=start, end=end, found=len(found))
        return found


def _split(count: int) -> int:
    """The largest power of two smaller than ``count`` (section 2.1.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def _push(subtrees: list[bytes], size: int, leaf: bytes) -> None:
    if len(leaf) != HASH_BYTES:
        raise MalformedError("a leaf hash has 32 bytes", size=size)
    while size & 1:  # each trailing 1 of the old size is a subtree as large as the one just completed
        leaf = sha256(b"\x01" + subtrees.pop() + leaf).digest()
        size >>= 1
    subtrees.append(leaf)


def _fold(subtrees: Sequence[bytes]) -> bytes:
    if not subtrees:
        return EMPTY_ROOT
    root = subtrees[-1]
    for subtree in subtrees[-2::-1]:
        root = sha256(b"\x01" + subtree + root).digest()
    return root


def _require_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise ProofError("a hash in a proof has 32 bytes")
