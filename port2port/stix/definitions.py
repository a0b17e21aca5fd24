"""Our extension definitions as STIX objects: what they add, which schema says its form, and in which version.

Ids, times and texts are constants: every hub serves the same bytes, and nobody redefines one (``semantics``).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from port2port import canonical
from port2port.canonical import Json
from port2port.ids import NAMESPACE
from port2port.stix.profile import (
    DISCRIMINATORS_EXTENSION,
    EXERCISE_EXTENSION,
    OWN_EXTENSIONS,
    REQUIRED_EXTENSION,
    SIGHTING_EXTENSION,
)

VERSION: Final = "1.0.0"
PUBLISHER: Final = f"identity--{uuid.uuid5(NAMESPACE, 'profile')}"
_CREATED: Final = "2026-11-22T00:00:00.000Z"
_ADDS: Final[Mapping[str, str]] = {
    "vessel": "A ship by MMSI, IMO number, ENI, call sign or name.",
    "freight-container": "A box by its ISO 6346 number.",
    "uas": "A drone by its serial number (ANSI/CTA-2063-A); its operator by a keyed pseudonym only.",
    "badge": "A card that opens doors, by a keyed pseudonym only.",
    "vehicle": "A vehicle, by a keyed pseudonym of its licence plate only.",
    "access-point": "A gate or door by the code of its port.",
    "waterway-lock": "A lock by its code in the RIS index or its name.",
    "camera-zone": "What a camera watches, by the code of its port.",
    "p2p-level": "A change of the security level of a port (ISPS Code, part A 4.1), as its signed statement says it.",
    "p2p-attestation": "The proof of an entry: its signed statement, the salts of its objects, a C2SP tlog-proof.",
    "indicator-discriminators": "Which of two ships with one identity an indicator means.",
    "sighting-track": "Which track a sighting is of, at which port, live or looking back.",
    "exercise": "That an object is of an exercise, and of which; it stands in statements of that exercise only.",
}
_PROPERTY_EXTENSIONS: Final[Mapping[str, str]] = {
    DISCRIMINATORS_EXTENSION: "indicator-discriminators",
    SIGHTING_EXTENSION: "sighting-track",
    EXERCISE_EXTENSION: "exercise",
}


def definition(extension: str) -> Mapping[str, Json] | None:
    """The definition with this id; None: it is not one of ours."""
    return definitions().get(extension)


@cache
def definitions() -> Mapping[str, Mapping[str, Json]]:
    """Every definition of ours by its id, those of types first."""
    types = {extension: kind for kind, extension in REQUIRED_EXTENSION.items()}
    return {extension: _made(extension, name) for extension, name in {**types, **_PROPERTY_EXTENSIONS}.items()}


def publisher() -> bytes:
    """The identity that created them, as canonical bytes."""
    return canonical.dumps(
        {
            "type": "identity",
            "spec_version": "2.1",
            "id": PUBLISHER,
            "created": _CREATED,
            "modified": _CREATED,
            "name": "Port 2 Port",
            "identity_class": "group",
        }
    )


def bundle() -> bytes:
    """All of them in a STIX bundle, whose id follows from the version."""
    found: list[Json] = [dict(one) for one in definitions().values()]
    publishing = canonical.loads_object(publisher(), limit=len(publisher()))
    return canonical.dumps(
        {
            "type": "bundle",
            "id": f"bundle--{uuid.uuid5(NAMESPACE, f'profile/{VERSION}')}",
            "objects": [publishing, *found],
        }
    )


def schema_of(extension: str) -> str:
    """The name of the schema that says what the extension adds: that of the new type, or of the extension's content."""
    own = OWN_EXTENSIONS[extension]
    return own.schema if own.schema is not None and own.kind == "property-extension" else next(iter(own.carriers))


def _made(extension: str, name: str) -> Mapping[str, Json]:
    schema = schema_of(extension)
    return MappingProxyType(
        {
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": extension,
            "created_by_ref": PUBLISHER,
            "created": _CREATED,
            "modified": _CREATED,
            "name": name,
            "description": _ADDS[name],
            "schema": f"urn:port2port:stix:{schema}, a JSON Schema; served at /profile/{VERSION}/schemas/{schema}.json",
            "version": VERSION,
            "extension_types": [OWN_EXTENSIONS[extension].kind],
        }
    )
