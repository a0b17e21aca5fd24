"""The golden vectors of statement, envelope, leaf, batch and bundle: rebuilt, compared, and read by the kernel."""

from __future__ import annotations

import json

import pytest

from port2port import bundle, checkpoint, genesis, imported, keys, levels, merkle, statement, wire
from port2port import envelope as dsse
from port2port.ids import identity_of
from port2port.patterns import TemplateCache
from port2port.stix.normalise import normalise
from port2port.stix.validate import StixValidator
from port2port.v1 import exchange_pb2
from tests.vectors import build_trust as builder

V = json.loads(builder.TARGET.read_text(encoding="utf-8"))
STATEMENTS = [text.encode() for text in V["statements"]]
ENVELOPES = [bytes.fromhex(text) for text in V["envelopes"]]
LEAVES = [bytes.fromhex(text) for text in V["leaf_hashes"]]
KEYS = {name: keys.from_seed(bytes.fromhex(seed)) for name, seed in V["seeds"].items()}


def test_the_builder_makes_the_committed_file_anew():
    assert builder.text() == builder.TARGET.read_text(encoding="utf-8")


@pytest.mark.parametrize("index", range(3))
def test_statements_are_read_and_written_byte_for_byte(index):
    said = statement.decode(STATEMENTS[index])
    assert statement.encode(said) == STATEMENTS[index]
    assert dsse.digest_of(STATEMENTS[index]).hex() == V["pae_sha256"][index]


def test_the_genesis_is_the_anchor():
    assert genesis.genesis_hash(STATEMENTS[0]) == V["genesis_hash"]
    founded = genesis.pinned(STATEMENTS[0], V["genesis_hash"])
    assert founded.log_key == KEYS["log"].public
    assert identity_of(founded.federation, "north-sea-port") == V["author"]


def test_the_envelope_is_signed_and_serialised_as_written():
    signers = [KEYS["machine"], KEYS["officer"]]
    signed = wire.encode_signed(dsse.PAYLOAD_TYPE, STATEMENTS[2], dsse.sign(STATEMENTS[2], signers))
    assert signed.hex() == V["signed_statement"]
    salted = dsse.SaltedObject(salt=bytes.fromhex(V["salt"]), body=V["object"].encode())
    assert wire.encode_envelope(signed, (salted,)) == ENVELOPES[2]
    assert wire.decode_envelope(ENVELOPES[2]).objects == (salted,)
    assert statement.decode(STATEMENTS[2]).objects[0].commitment == statement.commit(salted.salt, salted.body)


def test_the_object_is_a_fixed_point_of_the_author_s_normalisation():
    assert normalise(json.loads(V["object"])) == V["object"].encode()


@pytest.mark.parametrize("index", range(3))
def test_leaves_are_as_written(index):
    found = wire.decode_envelope(ENVELOPES[index])
    data = dsse.leaf_data(
        kind=statement.decode(found.statement).kind,
        received_ms=V["received_ms"][index],
        digest=dsse.digest_of(found.statement),
        signatures=found.signatures,
    )
    assert data.hex() == V["leaf_data"][index]
    assert merkle.leaf_hash(data) == LEAVES[index]


def test_a_security_level_is_read_signed_and_logged_as_written():
    given = V["level"]
    raw, envelope = given["statement"].encode(), bytes.fromhex(given["envelope"])
    said = statement.decode(raw)
    assert statement.encode(said) == raw
    assert dsse.digest_of(raw).hex() == given["pae_sha256"]
    found = levels.level_of(said)
    assert (found.locode, found.level, found.to_body()) == ("BEGNE", 2, said.body)
    second = keys.from_seed(bytes.fromhex(given["seeds"]["second"]))
    signed = dsse.sign(raw, [KEYS["machine"], KEYS["officer"], second])
    assert wire.encode_envelope(wire.encode_signed(dsse.PAYLOAD_TYPE, raw, signed), ()) == envelope
    read = wire.decode_envelope(envelope)
    data = dsse.leaf_data(
        kind=said.kind,
        received_ms=given["received_ms"],
        digest=dsse.digest_of(read.statement),
        signatures=read.signatures,
    )
    assert data.hex() == given["leaf_data"]
    assert merkle.leaf_hash(data).hex() == given["leaf_hash"]


def test_roots_and_checkpoint_are_as_written():
    assert [merkle.root_of(LEAVES[:size]).hex() for size in range(4)] == V["roots"]
    head = checkpoint.Checkpoint(origin=builder.ORIGIN, size=3, root=merkle.root_of(LEAVES))
    assert checkpoint.sign(head, KEYS["log"]).note.decode() == V["checkpoint"]


def test_the_batch_of_three_is_as_written():
    made = exchange_pb2.FeedBatch(leaf_hashes=b"".join(LEAVES), checkpoint=V["checkpoint"])
    for index, raw in enumerate(ENVELOPES):
        made.entries.add(index=index, received_ms=V["received_ms"][index], envelope=raw)
    assert made.SerializeToString(deterministic=True).hex() == V["batch"]


def test_the_bundle_verifies_with_the_genesis_hash_alone():
    raw = V["bundle"].encode()
    report = bundle.check(raw, V["genesis_hash"], StixValidator(TemplateCache()).validate)
    assert bundle.encode(bundle.decode(raw)) == raw
    assert (report.entry.index, report.entry.statement.issuer) == (2, "north-sea-port")
    assert report.roster.members() == {"north-sea-port"}
    assert not report.disputed


def test_what_was_imported_is_read_signed_and_logged_as_written():
    given = V["import"]
    raw, item = given["statement"].encode(), given["object"].encode()
    said = statement.decode(raw)
    (brought,) = imported.imported_in(said.body).objects
    assert imported.imported_in(said.body).to_body() == said.body
    assert said.objects[0].commitment == statement.commit(bytes.fromhex(given["salt"]), item)
    assert brought.commitment == statement.commit(bytes.fromhex(given["received_salt"]), item)
    signed = dsse.sign(raw, [KEYS["machine"], KEYS["officer"]])
    salted = (dsse.SaltedObject(salt=bytes.fromhex(given["salt"]), body=item),)
    envelope = wire.encode_envelope(wire.encode_signed(dsse.PAYLOAD_TYPE, raw, signed), salted)
    assert envelope.hex() == given["envelope"]
    read = wire.decode_envelope(envelope)
    data = dsse.leaf_data(
        kind=said.kind,
        received_ms=given["received_ms"],
        digest=dsse.digest_of(read.statement),
        signatures=read.signatures,
    )
    assert data.hex() == given["leaf_data"]
    assert merkle.leaf_hash(data).hex() == given["leaf_hash"]
