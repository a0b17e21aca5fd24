"""Further keys: signed by a rostered machine key, proven by each key, and told apart by a fingerprint."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import key_request, keys
from port2port.errors import MalformedError
from port2port.join_request import JoiningKey, JoinRequestError
from port2port.key_request import KeyRequest, KeyRequestError
from port2port.keys import SignatureError
from tests.fakes.examples import many
from tests.fakes.federation import Federation
from tests.fakes.passkey import Passkey

FED = Federation(members=("beanr", "belgg"))
FED.founding()
PORT = FED.ports["beanr"]
PASSKEY = Passkey()
DESK = keys.from_seed(b"d" * 32)
OFFERED = (JoiningKey(public=PASSKEY.record(), pseudonym="o3"), JoiningKey(public=DESK.record("machine")))
REQUEST = key_request.offer(FED.name, "beanr", OFFERED, PORT.machine)


def test_a_request_is_read_back_as_it_was_written() -> None:
    read = key_request.decode(REQUEST.encode(FED.clock.now()) + b"\n")
    assert read == REQUEST
    key_request.require_sound(read, FED.roster)
    key_request.require_proofs(read, [PASSKEY.sign(read.message), DESK.sign(read.message)])
    assert len(read.fingerprint.split()) == 16


@pytest.mark.parametrize(
    "change",
    [{"member": "belgg"}, {"federation": "other.test"}, {"keys": OFFERED[:1]}, {"keys": OFFERED[::-1]}],
)
def test_another_request_has_another_fingerprint_and_no_signature(change: dict[str, object]) -> None:
    other = replace(REQUEST, **change)  # type: ignore[arg-type]  # fields by name
    assert other.fingerprint != REQUEST.fingerprint
    with pytest.raises((SignatureError, KeyRequestError)):
        key_request.require_sound(other, FED.roster)


@pytest.mark.parametrize("signer", [PORT.officer, FED.ports["belgg"].machine, keys.from_seed(b"x" * 32)])
def test_only_a_current_machine_key_of_the_member_vouches(signer: keys.Ed25519Key) -> None:
    with pytest.raises(KeyRequestError, match="current machine key"):
        key_request.require_sound(key_request.offer(FED.name, "beanr", OFFERED, signer), FED.roster)


def test_a_key_of_the_roster_is_not_offered_again() -> None:
    known = (JoiningKey(public=PORT.officer.record("officer"), pseudonym="o9"),)
    with pytest.raises(KeyRequestError, match="knows one of these keys"):
        key_request.require_sound(key_request.offer(FED.name, "beanr", known, PORT.machine), FED.roster)


def test_each_key_is_held_by_who_offers_it() -> None:
    good = [PASSKEY.sign(REQUEST.message), DESK.sign(REQUEST.message)]
    for proofs in (good[:1], good[::-1], [good[0], PORT.machine.sign(REQUEST.message)]):
        with pytest.raises(SignatureError):
            key_request.require_proofs(REQUEST, proofs)


@pytest.mark.parametrize("offered", [(), OFFERED * 2, (OFFERED[0],) * 17])
def test_none_too_many_or_one_key_twice_are_refused(offered: tuple[JoiningKey, ...]) -> None:
    with pytest.raises(JoinRequestError):
        key_request.offer(FED.name, "beanr", offered, PORT.machine)


@settings(max_examples=many(300), deadline=None)
@given(st.data())
def test_any_bytes_are_a_request_or_an_error_of_ours(data: st.DataObject) -> None:
    raw = REQUEST.encode(FED.clock.now())
    at = data.draw(st.integers(0, len(raw)))
    bent = raw[:at] + data.draw(st.binary(max_size=4)) + raw[at + data.draw(st.integers(0, 4)) :]
    try:
        read = key_request.decode(bent)
    except MalformedError:
        return
    assert isinstance(read, KeyRequest)
    assert read.keys == REQUEST.keys or read.fingerprint != REQUEST.fingerprint
