"""Foreign objects become drafts under their source's marking, once each, and what is odd is set apart alone."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import drafts
from node.drafts import Draft
from node.foreign import keeping
from node.foreign.normalising import Normaliser
from node.foreign.spellings import HASHES_MOST, keys_in
from node.foreign.taking import PER_DRAFT, Source, survey, take
from node.store import NodeStore
from port2port import statement as stm
from port2port.clock import to_ms
from port2port.imported import Grade, imported_in
from port2port.patterns import TemplateCache
from port2port.stix.markings import TLP_IDS
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from tests.fakes.examples import many
from tests.fakes.foreign import NOW, PARTNER, a_desk, a_report, a_store, an_indicator, items, stix_id

CERT = Source(name="cert", grade=Grade(reliability="B", credibility=2))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NodeStore]:
    made = a_store(tmp_path)
    yield made
    made.close()


def bring(store: NodeStore, *objects: object, source: Source = CERT, **desk: Any) -> Counter[str]:
    counts = store.write_now(lambda c: take(c, source, items(*objects), a_desk(**desk)))
    return Counter({name: count for name, count in counts.items() if count})


def open_drafts(store: NodeStore) -> list[Draft]:
    return store.read_now(drafts.listed)


def one_object(store: NodeStore) -> dict[str, Any]:
    (draft,) = open_drafts(store)
    (raw,) = draft.proposal.objects
    found: dict[str, Any] = orjson.loads(raw)
    return found


def apart(store: NodeStore) -> list[tuple[str, str]]:
    return [(one.stix_id, one.code) for one in store.read_now(keeping.apart)]


def test_an_indicator_becomes_a_draft_with_source_and_grade_under_its_own_id_and_author(store: NodeStore) -> None:
    assert bring(store, an_indicator(x_opencti_score=80, confidence=95)) == {"met": 1, "drafted": 1, "drafts": 1}
    (draft,) = open_drafts(store)
    data = one_object(store)
    assert (data["id"], data["created_by_ref"]) == (stix_id("evil.example"), PARTNER)
    assert (draft.proposal.kind, draft.proposal.tlp, draft.source) == ("import", Tlp.AMBER_STRICT, "import:cert")
    told = imported_in(draft.proposal.body)
    assert (told.source, told.grade.code, [one.id for one in told.objects]) == ("cert", "B2", [data["id"]])
    assert data["confidence"] == 70
    assert draft.why["import"]["left"] == ["x_opencti_score"]  # type: ignore[index,call-overload]  # known structure


def test_what_cannot_be_judged_has_no_confidence(store: NodeStore) -> None:
    bring(store, an_indicator(confidence=95), source=Source(name="nobody"))
    assert "confidence" not in one_object(store)


def test_an_indicator_without_an_end_ends_in_two_weeks(store: NodeStore) -> None:
    bring(store, an_indicator())
    assert one_object(store)["valid_until"].startswith((NOW + timedelta(days=14)).isoformat()[:19])


def test_the_exact_bytes_are_kept_and_committed_to(store: NodeStore) -> None:
    bring(store, b'{ "type" :"indicator",' + json.dumps(an_indicator()).encode()[len('{"type": "indicator",') :])
    (draft,) = open_drafts(store)
    (told,) = imported_in(draft.proposal.body).objects
    row = store.read_now(lambda c: c.exec_driver_sql("SELECT salt, raw FROM foreign_object WHERE draft != ''").one())
    assert told.commitment == stm.commit(row.salt, row.raw)
    assert row.raw.startswith(b'{ "type"')


def test_addresses_and_mailboxes_are_drafted_apart_for_two_officers(store: NodeStore) -> None:
    bring(store, an_indicator(), an_indicator("198.51.100.7", path="ipv4-addr:value"))
    assert sorted(draft.proposal.personal_data for draft in open_drafts(store)) == [False, True]
    assert {draft.proposal.purpose for draft in open_drafts(store)} == {"cyber-security"}


def test_many_objects_make_drafts_an_officer_can_read(store: NodeStore) -> None:
    counts = bring(store, *(an_indicator(f"evil{number}.example") for number in range(PER_DRAFT + 1)))
    assert counts["drafts"] == 2
    assert sum(len(draft.proposal.objects) for draft in open_drafts(store)) == PER_DRAFT + 1


def test_bringing_the_same_again_changes_nothing(store: NodeStore) -> None:
    bring(store, an_indicator(), a_report(stix_id("evil.example")))
    before = open_drafts(store)
    assert bring(store, an_indicator(), a_report(stix_id("evil.example"))) == {"met": 2, "known": 2}
    assert open_drafts(store) == before


def test_a_newer_version_is_drafted_and_an_older_one_is_not(store: NodeStore) -> None:
    bring(store, an_indicator())
    newer = an_indicator(modified="2026-11-21T00:00:00.000Z", name="worse")
    assert bring(store, newer)["drafted"] == 1
    assert bring(store, an_indicator(modified="2026-11-19T00:00:00.000Z", name="old"))["older"] == 1


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ("Evil.Example.", "evil[.]example", "domain-name:value"),
        ("bücher.example", "xn--bcher-kva.example", "domain-name:value"),
        ("http://EVIL.example:80", "hxxp://evil[.]example/", "url:value"),
        ("198.51.100.7/32", "198.51.100.7", "ipv4-addr:value"),
        ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "ipv6-addr:value"),
        ("A" * 64, "a" * 64, "file:hashes.'SHA-256'"),
        ("A@Evil.Example", "a@evil.example", "email-addr:value"),
        ("9074729", "IMO 9074729", "vessel:imo"),
    ],
)
def test_one_thing_in_two_spellings_makes_one_draft(store: NodeStore, first: str, second: str, path: str) -> None:
    assert bring(store, an_indicator(first, path=path))["drafted"] == 1
    other = an_indicator(second, path=path, id=stix_id("another"))
    assert bring(store, other, source=replace(CERT, name="isac"))["duplicate"] == 1
    assert len(open_drafts(store)) == 1


def test_two_spellings_in_one_stretch_make_one_draft(store: NodeStore) -> None:
    counts = bring(store, an_indicator("EVIL.example"), an_indicator("evil.example"))
    assert (counts["drafted"], counts["duplicate"]) == (1, 1)


def test_what_names_more_than_is_known_is_no_duplicate(store: NodeStore) -> None:
    bring(store, an_indicator())
    both = an_indicator(id=stix_id("both"), pattern="[domain-name:value IN ('evil.example', 'worse.example')]")
    assert bring(store, both)["drafted"] == 1


# --- markings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True], ids=["the report first", "the report last"])
def test_what_holds_it_together_marks_it_in_whichever_order(store: NodeStore, *, late: bool) -> None:
    report = a_report(stix_id("evil.example"), object_marking_refs=[TLP_IDS[Tlp.RED]])
    given = [an_indicator(object_marking_refs=[TLP_IDS[Tlp.GREEN]]), report]
    bring(store, *(given if late else reversed(given)))
    assert {draft.proposal.tlp for draft in open_drafts(store)} == {Tlp.RED}


def test_a_container_on_a_later_page_tightens_the_open_draft(store: NodeStore) -> None:
    bring(store, an_indicator(object_marking_refs=[TLP_IDS[Tlp.GREEN]]))
    report = a_report(stix_id("evil.example"), object_marking_refs=[TLP_IDS[Tlp.AMBER_STRICT]])
    assert bring(store, report)["tightened"] == 1
    tightened = next(draft for draft in open_drafts(store) if b'"indicator"' in draft.proposal.objects[0])
    assert tightened.proposal.tlp is Tlp.AMBER_STRICT
    assert TLP_IDS[Tlp.AMBER_STRICT].encode() in tightened.proposal.objects[0]


def test_a_container_that_comes_after_it_went_out_is_told(store: NodeStore) -> None:
    bring(store, an_indicator(object_marking_refs=[TLP_IDS[Tlp.GREEN]]))
    (draft,) = open_drafts(store)
    store.write_now(lambda c: drafts.decide(c, draft, state=drafts.PUBLISHED, officer="o1", reason="", now=NOW))
    bring(store, a_report(stix_id("evil.example"), object_marking_refs=[TLP_IDS[Tlp.RED]]))
    assert apart(store) == [(stix_id("evil.example"), "MARKED_LATER")]


def test_a_survey_alone_tells_the_markings_and_takes_nothing_in(store: NodeStore) -> None:
    report = a_report(stix_id("evil.example"), object_marking_refs=[TLP_IDS[Tlp.RED]])
    store.write_now(lambda c: survey(c, CERT, items(report), now=NOW))
    assert open_drafts(store) == []
    bring(store, an_indicator())
    assert open_drafts(store)[0].proposal.tlp is Tlp.RED


def test_a_definition_on_an_earlier_page_counts(store: NodeStore) -> None:
    ident = stix_id("ours", "marking-definition")
    definition = {"type": "marking-definition", "spec_version": "2.1", "id": ident, "name": "TLP:RED"}
    bring(store, definition)
    bring(store, an_indicator(object_marking_refs=[ident]))
    assert open_drafts(store)[0].proposal.tlp is Tlp.RED


def test_the_default_of_a_source_is_the_least_marking(store: NodeStore) -> None:
    green = replace(CERT, default=Tlp.GREEN)
    bring(store, an_indicator(), source=green)
    bring(store, an_indicator("clear.example", object_marking_refs=[TLP_IDS[Tlp.CLEAR]]), source=green)
    assert {draft.proposal.tlp for draft in open_drafts(store)} == {Tlp.GREEN}
    assert all(draft.proposal.groups == () for draft in open_drafts(store))


# --- what makes no draft ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        pytest.param(b"{", "not JSON in UTF-8", id="cut"),
        pytest.param(b"\xff", "not JSON in UTF-8", id="no text"),
        pytest.param(b"[]", "not a JSON object", id="a list"),
        pytest.param(b'{"type":"indicator","type":"x"}', "a key is there twice", id="a key twice"),
        pytest.param(b'{"type":"indicator","x":NaN}', "a number that JSON does not have", id="NaN"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper", id="deep"),
        pytest.param({"type": "indicator"}, "type and an id", id="no id"),
        pytest.param(an_indicator(id="malware--11111111-1111-4111-8111-111111111111"), "of another type", id="type"),
        pytest.param(an_indicator(spec_version="2.0"), "another version", id="STIX 2.0"),
        pytest.param(an_indicator(pattern="[broken"), "not of our profile", id="no pattern"),
        pytest.param(
            an_indicator(created="2026-11-21T00:00:00.000Z"), "not of our profile", id="made after it changed"
        ),
        pytest.param(an_indicator(name="x" * 70_000), "larger than", id="too long"),
        pytest.param({"type": "indicator", "id": "\x00\ud800"}, "type and an id", id="an id no database keeps"),
        pytest.param(an_indicator(name="\ud800"), "not of our profile", id="half a character"),
    ],
)
def test_one_odd_object_is_set_apart_and_its_neighbours_are_taken_in(store: NodeStore, odd: object, said: str) -> None:
    counts = bring(store, an_indicator("a.example"), odd, an_indicator("b.example"))
    assert (counts["drafted"], counts["quarantined"]) == (2, 1)
    (found,) = store.read_now(keeping.apart)
    assert said in found.text
    assert bring(store, odd) == {"met": 1, "quarantined": 1}
    assert store.read_now(keeping.apart_count) == 1


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        pytest.param(an_indicator(revoked=True), "revoked", id="taken back"),
        pytest.param(an_indicator(valid_until="2026-11-21T00:00:00Z"), "expired", id="past its end"),
        pytest.param(an_indicator(created_by_ref=stix_id("a member", "identity")), "own", id="of a member"),
        pytest.param(
            {**an_indicator(), "type": "x-mitre-tactic", "id": stix_id("x", "x-mitre-tactic")}, "context", id="x-"
        ),
    ],
)
def test_what_nobody_has_to_decide_on_is_counted(store: NodeStore, given: dict[str, Any], outcome: str) -> None:
    assert bring(store, given, members=[stix_id("a member", "identity")]) == {"met": 1, outcome: 1}
    assert open_drafts(store) == []


def test_what_its_source_takes_back_is_told_where_a_draft_stands(store: NodeStore) -> None:
    bring(store, an_indicator())
    bring(store, an_indicator(revoked=True, modified="2026-11-21T00:00:00.000Z"))
    assert apart(store) == [(stix_id("evil.example"), "TAKEN_BACK")]


# --- any input ----------------------------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    [*an_indicator(), "object_marking_refs", "granular_markings", "labels", "extensions", "object_refs"]
)
_MUTATED = st.dictionaries(_NAMES, _VALUES, max_size=3)


@settings(max_examples=many(200), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_MUTATED | st.binary(max_size=30), max_size=4))
def test_whatever_comes_every_object_has_an_outcome(store: NodeStore, given: list[Any]) -> None:
    objects = [one if isinstance(one, bytes) else {**an_indicator(), **one} for one in given]
    raws = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects]
    counts = bring(store, *raws)
    ended = sum(count for name, count in counts.items() if name not in {"met", "drafts", "tightened"})
    assert (counts["met"], ended) == (len(raws), len(raws))


def test_normalised_objects_are_what_hub_and_receivers_take() -> None:
    validator = StixValidator(TemplateCache())
    made = Normaliser(validator.validate).normalise(an_indicator(), tlp=Tlp.GREEN, grade=Grade(), now=NOW)
    assert validator.validate(made.raw).tlp is Tlp.GREEN


def test_an_object_of_more_values_than_anybody_has_is_not_looked_up_and_costs_no_neighbour(store: NodeStore) -> None:
    words = " OR ".join(f"a:b = '{number}'" for number in range(2_000))
    long = an_indicator("long", pattern=f"[{words}]")  # to read twenty times as much takes minutes
    hashes = {f"hash-{number}": f"{number:032x}" for number in range(50_000)}  # too many for one question
    odd = {"type": "file", "spec_version": "2.1", "id": stix_id("file", "file"), "hashes": hashes}
    assert keys_in(long) == frozenset()
    assert len(keys_in(odd)) == HASHES_MOST
    assert bring(store, long, odd, an_indicator()) == {"met": 3, "quarantined": 2, "drafted": 1, "drafts": 1}


def test_a_container_of_very_many_is_remembered_at_once(store: NodeStore) -> None:
    refs = [stix_id(f"member {number}") for number in range(10_000)]
    began = time.process_time()
    bring(store, a_report(*refs, object_marking_refs=[TLP_IDS[Tlp.RED]]), an_indicator(id=refs[-1]))
    assert time.process_time() - began < 4  # 8 s when each was written alone
    (draft,) = open_drafts(store)
    assert draft.proposal.tlp is Tlp.RED


def test_what_is_set_apart_of_a_source_is_bounded_and_pushes_no_warning_out(
    store: NodeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "APART_MOST", 5)
    bring(store, an_indicator())
    bring(store, an_indicator(modified="2026-11-21T00:00:00Z", revoked=True))
    bring(store, 0, source=Source(name="other"))
    for number in range(4):
        bring(store, *range(10 * number, 10 * number + 10), now=NOW + timedelta(minutes=number))
    found = Counter((one.source, one.code) for one in store.read_now(keeping.apart))
    assert found == {("cert", "ODD_OBJECT"): 5, ("cert", "TAKEN_BACK"): 1, ("other", "ODD_OBJECT"): 1}
    newest = {one.at_ms for one in store.read_now(keeping.apart) if one.code == "ODD_OBJECT" and one.source == "cert"}
    assert newest == {to_ms(NOW + timedelta(minutes=3))}
