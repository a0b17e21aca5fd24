"""Statements: what goes in comes out, every field has its rule, and a later version is recognised."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port import canonical, statement
from port2port.errors import MalformedError, TooLargeError
from port2port.limits import LIMITS
from port2port.statement import (
    CONTROL_KINDS,
    HANDLINGS,
    KIND_NUMBERS,
    PURPOSES,
    Kind,
    LogSeen,
    ObjectRef,
    Statement,
    StatementError,
)
from port2port.tlp import Tlp
from tests.fakes.examples import many
from tests.fakes.mutants_inside import BAD_VALUES

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
INDICATOR = "indicator--9b2e8c1e-7c39-4b7e-8f3a-0c5d2b1a9e11"
MEMBERS = st.sampled_from(["beanr", "belgg", "bebru", "north-sea-port", "maritime-police"])
TIMES = st.integers(0, 10**10).map(lambda ms: NOW + timedelta(milliseconds=ms))
UUIDS = st.uuids(version=4)
REFS = st.builds(
    ObjectRef,
    id=UUIDS.map(lambda value: f"indicator--{value}"),
    modified=st.none() | st.just("2026-11-22T08:00:00.000Z"),
    commitment=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
STATEMENTS = st.builds(
    Statement,
    kind=st.sampled_from(sorted(KIND_NUMBERS)),
    issuer=MEMBERS | st.just("federation"),
    signer=st.binary(min_size=32, max_size=32).map(bytes.hex),
    seq=st.integers(1, canonical.SAFE_INTEGER),
    id=UUIDS.map(lambda value: f"urn:uuid:{value}"),
    issued=TIMES,
    log_seen=st.builds(LogSeen, size=st.integers(0, 2**53 - 1), root=st.binary(min_size=32, max_size=32)),
    decided_by=st.sampled_from(["officer:o1", "rule:clone@3", "coordinators"]),
    tlp=st.none() | st.sampled_from(Tlp),
    groups=st.sets(st.tuples(MEMBERS, st.integers(1, 9)), max_size=4).map(lambda found: tuple(sorted(found))),
    recipients=st.sets(MEMBERS).map(lambda found: tuple(sorted(found))),
    handling=st.none() | st.sampled_from(sorted(HANDLINGS)),
    purpose=st.none() | st.sampled_from(sorted(PURPOSES)),
    personal_data=st.booleans(),
    retain_until=st.none() | TIMES,
    context=st.none() | st.from_regex(r"[A-Za-z0-9:._-]{1,80}", fullmatch=True),
    realm=st.sampled_from(["real", "exercise:storm-1"]),
    crit=st.sets(st.sampled_from(["tlp", "groups", "body"])).map(lambda found: tuple(sorted(found))),
    objects=st.lists(REFS, max_size=3, unique_by=lambda ref: ref.id).map(tuple),
    body=st.dictionaries(st.sampled_from(["reason", "note"]), st.text("abc é🚢", max_size=20)),
)


def plain(**changes) -> Statement:
    made = Statement(
        kind="publish",
        issuer="beanr",
        signer="ab" * 32,
        seq=1,
        id=f"urn:uuid:{uuid.UUID(int=1, version=4)}",
        issued=NOW,
        log_seen=LogSeen(size=0, root=bytes(32)),
        decided_by="officer:o1",
    )
    return dataclasses.replace(made, **changes)


def as_json(**changes) -> dict[str, object]:
    return {**canonical.loads_object(statement.encode(plain()), limit=LIMITS.statement_bytes), **changes}


@settings(max_examples=many(150), deadline=None)
@given(STATEMENTS)
def test_what_is_written_is_read(said):
    raw = statement.encode(said)
    again = statement.decode(raw)
    assert again == said
    assert statement.encode(again) == raw
    assert again.understood


@settings(max_examples=many(300), deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(as_json())), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_any_json_is_a_statement_or_a_statement_error(changes):
    try:
        said = statement.from_json(as_json(**changes))
    except StatementError:
        return
    assert statement.decode(statement.encode(said)) == said


@settings(max_examples=many(500), deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_statement_or_malformed(raw):
    with pytest.raises(MalformedError):
        statement.decode(raw)


@pytest.mark.parametrize("name", sorted(as_json()))
def test_every_field_must_be_there(name):
    data = as_json()
    del data[name]
    with pytest.raises(StatementError, match=name):
        statement.from_json(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(name, value, id=f"{name}-{n}") for name in BAD_VALUES for n, value in enumerate(BAD_VALUES[name])],
)
def test_a_field_with_a_value_it_cannot_have_is_refused(name, value):
    with pytest.raises(StatementError):
        statement.from_json(as_json(**{name: value}))


def test_the_table_of_bad_values_covers_every_field():
    assert set(BAD_VALUES) == set(as_json())


def test_the_largest_lists_are_allowed():
    groups = [{"name": f"group-{number:02}", "version": 1} for number in range(LIMITS.groups)]
    recipients = [f"member-{number:02}" for number in range(LIMITS.recipients)]
    said = statement.from_json(as_json(groups=groups, recipients=recipients))
    assert (len(said.groups), len(said.recipients)) == (16, 64)


def test_a_statement_over_16_kib_is_refused_by_size():
    with pytest.raises(TooLargeError):
        statement.encode(plain(body={"x": "y" * LIMITS.statement_bytes}))


def test_a_statement_that_could_not_be_read_is_not_written():
    with pytest.raises(StatementError):
        statement.encode(plain(issuer="Not A Member"))


@pytest.mark.parametrize(
    ("changes", "understood"),
    [
        pytest.param({}, True, id="this version"),
        pytest.param({"v": 2}, False, id="a later version"),
        pytest.param({"kind": "weather"}, False, id="an unknown kind"),
        pytest.param({"crit": ["tlp"]}, True, id="a critical field we know"),
        pytest.param({"crit": ["seal"], "seal": {"to": "beanr"}}, False, id="a critical field we do not know"),
        pytest.param({"crit": ["seal"]}, False, id="a critical name without its field"),
        pytest.param({"seal": {"to": "beanr"}}, True, id="an unknown field that is not critical"),
    ],
)
def test_what_a_later_version_says_is_recognised_not_guessed(changes, understood):
    said = statement.from_json(as_json(**changes))
    assert said.understood is understood
    assert said.unknown == frozenset(changes.keys() - as_json().keys())


def test_control_is_what_the_roster_depends_on_and_what_coordinators_say_in_words_of_tomorrow():
    assert {kind.value for kind in Kind if plain(kind=kind.value).is_control} == CONTROL_KINDS
    assert plain(kind="constitution", issuer="federation").is_control
    assert not plain(kind="constitution").is_control
    assert not plain(kind="suspend", issuer="federation").is_control


def test_kind_numbers_never_change():
    """They stand in every leaf of the log."""
    words = (
        "genesis roster rekey revoke-key group publish sighting retract suspend hold cosign reaffirm reshare erase "
        "note report incident level exercise import"
    )
    assert dict(KIND_NUMBERS) == {word: number for number, word in enumerate(words.split(), start=1)}


def test_refs_name_issuer_and_object():
    body = {"refs": [{"id": INDICATOR, "issuer": "belgg"}], "reason": "old"}
    assert statement.decode(statement.encode(plain(kind="retract", body=body))).refs() == (("belgg", INDICATOR),)
    assert plain().refs() == ()


def test_a_commitment_is_a_salted_hash_with_a_tag():
    salt, body = bytes(range(32)), b'{"type":"indicator"}'
    assert statement.commit(salt, body) == hashlib.sha256(b"\x01" + salt + body).hexdigest()
    assert statement.commit(salt, body) != statement.commit(bytes(32), body)


def test_every_purpose_names_its_legal_basis():
    assert all(len(basis) > 20 for basis in PURPOSES.values())


def test_a_time_is_named_with_its_field_when_it_is_wrong():
    with pytest.raises(StatementError, match="retain_until"):
        statement.from_json(as_json(retain_until="2026-02-30T00:00:00.000Z"))
