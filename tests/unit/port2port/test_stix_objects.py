from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import rfc8785
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.errors import ProfileError
from port2port.patterns import TemplateCache, compile_pattern
from port2port.stix import objects
from port2port.stix.discriminators import Discriminators, TrackHint, of_indicator
from port2port.stix.normalise import NormaliseError, normalise
from port2port.stix.registration import register
from port2port.stix.validate import StixValidator
from port2port.tlp import Tlp
from tests.fakes.examples import many

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ISSUER = "identity--3fd13561-8a54-506c-b3d3-cb2422919d4f"
HEADER = objects.Header(ident=uuid.UUID(int=7, version=4), issuer=ISSUER, created=T0, tlp=Tlp.GREEN)
VALIDATOR = StixValidator(TemplateCache())


def clone(discriminators=None):
    return objects.indicator(
        HEADER,
        name="cloned identity",
        pattern=objects.pattern_equals("vessel:mmsi", ["205123456"]),
        valid_from=T0,
        valid_until=T0 + timedelta(days=2),
        discriminators=discriminators,
    )


def test_built_bytes_are_jcs_and_equal_to_what_orjson_sorts():
    raw = clone()
    assert rfc8785.dumps(json.loads(raw)) == raw
    assert orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS) == raw
    assert normalise(orjson.loads(raw)) == raw


def test_discriminators_travel_with_the_indicator():
    told = Discriminators(
        suspect=TrackHint(position=(51.31234, 4.0), reported_at=T0, radius_km=5.0, facts={"vessel:name": "LIAR"}),
        other=TrackHint(speed_kn=12.5, facts={"vessel:name": "HONEST", "vessel:length_m": 180.5}),
    )
    assert of_indicator(VALIDATOR.validate(clone(told)).data) == told
    assert of_indicator(VALIDATOR.validate(clone()).data) is None


def test_a_revoked_version_is_newer_even_when_the_clock_went_back():
    first = VALIDATOR.validate(clone())
    second = VALIDATOR.validate(objects.revoked(clone(), T0 - timedelta(hours=1)))
    assert second.revoked
    assert second.id == first.id
    assert second.modified > first.modified
    with pytest.raises(ProfileError):
        objects.revoked(objects.vessel(name="X"), T0)


def test_the_same_ship_has_the_same_id_everywhere():
    one, other = (orjson.loads(objects.vessel(mmsi="205123456", length_m=size)) for size in (100, 120))
    assert one["id"] == other["id"]
    assert one["id"] != orjson.loads(objects.vessel(mmsi="205123457"))["id"]


REFUSED = {
    "ship without a name": lambda: objects.vessel(),  # noqa: PLW0108 - all rows look alike
    "ship with a wrong digit": lambda: objects.vessel(imo="9074728"),
    "box with a wrong digit": lambda: objects.freight_container(number="CSQU3054384"),
    "pattern without a value": lambda: objects.pattern_equals("vessel:mmsi", []),
    "note about nothing": lambda: objects.note(HEADER, content="x", object_refs=[]),
    "unknown type": lambda: normalise({"type": "x-unknown", "id": "x"}),
    "type null": lambda: normalise({"type": None}),
    "version a list": lambda: normalise({"type": "indicator", "spec_version": []}),
    "empty pattern": lambda: normalise({**orjson.loads(clone()), "pattern": ""}),
    "custom property": lambda: normalise({**orjson.loads(clone()), "x_number": 1}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_valid_object_raises_a_profile_error(name):
    with pytest.raises(ProfileError):
        REFUSED[name]()


def test_numbers_that_writers_spell_differently_are_refused_at_the_author():
    where = {"extension-definition--00000000-0000-4000-8000-000000000001": {"extension_type": "property-extension"}}
    for number in (0.0000015, 2**60):
        where[next(iter(where))]["n"] = number
        with pytest.raises(NormaliseError):
            normalise({**orjson.loads(clone()), "extensions": where})


@settings(max_examples=many(150), deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=3))
def test_any_value_survives_quoting_in_a_pattern(values):
    pattern = compile_pattern(objects.pattern_equals("vessel:call_sign", values), TemplateCache())
    assert pattern.index_keys == {("vessel:call_sign", value) for value in values}


def test_registering_is_idempotent_and_does_not_happen_at_import():
    register()
    register()
    assert stix2.registry.class_for_type("vessel", "2.1", "observables") is not None
    code = (
        "import stix2, port2port.stix.objects, port2port.stix.validate;"
        "assert stix2.registry.class_for_type('vessel', '2.1', 'observables') is None"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
