"""What an object is about, and whether a machine that knows plain STIX can do something with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from port2port.canonical import Json
from port2port.clock import to_ms

OTHER: Final = "other"
PLAIN_TYPES: Final = frozenset({"ipv4-addr", "ipv6-addr", "domain-name", "url", "file", "email-addr"})
_OF_TYPE: Final[Mapping[str, str]] = {
    "vessel": "vessels",
    "freight-container": "containers",
    "uas": "drones",
    **dict.fromkeys(("badge", "vehicle", "access-point", "camera-zone"), "access"),
    "waterway-lock": "waterways",
    "p2p-level": "levels",
    **dict.fromkeys(
        (
            *PLAIN_TYPES,
            *("artifact", "autonomous-system", "directory", "email-message", "mac-addr", "malware", "mutex"),
            *("network-traffic", "process", "software", "tool", "user-account", "vulnerability", "attack-pattern"),
            *("windows-registry-key", "x509-certificate", "malware-analysis", "intrusion-set"),
        ),
        "cyber",
    ),
}
_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'")
_PATH: Final = re.compile(r"(?<![a-z0-9-])([a-z][a-z0-9-]*+):[a-z_]")  # each character is looked at once


def topics_of(objects: Iterable[Mapping[str, Json]]) -> frozenset[str]:
    """The topics of the objects of one statement, by their types and by what their patterns name."""
    found: set[str] = set()
    for data in objects:
        kinds = {str(data.get("type"))} | bound_types(data)
        found |= {_OF_TYPE[kind] for kind in kinds if kind in _OF_TYPE}
    return frozenset(found)


def bound_types(data: Mapping[str, Json]) -> set[str]:
    """The types of observables that the STIX pattern of an indicator names; none for anything else."""
    pattern = data.get("pattern")
    if data.get("type") != "indicator" or data.get("pattern_type") != "stix" or not isinstance(pattern, str):
        return set()
    return set(_PATH.findall(_LITERAL.sub("''", pattern)))


def is_plain(data: Mapping[str, Json]) -> bool:
    """Whether this is an indicator that every SIEM can take: known observables, an end, and nothing of our own."""
    bound = bound_types(data)
    return (
        bool(bound)
        and bound <= PLAIN_TYPES
        and isinstance(data.get("valid_until"), str)
        and "extensions" not in data
        and not any(name.startswith("x_") for name in data)
    )


def ends_ms(data: Mapping[str, Json]) -> int | None:
    """When an indicator is no longer valid; None where it has no end, or was revoked."""
    until = data.get("valid_until")
    return to_ms(datetime.fromisoformat(until)) if isinstance(until, str) and data.get("revoked") is not True else None
