"""Rebuilds ``merkle.json``: roots and proofs of the Certificate Transparency reference tree.

The eight leaves are those of the reference tests of google/certificate-transparency (``merkletree``), today
github.com/transparency-dev/merkle, ``proof/verify_test.go``; ``test_merkle`` holds the values published there. The
rest is computed here straight from the recursive definitions in RFC 9162 section 2.1 (MTH, PATH, PROOF), with nothing
of ``port2port.merkle``.

Run: ``python tests/vectors/build_merkle.py`` from the root of the repository.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


def split(count: int) -> int:
    """The largest power of two smaller than ``count``."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    """Section 2.1.1 over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """Section 2.1.4.1; PROOF(m, D) is SUBPROOF(m, D, true)."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def build() -> dict[str, object]:
    hashes = [sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in LEAVES]
    sizes = range(1, len(LEAVES) + 1)
    return {
        "origin": "leaves: transparency-dev/merkle proof/verify_test.go; computed by build_merkle.py from RFC 9162",
        "leaves": LEAVES,
        "roots": [mth(hashes[:size]).hex() for size in range(len(LEAVES) + 1)],
        "inclusion": [
            {"index": m, "size": n, "path": [item.hex() for item in path(m, hashes[:n])]}
            for n in sizes
            for m in range(n)
        ],
        "consistency": [
            {"first": m, "second": n, "path": [item.hex() for item in subproof(m, hashes[:n], True)]}
            for n in sizes
            for m in range(1, n + 1)
        ],
    }


def text() -> str:
    return json.dumps(build(), indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("merkle.json").write_text(text(), encoding="utf-8")
