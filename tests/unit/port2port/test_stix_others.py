"""What other people's tools make of our profile: OASIS's validator, and MISP there and back.

stix2-validator 3.2.0 finds no error in anything we publish. Two of its warnings stand:
103 our ids are UUIDv5, so that everybody derives the same (STIX 2.1 section 2.9 asks observables for it, and others
    may); 303 an indicator of the examples has no description, since its name says all.
misp-stix keeps what it knows: indicators with their value and marking, those on our own paths as ``stix2-pattern``. It has
no place for observables and other objects that it does not know, and says so instead of dropping them in silence; whoever
exports to MISP therefore sends the indicator that asks for the thing.
"""

from __future__ import annotations

import json
import uuid
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stix2

from port2port.patterns import TemplateCache
from port2port.stix import definitions, objects, publishing
from port2port.stix.markings import effective_marking, marking_definition
from port2port.stix.profile import OUTLET_TYPES, OWN_SCO
from port2port.stix.registration import register
from port2port.stix.validate import StixValidator
from port2port.tlp import UNMARKED, Tlp
from tests.fakes.misp import back, there

with warnings.catch_warnings():  # it imports libraries that use what Python has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from stix2validator import ValidationOptions, validate_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
STANDING = {"103", "303"}
# A thing of each type of ours, by the property that names it.
NAMED_BY = {
    "vessel": "mmsi",
    "freight-container": "number",
    "uas": "serial_number",
    "badge": "pseudonym",
    "vehicle": "pseudonym",
    "access-point": "code",
    "waterway-lock": "isrs_code",
    "camera-zone": "code",
}
STANDARD = {
    "a domain": "[domain-name:value = 'port.example']",
    "an address": "[ipv4-addr:value = '198.51.100.7']",
    "a link": "[url:value = 'https://port.example/login']",
    "a file": f"[file:hashes.'SHA-256' = '{'ab' * 32}']",
    "a mailbox": "[email-addr:value = 'gate@port.example']",
}


def published() -> dict[str, dict[str, Any]]:
    found = {f"example {name}": publishing.example(name) for name in publishing.examples()}
    return found | {f"definition {one['name']}": dict(one) for one in definitions.definitions().values()}


@pytest.mark.parametrize("name", sorted(published()))
def test_stix2_validator_finds_no_error_and_no_other_warning(name):
    result = validate_instance(published()[name], ValidationOptions(version="2.1"))
    assert result.is_valid, [str(error) for error in result.errors]
    codes = {str(warning).partition("{")[2].partition("}")[0] for warning in result.warnings}
    assert codes <= STANDING, [str(warning) for warning in result.warnings]


def test_stix2_validator_would_have_found_an_error():
    broken = publishing.example("indicator-discriminators") | {"confidence": 101}
    assert not validate_instance(broken, ValidationOptions(version="2.1")).is_valid


@pytest.mark.parametrize("name", publishing.examples())
def test_stix2_takes_every_example_without_allowing_anything_custom(name):
    register()
    assert stix2.parse(publishing.example(name), allow_custom=False)["id"] == publishing.example(name)["id"]


# MISP, there and back.


def an_indicator(pattern: str, tlp: Tlp) -> dict[str, Any]:
    header = objects.Header(ident=uuid.uuid4(), issuer=f"identity--{uuid.uuid4()}", created=T0, tlp=tlp)
    made = objects.indicator(header, name="n", pattern=pattern, valid_from=T0, valid_until=T0 + timedelta(days=14))
    found: dict[str, Any] = json.loads(made)
    return found


def survived(given: dict[str, Any], tlp: Tlp, value: str) -> None:
    event, _ = there(given, json.loads(marking_definition(tlp)))
    (again,) = [item for item in back(event) if item["type"] == "indicator"]
    assert f"'{value}'" in again["pattern"]
    assert effective_marking(again["object_marking_refs"]) is tlp
    assert again["id"] == given["id"]


@pytest.mark.parametrize("tlp", [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT])
@pytest.mark.parametrize("name", STANDARD)
def test_an_indicator_of_the_standard_keeps_value_and_marking(name, tlp):
    pattern = STANDARD[name]
    survived(an_indicator(pattern, tlp), tlp, pattern.rpartition(" = '")[2].removesuffix("']"))


@pytest.mark.parametrize("tlp", [Tlp.GREEN, Tlp.AMBER_STRICT])
@pytest.mark.parametrize("kind", sorted(OWN_SCO))
def test_the_indicator_that_asks_for_a_thing_of_ours_keeps_value_and_marking(kind, tlp):
    value = str(publishing.example(kind)[NAMED_BY[kind]])
    survived(an_indicator(f"[{kind}:{NAMED_BY[kind]} = '{value}']", tlp), tlp, value)


def test_misp_drops_the_marking_of_an_account_and_we_then_read_the_strictest():
    """Its converter makes an object of it, and puts no marking on what it makes of an object."""
    event, _ = there(an_indicator("[user-account:account_login = 'gate3']", Tlp.GREEN))
    (again,) = [item for item in back(event) if item["type"] == "indicator"]
    assert "'gate3'" in again["pattern"]
    assert effective_marking(again.get("object_marking_refs", ())) is None
    assert UNMARKED is Tlp.AMBER_STRICT


def test_the_example_of_an_indicator_comes_back_with_its_pattern():
    shown = publishing.example("indicator-discriminators")
    tlp = effective_marking(shown["object_marking_refs"])
    assert tlp is not None
    event, _ = there(shown, json.loads(marking_definition(tlp)))
    (again,) = [item for item in back(event) if item["type"] == "indicator"]
    assert again["pattern"] == shown["pattern"]
    assert effective_marking(again["object_marking_refs"]) is tlp


@pytest.mark.parametrize("kind", sorted(OWN_SCO | OUTLET_TYPES))
def test_misp_says_that_it_does_not_know_our_own_types(kind):
    event, complaints = there(publishing.example(kind))
    assert f"Unknown STIX object type: {kind}" in complaints
    assert not event.get("Object")
    assert not event.get("Attribute")


def test_what_comes_back_from_misp_is_taken_as_foreign():
    event, _ = there(an_indicator(STANDARD["a domain"], Tlp.GREEN))
    foreign = StixValidator(TemplateCache(), foreign=True)
    again = next(item for item in back(event) if item["type"] == "indicator")
    raw = json.dumps(again, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert foreign.validate(raw).pattern == STANDARD["a domain"]
