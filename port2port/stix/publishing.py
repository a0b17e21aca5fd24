"""The profile as files for everybody: definitions, schemas, vocabulary and examples, all under one version.

What is published under a version never changes: a reader may keep it for ever. A changed file is a new version, and
a test holds the digest of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any, Final

import orjson

from port2port import canonical
from port2port.stix import definitions
from port2port.stix.profile import REQUIRED_EXTENSION

VERSION: Final = definitions.VERSION
STIX: Final = "application/stix+json;version=2.1"
SCHEMA: Final = "application/schema+json"
JSON: Final = "application/json"
_SHARED_SCHEMAS: Final = ("common", "ext-new-object")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A published file and what kind of file it is."""

    content: bytes
    media_type: str


@cache
def files() -> Mapping[str, File]:
    """Every file by its path under the version; ``index.json`` lists the others."""
    found = {path: File(content=content, media_type=kind) for path, content, kind in _files()}
    listed = {
        "files": [
            {"path": path, "media_type": one.media_type, "sha256": sha256(one.content).hexdigest()}
            for path, one in sorted(found.items())
        ],
        "version": VERSION,
    }
    return {**found, "index.json": File(content=canonical.dumps(listed), media_type=JSON)}


def example(kind: str) -> dict[str, Any]:
    """The example of a type or property extension of ours."""
    shown: dict[str, Any] = orjson.loads(_read("examples", f"{kind}.json"))
    return shown


def examples() -> tuple[str, ...]:
    """What there are examples of: each type of ours, and an indicator and a sighting with each extension."""
    return (*REQUIRED_EXTENSION, "indicator-discriminators", "sighting-track", "exercise")


@cache
def modus() -> Mapping[str, Mapping[str, str]]:
    """The vocabulary of ways of working: for each value its id, and its name in nl, fr, de and en.

    It is open: a label that is not in it is a way of working that has no translation yet.
    """
    terms = orjson.loads(_read("vocabularies", "modus.json"))["terms"]
    return {term["value"]: {name: word for name, word in term.items() if name != "value"} for term in terms}


def _files() -> Iterator[tuple[str, bytes, str]]:
    yield "extension-definitions.json", definitions.bundle(), STIX
    schemas = list(_SHARED_SCHEMAS)
    for extension, one in definitions.definitions().items():
        yield f"extension-definitions/{one['name']}.json", canonical.dumps(dict(one)), STIX
        schemas.append(definitions.schema_of(extension))
    for name in schemas:
        yield f"schemas/{name}.json", _read("schemas", f"{name}.json"), SCHEMA
    for name in examples():
        yield f"examples/{name}.json", _read("examples", f"{name}.json"), STIX
    yield "vocabularies/modus.json", _read("vocabularies", "modus.json"), JSON


def _read(folder: str, name: str) -> bytes:
    return resources.files("port2port.stix").joinpath(folder, name).read_bytes()
