"""Which keys an act needs, as a table; and whose voice a key is."""

from __future__ import annotations

import dataclasses

import pytest

from port2port import authority
from port2port.authority import AuthorityError, Voice, find_voice, is_machine_only, require_authority
from port2port.errors import PolicyError
from port2port.statement import Kind
from tests.fakes.federation import Federation, statement_of

FED = Federation(members=("beanr", "belgg"), coordinators=2)
FED.founding()
PORT = FED.ports["beanr"]
NOTE = statement_of(FED.content("beanr", "note"))
M = Voice(key_id=PORT.machine.key_id, owner="beanr", key_class="machine")
O1 = Voice(key_id=PORT.officer.key_id, owner="beanr", key_class="officer", pseudonym="o1")
O1B = Voice(key_id="1b" * 32, owner="beanr", key_class="officer", pseudonym="o1")
O2 = Voice(key_id=PORT.second_officer.key_id, owner="beanr", key_class="officer", pseudonym="o2")
C1, C2 = (Voice(key_id=key.key_id, owner="federation", key_class="coordinator") for key in FED.coordinator_keys)
OFFICER, RULE, COORDINATORS = "officer:o1", "rule:clone@1", "coordinators"


def said(kind, decided_by, **changes):
    return dataclasses.replace(NOTE, kind=kind, decided_by=decided_by, **changes)


@pytest.mark.parametrize(
    ("kind", "decided_by", "voices", "allowed"),
    [
        pytest.param("publish", RULE, [M], True, id="a machine publishes by rule"),
        pytest.param("sighting", RULE, [M], True, id="a machine sights by rule"),
        pytest.param("import", RULE, [M], False, id="no machine imports"),
        pytest.param("publish", OFFICER, [M, O1], True, id="an officer publishes"),
        pytest.param("publish", OFFICER, [M], False, id="the officer named did not sign"),
        pytest.param("publish", OFFICER, [M, O2], False, id="another officer signed"),
        pytest.param("publish", RULE, [M, O1], True, id="an officer signs what a rule decided"),
        pytest.param("publish", COORDINATORS, [M, O1], False, id="coordinators do not publish"),
        pytest.param("retract", OFFICER, [M, O1], True, id="an officer retracts"),
        pytest.param("retract", RULE, [M], False, id="no machine retracts"),
        pytest.param("report", RULE, [M], False, id="no machine reports"),
        pytest.param("note", RULE, [M], False, id="no machine writes notes"),
        pytest.param("reshare", RULE, [M], False, id="no machine reshares"),
        pytest.param("level", OFFICER, [M, O1, O2], True, id="two officers set a level"),
        pytest.param("level", OFFICER, [M, O1], False, id="one officer sets no level"),
        pytest.param("level", OFFICER, [M, O1, O1B], False, id="two keys of one officer are one officer"),
        pytest.param("exercise", OFFICER, [M, O1], False, id="one officer starts no exercise"),
        pytest.param("erase", OFFICER, [M, O1, O2], True, id="two officers erase"),
        pytest.param("suspend", COORDINATORS, [C1], True, id="one coordinator suspends"),
        pytest.param("suspend", OFFICER, [C1], False, id="a coordinator says so"),
        pytest.param("roster", COORDINATORS, [C1, C2], True, id="two coordinators write the roster"),
        pytest.param("roster", COORDINATORS, [C1], False, id="one coordinator is too few"),
        pytest.param("group", COORDINATORS, [C1, M], False, id="a machine does not make up for a coordinator"),
        pytest.param("revoke-key", COORDINATORS, [C1, C2, M], False, id="nobody signs beside the coordinators"),
        pytest.param("genesis", COORDINATORS, [C1, C2], True, id="two coordinators found"),
    ],
)
def test_an_act_needs_its_keys(kind, decided_by, voices, allowed):
    statement = said(kind, decided_by, signer=voices[0].key_id)
    if allowed:
        require_authority(statement, voices, 2)
        return
    with pytest.raises(AuthorityError):
        require_authority(statement, voices, 2)


def test_personal_data_needs_two_officers():
    statement = said("publish", OFFICER, personal_data=True)
    require_authority(statement, [M, O1, O2], 2)
    with pytest.raises(AuthorityError, match="two distinct officers, 1"):
        require_authority(statement, [M, O1], 2)


def test_the_key_whose_sequence_is_counted_must_sign():
    with pytest.raises(AuthorityError, match="sequence"):
        require_authority(said("note", OFFICER), [O1], 2)


def test_every_member_kind_but_two_needs_an_officer():
    alone = set()
    for kind in Kind:
        try:
            require_authority(said(kind.value, RULE), [M], 1)
        except AuthorityError:
            continue
        alone.add(kind.value)
    assert alone == authority.MACHINE_ALONE == {"publish", "sighting"}


FRESH = FED.key("fresh")
F = Voice(key_id=FRESH.key_id, owner="beanr", key_class="machine")
BODY = {"old": M.key_id, "key": FRESH.record("machine").to_json()}


@pytest.mark.parametrize(
    ("voices", "changes", "allowed"),
    [
        pytest.param([M, F], {}, True, id="old and new"),
        pytest.param([M], {}, False, id="old alone"),
        pytest.param([F], {"signer": F.key_id}, False, id="new alone"),
        pytest.param([M, O1], {}, False, id="old and another, the new one never proved"),
        pytest.param([M, F, O1], {}, False, id="a third"),
        pytest.param([M, F], {"signer": F.key_id}, False, id="counted on the new key"),
        pytest.param([M, F], {"body": {**BODY, "old": O1.key_id}}, False, id="for another old key"),
        pytest.param([M, F], {"body": {**BODY, "key": "x"}}, False, id="no key in it"),
    ],
)
def test_a_rekey_is_signed_by_the_old_and_the_new_key(voices, changes, allowed):
    statement = said("rekey", RULE, **{"body": BODY, **changes})
    if allowed:
        require_authority(statement, voices, 2)
        return
    with pytest.raises(AuthorityError):
        require_authority(statement, voices, 2)


def test_machine_only_means_that_no_officer_has_seen_it():
    assert is_machine_only([M])
    assert not is_machine_only([M, O1])
    assert not is_machine_only([C1])


def test_a_voice_is_found_in_the_roster_before_the_entry():
    public, voice = find_voice(NOTE, PORT.officer.key_id, FED.roster, 0)
    assert (public.key_id, voice) == (PORT.officer.key_id, O1)
    with pytest.raises(PolicyError, match="not in the roster"):
        find_voice(NOTE, PORT.officer.key_id, None, 0)
