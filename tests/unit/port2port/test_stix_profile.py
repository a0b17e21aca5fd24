"""Our profile as others get it: definitions, schemas, examples and vocabulary, and what they refuse."""

from __future__ import annotations

import uuid
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
import rfc8785
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from node.findings import FindingKind
from node.report_kinds import KINDS
from port2port import canonical
from port2port.checkpoint import parse_proof
from port2port.errors import ProfileError
from port2port.patterns import TemplateCache
from port2port.stix import definitions, objects, physical, publishing
from port2port.stix.normalise import normalise
from port2port.stix.profile import DERIVED, OUTLET_TYPES, OWN_EXTENSIONS, REQUIRED_EXTENSION, TYPES
from port2port.stix.pseudonyms import is_pseudonym, names_person, pseudonym
from port2port.stix.registration import register
from port2port.stix.schema_files import Schemas, read_schema
from port2port.stix.validate import StixValidator
from tests.fakes.examples import many
from tools import stix_profile

CARRIED = StixValidator(TemplateCache())
OUTLET = StixValidator(TemplateCache(), types=TYPES | OUTLET_TYPES)
# Of version 1.0.0: what is published under a version never changes. A change is a new version, and a new line here.
DIGESTS = {"1.0.0": "521f10910a05e5145b3469e9a3def58cf2d42539ee9deda7168745ad9762b960"}
PLATE = pseudonym("vehicle", "BE 1-ABC-123", epoch_key=bytes(32))


def changed(kind, **changes):
    data = publishing.example(kind) | changes
    return canonical.dumps({name: value for name, value in data.items() if value is not None})


def renamed(kind, **changes):
    """A changed example with the id that follows from it."""
    data = publishing.example(kind) | changes
    data = {name: value for name, value in data.items() if value is not None}
    said = canonical.dumps({name: data[name] for name in DERIVED[kind] if name in data}).decode()
    space = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
    return canonical.dumps({**data, "id": f"{kind}--{uuid.uuid5(space, said)}"})


@pytest.mark.parametrize("name", publishing.examples())
def test_every_example_is_valid_and_stix2_reads_and_writes_the_same(name):
    shown = publishing.example(name)
    raw = canonical.dumps(shown)
    assert OUTLET.validate(raw).id == shown["id"]
    assert normalise(shown) == raw
    again = stix2.parse(shown, allow_custom=True)
    assert rfc8785.dumps(orjson.loads(again.serialize())) == raw


def test_the_examples_are_what_our_functions_build():
    made = {name: stix_profile.shown(raw) for name, raw in stix_profile.examples().items()}
    assert set(made) == set(publishing.examples())
    for name, text in made.items():
        assert (stix_profile.EXAMPLES / f"{name}.json").read_text("utf-8") == text, name


def test_the_document_shows_what_is_published():
    text = stix_profile.DOCUMENT.read_text("utf-8")
    assert text.partition(stix_profile.BEGIN)[2] == stix_profile.section(), "run python tools/stix_profile.py"
    for name in (*publishing.examples(), "modus-ov"):
        assert f"\n### {name}\n" in text


def test_an_attestation_proves_the_object_of_the_golden_vectors():
    shown = publishing.example("p2p-attestation")
    vectors = orjson.loads(Path(stix_profile.ROOT, "tests/vectors/trust.json").read_bytes())
    parse_proof(shown["tlog_proof"].encode()).verify_leaf(bytes.fromhex(vectors["leaf_hashes"][2]))
    with pytest.raises(ProfileError, match="one salt"):
        OUTLET.validate(changed("p2p-attestation", salts=shown["salts"] * 2))


@pytest.mark.parametrize("kind", sorted(OUTLET_TYPES))
def test_what_an_outlet_makes_is_never_carried_by_a_statement(kind):
    with pytest.raises(ProfileError, match="type"):
        CARRIED.validate(changed(kind))


@pytest.mark.parametrize("kind", sorted(OUTLET_TYPES))
def test_schemas_of_outlet_types_name_the_properties_that_stix2_knows(kind):
    register()
    known = stix2.registry.class_for_type(kind, "2.1")
    assert set(read_schema(kind)["properties"]) == set(known._properties)


# Definitions.


def test_each_extension_of_ours_has_one_definition_that_is_valid_stix():
    found = definitions.definitions()
    assert set(found) == set(OWN_EXTENSIONS)
    for one in found.values():
        assert CARRIED.validate(canonical.dumps(dict(one))).type == "extension-definition"
        assert normalise(one) == canonical.dumps(dict(one))
        assert f"/schemas/{definitions.schema_of(one['id'])}.json" in one["schema"]
    assert CARRIED.validate(definitions.publisher()).id == definitions.PUBLISHER
    assert len(stix2.parse(definitions.bundle(), allow_custom=True).objects) == len(found) + 1


def test_nobody_redefines_an_extension_of_ours():
    for one in definitions.definitions().values():
        with pytest.raises(ProfileError, match="one of ours"):
            CARRIED.validate(canonical.dumps({**one, "schema": "https://evil.example/"}))


def test_what_is_published_under_a_version_never_changes():
    whole = sha256()
    for path, one in sorted(publishing.files().items()):
        whole.update(f"{path}\0{one.media_type}\0{sha256(one.content).hexdigest()}\n".encode())
    assert whole.hexdigest() == DIGESTS[publishing.VERSION]


def test_every_reference_inside_a_published_schema_is_published_too():
    names = {path for path in publishing.files() if path.startswith("schemas/")}
    for name in names:
        for word in publishing.files()[name].content.decode().split('"'):
            if word.startswith("urn:port2port:stix:"):
                assert f"schemas/{word.rpartition(':')[2].partition('#')[0]}.json" in names


# Ids.


@pytest.mark.parametrize("kind", sorted(DERIVED))
def test_the_id_of_an_observable_follows_from_its_properties(kind):
    assert CARRIED.validate(renamed(kind)).id == publishing.example(kind)["id"]
    other = publishing.example(kind)["id"][:-1] + ("0" if publishing.example(kind)["id"][-1] != "0" else "1")
    with pytest.raises(ProfileError, match="derived"):
        CARRIED.validate(changed(kind, id=other))


# Pseudonyms.

PLAIN = {
    "a plate": "1ABC123",
    "a plate in hex": b"1-ABC-123".hex().ljust(64, "0"),
    "text in hex": b"this is the driver of the lorry!".hex(),
    "a number": "0123456789" * 6 + "0123",
    "a padded number": "4711".rjust(64, "f"),
    "capitals": PLATE.upper(),
    "too short": PLATE[:63],
    "a pattern": "deadbeef" * 8,
    "other digits": "٣" * 64,
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_looks_like_a_plain_value_is_refused_wherever_it_stands(name):
    plain = PLAIN[name]
    assert not is_pseudonym(plain)
    for kind, where in (("badge", "pseudonym"), ("vehicle", "pseudonym"), ("uas", "operator_pseudonym")):
        with pytest.raises(ProfileError):
            CARRIED.validate(renamed(kind, **{where: plain}))
        with pytest.raises(ProfileError):
            names_person(f"[{kind}:{where} = '{plain}']")
    keyed = physical.Keyed(pseudonym=plain, key_epoch="2026-11")
    for build in (physical.badge, physical.vehicle, lambda bad: physical.uas(operator=bad)):
        with pytest.raises(ProfileError):
            build(keyed)


@pytest.mark.parametrize("kind", ["badge", "vehicle", "uas"])
@pytest.mark.parametrize(
    "change",
    [
        {"x_plate": "1-ABC-123"},
        {"plate": "1-ABC-123"},
        {"key_epoch": "1ABC123"},
        {"extensions": {REQUIRED_EXTENSION["badge"]: {"extension_type": "new-sco", "plate": "1-ABC-123"}}},
        {
            "extensions": {
                "extension-definition--00000000-0000-4000-8000-000000000001": {
                    "extension_type": "toplevel-property-extension"
                }
            }
        },
    ],
)
def test_there_is_no_other_place_for_a_plain_value(kind, change):
    if "extensions" in change:
        own = REQUIRED_EXTENSION[kind]
        inside = next(iter(change["extensions"].values()))
        sides = change["extensions"] if "toplevel" in str(inside) else {}
        change = {"extensions": {own: {"extension_type": "new-sco"} if sides else inside, **sides}}
    with pytest.raises(ProfileError):
        CARRIED.validate(renamed(kind, **change))


def test_a_pseudonym_hides_spelling_and_depends_on_key_and_kind():
    assert pseudonym("vehicle", "be1abc123", epoch_key=bytes(32)) == PLATE
    assert is_pseudonym(PLATE)
    others = {
        pseudonym("vehicle", "BE 1-ABC-124", epoch_key=bytes(32)),
        pseudonym("vehicle", "BE 1-ABC-123", epoch_key=b"\1" * 32),
        pseudonym("badge", "BE 1-ABC-123", epoch_key=bytes(32)),
    }
    assert len(others | {PLATE}) == 4
    for value, key in (("--", bytes(32)), ("BE1ABC123", bytes(31)), ("é" * 5, bytes(32))):
        with pytest.raises(ProfileError):
            pseudonym("vehicle", value, epoch_key=key)


@pytest.mark.parametrize(
    ("pattern", "personal"),
    [
        (f"[vehicle:pseudonym = '{PLATE}']", True),
        (f"[vehicle:pseudonym == '{PLATE}' AND vehicle:key_epoch = '2026-11']", True),
        (f"[badge : pseudonym IN ('{PLATE}', '{PLATE[::-1]}')]", True),
        (f"[uas:operator_pseudonym = '{PLATE}']", True),
        ("[uas:serial_number = '1581F4XFC228B00A00TT']", False),
        ("[domain-name:value = 'badge:pseudonym.example']", False),
        ("[x-badge:name = 'x']", False),
        ("[vessel:name = 'vehicle:plate']", False),
    ],
)
def test_a_pattern_says_whether_it_asks_for_a_person(pattern, personal):
    assert names_person(pattern) is personal


@pytest.mark.parametrize(
    "inside",
    [
        "vehicle:plate = '1-ABC-123'",
        "vehicle:'pseudonym' = '1-ABC-123'",
        f"vehicle:pseudonym != '{PLATE}'",
        "vehicle:pseudonym LIKE '1-ABC%'",
        "vehicle:pseudonym MATCHES '1-ABC.*'",
        f"vehicle:pseudonym NOT IN ('{PLATE}')",
        f"vehicle:pseudonym IN ('{PLATE}', '1-ABC-123')",
        "vehicle:pseudonym = 4711",
        "vehicle:colour = 'white'",
        "EXISTS badge:pseudonym",
        f"badge:pseudonym = '{PLATE}' AND badge:key_epoch = 'Jan'",
        f"badge:pseudonym = '{PLATE}' OR badge:holder = 'Jan'",
        "uas:operator_id = 'BEL87ASTRDGE12K8'",
        "uas:operator_pseudonym = 'BEL87ASTRDGE12K8'",
        "vehicle:pseudonym /* x */ = '1-ABC-123'",
    ],
)
def test_an_indicator_asks_for_a_person_by_pseudonym_only(inside):
    data = publishing.example("indicator-discriminators") | {"pattern": f"[{inside}]"}
    with pytest.raises(ProfileError):
        CARRIED.validate(canonical.dumps(data))


def test_a_plate_is_no_fact_about_a_ship():
    data = publishing.example("indicator-discriminators")
    for content in data["extensions"].values():
        content["suspect"]["facts"] = {"vehicle:plate": "1-ABC-123"}
    with pytest.raises(ProfileError, match="no fact"):
        CARRIED.validate(canonical.dumps(data))


# Semantics of the rest.


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("uas", {"serial_number": "1581E4XFC228B00A00TT"}),
        ("uas", {"serial_number": "1581f4xfc228b00a00tt"}),
        ("uas", {"key_epoch": None}),
        ("uas", {"serial_number": None, "model": None, "operator_pseudonym": None, "key_epoch": None}),
        ("uas", {"uas_type": "submarine"}),
        ("access-point", {"port": "Antwerp"}),
        ("access-point", {"code": "gate 3"}),
        ("access-point", {"latitude": None}),
        ("camera-zone", {"latitude": None, "longitude": None}),
        ("camera-zone", {"radius_m": -1}),
        ("waterway-lock", {"isrs_code": "BEANR1"}),
        ("waterway-lock", {"isrs_code": None, "name": None}),
        ("waterway-lock", {"extensions": {}}),
    ],
)
def test_an_object_of_ours_with_a_wrong_property_is_refused(kind, change):
    with pytest.raises(ProfileError):
        CARRIED.validate(renamed(kind, **change))


def test_a_level_is_one_to_three():
    for level in (0, 4, "2", True):
        with pytest.raises(ProfileError):
            OUTLET.validate(changed("p2p-level", level=level))


def test_an_exercise_is_named_by_its_id():
    schemas = Schemas()
    for ident in ("", "real!", "Storm", "x" * 41):
        assert schemas.violation("ext-exercise", {"extension_type": "property-extension", "exercise": ident})


# Ways of working.


def test_every_way_of_working_has_an_id_and_a_name_in_four_languages():
    terms = publishing.modus()
    assert len({term["id"] for term in terms.values()}) == len(terms)
    for value, term in terms.items():
        assert set(term) == {"id", "nl", "fr", "de", "en"}
        assert all(term.values()), value


def test_every_kind_of_report_and_finding_is_a_way_of_working():
    found = {str(kind).lower().replace("_", "-") for kind in FindingKind if kind is not FindingKind.DATA_QUALITY}
    assert found | set(KINDS) <= set(publishing.modus())


def test_a_vessel_keeps_the_id_it_had():
    assert orjson.loads(objects.vessel(imo="9074729"))["id"] == "vessel--0e5cfc6d-f972-5dce-bfb3-0586d4bc39bb"


# Against stix2.parse: what we accept of ours, it accepts, and whatever the value is, the answer is ours.

ODD = st.sampled_from([None, True, 0, -1, 91, 2.5, "", "x", "0" * 64, [], [""], {}, {"a": []}, ["x", 5], 10**9])


@settings(max_examples=many(600), deadline=None)
@given(st.data())
def test_what_we_accept_of_our_own_types_stix2_accepts(data):
    value = publishing.example(data.draw(st.sampled_from(publishing.examples())))
    for name in data.draw(st.lists(st.sampled_from([*sorted(value), "x_new", "lang"]), max_size=2)):
        if data.draw(st.booleans()):
            value.pop(name, None)
        else:
            value[name] = data.draw(ODD)
    try:
        OUTLET.validate(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except ProfileError as error:
        if error.text == "the object could not be validated":
            pytest.fail(repr(value))
        return
    register()
    assert stix2.parse(value, allow_custom=True)["id"] == value["id"]
