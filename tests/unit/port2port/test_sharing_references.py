"""Which ids an object names, and that reading them stands any JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port2port.errors import TooLargeError
from port2port.sharing.references import NAMES_MAX, named_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["a_ref", "b_refs"]), inner)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        pytest.param({"source_ref": "a--1", "target_ref": "b--2"}, {"a--1", "b--2"}, id="ends"),
        pytest.param({"object_refs": ["a--1", 7, "b--2"]}, {"a--1", "b--2"}, id="a list"),
        pytest.param({"extensions": {"x": [{"track_ref": "a--1"}]}}, {"a--1"}, id="in an extension"),
        pytest.param(
            {"created_by_ref": "identity--1", "object_marking_refs": ["m--1"]}, set(), id="author and marking"
        ),
        pytest.param({"granular_markings": [{"marking_ref": "m--1", "selectors": ["x"]}]}, set(), id="parts' markings"),
        pytest.param({"id": "a--1", "reference": "a--1", "x_ref": {"y": 1}}, set(), id="no references"),
    ],
)
def test_an_object_names_what_its_references_say(data, names):
    assert named_in([data]) == names


def test_the_names_of_one_statement_are_bounded():
    most = [{"object_refs": [f"a--{at}" for at in range(NAMES_MAX)]}]
    assert len(named_in([*most, *most])) == NAMES_MAX
    with pytest.raises(TooLargeError):
        named_in([*most, {"x_ref": "b--1"}])


@given(st.dictionaries(st.text(), JSON))
def test_any_json_names_only_text(data):
    assert all(isinstance(name, str) for name in named_in([data]))
