"""The tree against published vectors, a naive oracle straight from the RFC, and forgeries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import merkle
from port2port.errors import InvariantError, MalformedError, ProofError
from tests.fakes.examples import many
from tests.vectors import build_merkle as oracle

VECTORS = Path(__file__).parents[2] / "vectors" / "merkle.json"
# Published in transparency-dev/merkle proof/verify_test.go (the Certificate Transparency reference tree).
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
G = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
I = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"  # noqa: E741 the ninth letter
J = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
CT_INCLUSION = {(0, 1): [], (0, 8): [A, B, C], (5, 8): [D, E, F], (2, 3): [G], (1, 5): [H, B, D]}
CT_CONSISTENCY = {(1, 1): [], (1, 8): [A, B, C], (6, 8): [I, E, F], (2, 5): [B, D], (6, 7): [I, J, F]}

HASHES = [merkle.leaf_hash(b"%d" % number) for number in range(70)]
ROOTS = [oracle.mth(HASHES[:size]) for size in range(71)]
LIES = (merkle.leaf_hash(b"lie"), b"", merkle.EMPTY_ROOT)


def source(start: int, end: int) -> list[bytes]:
    return HASHES[start:end]


def ct_leaves() -> list[bytes]:
    return [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in oracle.LEAVES]


def holds_inclusion(leaf: bytes, index: int, size: int, proof: tuple[bytes, ...], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(leaf, index=index, size=size, proof=proof, root=root)
    except ProofError:
        return False
    return True


def holds_consistency(first: int, second: int, roots: tuple[bytes, bytes], proof: tuple[bytes, ...]) -> bool:
    try:
        merkle.verify_consistency(first=first, second=second, first_root=roots[0], second_root=roots[1], proof=proof)
    except ProofError:
        return False
    return True


def mangled(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Every proof that differs from ``proof`` by one hash flipped, dropped, doubled or added, or two swapped."""
    out = [(*proof, lie) for lie in LIES] + [(lie, *proof) for lie in LIES]
    for at, item in enumerate(proof):
        before, after = proof[:at], proof[at + 1 :]
        flipped = bytes([item[0] ^ 8]) + item[1:]
        out += [(*before, flipped, *after), (*before, *after), (*before, item, item, *after)]
        out += [(*before, after[0], item, *after[1:])] if after else []
    return out


def test_the_vector_file_is_what_its_script_builds() -> None:
    assert VECTORS.read_text(encoding="utf-8") == oracle.text()


def test_the_published_values_of_certificate_transparency_are_in_the_vector_file() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert vectors["roots"] == CT_ROOTS
    inclusion = {(case["index"], case["size"]): case["path"] for case in vectors["inclusion"]}
    consistency = {(case["first"], case["second"]): case["path"] for case in vectors["consistency"]}
    assert CT_INCLUSION.items() <= inclusion.items()
    assert CT_CONSISTENCY.items() <= consistency.items()


def test_roots_and_proofs_equal_the_vectors() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    leaves = ct_leaves()
    frontier = merkle.EMPTY_FRONTIER
    roots = [frontier.root().hex()]
    for leaf in leaves:
        frontier = frontier.append(leaf)
        roots.append(frontier.root().hex())
    assert roots == vectors["roots"]
    assert frontier == merkle.EMPTY_FRONTIER.extend(leaves)
    for case in vectors["inclusion"]:
        got = merkle.inclusion_proof(lambda a, b: leaves[a:b], index=case["index"], size=case["size"])
        assert [item.hex() for item in got] == case["path"]
    for case in vectors["consistency"]:
        got = merkle.consistency_proof(lambda a, b: leaves[a:b], first=case["first"], second=case["second"])
        assert [item.hex() for item in got] == case["path"]


def test_the_root_after_each_leaf_is_the_root_of_that_prefix_however_the_leaves_are_batched() -> None:
    for batch in (1, 3, 7, 70):
        frontier, roots = merkle.EMPTY_FRONTIER, [merkle.EMPTY_ROOT]
        for start in range(0, 70, batch):
            frontier, more = merkle.extend_with_roots(frontier, HASHES[start : start + batch])
            roots += more
        assert roots == ROOTS
        assert frontier == merkle.EMPTY_FRONTIER.extend(HASHES)
    assert merkle.extend_with_roots(frontier, []) == (frontier, [])


ALL_SIZES = pytest.mark.parametrize("largest", [20, pytest.param(70, marks=pytest.mark.slow)])


@ALL_SIZES
def test_every_inclusion_proof_is_the_naive_one_and_no_mangled_one_holds(largest: int) -> None:
    for size in range(1, largest + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(source, index=index, size=size)
            assert list(proof) == oracle.path(index, HASHES[:size])
            assert holds_inclusion(HASHES[index], index, size, proof, ROOTS[size])
            assert not holds_inclusion(HASHES[(index + 1) % 70], index, size, proof, ROOTS[size])
            assert not any(holds_inclusion(HASHES[index], index, size, proof, lie) for lie in LIES)
            for other in {index - 1, index + 1, index ^ 2} - {index}:
                assert not holds_inclusion(HASHES[index], other, size, proof, ROOTS[size])
            for bad in mangled(proof):
                assert not holds_inclusion(HASHES[index], index, size, bad, ROOTS[size])


@ALL_SIZES
def test_every_consistency_proof_is_the_naive_one_and_no_mangled_one_holds(largest: int) -> None:
    for second in range(largest + 1):
        for first in range(second + 1):
            proof = merkle.consistency_proof(source, first=first, second=second)
            roots = (ROOTS[first], ROOTS[second])
            if first:
                assert list(proof) == oracle.subproof(first, HASHES[:second], True)
            assert holds_consistency(first, second, roots, proof)
            for bad in mangled(proof):
                assert not holds_consistency(first, second, roots, bad)
            for lie in (merkle.leaf_hash(b"lie"), b""):
                assert not holds_consistency(first, second, (lie, roots[1]), proof)
                assert first == 0 or not holds_consistency(first, second, (roots[0], lie), proof)


@pytest.mark.parametrize(
    ("first", "second", "roots", "proof"),
    [
        pytest.param(2, 1, (ROOTS[2], ROOTS[1]), (), id="backwards"),
        pytest.param(-1, 1, (ROOTS[0], ROOTS[1]), (), id="negative"),
        pytest.param(1, 2, (ROOTS[1], ROOTS[2]), (), id="no proof"),
        pytest.param(3, 5, (ROOTS[3], ROOTS[5]), (), id="no proof and no shared subtree"),
        pytest.param(0, 0, (ROOTS[1], ROOTS[1]), (), id="empty trees with another root"),
        pytest.param(0, 3, (ROOTS[1], ROOTS[3]), (), id="empty tree with another root"),
        pytest.param(1, 2**63, (ROOTS[1], ROOTS[2]), (ROOTS[1],), id="size out of range"),
    ],
)
def test_a_consistency_claim_that_cannot_be_is_refused(
    first: int, second: int, roots: tuple[bytes, bytes], proof: tuple[bytes, ...]
) -> None:
    assert not holds_consistency(first, second, roots, proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (2, 1), (-1, 4), (0, 2**63)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        merkle.inclusion_proof(source, index=index, size=size)
    assert not holds_inclusion(HASHES[0], index, size, (), HASHES[0])


def test_a_proof_longer_than_the_tree_is_deep_leads_to_no_root() -> None:
    for size in (1, 2, 7):
        proof = merkle.inclusion_proof(source, index=0, size=size)
        assert merkle.inclusion_root(HASHES[0], index=0, size=size, proof=proof) == ROOTS[size]
        with pytest.raises(ProofError, match="too many"):
            merkle.inclusion_root(HASHES[0], index=0, size=size, proof=(*proof, ROOTS[1]))


def test_no_consistency_proof_leads_backwards() -> None:
    with pytest.raises(ProofError):
        merkle.consistency_proof(source, first=3, second=2)


@given(st.integers(0, 3000), st.data())
@settings(max_examples=many(60), deadline=None)
def test_proofs_from_a_small_cache_equal_proofs_without_one(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    cache = merkle.SubtreeCache(capacity=data.draw(st.integers(1, 40)))
    frontier, roots = merkle.extend_with_roots(merkle.EMPTY_FRONTIER, leaves)
    roots.insert(0, merkle.EMPTY_ROOT)
    assert frontier.root() == oracle.mth(leaves)
    for _ in range(5):
        first = data.draw(st.integers(0, size))
        proof = merkle.consistency_proof(lambda a, b: leaves[a:b], first=first, second=size, cache=cache)
        assert list(proof) == (oracle.subproof(first, leaves, True) if first else [])
        assert holds_consistency(first, size, (roots[first], roots[size]), proof)
        if first < size:
            path = merkle.inclusion_proof(lambda a, b: leaves[a:b], index=first, size=size, cache=cache)
            assert list(path) == oracle.path(first, leaves)


def test_a_warm_cache_reads_two_stretches_of_leaves_at_most() -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(10_000)]
    reads: list[tuple[int, int]] = []

    def reading(start: int, end: int) -> list[bytes]:
        reads.append((start, end))
        return leaves[start:end]

    cache = merkle.SubtreeCache()
    for index in range(0, 10_000, 256):
        merkle.inclusion_proof(reading, index=index, size=10_000, cache=cache)
    reads.clear()
    merkle.inclusion_proof(reading, index=5_003, size=10_000, cache=cache)
    assert len(reads) <= 2
    assert all(end - start <= 256 for start, end in reads)
    assert len(cache) <= 10_000 // 128


def test_a_full_cache_forgets_the_least_recently_used_subtree() -> None:
    cache = merkle.SubtreeCache(capacity=2)
    cache.put(0, 256, HASHES[0])
    cache.put(256, 512, HASHES[1])
    assert cache.get(0, 256) == HASHES[0]
    cache.put(512, 768, HASHES[2])
    assert (cache.get(0, 256), cache.get(256, 512), len(cache)) == (HASHES[0], None, 2)
    with pytest.raises(InvariantError):
        merkle.SubtreeCache(capacity=0)


def test_a_source_that_lost_leaves_breaks_an_invariant() -> None:
    with pytest.raises(InvariantError):
        merkle.inclusion_proof(source, index=1, size=300)


@given(st.integers(0, 600))
@settings(deadline=None)
def test_a_frontier_survives_being_stored(size: int) -> None:
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    frontier = merkle.EMPTY_FRONTIER.extend(leaves)
    assert merkle.Frontier.from_bytes(frontier.to_bytes()) == frontier


@given(st.binary(max_size=200) | st.integers(0, 40).map(lambda n: n.to_bytes(8, "big") + bytes(32 * n.bit_count())))
@settings(max_examples=many(1000), deadline=None)
def test_any_bytes_are_a_frontier_or_refused(raw: bytes) -> None:
    try:
        frontier = merkle.Frontier.from_bytes(raw)
    except MalformedError:
        return
    assert frontier.to_bytes() == raw


def test_what_is_not_a_hash_is_never_appended() -> None:
    with pytest.raises(MalformedError):
        merkle.EMPTY_FRONTIER.append(b"short")
    with pytest.raises(MalformedError):
        merkle.Frontier(size=1, subtrees=(b"short",))


@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.lists(st.binary(max_size=40) | st.just(HASHES[0]), max_size=70),
)
@settings(max_examples=many(500), deadline=None)
def test_any_numbers_and_hashes_are_refused_with_a_proof_error(a: int, b: int, proof: list[bytes]) -> None:
    path = tuple(proof)
    assert not holds_inclusion(HASHES[1], a, b, path, ROOTS[9])
    assert not holds_consistency(a, b, (ROOTS[7], ROOTS[9]), path)
