"""An import says of each of its objects where it comes from, and speaks for nobody who can speak for himself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port import imported
from port2port.ids import FEDERATION_ISSUER
from port2port.imported import Brought, Grade, Imported, ImportedError
from port2port.statement import ObjectRef
from port2port.tlp import Tlp
from tests.fakes.federation import Federation, statement_of

ID = "indicator--11111111-1111-4111-8111-111111111111"
OTHER = "indicator--22222222-2222-4222-8222-222222222222"


def told(*ids: str) -> Imported:
    objects = tuple(Brought(id=one, original=f"attribute:{one}", commitment="ab" * 32) for one in ids)
    return Imported(source="CERT", grade=Grade(reliability="B", credibility=2), objects=objects)


def test_the_body_is_read_as_it_was_written() -> None:
    assert imported.imported_in(told(ID, OTHER).to_body()) == told(ID, OTHER)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"source": ""}, id="no source"),
        pytest.param({"source": "a\nb"}, id="a source of two lines"),
        pytest.param({"source": "x" * 101}, id="a long source"),
        pytest.param({"reliability": "G"}, id="no such letter"),
        pytest.param({"reliability": None}, id="no letter"),
        pytest.param({"credibility": 0}, id="no such digit"),
        pytest.param({"credibility": True}, id="a truth value"),
        pytest.param({"objects": []}, id="nothing"),
        pytest.param({"objects": [{"id": ID}]}, id="too little of an object"),
        pytest.param({"objects": [{"commitment": "x", "echo": False, "id": ID, "original": ID}]}, id="no digest"),
        pytest.param({"objects": [{"commitment": "ab" * 32, "echo": 0, "id": ID, "original": ID}]}, id="a number"),
        pytest.param({"objects": [{"commitment": "ab" * 32, "echo": True, "id": "x", "original": ID}]}, id="no id"),
        pytest.param(
            {"objects": [{"commitment": "ab" * 32, "echo": True, "id": ID, "original": ""}]}, id="no original"
        ),
        pytest.param({"more": 1}, id="another field"),
    ],
)
def test_another_body_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ImportedError):
        imported.imported_in({**told(ID).to_body(), **change})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "echo", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries(dict.fromkeys(("credibility", "objects", "reliability", "source"), JSON)))
def test_any_body_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        found = imported.imported_in(body)
    except ImportedError:
        return
    assert found.to_body() == body


@pytest.mark.parametrize(("text", "code"), [("B2", "B2"), ("a1", "A1"), ("C", "C6"), ("F6", "F6")])
def test_a_grade_is_a_letter_and_a_digit(text: str, code: str) -> None:
    assert Grade.parse(text).code == code


@pytest.mark.parametrize("text", ["", "G1", "B7", "B0", "BB", "2B", "B22", "²"])
def test_another_grade_is_refused(text: str) -> None:
    with pytest.raises(ImportedError):
        Grade.parse(text)


def test_what_is_left_out_is_not_told_of() -> None:
    assert [one.id for one in told(ID, OTHER).only([OTHER]).objects] == [OTHER]
    with pytest.raises(ImportedError):
        told(ID).only([OTHER])


@pytest.fixture
def fed() -> Federation:
    made = Federation()
    made.founding()
    return made


def check(fed: Federation, ids: tuple[str, ...], body: Imported, *authors: tuple[str, str | None]) -> None:
    refs = tuple(ObjectRef(id=one, modified=None, commitment="cd" * 32) for one in ids)
    said = statement_of(fed.content("beanr", "hold", tlp=Tlp.GREEN))
    made = replace(said, kind="import", objects=refs, body=body.to_body())
    imported.require(made, authors, roster=fed.roster, federation=fed.name)


def test_the_objects_of_the_body_are_those_of_the_statement(fed: Federation) -> None:
    check(fed, (ID, OTHER), told(ID, OTHER))
    with pytest.raises(ImportedError):
        check(fed, (ID,), told(ID, OTHER))
    with pytest.raises(ImportedError):
        check(fed, (ID, OTHER), told(OTHER, ID))


def test_what_a_member_made_comes_from_that_member(fed: Federation) -> None:
    check(fed, (ID,), told(ID), (ID, "identity--33333333-3333-4333-8333-333333333333"), (OTHER, None))
    with pytest.raises(ImportedError):
        check(fed, (ID,), told(ID), (ID, fed.identity("belgg")))
    with pytest.raises(ImportedError):
        check(fed, (ID,), told(ID), (fed.identity("belgg"), None))


def test_nobody_brings_what_the_federation_itself_made(fed: Federation) -> None:
    with pytest.raises(ImportedError):
        check(fed, (ID,), told(ID), (ID, fed.identity(FEDERATION_ISSUER)))
