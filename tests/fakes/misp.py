"""MISP's own converter: from STIX into an event, and out of it again."""

from __future__ import annotations

import json
import sys
import uuid
import warnings
from typing import Any

import stix2

from port2port.stix.registration import register

with warnings.catch_warnings():  # it imports libraries for STIX 1, which use what Python has deprecated
    warnings.simplefilter("ignore")
    from misp_stix_converter import ExternalSTIX2toMISPParser, MISPtoSTIX21Parser

# One of these libraries leaves an importer behind that Python 3.11 warns of at every import from then on.
sys.meta_path[:] = [one for one in sys.meta_path if hasattr(one, "find_spec")]


def there(*found: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A MISP event of these objects, and what the converter complains of."""
    register()
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": list(found)}
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(bundle, allow_custom=True))
    parser.parse_stix_bundle(single_event=True)
    event = json.loads(parser.misp_event.to_json())
    return event, [text for texts in (*parser.errors.values(), *parser.warnings.values()) for text in texts]


def back(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The STIX objects that MISP makes of an event."""
    said = {**event, "Orgc": {"name": "port", "uuid": str(uuid.UUID(int=5, version=4))}}
    found: list[dict[str, Any]] = json.loads(bundle_of(said))["objects"]
    return found


def bundle_of(event: dict[str, Any]) -> bytes:
    """The STIX bundle that MISP makes of an event."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parser = MISPtoSTIX21Parser()
        parser.parse_misp_event(event)
        return str(parser.bundle.serialize()).encode()
