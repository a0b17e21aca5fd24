"""Rebuilds ``trust.json``: genesis, statement, envelope, leaf, batch, checkpoint, bundle, level, import.

Written from docs/protocol.md with nothing of ``port2port``: JSON, SHA-256, base64, Ed25519 (deterministic, RFC 8032)
and forty lines of protobuf and Merkle tree. Keys follow from names, so none is secret; ids and salts are hashes of
names, times are fixed. The kernel's own code must agree with every byte: ``tests/unit/port2port/test_vectors_trust.py``.

Run: ``python tests/vectors/build_trust.py`` from the root of the repository.
"""

from __future__ import annotations

import base64
import json
import struct
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TARGET = Path(__file__).with_name("trust.json")
FEDERATION = "vectors.port2port.example"
ORIGIN = "vectors.port2port.example/log"
PAYLOAD_TYPE = "application/vnd.port2port.statement+json;v=1"
START_MS = 1_795_305_600_000  # 2026-11-22T00:00:00.000Z
YEAR_MS = 365 * 86_400_000
EMPTY_ROOT = sha256(b"").digest()
KINDS = {"genesis": 1, "roster": 2, "publish": 6, "level": 18, "import": 20}
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"


def seed(name: str) -> bytes:
    return sha256(b"port2port test vector " + name.encode()).digest()


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def raw_public(name: str) -> bytes:
    return key(name).public_key().public_bytes_raw()


def key_id(name: str) -> str:
    return sha256(key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def record(name: str, key_class: str) -> dict[str, str]:
    return {"key_class": key_class, "key_id": key_id(name), "public": b64(raw_public(name)), "scheme": "ed25519"}


def canonical(value: object) -> bytes:
    """RFC 8785 for what stands in these vectors: ASCII keys, strings and integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def a_uuid(name: str) -> str:
    """A UUID of version 4 by its bits, made of a hash."""
    raw = bytearray(seed("uuid " + name)[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid5(namespace: str, name: str) -> str:
    """RFC 9562 section 5.5."""
    raw = bytearray(sha1(bytes.fromhex(namespace.replace("-", "")) + name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x50
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# --- protobuf: length-delimited fields only ---------------------------------------------------------------------


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def numeric(number: int, value: int) -> bytes:
    """A varint field; zero is not written."""
    return varint(number << 3) + varint(value) if value else b""


def pae(statement: bytes) -> bytes:
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 " + str(len(kind)).encode() + b" " + kind + b" " + str(len(statement)).encode() + b" " + statement


def signatures(statement: bytes, names: list[str]) -> list[tuple[str, bytes]]:
    return sorted((key_id(name), key(name).sign(pae(statement))) for name in names)


def signed_statement(statement: bytes, names: list[str]) -> bytes:
    out = field(1, PAYLOAD_TYPE.encode()) + field(2, statement)
    for known, sig in signatures(statement, names):
        out += field(3, field(1, bytes.fromhex(known)) + field(2, sig))
    return out


def envelope(signed: bytes, objects: list[tuple[bytes, bytes]]) -> bytes:
    return field(1, signed) + b"".join(field(2, field(1, salt) + field(2, body)) for salt, body in objects)


# --- the log ----------------------------------------------------------------------------------------------------


def leaf_data(kind: str, received_ms: int, statement: bytes, names: list[str]) -> bytes:
    pairs = b"".join(bytes.fromhex(known) + sig for known, sig in signatures(statement, names))
    digest = sha256(pae(statement)).digest()
    return b"P2P-leaf-v1\0" + struct.pack(">BQ", KINDS[kind], received_ms) + digest + sha256(pairs).digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node(root(leaves[:half]), root(leaves[half:]))


def note(size: int, tree: bytes) -> str:
    text = f"{ORIGIN}\n{size}\n{b64(tree)}\n"
    key_hash = sha256(ORIGIN.encode() + b"\n\x01" + raw_public("log")).digest()[:4]
    return f"{text}\n\u2014 {ORIGIN} {b64(key_hash + key('log').sign(text.encode()))}\n"


# --- the three entries ------------------------------------------------------------------------------------------


def statement(**fields: Any) -> bytes:
    base = {
        "body": {}, "context": None, "crit": [], "decided_by": "coordinators", "groups": [], "handling": None,
        "issuer": "federation", "log_seen": {"root": EMPTY_ROOT.hex(), "size": 0}, "objects": [],
        "personal_data": False, "purpose": None, "realm": "real", "recipients": [], "retain_until": None, "tlp": None,
        "v": 1,
    }  # fmt: skip
    return canonical({**base, **fields})


def genesis() -> bytes:
    body = {
        "ca_root": "-----BEGIN CERTIFICATE-----\nvector\n-----END CERTIFICATE-----\n",
        "coordinators": [record("coordinator", "coordinator")],
        "demo": True,
        "federation": FEDERATION,
        "hub_key": b64(raw_public("hub")),
        "log_key": b64(raw_public("log")),
        "origin": ORIGIN,
        "threshold": 1,
    }
    return statement(
        kind="genesis", signer=key_id("coordinator"), seq=1, id=f"urn:uuid:{a_uuid('genesis')}",
        issued="2026-11-22T00:00:00.000Z", body=body,
    )  # fmt: skip


def founding_roster(before: bytes, seen: bytes) -> bytes:
    add = {
        "kind": "port", "locodes": ["BEGNE", "NLVLI"], "member": "north-sea-port", "name": "North Sea Port",
        "op": "add-member", "organisation": "North Sea Port", "witness": True,
    }  # fmt: skip
    keys = [
        {"key": record("machine", "machine"), "pseudonym": None},
        {"key": record("officer", "officer"), "pseudonym": "o1"},
    ]
    added = [{"op": "add-key", "member": "north-sea-port", "not_after_ms": START_MS + YEAR_MS, **item} for item in keys]
    body = {"ops": [add, *added], "prev": sha256(pae(before)).hexdigest(), "version": 2}
    return statement(
        kind="roster", signer=key_id("coordinator"), seq=2, id=f"urn:uuid:{a_uuid('roster')}",
        issued="2026-11-22T00:00:01.000Z", body=body, log_seen={"root": seen.hex(), "size": 1},
    )  # fmt: skip


def indicator(author: str) -> bytes:
    return canonical(
        {
            "confidence": 50,
            "created": "2026-11-22T00:00:02.000Z",
            "created_by_ref": author,
            "id": f"indicator--{a_uuid('indicator')}",
            "indicator_types": ["anomalous-activity"],
            "modified": "2026-11-22T00:00:02.000Z",
            "name": "Identity used by two ships",
            "object_marking_refs": [AMBER],
            "pattern": "[vessel:mmsi = '205123400']",
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "spec_version": "2.1",
            "type": "indicator",
            "valid_from": "2026-11-22T00:00:02Z",
            "valid_until": "2026-12-22T00:00:02Z",
        }
    )


def publication(item: bytes, salt: bytes, seen: bytes) -> bytes:
    commitment = sha256(b"\x01" + salt + item).hexdigest()
    data = json.loads(item)
    return statement(
        kind="publish", issuer="north-sea-port", signer=key_id("machine"), seq=1, decided_by="officer:o1",
        id=f"urn:uuid:{a_uuid('publication')}", issued="2026-11-22T00:00:03.000Z", tlp="amber",
        handling="call_first", log_seen={"root": seen.hex(), "size": 2},
        objects=[{"commitment": commitment, "id": data["id"], "modified": data["modified"]}],
    )  # fmt: skip


def level(seen: bytes) -> bytes:
    """Two officers of an authority set a security level, after the three entries."""
    body = {"effective": "2026-11-22T18:00:00.000Z", "level": 2, "port": "BEGNE", "reason": "Drones over the lock"}
    return statement(
        kind="level", issuer="north-sea-port", signer=key_id("machine"), seq=2, decided_by="officer:o1",
        id=f"urn:uuid:{a_uuid('level')}", issued="2026-11-22T00:00:04.000Z", tlp="green", handling="act",
        log_seen={"root": seen.hex(), "size": 3}, body=body,
    )  # fmt: skip


def level_vector(seen: bytes) -> dict[str, Any]:
    said, names, received = level(seen), ["machine", "officer", "second"], START_MS + 4_500
    data = leaf_data("level", received, said, names)
    return {
        "seeds": {"second": seed("second").hex()},
        "statement": said.decode(),
        "pae_sha256": sha256(pae(said)).hexdigest(),
        "envelope": envelope(signed_statement(said, names), []).hex(),
        "received_ms": received,
        "leaf_data": data.hex(),
        "leaf_hash": leaf_hash(data).hex(),
    }


def foreign(item: bytes, salt: bytes, seen: bytes) -> bytes:
    """An officer brings in what a partner sent; here the bytes received are those of the object."""
    data = json.loads(item)
    commitment = sha256(b"\x01" + salt + item).hexdigest()
    received = sha256(b"\x01" + seed("received salt") + item).hexdigest()
    brought = {"commitment": received, "echo": False, "id": data["id"], "original": f"attribute:{data['id'][11:]}"}
    return statement(
        kind="import", issuer="north-sea-port", signer=key_id("machine"), seq=3, decided_by="officer:o1",
        id=f"urn:uuid:{a_uuid('import')}", issued="2026-11-22T00:00:05.000Z", tlp="amber", handling="call_first",
        log_seen={"root": seen.hex(), "size": 3},
        body={"credibility": 2, "objects": [brought], "reliability": "B", "source": "national-cert"},
        objects=[{"commitment": commitment, "id": data["id"], "modified": data["modified"]}],
    )  # fmt: skip


def foreign_vector(seen: bytes) -> dict[str, Any]:
    item, salt = foreign_object(), seed("salt of the import")
    said, names, received = foreign(item, salt, seen), ["machine", "officer"], START_MS + 5_500
    data = leaf_data("import", received, said, names)
    return {
        "object": item.decode(),
        "salt": salt.hex(),
        "received_salt": seed("received salt").hex(),
        "statement": said.decode(),
        "envelope": envelope(signed_statement(said, names), [(salt, item)]).hex(),
        "received_ms": received,
        "leaf_data": data.hex(),
        "leaf_hash": leaf_hash(data).hex(),
    }


def foreign_object() -> bytes:
    """An indicator whose author is nobody of the federation."""
    return indicator(f"identity--{a_uuid('partner')}")


def part(index: int, received_ms: int, raw: bytes, path: list[bytes], seen_path: list[bytes]) -> dict[str, Any]:
    return {
        "envelope": b64(raw), "index": index, "path": [b64(item) for item in path], "received_ms": received_ms,
        "seen_path": [b64(item) for item in seen_path],
    }  # fmt: skip


def build() -> dict[str, Any]:
    author = "identity--" + uuid5("5d3e24a4-9be4-4c6a-9a0e-3c2f6a4d7c11", f"{FEDERATION}/port/north-sea-port")
    times = [START_MS + 500, START_MS + 1_500, START_MS + 3_500]
    signers = [["coordinator"], ["coordinator"], ["machine", "officer"]]
    item, salt = indicator(author), seed("salt")
    first = genesis()
    leaf_0 = leaf_hash(leaf_data("genesis", times[0], first, signers[0]))
    second = founding_roster(first, root([leaf_0]))
    leaf_1 = leaf_hash(leaf_data("roster", times[1], second, signers[1]))
    third = publication(item, salt, root([leaf_0, leaf_1]))
    leaf_2 = leaf_hash(leaf_data("publish", times[2], third, signers[2]))
    leaves, statements = [leaf_0, leaf_1, leaf_2], [first, second, third]
    head = note(3, root(leaves))
    raws = [
        envelope(signed_statement(text, names), [(salt, item)] if text is third else [])
        for text, names in zip(statements, signers, strict=True)
    ]
    batch = field(2, b"".join(leaves))
    for index, (raw, received) in enumerate(zip(raws, times, strict=True)):
        batch += field(3, numeric(1, index) + numeric(2, received) + field(3, raw))
    batch += field(4, head.encode())
    parts = [
        part(0, times[0], raws[0], [leaf_1, leaf_2], []),
        part(1, times[1], raws[1], [leaf_0, leaf_2], [leaf_1, leaf_2]),
        part(2, times[2], raws[2], [node(leaf_0, leaf_1)], [leaf_2]),
    ]
    bundle = canonical({"checkpoint": head, "control": parts[:2], "entry": parts[2], "type": "p2p-bundle", "v": 1})
    return {
        "origin": "tests/vectors/build_trust.py, from docs/protocol.md",
        "federation": FEDERATION,
        "seeds": {name: seed(name).hex() for name in ("coordinator", "log", "hub", "machine", "officer")},
        "genesis_hash": sha256(first).hexdigest(),
        "author": author,
        "salt": salt.hex(),
        "object": item.decode(),
        "statements": [text.decode() for text in statements],
        "pae_sha256": [sha256(pae(text)).hexdigest() for text in statements],
        "signed_statement": signed_statement(third, signers[2]).hex(),
        "envelopes": [raw.hex() for raw in raws],
        "received_ms": times,
        "leaf_data": [
            leaf_data(kind, received, text, names).hex()
            for kind, received, text, names in zip(
                ("genesis", "roster", "publish"), times, statements, signers, strict=True
            )
        ],
        "leaf_hashes": [leaf.hex() for leaf in leaves],
        "roots": [root(leaves[:size]).hex() for size in range(4)],
        "checkpoint": head,
        "batch": batch.hex(),
        "bundle": bundle.decode(),
        "level": level_vector(root(leaves)),
        "import": foreign_vector(root(leaves)),
    }


def text() -> str:
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
