"""STIX objects that somebody has tampered with, without end: their bytes, their values, their patterns."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

PIECES = [
    "[",
    "]",
    "(",
    ")",
    "'",
    "\\",
    "=",
    ":",
    ".",
    ",",
    "AND",
    "OR",
    "NOT",
    "FOLLOWEDBY",
    "IN",
    "LIKE",
    "MATCHES",
    "ISSUBSET",
    "EXISTS",
    "REPEATS",
    "WITHIN",
    "START",
    "STOP",
    "TIMES",
    "SECONDS",
    "h'",
    "b'",
    "t'",
    "/*",
    "*/",
    "//",
    "0",
    "1e9",
    "-0",
    "true",
    "null",
    "[*]",
    "[-1]",
    "vessel:mmsi",
    "''",
    "t'x'",
    "t'2026-11-22T00:00:00Z'",
    "file:hashes.MD5",
]
ODD = ["\n", "é", "\u2028", "\x00", " ", "  AND  "]


def mutants(rng: random.Random, samples: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """Mutants of the samples, of each kind in turn."""
    raws = [orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in samples]
    while True:
        yield mutated(rng, rng.choice(raws))
        yield revalued(rng, dict(rng.choice(samples)))
        yield repatterned(rng, dict(rng.choice([value for value in samples if "pattern" in value])))


def revalued(rng: random.Random, value: dict[str, Any]) -> bytes:
    """One to three properties of it say something else."""
    for _ in range(rng.randint(1, 3)):
        value[rng.choice([*sorted(value), "extensions", "granular_markings"])] = odd_json(rng)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def repatterned(rng: random.Random, value: dict[str, Any]) -> bytes:
    """Its pattern cut and spliced."""
    pattern = str(value["pattern"])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(pattern) + 1)
        piece = rng.choice([*PIECES, *ODD]) * rng.choice([1, 1, 1, 2, 40])
        pattern = pattern[:at] + piece + pattern[at + rng.choice([0, 0, 1, 5]) :]
    return orjson.dumps({**value, "pattern": pattern}, option=orjson.OPT_SORT_KEYS)


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """Cut, flip, double, splice and deepen bytes."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) or 1)
        kind = rng.randrange(6)
        if kind == 0:
            del out[at:]
        elif kind == 1 and out:
            out[at] = rng.randrange(256)
        elif kind == 2:
            out[at:at] = out[at : at + rng.randint(1, 40)]
        elif kind == 3:
            out[at:at] = rng.choice([b"null", b"[[", b'{"a":', b"1e999", b"-0", b"\\u0000", b'"', b"\xf0\x9f", b"'"])
        elif kind == 4:
            del out[at : at + rng.randint(1, 20)]
        else:
            out[at:at] = b"[" * rng.choice([1, 40, 3_000])
    return bytes(out)


def odd_json(rng: random.Random, depth: int = 0) -> Any:
    """A value of any kind, seldom deep."""
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind < 6:
        return rng.choice([None, True, -1, 2**53, 1.5, 1e300, "", "x", "é\U0001f6a2", "[a:b=1]", "2.1", "identity--x"])
    if kind < 8:
        return [odd_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(["a", "type", "\U0001f6a2", ""]): odd_json(rng, depth + 1) for _ in range(rng.randrange(4))}
