"""What partners send: indicators, definitions and bundles as other platforms write them, and a desk that takes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.drafts import Defaults
from node.foreign.normalising import Normaliser
from node.foreign.taking import Desk, Item
from node.store import NodeStore
from port2port.patterns import TemplateCache
from port2port.stix.validate import StixValidator
from tests.fakes.prepared import node_store

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PARTNER = "identity--99999999-9999-4999-8999-999999999999"
DEFAULTS = Defaults(issuer="identity--88888888-8888-4888-8888-888888888888", groups=("seaports",))


def stix_id(name: str, kind: str = "indicator") -> str:
    """An id that follows from a name."""
    return f"{kind}--{uuid.uuid5(uuid.NAMESPACE_DNS, name)}"


def an_indicator(value: str = "evil.example", *, path: str = "domain-name:value", **more: Any) -> dict[str, Any]:
    """As a partner writes it; its id follows from the value unless it is given."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": stix_id(value),
        "created_by_ref": PARTNER,
        "created": "2026-11-20T00:00:00Z",
        "modified": "2026-11-20T00:00:00.000Z",
        "name": value,
        "pattern": f"[{path} = '{value}']",
        "pattern_type": "stix",
        "valid_from": "2026-11-20T00:00:00Z",
        **more,
    }


def a_report(*refs: str, **more: Any) -> dict[str, Any]:
    """A report that holds objects together."""
    return {
        "type": "report",
        "spec_version": "2.1",
        "id": stix_id("report", "report"),
        "created": "2026-11-20T00:00:00.000Z",
        "modified": "2026-11-20T00:00:00.000Z",
        "name": "A campaign",
        "report_types": ["campaign"],
        "published": "2026-11-20T00:00:00Z",
        "object_refs": list(refs),
        **more,
    }


def a_bundle(*objects: object) -> bytes:
    """The bytes of a bundle, with the blanks that people leave in them."""
    return json.dumps({"type": "bundle", "id": stix_id("bundle", "bundle"), "objects": objects}, indent=1).encode()


def items(*objects: object) -> list[Item]:
    """As they are taken in."""
    return [Item(raw=one if isinstance(one, bytes) else json.dumps(one).encode()) for one in objects]


def a_desk(now: datetime = NOW, members: Sequence[str] = ()) -> Desk:
    """A port's desk, as far as foreign objects need it."""
    normaliser = Normaliser(StixValidator(TemplateCache()).validate)
    return Desk(defaults=DEFAULTS, normaliser=normaliser, members=frozenset(members), now=now)


def a_store(home: Path) -> NodeStore:
    """An empty node's database."""
    return node_store(home / "node.db")
