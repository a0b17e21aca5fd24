"""Proof bundles: valid ones prove, and no spoiled one does more than fail with a reason."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import bundle, canonical, checkpoint
from port2port.bundle import Bundle
from port2port.errors import Port2PortError
from port2port.tlp import Tlp
from port2port.verify import RefusedError
from port2port.wire import decode_envelope, encode_envelope
from tests.fakes.examples import many
from tests.fakes.federation import Federation
from tests.fakes.trust_log import FakeLog, founded

DAY_S = 86_400
OPTIONS = {"members": ("beanr", "belgg", "north-sea-port"), "witnesses": ("beanr", "belgg", "north-sea-port")}


def scene() -> tuple[Federation, FakeLog, int]:
    """A log with content before and after the entry that the bundle is about."""
    fed, log = founded(coordinators=2, **OPTIONS)
    log.append(fed.group("seaports", "beanr", "north-sea-port"), fed.publish("beanr"), fed.rekey("beanr"))
    fed.clock.advance(60)
    index = log.append(fed.publish("north-sea-port", tlp=Tlp.AMBER, groups=("seaports",)))
    log.append(fed.publish("belgg"), fed.join("bebru"))
    return fed, log, index


FED, LOG, INDEX = scene()
MADE = LOG.bundle(INDEX, witnesses=("beanr", "belgg"))
RAW = bundle.encode(MADE)


def check(raw: bytes, fed: Federation = FED) -> bundle.Report:
    return bundle.check(raw, fed.genesis_hash, fed.validate)


def changed(**parts: object) -> Bundle:
    return dataclasses.replace(MADE, **parts)


def test_a_bundle_proves_its_entry_with_the_genesis_hash_alone():
    report = check(RAW)
    assert report.entry.statement.issuer == "north-sea-port"
    assert (report.entry.index, len(report.entry.objects)) == (INDEX, 1)
    assert report.witnesses == ("beanr", "belgg")
    assert report.witnessed
    assert not report.disputed
    assert report.roster.version == LOG.roster.version


def test_what_is_encoded_is_decoded():
    assert bundle.decode(RAW) == MADE


@pytest.mark.parametrize("index", range(len(LOG.raws)))
def test_every_entry_of_the_log_can_be_proved(index):
    assert check(bundle.encode(LOG.bundle(index))).entry.index == index


def test_without_a_majority_it_says_unwitnessed():
    report = check(bundle.encode(LOG.bundle(INDEX, witnesses=("beanr",))))
    assert (report.witnesses, report.witnessed) == (("beanr",), False)
    assert check(bundle.encode(LOG.bundle(INDEX))).witnesses == ()


def test_an_entry_is_valid_when_logged_and_disputed_since():
    fed, log, index = scene()
    before = fed.clock.now()
    fed.clock.advance(DAY_S)
    log.append(fed.revoke_key(fed.ports["north-sea-port"].machine.key_id, invalid_since=before))
    report = check(bundle.encode(log.bundle(index)), fed)
    assert report.disputed
    assert report.entry.statement.issuer == "north-sea-port"


def test_an_entry_that_came_late_says_so():
    fed, log = founded(**OPTIONS)
    queued = fed.publish("belgg")
    fed.clock.advance(40 * DAY_S)
    assert check(bundle.encode(log.bundle(log.append(queued))), fed).entry.late


def test_an_erased_object_leaves_a_proof_of_the_statement():
    bare = encode_envelope(decode_envelope(MADE.entry.envelope).signed, ())
    report = check(bundle.encode(changed(entry=dataclasses.replace(MADE.entry, envelope=bare))))
    assert report.entry.objects == ()


@pytest.mark.parametrize(
    ("spoiled", "text"),
    [
        pytest.param(changed(control=()), "begin with the genesis", id="no control entries"),
        pytest.param(changed(control=MADE.control[1:]), "begin with the genesis", id="no genesis"),
        pytest.param(changed(control=(*MADE.control, MADE.control[1])), "log order", id="a control entry twice"),
        pytest.param(changed(control=MADE.control[:1]), "not a current member", id="the members left out"),
        pytest.param(
            changed(control=(MADE.control[0], *MADE.control[2:])), "made for another roster", id="a gap in the chain"
        ),
        pytest.param(
            changed(entry=dataclasses.replace(MADE.entry, index=INDEX + 1)), "does not lead to", id="another place"
        ),
        pytest.param(
            changed(entry=dataclasses.replace(MADE.entry, received_ms=MADE.entry.received_ms - 1)),
            "does not lead to",
            id="another time",
        ),
        pytest.param(
            changed(entry=dataclasses.replace(MADE.entry, received_ms=0)), "log order", id="a time before the others"
        ),
        pytest.param(
            changed(entry=dataclasses.replace(MADE.entry, seen_path=())), "log_seen", id="log_seen not joined"
        ),
        pytest.param(changed(checkpoint=LOG.checkpoint(INDEX + 1)), "proof|leaf", id="a smaller checkpoint"),
        pytest.param(changed(entry=LOG.part(INDEX, len(LOG.leaves) - 1)), "log_seen", id="a path to another tree"),
    ],
)
def test_a_bundle_whose_parts_do_not_belong_together_is_refused(spoiled, text):
    with pytest.raises(Port2PortError, match=text):
        check(bundle.encode(spoiled))


def test_a_checkpoint_that_the_log_did_not_sign_is_refused():
    stranger = Federation(members=(), seed="stranger", name=FED.name)
    forged = checkpoint.sign(MADE.checkpoint.checkpoint, stranger.log_key)
    with pytest.raises(Port2PortError, match="not signed with the log's key"):
        check(bundle.encode(changed(checkpoint=forged)))


def test_another_federation_s_bundle_is_refused():
    other = Federation(members=(), seed="other")
    with pytest.raises(Port2PortError, match="another federation"):
        check(RAW, other)


def test_a_reused_sequence_shows_even_offline():
    """A hub that let it pass is found out: the bundle holds the control entries of the same key."""
    fed, log = founded(coordinators=1, **OPTIONS)
    fed._seq[fed.coordinator_keys[0].key_id] -= 1
    log.last_seq.clear()
    index = log.append(fed.group("seaports", "beanr"))
    with pytest.raises(RefusedError) as caught:
        check(bundle.encode(log.bundle(index)), fed)
    assert (caught.value.number, caught.value.cause_code) == (11, "ISSUER_EQUIVOCATION")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"v": 2}, id="version"),
        pytest.param({"v": True}, id="true for 1"),
        pytest.param({"type": "p2p-checkpoint"}, id="type"),
        pytest.param({"control": {}}, id="control no list"),
        pytest.param({"checkpoint": None}, id="no checkpoint"),
        pytest.param({"checkpoint": "x"}, id="no note"),
        pytest.param({"entry": []}, id="entry no object"),
        pytest.param({"more": 1}, id="a field too many"),
    ],
)
def test_another_document_is_refused(change):
    data = {**canonical.loads_object(RAW, limit=bundle.BUNDLE_BYTES), **change}
    with pytest.raises(Port2PortError):
        bundle.decode(canonical.dumps(data))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("index", -1),
        ("index", "0"),
        ("index", True),
        ("received_ms", None),
        ("envelope", 7),
        ("envelope", "*"),
        ("path", "x"),
        ("path", ["AA=="]),
        ("path", ["A" * 43 + "="] * 65),
        ("seen_path", [1]),
    ],
)
def test_a_part_with_a_value_it_cannot_have_is_refused(name, value):
    data = canonical.loads_object(RAW, limit=bundle.BUNDLE_BYTES)
    data["entry"] = {**data["entry"], name: value}
    with pytest.raises(Port2PortError):
        bundle.decode(canonical.dumps(data))


def test_a_byte_changed_anywhere_is_an_error_or_costs_a_cosignature():
    """A line of a witness nobody knows is ignored, as signed-note says: the entry then counts as less witnessed."""
    rng = random.Random(22)
    whole = check(RAW)
    outcomes = set()
    for at in sorted(rng.sample(range(len(RAW)), many(400))):
        spoiled = bytearray(RAW)
        spoiled[at] ^= 1 << rng.randrange(7)
        try:
            report = check(bytes(spoiled))
        except Port2PortError:
            outcomes.add("refused")
            continue
        assert set(report.witnesses) < set(whole.witnesses)
        assert report.entry == whole.entry
    assert "refused" in outcomes


@settings(max_examples=many(500), deadline=None)
@given(st.binary(max_size=200) | st.integers(0, len(RAW) - 4).map(lambda at: RAW[:at] + RAW[at + 3 :]))
def test_any_bytes_are_a_bundle_or_refused(raw):
    try:
        found = bundle.decode(raw)
    except Port2PortError:
        return
    assert bundle.encode(found) == raw
