from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.errors import MalformedError
from port2port.tlp import UNMARKED, Tlp, at_least_as_strict, parse, strictest

IN_ORDER = ["clear", "green", "amber", "amber+strict", "red"]
LABELS = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
any_tlp = st.sampled_from(Tlp)


@pytest.mark.parametrize(("spelling", "label"), list(zip(IN_ORDER, LABELS, strict=True)))
def test_each_spelling_parses_to_its_label(spelling, label):
    assert parse(spelling).value == spelling
    assert parse(spelling).label == label


def test_there_are_exactly_five_labels_in_rising_strictness():
    assert [tlp.value for tlp in sorted(Tlp, key=lambda tlp: tlp.strictness)] == IN_ORDER


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations(IN_ORDER, 2)))
def test_strictness_is_total_and_one_way(low, high):
    assert at_least_as_strict(parse(high), parse(low))
    assert not at_least_as_strict(parse(low), parse(high))
    assert at_least_as_strict(parse(low), parse(low))


def test_amber_does_not_open_amber_strict():
    assert not at_least_as_strict(Tlp.AMBER, Tlp.AMBER_STRICT)
    assert strictest(Tlp.AMBER, Tlp.AMBER_STRICT) is Tlp.AMBER_STRICT


def test_unmarked_is_amber_strict():
    assert UNMARKED is Tlp.AMBER_STRICT
    assert strictest() is UNMARKED
    assert strictest(None, None) is UNMARKED


def test_a_containers_marking_covers_what_carries_none():
    assert strictest(None, Tlp.GREEN) is Tlp.GREEN


@pytest.mark.parametrize(
    "text",
    ["", "CLEAR", "TLP:RED", "white", "amber-strict", "amber + strict", "red ", "red\n", "amber+strict\0"],
)
def test_no_other_spelling_is_a_marking(text):
    with pytest.raises(MalformedError):
        parse(text)


@given(st.text())
def test_any_text_is_a_marking_or_malformed(text):
    try:
        assert parse(text).value == text
    except MalformedError:
        assert text not in IN_ORDER


@given(st.lists(any_tlp, min_size=1))
def test_the_strictest_is_one_of_them_and_at_least_as_strict_as_each(markings):
    result = strictest(*markings)
    assert result in markings
    assert all(at_least_as_strict(result, marking) for marking in markings)
