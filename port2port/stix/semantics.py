"""What a JSON Schema cannot say about an object: order of times, targets of references, selectors, check
digits.

Called after the schema, so that types of values can be relied on. Every function raises ProfileError.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from port2port import canonical, identifiers
from port2port.canonical import Json
from port2port.errors import ProfileError
from port2port.stix import definitions, pseudonyms
from port2port.stix.markings import TLP1_IDS, TLP_EXTENSION, TLP_IDS
from port2port.stix.profile import (
    DERIVED,
    DISCRIMINATORS_EXTENSION,
    FORBIDDEN_TARGETS,
    OWN_EXTENSIONS,
    REQUIRED_EXTENSION,
)

if TYPE_CHECKING:
    from port2port.stix.schema_files import Schemas

Object = Mapping[str, Json]

# (earlier, later, whether they may be equal), beside created and modified
_ORDERED: Final = (
    ("valid_from", "valid_until", False),
    ("first_seen", "last_seen", True),
    ("first_observed", "last_observed", True),
    ("start_time", "stop_time", False),
    ("analysis_started", "analysis_ended", True),
    ("start", "end", True),
    ("validity_not_before", "validity_not_after", True),
)
_LATER: Final = frozenset(later for _earlier, later, _equal in _ORDERED)
# Of each type, the groups of properties of which at least one must be there whole.
_ONE_OF: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "file": (("hashes",), ("name",)),
    "artifact": (("payload_bin",), ("url", "hashes")),
    "network-traffic": (("src_ref",), ("dst_ref",)),
    "location": (("region",), ("country",), ("latitude", "longitude")),
    "malware-analysis": (("result",), ("analysis_sco_refs",)),
    "marking-definition": (("definition_type", "definition"), ("extensions",)),
    "vessel": (("mmsi",), ("imo",), ("eni",), ("call_sign",), ("name",)),
    "uas": (("serial_number",), ("operator_pseudonym",), ("model",)),
    "waterway-lock": (("isrs_code",), ("name",)),
}
_POSITION: Final = (("latitude", "longitude"), ("longitude", "latitude"))
_TOGETHER: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "location": (*_POSITION, ("precision", "latitude")),
    "access-point": _POSITION,
    "waterway-lock": _POSITION,
    "camera-zone": (*_POSITION, ("radius_m", "latitude")),
    "uas": (("operator_pseudonym", "key_epoch"), ("key_epoch", "operator_pseudonym")),
    "marking-definition": (("definition", "definition_type"), ("definition_type", "definition")),
}
# What decides about versions, authors and markings: an extension may not bring it to a type that lacks it, where no
# schema checks its form (STIX 2.1 section 7.3: extension properties do not collide with those of the standard).
_RESERVED: Final = frozenset(
    {"created", "created_by_ref", "granular_markings", "modified", "object_marking_refs", "revoked", "labels"}
)
_IDENTIFIERS: Final[Mapping[str, Mapping[str, Callable[[str], str]]]] = {
    "vessel": {"imo": identifiers.check_imo, "mmsi": identifiers.check_mmsi, "eni": identifiers.check_eni},
    "freight-container": {"number": identifiers.check_container},
    "uas": {"serial_number": identifiers.check_uas_serial, "operator_pseudonym": pseudonyms.require_pseudonym},
    "badge": {"pseudonym": pseudonyms.require_pseudonym},
    "vehicle": {"pseudonym": pseudonyms.require_pseudonym},
}
_NO_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {}
# Of each type, where its references may not point.
_TARGETS: Final[Mapping[str, tuple[tuple[str, frozenset[str]], ...]]] = {
    kind: tuple((name, forbidden) for (owner, name), forbidden in FORBIDDEN_TARGETS.items() if owner == kind)
    for kind, _name in FORBIDDEN_TARGETS
}
_PROPERTY: Final = re.compile(r"[a-z0-9_]{2,250}", re.ASCII)
# Of deterministic ids of observables (STIX 2.1 section 2.9).
_SCO_NAMESPACE: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
_PERSONAL_PATHS: Final = ("badge:", "vehicle:", "uas:operator")


def require(data: Object, schemas: Schemas) -> None:
    """All checks of this module that any object may need."""
    kind = str(data["type"])
    _require_order(data)
    _require_presence(data, kind)
    _require_targets(data, kind)
    if "granular_markings" in data:
        _require_granular(data)
    if "extensions" in data or kind in REQUIRED_EXTENSION:
        _require_extensions(data, kind, schemas)
    for name, check in _IDENTIFIERS.get(kind, _NO_CHECKS).items():
        if name in data and check(str(data[name])) != data[name]:
            raise ProfileError(f"{name} is not in its canonical spelling")
    if kind in DERIVED and data["id"] != derived_id(data):
        raise ProfileError(f"the id of a {kind} is derived from {', '.join(DERIVED[kind])}")
    if kind == "marking-definition":
        _require_known_tlp(data)
    elif kind == "extension-definition":
        _require_known_extension(data)
    elif kind == "indicator":
        _require_pseudonyms(data)
    elif kind == "p2p-attestation" and len(texts(data, "object_refs")) != len(texts(data, "salts")):
        raise ProfileError("an attestation has one salt for each object")


def derived_id(data: Object) -> str:
    """The id that an observable of ours has (UUIDv5 over the canonical JSON of what contributes to it)."""
    kind = str(data["type"])
    said = canonical.dumps({name: data[name] for name in DERIVED[kind] if name in data})
    return f"{kind}--{uuid.uuid5(_SCO_NAMESPACE, said.decode())}"


def require_known_properties(data: Object, known: frozenset[str]) -> None:
    """Beyond the schema: ``x_`` properties (STIX 2.1 section 11.1), and any under a top-level extension
    (7.3).
    """
    if data.keys() <= known:
        return
    for name in data.keys() - known:
        if name in _RESERVED:
            raise ProfileError(f"{name} is not a property of this type, by extension neither")
        if not name.startswith("x_") and not _has_top_level_extension(data):
            raise ProfileError(f"property {name[:60]} is not one of this type")


def require_carried(data: Object, kind: str, known: frozenset[str]) -> None:
    """Of what somebody outside the federation made: any property is carried whose name STIX 2.1 section 3.1 allows,
    but none that decides about versions, authors and markings where no schema checks it. The id is of the type.
    """
    if str(data["id"]).partition("--")[0] != kind:
        raise ProfileError("an id begins with the type of its object")
    for name in data.keys() - known:
        if name in _RESERVED:
            raise ProfileError(f"{name} is not a property of this type, by extension neither")
        if not _PROPERTY.fullmatch(name):
            raise ProfileError("a property has a name that STIX does not allow")


def stix_pattern(data: Object) -> str | None:
    """The pattern of an indicator in the STIX language; other languages are carried, not read."""
    if data["type"] != "indicator" or data.get("pattern_type") != "stix":
        return None
    return str(data["pattern"])


def text(data: Object, name: str) -> str | None:
    """A string property, or None."""
    value = data.get(name)
    return value if isinstance(value, str) else None


def texts(data: Object, name: str) -> tuple[str, ...]:
    """A list of strings, empty if absent."""
    value = data.get(name)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def moment(data: Object, name: str) -> datetime | None:
    """A timestamp cut to microseconds, or None."""
    value = text(data, name)
    return None if value is None else datetime.fromisoformat(value)


def marking_refs(data: Object) -> tuple[str, ...]:
    """The markings of the object and of any part of it: the whole is as strict as its strictest part."""
    whole = texts(data, "object_marking_refs")
    if "granular_markings" not in data:
        return whole
    parts = (text(granular, "marking_ref") for granular in _granular(data))
    return whole + tuple(ref for ref in parts if ref is not None)


def sortable(timestamp: str) -> str:
    """A timestamp whose text order is its order in time, whatever its number of fraction digits."""
    whole, _, fraction = timestamp.removesuffix("Z").partition(".")
    return f"{whole}.{fraction.rstrip('0')}"


def _require_order(data: Object) -> None:
    _require_after(data, "created", "modified", equal=True)
    if _LATER.isdisjoint(data):
        return
    for earlier, later, equal in _ORDERED:
        if later in data:
            _require_after(data, earlier, later, equal=equal)


def _require_after(data: Object, earlier: str, later: str, *, equal: bool) -> None:
    first, second = data.get(earlier), data.get(later)
    if not isinstance(first, str) or not isinstance(second, str):
        return
    if len(first) != len(second):  # and so not spelled alike
        first, second = sortable(first), sortable(second)
    if first > second or (first == second and not equal):
        raise ProfileError(f"{later} is not after {earlier}")


def _require_presence(data: Object, kind: str) -> None:
    groups = _ONE_OF.get(kind)
    if groups is not None and not any(all(name in data for name in group) for group in groups):
        raise ProfileError(f"a {kind} needs one of {', '.join('+'.join(group) for group in groups)}")
    for name, other in _TOGETHER.get(kind, ()):
        if name in data and other not in data:
            raise ProfileError(f"{name} needs {other}")
    if kind == "malware" and data.get("is_family") is True and "name" not in data:
        raise ProfileError("a malware family needs a name")


def _require_targets(data: Object, kind: str) -> None:
    for name, forbidden in _TARGETS.get(kind, ()):
        value = data.get(name, ())
        for ref in value if isinstance(value, list) else [value]:
            if str(ref).partition("--")[0] in forbidden:
                raise ProfileError(f"{name} of a {kind} may not point to a {str(ref).partition('--')[0]}")


def _granular(data: Object) -> Iterator[Object]:
    value = data.get("granular_markings")
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _require_granular(data: Object) -> None:
    for marking in _granular(data):
        if ("lang" in marking) == ("marking_ref" in marking):
            raise ProfileError("a granular marking has either lang or marking_ref")
        for selector in texts(marking, "selectors"):
            if not resolves(data, selector):
                raise ProfileError("a granular marking selects what is not there")


def resolves(data: Object, selector: str) -> bool:
    """Whether a selector such as ``labels.[0]`` names something in the object (STIX 2.1 section 7.2.3.1)."""
    here: Json = dict(data)
    for step in selector.split("."):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and (place := _index(step)) is not None and place < len(here):
            here = here[place]
        else:
            return False
    return True


def _index(step: str) -> int | None:
    digits = step[1:-1]
    if step[:1] != "[" or step[-1:] != "]" or not (digits.isascii() and digits.isdigit()) or len(digits) > 6:
        return None
    return int(digits)


def _extensions(data: Object) -> Iterator[tuple[str, Object]]:
    value = data.get("extensions")
    for name, content in value.items() if isinstance(value, dict) else ():
        if isinstance(content, dict):
            yield name, content


def _has_top_level_extension(data: Object) -> bool:
    return any(content.get("extension_type") == "toplevel-property-extension" for _, content in _extensions(data))


def _require_extensions(data: Object, kind: str, schemas: Schemas) -> None:
    names = set()
    for name, content in _extensions(data):
        names.add(name)
        own = OWN_EXTENSIONS.get(name)
        if own is None:
            continue
        if kind not in own.carriers or content.get("extension_type") != own.kind:
            raise ProfileError("an extension of ours stands on an object that cannot carry it")
        violation = None if own.schema is None else schemas.violation(own.schema, content)
        if violation is not None:
            raise ProfileError(f"not a valid extension, {violation}")
    if kind in REQUIRED_EXTENSION and REQUIRED_EXTENSION[kind] not in names:
        raise ProfileError(f"a {kind} names its extension definition")


def _require_pseudonyms(data: Object) -> None:
    """That neither the pattern nor the facts of an indicator name a person's thing by a plain value."""
    pattern = stix_pattern(data)
    if pattern is not None:
        pseudonyms.names_person(pattern)
    for name, content in _extensions(data):
        for track in content.values() if name == DISCRIMINATORS_EXTENSION else ():
            facts = track.get("facts") if isinstance(track, dict) else None
            if isinstance(facts, dict) and any(path.startswith(_PERSONAL_PATHS) for path in facts):
                raise ProfileError("a badge, a vehicle or a drone's operator is no fact about a ship")


def _require_known_extension(data: Object) -> None:
    """Nobody redefines an extension of ours."""
    own = definitions.definition(str(data["id"]))
    if own is not None and own != data:
        raise ProfileError("an extension definition has the id of one of ours, and is not it")


def _require_known_tlp(data: Object) -> None:
    """A definition that claims to be TLP must be one of the published ones: nobody invents a sixth colour."""
    published = {*TLP1_IDS.values(), *TLP_IDS.values()}
    claimed = _claimed_tlp(data)
    if claimed is None and data["id"] not in published:
        return
    if claimed != data["id"]:
        raise ProfileError("a marking definition claims a TLP label that is not its own")


def _claimed_tlp(data: Object) -> str | None:
    """The id of the label that the definition says it is; empty for an unknown label, None for no label."""
    for name, content in _extensions(data):
        if name == TLP_EXTENSION:
            return next((ref for tlp, ref in TLP_IDS.items() if tlp.value == content.get("tlp_2_0")), "")
    if data.get("definition_type") != "tlp":
        return None
    definition = data.get("definition")
    word = definition.get("tlp") if isinstance(definition, dict) else None
    return TLP1_IDS.get(str(word), "")
