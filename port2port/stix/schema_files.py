"""Our JSON Schemas, compiled when a type is first met.

jsonschema-rs with its linear-time regular expressions: the published OASIS schemas contain expressions that
cost exponential time in a backtracking engine, so these are our own.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMON: Final = "urn:port2port:stix:common"


class Schemas:
    """Compiled schemas by name. Nothing is read before it is needed; compiling twice in two threads is
    harmless.
    """

    def __init__(self) -> None:
        self._compiled: dict[str, tuple[jsonschema_rs.Validator, frozenset[str], tuple[str, ...]]] = {}
        self._registry: jsonschema_rs.Registry | None = None

    def violation(self, name: str, value: Mapping[str, object]) -> str | None:
        """Where and which rule of schema ``name`` the value breaks, without any of its content; None if
        none.
        """
        validator, _, required = self._load(name)
        if validator.is_valid(value):
            if "" not in value.values():
                return None
            empty = next((key for key in required if value.get(key) == ""), None)
            return None if empty is None else f"at /{empty}: minLength"  # stix2 takes an empty one for missing
        first = next(validator.iter_errors(value))
        place = "/".join(str(step)[:40] for step in first.instance_path)
        return f"at /{place[:200]}: {first.kind.name}"

    def properties(self, name: str) -> frozenset[str]:
        """The properties that schema ``name`` names."""
        return self._load(name)[1]

    def _load(self, name: str) -> tuple[jsonschema_rs.Validator, frozenset[str], tuple[str, ...]]:
        known = self._compiled.get(name)
        if known is None:
            schema = read_schema(name)
            validator = jsonschema_rs.validator_for(
                schema,
                registry=self._common(),
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(),
                offline=True,
            )
            known = self._compiled[name] = (
                validator,
                frozenset(schema["properties"]),
                tuple(schema.get("required", ())),
            )
        return known

    def _common(self) -> jsonschema_rs.Registry:
        if self._registry is None:
            self._registry = jsonschema_rs.Registry([(_COMMON, read_schema("common"))])
        return self._registry


def read_schema(name: str) -> dict[str, Any]:
    """One schema file of the package; the same files are published beside the extension definitions."""
    text = resources.files("port2port.stix").joinpath("schemas", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
