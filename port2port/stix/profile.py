"""The object types we accept, the extensions that are ours, and which references may point where.

Ids of our extension definitions are derived from the one namespace of ``ids``; the definitions themselves are
published with their JSON Schemas (``schemas/``), and never change their meaning.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from port2port.ids import NAMESPACE


def _extension(name: str) -> str:
    return f"extension-definition--{uuid.uuid5(NAMESPACE, f'extension-definition/{name}')}"


VESSEL_EXTENSION: Final = _extension("vessel")
CONTAINER_EXTENSION: Final = _extension("freight-container")
DISCRIMINATORS_EXTENSION: Final = _extension("indicator-discriminators")
SIGHTING_EXTENSION: Final = _extension("sighting-track")

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
OWN_SCO: Final = frozenset({"vessel", "freight-container"})
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


OWN_EXTENSIONS: Final = {
    VESSEL_EXTENSION: OwnExtension(kind="new-sco", carriers=frozenset({"vessel"})),
    CONTAINER_EXTENSION: OwnExtension(kind="new-sco", carriers=frozenset({"freight-container"})),
    DISCRIMINATORS_EXTENSION: OwnExtension(
        kind="property-extension", carriers=frozenset({"indicator"}), schema="ext-discriminators"
    ),
    SIGHTING_EXTENSION: OwnExtension(
        kind="property-extension", carriers=frozenset({"sighting"}), schema="ext-sighting-track"
    ),
}
REQUIRED_EXTENSION: Final = {"vessel": VESSEL_EXTENSION, "freight-container": CONTAINER_EXTENSION}
