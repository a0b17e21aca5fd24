"""The gate: what is known to be harmless, or is of people who protect this port, is asked for in one place.

**Before publishing** (``require``): an indicator that names a listed or protected value is refused, whoever would
publish it. An officer may except one value, with a reason and an end, by a suppression of kind ``warning-list``; a
rule publishes it never, excepted or not. **Before matching** (``lists_of``): what names a listed value is not watched;
what is seen of protected identities goes to the duty officer alone (``protects``).

An index that cannot be read closes the way out (``require`` raises) and not the way in: nobody shall make this port
blind by damaging a file. Not shared between threads without its lock, which it holds itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from threading import Lock
from typing import Final

import orjson
from sqlalchemy.engine import Connection

from node import suppressions
from node.warning_lists import kept
from node.warning_lists.building import SUFFIX
from node.warning_lists.entries import folded, suffixes
from node.warning_lists.index import Index, Listed, WarningIndexError
from port2port.errors import PolicyError
from port2port.observables import Kind, Observable, guess, observable
from port2port.patterns import PatternError, named_in

_PATHS: Final = {
    "mmsi": "vessel:mmsi",
    "imo": "vessel:imo",
    "eni": "vessel:eni",
    "domain": "domain-name:value",
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "url": "url:value",
    "email": "email-addr:value",
}
_KINDS: Final = {path: kind for kind, path in _PATHS.items()}
_NAME_CHARS: Final = 80


class ListedError(PolicyError):
    """This names a value that a warning list calls harmless."""

    code = "LISTED"


class ProtectedError(PolicyError):
    """This names an identity that the port protects: own fleet, pilots, police, customs."""

    code = "PROTECTED"


class Gate:
    """``directory`` holds the index file, ``protected`` are identities such as ``mmsi:205123456`` or ``domain:``."""

    def __init__(self, directory: Path, protected: Iterable[str] = ()) -> None:
        self._directory = directory
        self._protected = frozenset(protected)
        self._keys = frozenset(_identity(one).key for one in self._protected)
        self._addresses = tuple(net for one in self._protected if (net := _network(_identity(one).value)))
        self._lock = Lock()
        self._index: Index | None = None
        self._seen: tuple[str | None, frozenset[str]] = (None, frozenset())
        self.fault = ""

    def close(self) -> None:
        """Let go of the index."""
        with self._lock:
            self._let_go()

    def require(self, connection: Connection, objects: Sequence[bytes], *, decided_by: str, now: datetime) -> None:
        """That these may be published. Raises ListedError, ProtectedError or WarningIndexError."""
        for refused in self.refusals(connection, objects, decided_by=decided_by, now=now):
            raise refused

    def refusals(
        self, connection: Connection, objects: Sequence[bytes], *, decided_by: str, now: datetime
    ) -> Iterator[ListedError | ProtectedError]:
        """Every reason why these may not be published, each naming its value. Raises WarningIndexError."""
        values = {one.key: one for raw in objects for one in _values_of(raw)}
        if not values:
            return
        alone = decided_by.startswith("rule:")
        excepted = frozenset[str]() if alone else _excepted(connection, now)
        fleet = {
            _identity(one.subject).key
            for one in suppressions.in_force(connection, now)
            if one.kind == suppressions.OWN_FLEET
        }
        for one in values.values():
            if folded(one.value, one.kind) in excepted:
                continue
            if one.key in fleet or self._is_protected(one):
                yield ProtectedError(_protected_text(one, alone=alone), value=one.value)
            for listed in self._ask(connection, one):
                yield ListedError(_listed_text(listed, alone=alone), value=listed.value, list=listed.list)

    def refresh(self, connection: Connection, now: datetime) -> bool:
        """Take up what changed since; whether ``lists_of`` may answer otherwise now. ``fault`` says what is wrong."""
        before = (self._seen, self.fault)
        self._seen = (kept.digest_in_force(connection), _excepted(connection, now))
        with self._lock:
            self.fault = ""
            try:
                self._open(self._seen[0])
            except WarningIndexError as error:
                self.fault = error.text
        return (self._seen, self.fault) != before

    def lists_of(self, pattern: str) -> tuple[Listed, ...]:
        """The lists on which what a pattern names stands, as of the last ``refresh``; what is excepted has none."""
        excepted = self._seen[1]
        with self._lock:
            index = self._index
            if index is None:
                return ()
            found = [one for one in _named(pattern) if folded(one.value, one.kind) not in excepted]
            return tuple(listed for one in found for listed in index.ask(one))

    def protects(self, facts: Mapping[str, object]) -> bool:
        """Whether facts (a value, or several, under each path) are of a protected identity."""
        for path, said in facts.items():
            for value in said if isinstance(said, tuple) else (said,):
                if path in _KINDS and self._is_protected(observable(path, value)):
                    return True
        return False

    def _is_protected(self, one: Observable) -> bool:
        forms = [one] if one.host is None else [one, one.host]
        if any(key in self._keys for form in forms for key in _above(form)):
            return True
        around = _network(one.value) if self._addresses else None
        return around is not None and any(
            own.version == around.version and own.overlaps(around) for own in self._addresses
        )

    def _ask(self, connection: Connection, one: Observable) -> tuple[Listed, ...]:
        with self._lock:
            self._open(kept.digest_in_force(connection))
            return () if self._index is None else self._index.ask(one)

    def _open(self, digest: str | None) -> None:
        if self._index is not None and self._index.digest == digest:
            return
        self._let_go()
        if digest is not None:
            self._index = Index(self._directory / (digest + SUFFIX), digest)

    def _let_go(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


def _values_of(raw: bytes) -> Iterator[Observable]:
    """What an indicator names; nothing for what is none, or takes one back."""
    data = orjson.loads(raw)
    if data["type"] == "indicator" and not data.get("revoked"):
        yield from _named(str(data["pattern"]))


def _named(pattern: str) -> list[Observable]:
    with suppress(PatternError):
        return [
            observable(path, value) if path else guess(str(value))
            for path, value in sorted(named_in(pattern), key=repr)
        ]
    return []


def _above(one: Observable) -> Iterator[str]:
    """Its key, and for a name those of the names above it."""
    if one.kind is Kind.HOST:
        return (Observable(kind=Kind.HOST, value=name).key for name in suffixes(one.value))
    return iter((one.key,))


def _network(value: str) -> IPv4Network | IPv6Network | None:
    """The network of an address or network; None for what is neither."""
    try:
        return ip_network(value, strict=False)
    except ValueError:
        return None


def _identity(text: str) -> Observable:
    kind, _, value = text.partition(":")
    return observable(_PATHS[kind], value) if kind in _PATHS else guess(text)


def _excepted(connection: Connection, now: datetime) -> frozenset[str]:
    """The values about which the lists are silenced now."""
    subjects = [one.subject for one in suppressions.in_force(connection, now) if one.kind == suppressions.LISTED]
    seen = [form for one in subjects for form in (guess(one), _identity(one))]
    return frozenset(folded(one.value, one.kind) for one in seen)


def _listed_text(found: Listed, *, alone: bool) -> str:
    head = f"{found.value[:_NAME_CHARS]} is on the warning list {found.list[:_NAME_CHARS]}"
    return f"{head}: a rule never publishes it" if alone else f"{head}: {_way_out(found.value)}"


def _protected_text(one: Observable, *, alone: bool) -> str:
    head = f"{one.value[:_NAME_CHARS]} is a protected identity of this port"
    return f"{head}: a rule never publishes it" if alone else f"{head}: {_way_out(one.value)}"


def _way_out(value: str) -> str:
    named = value[:_NAME_CHARS]
    return f"an officer may except it for a while, at the desk or with port2port-node suppress add warning-list {named}"
