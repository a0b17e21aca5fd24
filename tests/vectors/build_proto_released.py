"""Rebuilds ``proto_released.json``: every message, field, enum value and method that peers may rely on.

Run after a release that adds something: ``python tests/vectors/build_proto_released.py`` from the root of the
repository. ``tests/architecture/test_proto_compatible.py`` compares it with ``proto/``: things may only be added.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("proto_released.json")
FILES = ("directory", "enrolment", "envelope", "exchange", "transparency")


def _enum(enum: Any) -> dict[str, str]:
    return {f"{enum.full_name}.{value.name}": f"value {value.number}" for value in enum.values}


def _message(message: Any) -> dict[str, str]:
    found = {message.full_name: "message"}
    for field in message.fields:
        kind = field.message_type or field.enum_type
        type_name = kind.full_name if kind is not None else f"type {field.type}"
        many = "repeated " if field.is_repeated else ""
        found[f"{message.full_name}.{field.name}"] = f"{many}{type_name} = {field.number}"
    for inner in message.nested_types:
        found.update(_message(inner))
    for enum in message.enum_types:
        found.update(_enum(enum))
    return found


def _service(service: Any) -> dict[str, str]:
    found = {}
    for method in service.methods:
        asks = "stream " if method.client_streaming else ""
        answers = "stream " if method.server_streaming else ""
        signature = f"({asks}{method.input_type.full_name}) returns ({answers}{method.output_type.full_name})"
        found[f"{service.full_name}.{method.name}"] = signature
    return found


def current() -> dict[str, str]:
    """What the generated code says now, sorted by name."""
    found: dict[str, str] = {}
    for name in FILES:
        file = importlib.import_module(f"port2port.v1.{name}_pb2").DESCRIPTOR
        for message in file.message_types_by_name.values():
            found.update(_message(message))
        for enum in file.enum_types_by_name.values():
            found.update(_enum(enum))
        for service in file.services_by_name.values():
            found.update(_service(service))
    return dict(sorted(found.items()))


def main() -> None:
    """Write the snapshot anew."""
    TARGET.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
