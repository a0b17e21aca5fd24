"""Warning lists as the MISP project writes them, and a gate over an index of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from node.store import NodeStore
from node.warning_lists import building, kept
from node.warning_lists.building import Built
from node.warning_lists.gate import Gate

HOSTS = ("hostname", "domain", "url")
ADDRESSES = ("ip-src", "ip-dst", "domain|ip")
LISTS: tuple[Mapping[str, Any], ...] = (
    {"name": "top sites", "type": "hostname", "list": ["google.com", ".bmw.de"], "matching_attributes": HOSTS},
    {
        "name": "exact hosts",
        "type": "string",
        "list": ["Portal.Example", "*.cdn.example", "com"],
        "matching_attributes": HOSTS,
    },
    {
        "name": "resolvers",
        "type": "cidr",
        "list": ["8.8.8.8", "10.0.0.0/8", "2001:db8::/32", "::ffff:9.9.9.0/120", "no address"],
        "matching_attributes": ADDRESSES,
    },
    {
        "name": "throw-away mail",
        "type": "substring",
        "list": ["0-mail.com", "abc"],
        "matching_attributes": ["email-src"],
    },
    {
        "name": "role mail",
        "type": "regex",
        "list": ["/^(abuse|noc)\\@.*\\..*$/i", "(a)\\1"],
        "matching_attributes": ["email-dst"],
    },
    {
        "name": "empty file",
        "type": "string",
        "list": ["D41D8CD98F00B204E9800998ECF8427E"],
        "matching_attributes": ["md5"],
    },
    {"name": "anything", "type": "string", "list": ["14d82eec-204b-4c2f-b7e8-296a70dab67e"]},
)


def a_list(**changes: Any) -> dict[str, Any]:
    """One list with a name, a version and a description of its own."""
    named = {"name": "top sites", "type": "hostname", "list": ["google.com"]}
    return {"version": 20261122, "description": "for tests", **named, **changes}


def write_lists(directory: Path, lists: Sequence[Mapping[str, Any]] = LISTS) -> Path:
    """A directory as a copy of misp-warninglists has it."""
    for number, one in enumerate(lists):
        home = directory / "lists" / f"list-{number}"
        home.mkdir(parents=True, exist_ok=True)
        (home / "list.json").write_text(json.dumps(a_list(**one)))
    return directory


def built_in(directory: Path, lists: Sequence[Mapping[str, Any]] = LISTS) -> Built:
    """An index of these lists."""
    given = write_lists(directory / "given", lists)
    return building.build(building.sources([given]), directory / "warning-lists", lambda _done, _total, _name: None)


def a_gate(
    store: NodeStore,
    directory: Path,
    now: datetime,
    lists: Sequence[Mapping[str, Any]] = LISTS,
    protected: Sequence[str] = (),
) -> Gate:
    """A gate over these lists, in force at a node."""
    built = built_in(directory, lists)
    store.write_now(lambda connection: kept.put_in_force(connection, built, now=now))
    return Gate(built.path.parent, protected)
