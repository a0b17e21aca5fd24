"""The examples of our STIX profile, and the part of docs/stix-profile.md that is made from them and the schemas.

    python tools/stix_profile.py             writes both anew; a test compares them

Everything in the examples is fixed: pseudonyms under a key of zeros, the proof from the golden vectors of the tests.
"""

# ruff: noqa: INP001  (a developer's script, not a package)

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from port2port import ids
from port2port.checkpoint import SignedCheckpoint, TlogProof, format_proof
from port2port.levels import Level
from port2port.stix import definitions, objects, outlets, physical, publishing
from port2port.stix.discriminators import Discriminators, TrackHint
from port2port.stix.normalise import normalise
from port2port.stix.profile import EXERCISE_EXTENSION
from port2port.stix.pseudonyms import KEY_BYTES, Kind, pseudonym
from port2port.stix.schema_files import read_schema
from port2port.tlp import Tlp

ROOT: Final = Path(__file__).parents[1]
EXAMPLES: Final = ROOT / "port2port" / "stix" / "examples"
DOCUMENT: Final = ROOT / "docs" / "stix-profile.md"
BEGIN: Final = "<!-- made by tools/stix_profile.py from here -->\n"
_KEY: Final = bytes(KEY_BYTES)
_T0: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_COMMON: Final = frozenset(
    {
        *("confidence", "created", "created_by_ref", "defanged", "extensions", "external_references"),
        *("granular_markings", "id", "labels", "lang", "modified", "object_marking_refs", "revoked"),
        *("spec_version", "type"),
    }
)


def examples() -> dict[str, bytes]:
    """Each example by its name, as canonical bytes."""
    quay = (51.29012, 4.26034)
    return {
        "vessel": objects.vessel(imo="9074729", mmsi="205123456", name="EXAMPLE", flag="BE", tlp=Tlp.GREEN),
        "freight-container": objects.freight_container(number="CSQU3054383", size_type="45G1", tlp=Tlp.AMBER),
        "uas": physical.uas(
            serial_number="1581F4XFC228B00A00TT",
            model="quadcopter, grey",
            uas_type="multirotor",
            operator=_keyed("uas-operator", "BEL87ASTRDGE12K8"),
            tlp=Tlp.AMBER,
        ),
        "badge": physical.badge(_keyed("badge", "BEANR 0004711"), badge_type="contractor", tlp=Tlp.AMBER),
        "vehicle": physical.vehicle(
            _keyed("vehicle", "BE 1-ABC-123"), vehicle_type="van", colour="white", country="BE", tlp=Tlp.AMBER
        ),
        "access-point": physical.access_point(
            port="BEANR", code="K1742-G3", name="Gate 3", access_point_type="gate", position=quay, tlp=Tlp.GREEN
        ),
        "waterway-lock": physical.waterway_lock(
            isrs_code="BEANR000000000000001",
            name="Example lock",
            waterway="Scheldt",
            position=(51.27811, 4.30127),
            length_m=500,
            width_m=68,
            tlp=Tlp.GREEN,
        ),
        "camera-zone": physical.camera_zone(
            port="BEANR", code="CAM-17", camera_type="thermal", position=quay, radius_m=350, tlp=Tlp.AMBER
        ),
        **_told(),
        **_proven(),
    }


def _told() -> dict[str, bytes]:
    """What carries the extensions of standard types."""
    told = Discriminators(
        suspect=TrackHint(position=(51.3, 4.0), reported_at=_T0, radius_km=5.5, facts={"vessel:name": "LIAR"}),
        other=TrackHint(facts={"vessel:name": "HONEST"}),
    )
    indicator = objects.indicator(
        _header(1),
        name="Cloned identity: MMSI 205123456",
        pattern=objects.pattern_equals("vessel:mmsi", ["205123456"]),
        valid_from=_T0,
        valid_until=_T0 + timedelta(days=7),
        discriminators=told,
    )
    sighting = objects.sighting(
        _header(2),
        indicator_id=str(orjson.loads(indicator)["id"]),
        first_seen=_T0,
        last_seen=_T0,
        count=1,
        track="cloned track",
        port="BEANR",
    )
    note = objects.note(_header(3), content="Drone over the lock", object_refs=[definitions.PUBLISHER])
    extension = {EXERCISE_EXTENSION: {"extension_type": "property-extension", "exercise": "storm-1"}}
    exercise = normalise({**orjson.loads(note), "extensions": extension})
    return {"indicator-discriminators": indicator, "sighting-track": sighting, "exercise": exercise}


def _proven() -> dict[str, bytes]:
    """What an outlet says of an entry."""
    vectors = json.loads((ROOT / "tests" / "vectors" / "trust.json").read_text("utf-8"))
    entry = 2
    proof = TlogProof(
        index=entry,
        path=(bytes.fromhex(vectors["roots"][entry]),),
        signed=SignedCheckpoint.parse(vectors["checkpoint"].encode()),
    )
    said = Level(locode="BEGNE", level=2, effective=_T0 + timedelta(hours=8), reason="Drones over the lock")
    return {
        "p2p-level": outlets.level(_header(0), said, digest=sha256(b"example").digest()),
        "p2p-attestation": outlets.attestation(
            _header(0),
            digest=bytes.fromhex(vectors["pae_sha256"][entry]),
            objects=[(orjson.loads(vectors["object"])["id"], bytes.fromhex(vectors["salt"]))],
            signed_statement=bytes.fromhex(vectors["signed_statement"]),
            received_ms=vectors["received_ms"][entry],
            tlog_proof=format_proof(proof).decode(),
        ),
    }


def _header(number: int) -> objects.Header:
    return objects.Header(
        ident=uuid.uuid5(ids.NAMESPACE, f"example/{number}"), issuer=definitions.PUBLISHER, created=_T0, tlp=Tlp.GREEN
    )


def _keyed(kind: Kind, value: str) -> physical.Keyed:
    return physical.Keyed(pseudonym=pseudonym(kind, value, epoch_key=_KEY), key_epoch="2026-11")


def shown(raw: bytes) -> str:
    """An example as its file has it."""
    return json.dumps(orjson.loads(raw), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def section() -> str:
    """The generated part of the document: each extension with its id, its properties and its example."""
    parts = []
    for extension, one in definitions.definitions().items():
        name = str(one["name"])
        schema = definitions.schema_of(extension)
        lines = [f"\n### {name}\n\n{one['description']}\n", f"`{extension}`, {_list(one)}, schema `{schema}.json`.\n"]
        lines += ["| property | form |", "|---|---|", *_rows(read_schema(schema))]
        raw = publishing.example(name)
        lines += ["", "```json", json.dumps(raw, indent=2, ensure_ascii=False), "```\n"]
        parts.append("\n".join(lines))
    return "".join([*parts, *_vocabulary()])


def _list(one: Mapping[str, Any]) -> str:
    return ", ".join(one["extension_types"])


def _rows(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, form in schema["properties"].items():
        if name not in _COMMON and name != "extension_type":
            wanted = ", required" if name in schema.get("required", ()) else ""
            yield f"| `{name}` | {_form(form)}{wanted} |"


def _form(form: Mapping[str, Any]) -> str:
    if "enum" in form:
        return "one of " + ", ".join(f"`{word}`" for word in form["enum"])
    if "$ref" in form:
        return str(form["$ref"].rpartition("/")[2])
    kind = str(form.get("type", "value"))
    if "pattern" in form:
        return f"{kind} `{form['pattern'].replace('|', chr(92) + '|')}`"
    bounds = [str(form[name]) for name in ("minimum", "maximum") if name in form]
    most = f"at most {form['maxLength']} characters" if "maxLength" in form else ""
    return " ".join(filter(None, (kind, " to ".join(bounds), most)))


def _vocabulary() -> Iterator[str]:
    yield "\n### modus-ov\n\nWays of working, as labels of objects; the vocabulary is open.\n\n"
    yield "| value | id | nl | fr | de | en |\n|---|---|---|---|---|---|\n"
    for value, term in publishing.modus().items():
        words = " | ".join(term[name] for name in ("nl", "fr", "de", "en"))
        yield f"| `{value}` | `{term['id']}` | {words} |\n"


def main() -> None:
    """Write the examples, then the document that shows them."""
    for name, raw in examples().items():
        (EXAMPLES / f"{name}.json").write_text(shown(raw), "utf-8")
    text = DOCUMENT.read_text("utf-8").partition(BEGIN)[0]
    DOCUMENT.write_text(text + BEGIN + section(), "utf-8")


if __name__ == "__main__":
    main()
