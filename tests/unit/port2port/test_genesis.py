"""The trust anchor: what a genesis must hold, and that only the pinned one counts."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import genesis, statement
from port2port.errors import MalformedError
from port2port.genesis import GenesisError
from tests.fakes.examples import many
from tests.fakes.federation import Federation

FED = Federation(members=(), coordinators=2)
RAW = FED.genesis_statement
SAID = statement.decode(RAW)
OWN = FED.key("coordinator-0").record("coordinator").to_json()
OTHER = FED.key("coordinator-1").record("coordinator").to_json()


def changed(body=None, **fields):
    data = {name: getattr(SAID, name) for name in SAID.__slots__}
    return statement.Statement(**{**data, "body": {**SAID.body, **(body or {})}, **fields})


def test_what_founds_is_what_is_read():
    found = genesis.from_statement(SAID)
    assert found == FED.roster.genesis
    assert found.to_body() == SAID.body
    assert (found.threshold, found.demo) == (2, False)


def test_the_anchor_is_the_hash_of_the_exact_bytes():
    assert genesis.genesis_hash(RAW) == hashlib.sha256(RAW).hexdigest() == FED.genesis_hash
    assert genesis.pinned(RAW, FED.genesis_hash) == FED.roster.genesis


@settings(max_examples=many(200), deadline=None)
@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_a_genesis_with_any_byte_changed_is_another(at, change):
    spoiled = bytearray(RAW)
    spoiled[at] ^= change
    with pytest.raises(GenesisError, match="pinned"):
        genesis.pinned(bytes(spoiled), FED.genesis_hash)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"threshold": 0}, id="nobody need agree"),
        pytest.param({"threshold": 3}, id="more than there are"),
        pytest.param({"threshold": True}, id="threshold no number"),
        pytest.param({"threshold": 1}, id="one alone outside a demo"),
        pytest.param({"demo": "yes"}, id="demo no truth value"),
        pytest.param({"coordinators": []}, id="no coordinator"),
        pytest.param({"coordinators": [OWN] * 2}, id="one twice"),
        pytest.param({"coordinators": [OWN, "x"]}, id="no key"),
        pytest.param({"coordinators": [OWN, {**OTHER, "key_class": "officer"}]}, id="an officer as coordinator"),
        pytest.param({"coordinators": [OWN] * 17}, id="seventeen"),
        pytest.param({"federation": "Not A Name"}, id="name"),
        pytest.param({"federation": None}, id="no name"),
        pytest.param({"origin": ""}, id="no origin"),
        pytest.param({"ca_root": "x" * 4_001}, id="long certificate"),
        pytest.param({"log_key": "AA=="}, id="short key"),
        pytest.param({"log_key": "no base64"}, id="key not base64"),
        pytest.param({"hub_key": genesis.to_b64(bytes(32))[:-2] + "B="}, id="base64 with spare bits"),
        pytest.param({"hub_key": SAID.body["log_key"]}, id="one key for two roles"),
        pytest.param({"log_key": OWN["public"]}, id="a coordinator's key as log key"),
        pytest.param({"motto": "safe ports"}, id="an unknown field"),
    ],
)
def test_a_genesis_that_cannot_be_is_refused(body):
    with pytest.raises(MalformedError):
        genesis.from_statement(changed(body))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"kind": "roster"}, id="kind"),
        pytest.param({"issuer": "beanr"}, id="issuer"),
        pytest.param({"log_seen": statement.LogSeen(size=1, root=bytes(32))}, id="after another log"),
    ],
)
def test_another_statement_is_no_genesis(fields):
    with pytest.raises(GenesisError):
        genesis.from_statement(changed(**fields))


def test_one_coordinator_is_enough_for_a_demo():
    assert genesis.from_statement(changed({"demo": True, "threshold": 1})).demo


@settings(max_examples=many(200), deadline=None)
@given(st.text(max_size=12))
def test_base64_has_one_spelling(text):
    try:
        raw = genesis.from_b64(text)
    except GenesisError:
        return
    assert genesis.to_b64(raw) == text
