"""Somebody else's marking is never read as looser than he meant it, in whichever of a dozen spellings he wrote it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.foreign import markings
from node.foreign.markings import Markings
from port2port.stix.markings import TLP1_IDS, TLP_EXTENSION, TLP_IDS
from port2port.tlp import Tlp, at_least_as_strict, strictest

OPENCTI = "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37"
SOMEBODYS = "marking-definition--aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def definition(**more: Any) -> dict[str, Any]:
    return {"type": "marking-definition", "spec_version": "2.1", "id": SOMEBODYS, **more}


@pytest.mark.parametrize(
    ("given", "tlp"),
    [
        pytest.param(definition(id=TLP_IDS[Tlp.GREEN]), Tlp.GREEN, id="TLP 2 by its id"),
        pytest.param(definition(id=TLP1_IDS["white"], definition={"tlp": "white"}), Tlp.CLEAR, id="TLP 1 white"),
        pytest.param(
            definition(id=TLP1_IDS["white"], definition={"tlp": "clear"}, x_opencti_definition="TLP:CLEAR"),
            Tlp.CLEAR,
            id="OpenCTI's CLEAR under the id of WHITE",
        ),
        pytest.param(
            definition(definition_type="tlp", definition={"tlp": "amber+strict"}), Tlp.AMBER_STRICT, id="as type tlp"
        ),
        pytest.param(
            definition(id=OPENCTI, definition_type="statement", definition={"statement": "custom"}),
            Tlp.AMBER_STRICT,
            id="OpenCTI's AMBER+STRICT by its id",
        ),
        pytest.param(
            definition(definition_type="statement", x_opencti_definition="TLP:AMBER+STRICT"),
            Tlp.AMBER_STRICT,
            id="OpenCTI's form under another id",
        ),
        pytest.param(
            definition(definition_type="statement", x_opencti_definition="TLP:RED"), Tlp.RED, id="RED in OpenCTI's form"
        ),
        pytest.param(definition(extensions={TLP_EXTENSION: {"tlp_2_0": "green"}}), Tlp.GREEN, id="by extension"),
        pytest.param(definition(extensions={TLP_EXTENSION: {"tlp_2_0": "lilac"}}), Tlp.RED, id="an unknown label"),
        pytest.param(definition(extensions={TLP_EXTENSION: {}}), Tlp.RED, id="an extension without its label"),
        pytest.param(definition(definition_type="tlp", definition={"tlp": "purple"}), Tlp.RED, id="an unknown colour"),
        pytest.param(definition(definition_type="tlp", definition={"tlp": 3}), Tlp.RED, id="a colour that is a number"),
        pytest.param(definition(definition_type="tlp"), Tlp.RED, id="TLP without a colour"),
        pytest.param(definition(name="TLP:AMBER"), Tlp.AMBER, id="by its name alone"),
        pytest.param(
            definition(definition_type="statement", definition={"statement": "Copyright 2026"}),
            Tlp.AMBER_STRICT,
            id="a statement",
        ),
        pytest.param(
            definition(id=TLP_IDS[Tlp.CLEAR], name="TLP:RED"), Tlp.RED, id="an id and a name that contradict each other"
        ),
        pytest.param(definition(extensions={"extension-definition--x": {"pap": "red"}}), Tlp.AMBER_STRICT, id="PAP"),
    ],
)
def test_a_definition_is_as_strict_as_any_part_of_it(given: dict[str, Any], tlp: Tlp) -> None:
    assert markings.of_definition(given) is tlp


@pytest.mark.parametrize(
    ("tag", "tlp"),
    [
        ("tlp:amber+strict", Tlp.AMBER_STRICT),
        ("TLP:AMBER + STRICT", Tlp.AMBER_STRICT),
        ("tlp:amber-strict", Tlp.AMBER_STRICT),
        ("TLP:WHITE", Tlp.CLEAR),
        ('misp:tlp="green"', Tlp.GREEN),
        ("tlp:ex:chr", Tlp.RED),
        ("tlp:", Tlp.RED),
        ("TLP-AMBER", Tlp.AMBER),
        ("type:OSINT", None),
        ("help", None),
    ],
)
def test_a_tag_says_a_label_or_nothing(tag: str, tlp: Tlp | None) -> None:
    assert markings.of_tag(tag) is tlp


def test_amber_never_opens_amber_strict() -> None:
    found = Markings().own({"object_marking_refs": [TLP_IDS[Tlp.AMBER]], "labels": ["tlp:amber+strict"]})
    assert found is Tlp.AMBER_STRICT


def test_what_is_unmarked_is_amber_strict_and_a_container_covers_it() -> None:
    assert markings.effective(None, None, None) is Tlp.AMBER_STRICT
    assert markings.effective(None, Tlp.GREEN, None) is Tlp.GREEN
    assert markings.effective(Tlp.CLEAR, Tlp.RED, Tlp.GREEN) is Tlp.RED
    assert markings.effective(Tlp.CLEAR, None, Tlp.GREEN) is Tlp.GREEN


def test_a_definition_said_twice_keeps_its_stricter_reading() -> None:
    known = Markings()
    known.learn(definition(name="TLP:RED"))
    known.learn(definition(name="TLP:GREEN"))
    assert known.of_ref(SOMEBODYS) is Tlp.RED


def test_a_fixed_id_is_not_loosened_by_a_definition_of_the_same_id() -> None:
    known = Markings()
    known.learn(definition(id=TLP_IDS[Tlp.RED], name="TLP:CLEAR"))
    assert known.of_ref(TLP_IDS[Tlp.RED]) is Tlp.RED


# The oracle: whatever an object names, in whichever place, its effective marking is at least each of them.
_ALL = {**{ident: tlp for tlp, ident in TLP_IDS.items()}, OPENCTI: Tlp.AMBER_STRICT, TLP1_IDS["red"]: Tlp.RED}
_REFS = st.lists(st.sampled_from([*_ALL, SOMEBODYS]), max_size=3)
_LABELS = st.lists(st.sampled_from([f"{word}{tlp.value}" for word in ("tlp:", "TLP:") for tlp in Tlp]), max_size=2)
_TLP = st.none() | st.sampled_from(list(Tlp))


@given(_REFS, _REFS, _LABELS, _TLP, _TLP)
def test_the_effective_marking_is_never_looser_than_anything_said(
    refs: list[str], granular: list[str], labels: list[str], container: Tlp | None, default: Tlp | None
) -> None:
    data = {
        "object_marking_refs": refs,
        "granular_markings": [{"marking_ref": ref, "selectors": ["name"]} for ref in granular],
        "labels": labels,
    }
    said = [_ALL.get(ref, Tlp.AMBER_STRICT) for ref in (*refs, *granular)]
    said += [next(tlp for tlp in Tlp if label.lower() == f"tlp:{tlp.value}") for label in labels]
    said += [tlp for tlp in (container, default) if tlp is not None]
    found = markings.effective(Markings().own(data), container, default)
    assert found is strictest(*said)
    assert all(at_least_as_strict(found, tlp) for tlp in said)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ("object_marking_refs", "granular_markings", "labels", "definition", "definition_type", "extensions", "name")


@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON), _JSON)
def test_whatever_stands_there_has_a_marking(data: dict[str, Any], ident: object) -> None:
    known = Markings()
    known.learn({**data, "id": ident})
    found = markings.effective(known.own(data), None, None)
    assert found in Tlp
    if data.get("object_marking_refs") or data.get("granular_markings"):
        assert known.own(data) is not None
