"""Rebuilds ``checkpoint.json``: a log's note, cosignatures, a tlog-proof and evidence, byte for byte.

Written from the C2SP texts signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof with nothing of
``port2port``: only hashing, base64 and Ed25519, which is deterministic (RFC 8032). Keys are made here from
seeds that are the SHA-256 of a name, so none of them is secret.

Run: ``python tests/vectors/build_checkpoint.py`` from the root of the repository.
"""

from __future__ import annotations

import base64
import json
import struct
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "vectors.port2port.example/log"
WITNESSES = ("antwerp-bruges", "north-sea-port")
TIME = 1_795_305_600  # 2026-11-22T00:00:00Z


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def seed(name: str) -> bytes:
    return sha256(b"port2port test vector " + name.encode()).digest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def key_hash(name: str, kind: int) -> bytes:
    public = key(name if name in WITNESSES else "log").public_key().public_bytes_raw()
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def leaf(number: int) -> bytes:
    return sha256(b"\x00" + b"entry %d" % number).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def note(body: str, *lines: str) -> str:
    return body + "\n" + "".join(lines)


def log_line(body: str) -> str:
    return f"\u2014 {ORIGIN} {b64(key_hash(ORIGIN, 1) + key('log').sign(body.encode()))}\n"


def cosignature_line(witness: str, time: int, body: str) -> str:
    signature = key(witness).sign(f"cosignature/v1\ntime {time}\n{body}".encode())
    return f"\u2014 {witness} {b64(key_hash(witness, 4) + struct.pack('>Q', time) + signature)}\n"


def build() -> dict[str, object]:
    leaves = [leaf(number) for number in range(3)]
    left = node(leaves[0], leaves[1])
    body = f"{ORIGIN}\n3\n{b64(node(left, leaves[2]))}\n"
    forked = f"{ORIGIN}\n3\n{b64(node(left, leaf(99)))}\n"
    earlier = f"{ORIGIN}\n2\n{b64(node(leaves[0], leaf(98)))}\n"
    signed = note(body, log_line(body))
    full = note(
        body,
        log_line(body),
        *(cosignature_line(name, TIME + at, body) for at, name in enumerate(WITNESSES)),
    )
    public = key("log").public_key().public_bytes_raw()
    vkey = f"{ORIGIN}+{key_hash(ORIGIN, 1).hex()}+{b64(bytes([1]) + public)}"
    prefix = {"first": "2", "first_root": b64(left), "path": [b64(leaves[2])], "second": "3"}
    return {
        "origin": "computed by build_checkpoint.py from the C2SP texts; seeds: SHA-256 of names",
        "log_seed": seed("log").hex(),
        "witness_seeds": {name: seed(name).hex() for name in WITNESSES},
        "witness_times": {name: TIME + at for at, name in enumerate(WITNESSES)},
        "vkey": vkey,
        "leaves": [item.hex() for item in leaves],
        "empty": note(
            f"{ORIGIN}\n0\n{b64(sha256(b'').digest())}\n", log_line(f"{ORIGIN}\n0\n{b64(sha256(b'').digest())}\n")
        ),
        "signed": signed,
        "cosigned": full,
        "forked": note(forked, log_line(forked)),
        "earlier_fork": note(earlier, log_line(earlier)),
        "prefix_proof": compact(prefix),
        "tlog_proof": f"c2sp.org/tlog-proof@v1\nextra {b64(b'salt')}\nindex 2\n{b64(left)}\n\n{full}",
        "evidence": evidence(vkey, signed, note(forked, log_line(forked)), None),
        "evidence_other_size": evidence(vkey, signed, note(earlier, log_line(earlier)), prefix),
    }


def evidence(vkey: str, first: str, second: str, proof: object) -> str:
    return compact(
        {"first": first, "log_key": vkey, "proof": proof, "second": second, "type": "port2port-log-conflict", "v": 1}
    )


def compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text() -> str:
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("checkpoint.json").write_text(text(), encoding="utf-8")
