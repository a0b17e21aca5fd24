"""The object types we accept, the extensions that are ours, and which references may point where.

Ids of our extension definitions are derived from the one namespace of ``ids``; the definitions themselves are
published with their JSON Schemas (``schemas/``), and never change their meaning.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from port2port.ids import NAMESPACE


def _extension(name: str) -> str:
    return f"extension-definition--{uuid.uuid5(NAMESPACE, f'extension-definition/{name}')}"


VESSEL_EXTENSION: Final = _extension("vessel")
CONTAINER_EXTENSION: Final = _extension("freight-container")
DISCRIMINATORS_EXTENSION: Final = _extension("indicator-discriminators")
SIGHTING_EXTENSION: Final = _extension("sighting-track")
UAS_EXTENSION: Final = _extension("uas")
BADGE_EXTENSION: Final = _extension("badge")
VEHICLE_EXTENSION: Final = _extension("vehicle")
ACCESS_POINT_EXTENSION: Final = _extension("access-point")
LOCK_EXTENSION: Final = _extension("waterway-lock")
CAMERA_EXTENSION: Final = _extension("camera-zone")
EXERCISE_EXTENSION: Final = _extension("exercise")
LEVEL_EXTENSION: Final = _extension("p2p-level")
ATTESTATION_EXTENSION: Final = _extension("p2p-attestation")

META: Final = frozenset({"marking-definition", "language-content", "extension-definition"})
SRO: Final = frozenset({"relationship", "sighting"})
SDO: Final = frozenset(
    {
        "attack-pattern",
        "campaign",
        "course-of-action",
        "grouping",
        "identity",
        "incident",
        "indicator",
        "infrastructure",
        "intrusion-set",
        "location",
        "malware",
        "malware-analysis",
        "note",
        "observed-data",
        "opinion",
        "report",
        "threat-actor",
        "tool",
        "vulnerability",
    }
)
# Our observables whose id every reader derives again from these properties (STIX 2.1 section 2.9).
DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "uas": ("serial_number", "operator_pseudonym", "key_epoch", "model"),
    "badge": ("pseudonym", "key_epoch"),
    "vehicle": ("pseudonym", "key_epoch"),
    "access-point": ("port", "code"),
    "waterway-lock": ("isrs_code", "name"),
    "camera-zone": ("port", "code"),
}
OWN_SCO: Final = frozenset({"vessel", "freight-container", *DERIVED})
SCO: Final = OWN_SCO | {
    "artifact",
    "autonomous-system",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "network-traffic",
    "process",
    "software",
    "url",
    "user-account",
    "windows-registry-key",
    "x509-certificate",
}
TYPES: Final = META | SRO | SDO | SCO
# What an outlet says beside objects: made from the log by whoever serves it, and never carried by a statement.
OUTLET_TYPES: Final = frozenset({"p2p-level", "p2p-attestation"})

# Where a reference of a type may not point (STIX 2.1 sections 4 and 5); unknown types are somebody else's
# SDOs.
_NOT_AN_OBJECT: Final = META | {"bundle"}
FORBIDDEN_TARGETS: Final = {
    ("relationship", "source_ref"): _NOT_AN_OBJECT | SRO,
    ("relationship", "target_ref"): _NOT_AN_OBJECT | SRO,
    ("sighting", "sighting_of_ref"): _NOT_AN_OBJECT | SRO | SCO,
    ("observed-data", "object_refs"): _NOT_AN_OBJECT | SDO,
    ("report", "object_refs"): _NOT_AN_OBJECT,
    ("grouping", "object_refs"): _NOT_AN_OBJECT,
    ("note", "object_refs"): _NOT_AN_OBJECT,
    ("opinion", "object_refs"): _NOT_AN_OBJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnExtension:
    """One of our extensions: its kind, the types that may carry it, the schema of its content."""

    kind: str
    carriers: frozenset[str]
    schema: str | None = None


def _new_object(kind: str) -> OwnExtension:
    extension = "new-sdo" if kind in OUTLET_TYPES else "new-sco"
    return OwnExtension(kind=extension, carriers=frozenset({kind}), schema="ext-new-object")


OWN_EXTENSIONS: Final[Mapping[str, OwnExtension]] = {
    VESSEL_EXTENSION: OwnExtension(kind="new-sco", carriers=frozenset({"vessel"})),
    CONTAINER_EXTENSION: OwnExtension(kind="new-sco", carriers=frozenset({"freight-container"})),
    DISCRIMINATORS_EXTENSION: OwnExtension(
        kind="property-extension", carriers=frozenset({"indicator"}), schema="ext-discriminators"
    ),
    SIGHTING_EXTENSION: OwnExtension(
        kind="property-extension", carriers=frozenset({"sighting"}), schema="ext-sighting-track"
    ),
    EXERCISE_EXTENSION: OwnExtension(
        kind="property-extension", carriers=SDO | SRO | OUTLET_TYPES, schema="ext-exercise"
    ),
    UAS_EXTENSION: _new_object("uas"),
    BADGE_EXTENSION: _new_object("badge"),
    VEHICLE_EXTENSION: _new_object("vehicle"),
    ACCESS_POINT_EXTENSION: _new_object("access-point"),
    LOCK_EXTENSION: _new_object("waterway-lock"),
    CAMERA_EXTENSION: _new_object("camera-zone"),
    LEVEL_EXTENSION: _new_object("p2p-level"),
    ATTESTATION_EXTENSION: _new_object("p2p-attestation"),
}
# The extension that each type of ours names.
REQUIRED_EXTENSION: Final[Mapping[str, str]] = {
    kind: extension
    for extension, own in OWN_EXTENSIONS.items()
    if own.kind in {"new-sco", "new-sdo"}
    for kind in own.carriers
}
