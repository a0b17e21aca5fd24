"""The 119 lists that pymispwarninglists brings along: all that stands there is stopped, and the two agree.

Where ours and theirs differ, the reason is one of a few that are named here, and each is asserted to be met.
"""

from __future__ import annotations

import ipaddress
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pymispwarninglists
import pytest

from node.store import open_store
from node.warning_lists import kept
from node.warning_lists.building import Built, build, sources
from node.warning_lists.gate import Gate, ListedError
from node.warning_lists.index import Index
from node.warning_lists.lists import ListType, WarningList, parse
from port2port.database import sqlite_url
from port2port.ids import identity_of
from port2port.observables import Kind, Observable, guess, network, observable
from port2port.stix import objects as stix

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DATA = Path(pymispwarninglists.__file__).parent / "data"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PATHS = {
    Kind.HOST: "domain-name:value",
    Kind.EMAIL: "email-addr:value",
    Kind.URL: "url:value",
    Kind.HASH: "file:hashes.MD5",
}
HASHES = {32: "file:hashes.MD5", 40: "file:hashes.'SHA-1'", 64: "file:hashes.'SHA-256'", 128: "file:hashes.'SHA-512'"}
BY_EXPRESSION = {
    "Unattributed phone number.": "+4401632960123",
    "Common contact e-mail addresses": "abuse@port.example",
}
SAMPLE = 40


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(sources([DATA]), tmp_path_factory.mktemp("lists"), lambda _done, _total, _name: None)


@pytest.fixture(scope="module")
def index(built: Built) -> Iterator[Index]:
    with Index(built.path, built.digest) as opened:
        yield opened


@pytest.fixture(scope="module")
def lists() -> dict[str, WarningList]:
    return {one.name: one for one in (parse(path.read_bytes()) for path in sources([DATA]))}


def sample(found: WarningList, count: int = SAMPLE) -> list[str]:
    return random.Random(found.name).sample(found.values, min(count, len(found.values)))


def asked(found: WarningList, value: str) -> Observable:
    """A value as somebody would say it in an indicator that the list is for."""
    if found.type is ListType.REGEX:
        kind = Kind.EMAIL if Kind.EMAIL in found.kinds else Kind.TEXT
        return Observable(kind=kind, value=BY_EXPRESSION[found.name])
    if found.type is ListType.SUBSTRING and found.kinds == {Kind.EMAIL}:
        return observable("email-addr:value", f"joe@{value}")
    kind = next(kind for kind in (Kind.HOST, Kind.ADDRESS, Kind.HASH, Kind.EMAIL, Kind.TEXT) if kind in found.kinds)
    bare = value.lstrip(".")
    if kind is Kind.ADDRESS:
        return observable("ipv4-addr:value", value)
    return observable(PATHS[kind], bare) if kind in PATHS else Observable(kind=kind, value=bare)


def test_every_list_is_taken_whole_but_for_five_names_that_are_none(built: Built) -> None:
    assert (len(built.lists), built.refused) == (119, ())
    left = {one.name: dict(one.refused) for one in built.lists if one.refused}
    assert left == {
        "List of known public DNS resolvers expressed as hostname": {"no host name": 4},
        "Valid covid-19 related domains": {"no host name": 1},
    }


def test_what_stands_on_any_list_is_found_there(index: Index, lists: dict[str, WarningList]) -> None:
    missed = []
    for found in lists.values():
        for value in sample(found):
            one = asked(found, value)
            kind = next(iter(found.kinds)) if one.kind not in found.kinds else one.kind
            if found.name not in {listed.list for listed in index.found(one, wanted=kind)}:
                missed.append((found.name, value))
    assert missed == []


def test_an_indicator_on_any_of_it_is_stopped(built: Built, lists: dict[str, WarningList], tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "n.db"))
    store.write_now(lambda c: kept.put_in_force(c, built, now=NOW))
    gate, passed = Gate(built.path.parent), []

    def require(connection: Any) -> None:
        for found in lists.values():
            for value in sample(found, 5):
                one = asked(found, value)
                path = path_of(one)
                if path is not None:
                    try:
                        gate.require(connection, [an_indicator(path, one.value)], decided_by="officer:o1", now=NOW)
                    except ListedError:
                        continue
                    passed.append((found.name, value))

    store.read_now(require)
    store.close()
    gate.close()
    assert passed == []


def path_of(one: Observable) -> str | None:
    """Where an indicator names such a value; None where STIX has no place for it, as for phone numbers."""
    if one.kind is Kind.HASH:
        return HASHES.get(len(one.value))
    if one.kind is Kind.ADDRESS:
        return "ipv6-addr:value" if ":" in one.value else "ipv4-addr:value"
    return PATHS.get(one.kind)


def an_indicator(path: str, value: str) -> bytes:
    header = stix.Header(
        ident=UUID("00000000-0000-4000-8000-000000000001"),
        issuer=identity_of("ports.example", "beanr"),
        created=NOW,
        tlp=None,
    )
    pattern = stix.pattern_equals(path, [value])
    return stix.indicator(header, name="x", pattern=pattern, valid_from=NOW, valid_until=NOW + timedelta(days=1))


# --- beside pymispwarninglists --------------------------------------------------------------------------------------

DOT = "an entry that begins with a dot means the name itself too"
CASE = "capitals make no difference"
EXPRESSION = "their library does not run expressions"
PARTS = "a network is listed with what it holds or what holds it"
NO_NAME = "an entry that is no name"
MAPPED = "an IPv4 address in its IPv6 form is the same address"


@pytest.fixture(scope="module")
def theirs(lists: dict[str, WarningList]) -> pymispwarninglists.WarningLists:
    """Without the two of a million names, of which each search takes them seconds."""
    return pymispwarninglists.WarningLists(
        slow_search=True, lists=[as_theirs(one) for one in lists.values() if len(one.values) < 500_000]
    )


def as_theirs(one: WarningList) -> dict[str, Any]:
    said = {"name": one.name, "type": one.type.value, "version": one.version, "description": one.description}
    return {**said, "list": list(one.values)}


def values(lists: dict[str, WarningList]) -> list[str]:
    dice = random.Random(4)
    made = [value for one in lists.values() if one.type is not ListType.REGEX for value in sample(one, 4)]
    made += [str(ipaddress.IPv4Address(dice.getrandbits(32))) for _ in range(60)]
    made += [str(ipaddress.IPv6Address(dice.getrandbits(128))) for _ in range(20)]
    made += [f"{dice.getrandbits(40):x}.example" for _ in range(20)] + [
        f"{dice.getrandbits(128):032x}" for _ in range(20)
    ]
    made += [f"x{value}" for value in made[:60]] + [f"www.{value}" for value in made[:60]]
    return [*made, "::ffff:8.8.8.8", "abuse@port.example", "ABUSE@0-MAIL.com"]


def why_different(found: WarningList, value: str) -> str | None:
    """The named reason for which only one of the two finds a value on a list; None where there is none."""
    one = guess(value)
    entries = set(found.values)
    if found.type is ListType.REGEX:
        return EXPRESSION
    if found.type is ListType.CIDR:
        if "/" in value:
            return PARTS
        return MAPPED if value.startswith("::ffff:") or any(e.startswith("::ffff:") for e in entries) else None
    if any(entry.startswith(".") and f".{one.value}".endswith(entry.lower()) for entry in entries):
        return DOT
    if one.value in {entry.lower() for entry in entries} or (
        found.type is ListType.SUBSTRING and value != value.lower()
    ):
        return CASE
    return NO_NAME if value in entries and one.kind is Kind.TEXT else None


def test_ours_and_theirs_differ_only_where_it_is_explained(
    index: Index, lists: dict[str, WarningList], theirs: pymispwarninglists.WarningLists
) -> None:
    reasons: Counter[str] = Counter()
    unexplained, agreed = [], 0
    for value in values(lists):
        here = {one.list for one in index.found(guess(value), wanted=None)} & set(theirs)
        there = {one.name for one in theirs.search(value)}
        agreed += len(here & there)
        for name in here ^ there:
            why = why_different(lists[name], value)
            if why is None:
                unexplained.append((name, value, "ours" if name in here else "theirs"))
            else:
                reasons[why] += 1
    assert unexplained == []
    assert agreed > 500
    assert {DOT, CASE, EXPRESSION, PARTS, MAPPED} <= reasons.keys()
    assert network("::ffff:8.8.8.8") == network("8.8.8.8")
