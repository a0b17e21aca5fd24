"""What comes from outside the federation: others' types and properties are carried, everything else is as strict."""

from __future__ import annotations

import json
import uuid

import orjson
import pytest

from port2port.errors import ProfileError
from port2port.patterns import TemplateCache
from port2port.stix.profile import EXERCISE_EXTENSION, TYPES, VESSEL_EXTENSION
from port2port.stix.validate import StixValidator
from tests.fakes.shared_data import shared_path

FOREIGN = StixValidator(TemplateCache(), foreign=True)
STRICT = StixValidator(TemplateCache())
IDENT = str(uuid.UUID(int=7, version=4))
NOW = "2026-11-22T10:00:00.000Z"
TACTIC = {
    "type": "x-mitre-tactic",
    "spec_version": "2.1",
    "id": f"x-mitre-tactic--{IDENT}",
    "created": NOW,
    "modified": NOW,
    "name": "Impact",
    "x_mitre_shortname": "impact",
    "tactic_refs": [f"x-mitre-tactic--{IDENT}"],
}
TOOL = {
    **{k: TACTIC[k] for k in ("spec_version", "created", "modified", "name")},
    "type": "tool",
    "id": f"tool--{IDENT}",
}


def raw(value, **changes):
    whole = {name: item for name, item in (value | changes).items() if item is not None}
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)


def corpus():
    for path in sorted(shared_path("stix").glob("*.json")):
        for value in json.loads(path.read_text("utf-8"))["objects"]:
            yield path.stem, value


def test_everything_public_is_accepted_but_what_is_invalid_or_too_large():
    """Two attack patterns were changed before they were made; one table of contents lists 1,800 ids in 90 kB."""
    refused, types = [], set()
    for source, value in corpus():
        try:
            types.add(FOREIGN.validate(raw(value)).type)
        except ProfileError as error:
            refused.append((source, value["type"], error.text))
    early = ("mitre-atlas", "attack-pattern", "modified is not after created")
    assert sorted(refused) == [
        ("ics-attack-18.1", "x-mitre-collection", "an object has at most 65536 bytes"),
        early,
        early,
    ]
    assert any(kind not in TYPES for kind in types)


def test_types_and_properties_of_others_are_carried_and_never_by_a_statement():
    for value in (TACTIC, TOOL | {"x_more": {"a": [1]}, "not_ours": 1}):
        assert FOREIGN.validate(raw(value)).data == value
        with pytest.raises(ProfileError):
            STRICT.validate(raw(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "bundle", "id": f"bundle--{IDENT}"},
        {"type": "p2p-attestation", "id": f"p2p-attestation--{IDENT}"},
        {"type": "p2p-level", "id": f"p2p-level--{IDENT}"},
        {"type": "X-Mitre", "id": f"X-Mitre--{IDENT}"},
        {"type": "x-"},
        {"type": "a" * 251},
        {"type": None},
        {"type": ["x-mitre-tactic"]},
        {"id": f"x-mitre-asset--{IDENT}"},
        {"id": "x-mitre-tactic--1"},
        {"id": f"x-mitre-tactic--{IDENT.upper()}"} if IDENT.upper() != IDENT else {"id": None},
        {"id": None},
        {"spec_version": "2.0"},
        {"spec_version": None},
        {"created": "2026-11-22T10:00:00Z"},
        {"created": None},
        {"modified": None},
        {"modified": "2026-11-22T09:00:00.000Z"},
        {"modified": "yesterday"},
        {"revoked": "true"},
        {"confidence": 101},
        {"labels": []},
        {"created_by_ref": f"tool--{IDENT}"},
        {"object_marking_refs": []},
        {"object_marking_refs": [f"identity--{IDENT}"]},
        {"granular_markings": [{"selectors": ["nothing"], "marking_ref": f"marking-definition--{IDENT}"}]},
        {"granular_markings": [{"selectors": ["name"]}]},
        {"external_references": [{}]},
        {"extensions": {"x": {}}},
        {"extensions": {VESSEL_EXTENSION: {"extension_type": "new-sco"}}},
        {"extensions": {EXERCISE_EXTENSION: {"extension_type": "property-extension", "exercise": "storm"}}},
        {"Name": 1},
        {"x-name": 1},
        {"x": 1},
        {"x" * 251: 1},
        {"x_big": 2**60},
        {"x_long": "x" * 70_000},
    ],
)
def test_what_is_wrong_with_any_object_is_wrong_with_a_foreign_one(changes):
    FOREIGN.validate(raw(TACTIC))
    with pytest.raises(ProfileError):
        FOREIGN.validate(raw(TACTIC, **changes))


@pytest.mark.parametrize("name", ["created", "modified", "revoked", "labels", "object_marking_refs", "created_by_ref"])
def test_an_observable_brings_nothing_that_decides_about_versions_or_audience(name):
    address = {"type": "ipv4-addr", "spec_version": "2.1", "id": f"ipv4-addr--{IDENT}", "value": "198.51.100.1"}
    FOREIGN.validate(raw(address, x_more="y"))
    if name != "object_marking_refs":
        with pytest.raises(ProfileError):
            FOREIGN.validate(raw(address, **{name: NOW}))


def test_our_own_numbers_keep_their_check_digits():
    box = {
        "type": "freight-container",
        "spec_version": "2.1",
        "id": f"freight-container--{IDENT}",
        "number": "CSQU3054384",
        "extensions": {},
    }
    with pytest.raises(ProfileError):
        FOREIGN.validate(raw(box))
