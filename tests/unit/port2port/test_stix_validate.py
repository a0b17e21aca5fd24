from __future__ import annotations

import contextlib
import itertools
import json
import random
import uuid
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.errors import ProfileError
from port2port.limits import LIMITS
from port2port.patterns import TemplateCache
from port2port.stix import objects
from port2port.stix.markings import TLP1_IDS, TLP_EXTENSION, TLP_IDS, effective_marking, marking_definition
from port2port.stix.profile import DISCRIMINATORS_EXTENSION, TYPES, VESSEL_EXTENSION
from port2port.stix.registration import register
from port2port.stix.schema_files import read_schema
from port2port.stix.validate import StixValidator, require_depth
from port2port.tlp import Tlp
from tests.fakes.examples import many
from tests.fakes.shared_data import shared_path
from tests.fakes.stix_mutants import mutants

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ISSUER = "identity--3fd13561-8a54-506c-b3d3-cb2422919d4f"
VALIDATOR = StixValidator(TemplateCache())


def header(**changes):
    base = {"ident": uuid.UUID(int=7, version=4), "issuer": ISSUER, "created": T0, "tlp": Tlp.AMBER}
    return objects.Header(**(base | changes))


def an_indicator(**changes):
    base = {
        "name": "cloned identity",
        "pattern": "[vessel:mmsi = '205123456']",
        "valid_from": T0,
        "valid_until": T0 + timedelta(days=2),
    }
    return objects.indicator(header(), **(base | changes))


def canonical(value):
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def changed(**changes):
    data = orjson.loads(an_indicator())
    for name, value in changes.items():
        if value is None:
            del data[name]
        else:
            data[name] = value
    return canonical(data)


def test_a_valid_indicator_gives_what_is_needed_without_reading_it_again():
    found = VALIDATOR.validate(an_indicator())
    assert (found.type, found.created_by_ref, found.revoked) == ("indicator", ISSUER, False)
    assert found.pattern == "[vessel:mmsi = '205123456']"
    assert (found.created, found.modified, found.valid_from) == (T0, T0, T0)
    assert found.tlp is Tlp.AMBER


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b" " + an_indicator(), "canonical", id="spaces"),
        pytest.param(an_indicator().replace(b'"name"', b'"name":"x","name"'), "canonical", id="duplicate key"),
        pytest.param(json.dumps(orjson.loads(an_indicator())).encode(), "canonical", id="other writer"),
        pytest.param(b'{"a":NaN}', "JSON", id="NaN"),
        pytest.param(b'{"a":"\\ud800"}', "JSON", id="lone surrogate"),
        pytest.param(b'{"a":9007199254740993}', "2\\^53", id="big integer"),
        pytest.param(b'{"a":1.0}', "number", id="integral float"),
        pytest.param(b"[1]", "object was expected", id="list"),
        pytest.param(b"", "JSON", id="empty"),
        pytest.param(b"\xff\xfe", "JSON", id="not UTF-8"),
        pytest.param(b'{"a":"' + b"x" * LIMITS.object_bytes + b'"}', "bytes", id="too large"),
        pytest.param(b"[" * 60_000, "deeper", id="deep"),
        pytest.param(b'{"a":' * 33 + b"1" + b"}" * 33, "deeper", id="33 levels"),
        pytest.param(changed(type="x-mitre-tactic"), "type", id="foreign type"),
        pytest.param(changed(type=5), "type", id="type no text"),
        pytest.param(changed(spec_version="2.0"), "spec_version", id="STIX 2.0"),
        pytest.param(changed(id=ISSUER), "/id", id="id of another type"),
        pytest.param(changed(id=f"indicator--{str(uuid.UUID(int=0xABC, version=4)).upper()}"), "/id", id="upper"),
        pytest.param(changed(confidence=101), "confidence", id="confidence 101"),
        pytest.param(changed(confidence="50"), "confidence", id="confidence text"),
        pytest.param(changed(name=5), "name", id="name number"),
        pytest.param(changed(revoked="true"), "revoked", id="revoked text"),
        pytest.param(changed(labels=[]), "labels", id="empty list"),
        pytest.param(changed(created="2026-02-30T00:00:00.000Z"), "created", id="30 February"),
        pytest.param(changed(created="2026-11-22T10:00:00Z"), "created", id="no milliseconds"),
        pytest.param(changed(modified="2026-11-22T09:59:59.999Z"), "modified is not after", id="modified early"),
        pytest.param(changed(valid_until="2026-11-22T10:00:00.000Z"), "valid_until", id="no validity"),
        pytest.param(changed(valid_from="2026-11-22T10:00:60Z"), "valid_from", id="leap second"),
        pytest.param(changed(created_by_ref="malware--" + ISSUER[10:]), "created_by_ref", id="no identity"),
        pytest.param(changed(object_marking_refs=[ISSUER]), "object_marking_refs", id="no marking"),
        pytest.param(changed(surprise=1), "surprise", id="unknown property"),
        pytest.param(changed(pattern="[a:b = "), "not a STIX 2.1 pattern", id="pattern"),
        pytest.param(changed(pattern="[" + "(" * 500), "nests", id="deep pattern"),
        pytest.param(changed(pattern=None), "required", id="no pattern"),
        pytest.param(changed(extensions={"x-ext": {}}), "extensions", id="extension key"),
        pytest.param(
            changed(extensions={VESSEL_EXTENSION: {"extension_type": "new-sco"}}), "cannot carry", id="wrong carrier"
        ),
        pytest.param(
            changed(extensions={DISCRIMINATORS_EXTENSION: {"extension_type": "property-extension"}}),
            "extension",
            id="discriminators without suspect",
        ),
        pytest.param(
            changed(granular_markings=[{"marking_ref": TLP_IDS[Tlp.RED], "selectors": ["nothing"]}]),
            "selects",
            id="selector",
        ),
        pytest.param(changed(granular_markings=[{"selectors": ["name"]}]), "either", id="granular without ref"),
    ],
)
def test_what_is_not_of_the_profile_is_refused(raw, says):
    with pytest.raises(ProfileError, match=says):
        VALIDATOR.validate(raw)


def test_deep_brackets_inside_a_string_are_no_depth():
    require_depth(b'{"a":"' + b"[" * 1_000 + b'\\"{"}')
    with pytest.raises(ProfileError):
        require_depth(b'{"a":"\\""' + b"[" * 40)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("attack", [b'\\"' * 32_000, b'"' * 60_000, b"[]" * 32_000, b'{"' * 32_000])
def test_counting_depth_takes_linear_time(attack):
    with contextlib.suppress(ProfileError):
        require_depth(attack + b"[" * 33)


@pytest.mark.timeout(10)
def test_a_type_name_made_for_backtracking_costs_nothing():
    with pytest.raises(ProfileError):
        VALIDATOR.validate(changed(id="a" * 5_000 + "!"))


def test_different_fraction_digits_are_compared_as_times():
    assert VALIDATOR.validate(
        changed(valid_from="2026-11-22T10:00:00Z", valid_until="2026-11-22T10:00:00.001Z")
    ).valid_until == T0 + timedelta(milliseconds=1)
    for begin, end in [("00.500", "00.5"), ("00.5", "00.500"), ("00", "00.000"), ("00.000", "00")]:
        with pytest.raises(ProfileError):
            VALIDATOR.validate(changed(valid_from=f"2026-11-22T10:00:{begin}Z", valid_until=f"2026-11-22T10:00:{end}Z"))


def test_custom_properties_are_carried():
    VALIDATOR.validate(changed(x_port_note="y"))
    top = "extension-definition--00000000-0000-4000-8000-000000000001"
    VALIDATOR.validate(changed(other=1, extensions={top: {"extension_type": "toplevel-property-extension"}}))


def test_a_pattern_of_another_language_is_carried_but_not_read():
    assert VALIDATOR.validate(changed(pattern_type="snort", pattern="alert tcp any")).pattern is None


def test_a_template_miss_is_told_so_that_callers_can_limit_it():
    fresh = StixValidator(TemplateCache())
    assert fresh.validate(an_indicator()).template_miss
    assert not fresh.validate(an_indicator(pattern="[url:value='x']")).template_miss
    with pytest.raises(ProfileError) as caught:
        fresh.validate(changed(pattern="[a:b = = 1]"))
    assert caught.value.facts["template_miss"]


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("vessel", {"mmsi": "123456789"}, "MMSI"),
        ("vessel", {"imo": "9074728"}, "should be 9"),
        ("vessel", {"eni": "00012345"}, "ENI"),
        ("vessel", {}, "needs one of"),
        ("freight-container", {"number": "CSQU3054384"}, "should be 3"),
    ],
)
def test_wrong_numbers_of_ships_and_boxes_are_refused_at_intake(kind, body, says):
    raw = orjson.loads(
        objects.vessel(name="X") if kind == "vessel" else objects.freight_container(number="CSQU3054383")
    )
    raw = {name: value for name, value in raw.items() if name not in {"name", "number"}} | body
    with pytest.raises(ProfileError, match=says):
        VALIDATOR.validate(canonical(raw))


def test_a_ship_without_its_extension_definition_is_refused():
    raw = orjson.loads(objects.vessel(name="X"))
    raw["extensions"] = {"extension-definition--00000000-0000-4000-8000-000000000001": {"extension_type": "new-sco"}}
    with pytest.raises(ProfileError, match="extension definition"):
        VALIDATOR.validate(canonical(raw))


def test_a_sighting_sights_neither_observables_nor_relationships():
    good = objects.sighting(header(), indicator_id="indicator--" + ISSUER[10:], first_seen=T0, last_seen=T0, count=1)
    for target in ("vessel", "relationship", "marking-definition", "bundle"):
        with pytest.raises(ProfileError, match="may not point"):
            VALIDATOR.validate(good.replace(b'"indicator--', f'"{target}--'.encode()))


@pytest.mark.parametrize("tlp", list(Tlp))
def test_the_published_marking_definitions_are_valid_and_stix2_reads_them(tlp):
    found = VALIDATOR.validate(marking_definition(tlp))
    assert effective_marking([found.id]) is tlp
    assert stix2.parse(marking_definition(tlp).decode())["id"] == TLP_IDS[tlp]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "marking-definition--00000000-0000-4000-8000-000000000001"},
        {"extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "clear"}}},
        {"extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "purple"}}},
        {"definition_type": "tlp", "definition": {"tlp": "white"}, "extensions": None},
        {"definition_type": "statement", "definition": {"statement": "x"}, "extensions": None},
    ],
)
def test_nobody_redefines_a_tlp_label(change):
    data = orjson.loads(marking_definition(Tlp.RED)) | change
    with pytest.raises(ProfileError, match="TLP"):
        VALIDATOR.validate(canonical({name: value for name, value in data.items() if value is not None}))


def test_the_strictest_marking_wins_and_parts_count():
    assert effective_marking([]) is None
    assert effective_marking(["marking-definition--00000000-0000-4000-8000-000000000001"]) is None
    assert effective_marking([TLP1_IDS["white"], TLP_IDS[Tlp.AMBER], TLP1_IDS["green"]]) is Tlp.AMBER
    assert effective_marking([TLP1_IDS["red"], TLP_IDS[Tlp.AMBER_STRICT]]) is Tlp.RED
    part = changed(granular_markings=[{"marking_ref": TLP_IDS[Tlp.RED], "selectors": ["name"]}])
    assert VALIDATOR.validate(part).tlp is Tlp.RED


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_our_schemas_name_the_properties_that_stix2_knows(kind):
    register()
    known = stix2.registry.class_for_type(kind, "2.1")
    deprecated = {"objects"} if kind == "observed-data" else set()
    assert set(read_schema(kind)["properties"]) == set(known._properties) - deprecated
    demanded = {name for name, rule in known._properties.items() if rule.required}
    assert demanded <= set(read_schema(kind)["required"])


def corpus():
    for path in sorted(shared_path("stix").glob("*.json")):
        yield from json.loads(path.read_text("utf-8"))["objects"]


def truly_valid(value):
    return value["type"] in TYPES and value.get("modified", "9") >= value.get("created", "")


def test_the_standard_objects_of_public_corpora_are_valid():
    found = [value for value in corpus() if truly_valid(value)]
    assert len(found) > 4_000
    for value in found:
        assert VALIDATOR.validate(canonical(value)).id == value["id"]


# Against stix2.parse: what we accept, it accepts.

REPLACEMENTS = st.sampled_from(
    [None, True, 0, -1, 101, 2.5, "", "x", [], [""], {}, {"a": []}, "2026-13-01T00:00:00.000Z", "t'", ["x", 5]]
)


@settings(max_examples=many(700), deadline=None)
@given(st.data())
def test_what_we_accept_stix2_accepts(data):
    value = data.draw(st.sampled_from(SAMPLES)).copy()
    for name in data.draw(st.lists(st.sampled_from([*sorted(value), "x_new", "lang"]), max_size=2)):
        if data.draw(st.booleans()):
            value.pop(name, None)
        else:
            value[name] = data.draw(REPLACEMENTS)
    try:
        VALIDATOR.validate(canonical(value))
    except ProfileError:
        return
    register()
    assert stix2.parse(value, allow_custom=True)["id"] == value["id"]


def samples():
    vessel = objects.vessel(mmsi="205123456", imo="9074729", name="X", length_m=100.5)
    ref = orjson.loads(vessel)["id"]
    indicator = an_indicator()
    indicator_id = orjson.loads(indicator)["id"]
    built = [
        indicator,
        vessel,
        objects.freight_container(number="CSQU3054383", seal_numbers=("A1",)),
        objects.sighting(header(), indicator_id=indicator_id, first_seen=T0, last_seen=T0, count=2, port="BEANR"),
        objects.identity(header(), federation="p2p.test", member="north-sea-port", name="North Sea Port"),
        objects.location(header(), name="Deurganckdok", latitude=51.29, longitude=4.26, country="BE"),
        objects.note(header(), content="seen at the lock", object_refs=[ISSUER]),
        objects.report(header(), name="r", published=T0, object_refs=[indicator_id]),
        objects.observed_data(header(), first=T0, last=T0, count=3, object_refs=[ref]),
        objects.relationship(header(), kind="indicates", source_ref=indicator_id, target_ref=ISSUER),
        marking_definition(Tlp.GREEN),
    ]
    return [orjson.loads(raw) for raw in built]


SAMPLES = samples()


def test_everything_we_build_is_valid_and_a_fixed_point_of_stix2():
    for value in SAMPLES:
        found = VALIDATOR.validate(canonical(value))
        parsed = stix2.parse(value)
        again = parsed if isinstance(parsed, dict) else orjson.loads(parsed.serialize())
        assert canonical(again) == canonical(value), found.type


@pytest.mark.parametrize(
    ("validator", "full"),
    [(VALIDATOR, 100_000), (StixValidator(TemplateCache(), foreign=True), 20_000)],
    ids=["strict", "foreign"],
)
def test_a_hundred_thousand_mutants_give_nothing_but_our_errors(validator, full):
    """Of bytes, of values and of patterns, in equal parts; a tenth of them in the quick suite."""
    rng, count = random.Random(17), many(full)
    refused = sum(was_refused(validator, raw) for raw in itertools.islice(mutants(rng, SAMPLES), count))
    assert refused > count * 3 // 4


def was_refused(validator, raw):
    """True for a ProfileError that names a cause; any other exception fails the test."""
    try:
        validator.validate(raw)
    except ProfileError as error:
        return error.text != "the object could not be validated" or pytest.fail(repr(raw))
    return False


def test_an_empty_required_text_is_missing_as_stix2_has_it():
    relationship = {
        "type": "relationship",
        "spec_version": "2.1",
        "id": f"relationship--{uuid.uuid4()}",
        "created": "2026-11-22T00:00:00.000Z",
        "modified": "2026-11-22T00:00:00.000Z",
        "relationship_type": "",
        "source_ref": f"indicator--{uuid.uuid4()}",
        "target_ref": f"malware--{uuid.uuid4()}",
    }
    with pytest.raises(ProfileError, match="relationship_type"):
        StixValidator(TemplateCache()).validate(canonical(relationship))
    StixValidator(TemplateCache()).validate(canonical({**relationship, "relationship_type": "indicates"}))
