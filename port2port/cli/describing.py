"""What a control statement does, in words for the coordinator who is about to sign it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from port2port.canonical import Json
from port2port.clock import from_ms

_FAR_MS: Final = 253_402_300_800_000  # the year 10000, beyond which no date is


def describe(body: Mapping[str, Json]) -> list[str]:
    """What a control statement does, a line each, for the one who is about to sign it."""
    ops = body.get("ops")
    if not isinstance(ops, list):
        return [f"{name}: {_short(value)}" for name, value in sorted(body.items()) if name != "ca_root"]
    return [
        f"{op.get('op')}: " + ", ".join(_named(name, value) for name, value in sorted(op.items()) if name != "op")
        for op in ops
        if isinstance(op, dict)
    ]


def _named(name: str, value: Json) -> str:
    """A field of an operation; moments as dates, because a person compares them."""
    if name.endswith("_ms") and isinstance(value, int) and 0 < value < _FAR_MS:
        return f"{name.removesuffix('_ms')} {from_ms(value):%Y-%m-%d %H:%M} UTC"
    return f"{name} {'none' if value is None else _short(value)}"


def _short(value: Json) -> str:
    if isinstance(value, dict) and "key_id" in value:
        return f"{value.get('key_class')} {str(value['key_id'])[:16]}"
    if isinstance(value, list):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    # What somebody else wrote must not steer the terminal of the one who is about to sign it.
    text = str(value)
    return text if text.isprintable() else ascii(text)
